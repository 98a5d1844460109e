"""What a command loads: the commands that only look start without what only acting needs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.store.store import Store
from tests.builders import NOW, a_case, a_config
from tests.store_helpers import remember
from tests.system.support import Bench

HEAVY = frozenset({"apscheduler", "jinja2", "pydantic", "requests", "rich", "sqlite_utils", "tenacity", "urllib3"})
_LOADED = re.compile(r"^import time: .*\| +(\S+)$", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "reconciler.toml").write_text(a_config("NOT_SET_ANYWHERE"))
    with Store.open(tmp_path / "reconciler.db", now=NOW) as store:
        remember(store, a_case())
    return tmp_path


def loaded(folder: Path, *words: str) -> set[str]:
    """Run a command, which must end well, and name every module that it loaded."""
    command = [sys.executable, "-X", "importtime", "-m", "reconciler", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(_LOADED.findall(done.stderr))


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("status",),
        ("status", "--json"),
        ("holds", "list"),
        ("audit", "verify"),
        ("audit", "export", "all", "--out", "."),
        ("state", "check"),
        ("state", "backup", "copy.db"),
        ("state", "prune", "--older-than", "9d", "--dry-run"),
    ],
)
def test_looking_loads_nothing_that_only_acting_needs(folder: Path, words: tuple[str, ...]) -> None:
    assert loaded(folder, *words) & HEAVY == set()


def test_explain_loads_policies_and_nothing_that_speaks_or_keeps_time(folder: Path) -> None:
    assert loaded(folder, "explain", "CASE-123") & (HEAVY - {"jinja2", "pydantic"}) == set()


def test_a_quiet_cycle_compiles_no_template_that_a_config_leaves_as_it_is(bench: Bench) -> None:
    assert bench.run("once").code == 0
    command = bench.command("once")
    ran = bench.run_plain([command[0], "-X", "importtime", *command[1:]])
    assert ran.code == 0
    assert {name.partition(".")[0] for name in _LOADED.findall(ran.err)} & HEAVY == {
        "pydantic",
        "requests",
        "tenacity",
        "urllib3",
    }
