"""The locks hold what pyproject.toml asks for, in a version that it allows, and each file by its hash."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.unit.house.test_house import OURS

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNNING, DEVELOPING = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
AGAIN = "it is stale: make lock"


def pins(lock: Path) -> dict[str, str]:
    """Give the version of each package of a lock."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))


def asked(*extras: str) -> list[Requirement]:
    """List what the project asks for, but for itself with another of its extras."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return [one for one in map(Requirement, lines) if one.name != PROJECT["name"]]


@pytest.mark.parametrize(
    ("lock", "extras"),
    [(RUNNING, ()), (DEVELOPING, tuple(PROJECT["optional-dependencies"]))],
    ids=["running", "developing"],
)
def test_every_dependency_is_there_in_a_version_that_is_allowed(lock: Path, extras: tuple[str, ...]) -> None:
    locked = pins(lock)
    wrong = [
        str(one)
        for one in asked(*extras)
        if one.name.lower() not in locked or locked[one.name.lower()] not in one.specifier
    ]
    assert wrong == [], AGAIN


@pytest.mark.parametrize("lock", [RUNNING, DEVELOPING], ids=["running", "developing"])
def test_every_package_has_its_hash_and_names_no_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(pins(lock)) > 10
    assert [entry.partition(" ")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|^-", text, re.MULTILINE)


def test_a_developer_runs_what_an_operator_runs() -> None:
    developing = pins(DEVELOPING)
    assert {name: version for name, version in pins(RUNNING).items() if developing.get(name) != version} == {}


def test_what_is_imported_is_declared() -> None:
    imported = {
        name.partition(".")[0]
        for module in OURS
        for node in module.nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    foreign = imported - sys.stdlib_module_names - {"reconciler"}
    distributions = {"re2": "google-re2", "sqlite_utils": "sqlite-utils", "pydantic_core": "pydantic"}
    distributions |= {"prometheus_client": "prometheus-client"}
    # Datasette's extra brings its plugin by its entry point, and its own MarkupSafe.
    optional = {one.name for one in asked("audit", "notify")} - {"datasette-dashboards"} | {"markupsafe"}
    assert {distributions.get(name, name) for name in foreign} == {one.name for one in asked()} | optional
