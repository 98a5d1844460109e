"""The tour of the first page, its second half and the auditor's hour, typed line by line.

What comes out has the shape that is shown there. Times, ids, paths and durations differ from run to run and are taken
out on both sides; columns, keys, words and the order of the steps are compared.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.system.forks import Forks
from tests.system.support import THIS_PROGRAM
from tests.system.test_sandbox_serve import BARE, serving
from tests.unit.house.docs_pages import DATABASE_PAGE, README, SANDBOX_PAGE, blocks, section

PARTS = {
    README: "A five-minute tour",
    SANDBOX_PAGE: "The second half of the tour",
    DATABASE_PAGE: "The auditor's hour",
}
TOUR = "".join(section(page.read_text(encoding="utf-8"), title) for page, title in PARTS.items())
CUT = "…"
SHELL_SIGNS = set("|&;<>()$`*?~#=%!{[")
SERVE = "reconciler sandbox serve"
VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|\+00:00| UTC)?"), "TIME"),
    (re.compile(r"(?<=TIME  )a?\d+(?= )|#\d+"), "SEQ"),
    (re.compile(r"\bin (?:UTC|local time \(.*\))$", re.MULTILINE), "in this zone"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{8})\b"), "HEX"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "PORT"),
    (re.compile(r"(?<![\w/])/[\w/.-]+"), "PATH"),
    (re.compile(r"\b\d+\.\d+\b(?!\.)"), "NUMBER"),
    (re.compile(r"\d+ (?:Cases?|records?|entries)\b"), "COUNT"),
    (re.compile(r"\d+(?= to plan| s ago)|(?<=within )\d+(?= s\b)"), "COUNT"),
    (re.compile(r"\d+(?= (?:entries|bytes)\b)|(?<=entry )\d+|(?<=rows )\d+|(?<=rows    )\d+"), "COUNT"),
    (re.compile(r"^ *\d+(?=  tour/evidence/)", re.MULTILINE), "COUNT"),
    (re.compile(r"-{2,}"), "--"),
    (re.compile(r" +"), " "),
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Be one line of the tour, and what it is shown to print."""

    command: str
    shown: str


def steps() -> Iterator[Step]:
    """Read the tour."""
    yield from steps_of(TOUR)


def steps_of(page: str) -> Iterator[Step]:
    """Read each line that is typed in a text, and what it is shown to print."""
    for block in blocks(page, "console"):
        for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            yield Step(command=command, shown=shown)


def shape(text: str) -> list[str]:
    """Give the lines of an output without what varies, sorted: links are written side by side."""
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return sorted(line.strip() for line in text.splitlines() if line.strip())


def agrees(shown: str, real: str) -> bool:
    """Say whether an output is as shown; where the README cuts it, what is left must be there."""
    expected, found = shape(shown), shape(real)
    if CUT in expected:
        return all(expected.count(line) <= found.count(line) for line in expected if line != CUT)
    return expected == found


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return environment_in(tmp_path)


def environment_in(folder: Path) -> Mapping[str, str]:
    """Put the program into the path by its name, as an activated environment does."""
    program = folder / "bin" / "reconciler"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconciler "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return {**BARE, "PATH": f"{program.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


def typed(forks: Forks, command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Type one line and give all that is printed; a shell reads it where there is something for a shell to do."""
    words = shlex.split(command)
    if words[0] == "reconciler" and not set(command) & SHELL_SIGNS:
        ran = forks.run([*THIS_PROGRAM, *words[1:]], folder, environment)
        return ran.out + ran.err
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    ).stdout


def walked(forks: Forks, folder: Path, environment: Mapping[str, str]) -> Iterator[tuple[Step, str]]:
    """Take the tour: each line that is typed, with all that it printed; serving comes first."""
    serve = next(step for step in steps() if step.command.startswith(SERVE))
    with serving(forks, folder, *serve.command.removeprefix(SERVE).split()) as sandbox:
        yield serve, "\n".join((sandbox.config, *sandbox.words))
        here = {**environment, **sandbox.exports}
        for step in steps():
            if step.command.startswith("export "):
                name, _, value = step.command.removeprefix("export ").partition("=")
                here[name] = value
            elif not step.command.startswith((SERVE, ". ")):
                yield step, typed(forks, step.command, folder, here)


def test_the_tour_goes_as_it_is_told(forks: Forks, tmp_path: Path, environment: Mapping[str, str]) -> None:
    for step, real in walked(forks, tmp_path, environment):
        assert agrees(step.shown, real), f"$ {step.command}\n{real}\nis shown as\n{step.shown}"


def test_the_tour_shows_what_it_promises() -> None:
    commands = [step.command.removeprefix("reconciler ") for step in steps()]
    for start in (
        "plan",
        "once",
        "sandbox incident",
        "sandbox case",
        "status",
        "explain",
        "holds list",
        "plan --out",
        "apply",
        "audit verify",
        "audit coverage",
        "audit export",
    ):
        assert any(command.startswith(start) for command in commands), start


def test_another_output_would_be_noticed() -> None:
    shown = "action  case\n------  ----\nx  CASE-1\ncycle done in 0.1 s"
    assert agrees(shown, "action    case\n--------  ------\nx    CASE-1\ncycle done in 12.3 s")
    assert not agrees(shown, "action    case  more\n--------  ------\nx    CASE-1\ncycle done in 12.3 s")
    assert not agrees(shown, "action    case\n--------  ------\nx    CASE-2\ncycle done in 12.3 s")
    assert agrees("action  case\n…", shown)
    assert not agrees("action  record\n…", shown)
