"""The habits of the house are written once: Makefile, pre-commit, gate and pages name the same commands."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from tests.unit.house.docs_pages import PAGES, ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RECIPES = {
    match["name"]: re.findall(r"^\t(.+)$", match["lines"], re.MULTILINE)
    for match in re.finditer(r"^(?P<name>[a-z.]+):.*\n(?P<lines>(?:\t.+\n)*)", MAKEFILE, re.MULTILINE)
}
ENTRIES = re.findall(r"^ +entry: (.+)$", HOOKS, re.MULTILINE)


def test_a_recipe_is_plain_shell() -> None:
    assert {"check", "test", "fast", "docs"} <= RECIPES.keys()
    assert "$" not in "".join(line for lines in RECIPES.values() for line in lines)


def test_the_pages_test_command_plays_the_recipe() -> None:
    command = (ROOT / "README.md").read_text(encoding="utf-8").split("<!-- the test command -->\n```sh\n", 1)[1]
    assert command.split("\n", 1)[0].split(" && ")[2:] == RECIPES["test"]


def test_the_gate_plays_what_the_recipes_say_and_nothing_else() -> None:
    assert set(re.findall(r"\brecipe (\w+)$", GATE, re.MULTILINE)) == {"check", "slow", "campaign"}
    assert not [line for name in ("check", "test", "slow", "campaign") for line in RECIPES[name] if line in GATE]


def test_a_commit_is_held_to_what_check_runs() -> None:
    assert [entry for entry in ENTRIES if "pytest" not in entry] == RECIPES["check"]
    assert [entry for entry in ENTRIES if "pytest" in entry] == RECIPES["docs"][-1:]


def test_hooks_fetch_nothing() -> None:
    assert re.findall(r"repo: (.+)", HOOKS) == ["local"]
    assert set(re.findall(r"language: (.+)", HOOKS)) == {"system"}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\brecipe (\w+)$", GATE, re.MULTILINE))))
def test_the_gate_reads_the_recipe_without_make(name: str) -> None:
    script = GATE.split("lines=$(awk -v target=", 1)[1].split("'", 1)[1].split("'", 1)[0]
    done = subprocess.run(
        ["awk", "-v", f"target={name}:", script, str(ROOT / "Makefile")], capture_output=True, text=True, check=True
    )
    assert [line.strip() for line in done.stdout.splitlines() if line.strip()] == RECIPES[name]


def test_the_gate_tries_every_python_that_is_promised() -> None:
    tried = re.search(r"for version in ([\d. ]+);", GATE)
    assert tried
    named = {one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)}
    assert PROJECT["requires-python"] == ">=" + tried[1].split()[-1]
    assert named <= set(tried[1].split())


@pytest.mark.parametrize(
    "name", sorted({one for page in PAGES for one in re.findall(r"`make ([a-z]+)`", page.read_text(encoding="utf-8"))})
)
def test_a_recipe_that_a_page_names_exists(name: str) -> None:
    assert name in RECIPES
