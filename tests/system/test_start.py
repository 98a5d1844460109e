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

LIBRARIES = frozenset({"apscheduler", "jinja2", "pydantic", "requests", "rich", "sqlite_utils", "tenacity", "urllib3"})
HEAVY = LIBRARIES | {"asyncio", "email", "html", "http", "ssl"}
CODECS = frozenset({"reconciler.remotes.coralogix.codec", "reconciler.remotes.coralogix.event_codec"})
"""What reads the JSON of a Case and of its events: two dozen models."""
PLANNING = frozenset({"reconciler.core.planning.decide", "reconciler.engine.acting.lookups"})
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


def test_help_loads_no_room_but_the_one_that_asks(folder: Path) -> None:
    rooms = {name.split(".")[1] for name in loaded(folder, "--help") if name.startswith("reconciler.")}
    assert rooms == {"cli", "core"}


# Pydantic itself loads `email` with what could tell it of plugins.
NOT_TO_EXPLAIN = HEAVY - {"pydantic", "email"} | CODECS


def test_explain_loads_policies_and_nothing_that_speaks_or_keeps_time(folder: Path) -> None:
    assert loaded(folder, "explain", "CASE-123") & NOT_TO_EXPLAIN <= {"jinja2"}


def test_explain_loads_no_templates_and_no_planning_for_a_link_at_rest(bench: Bench) -> None:
    bench.new_case()
    bench.run_until_quiet()
    assert loaded(bench.folder, "explain", "CASE-1") & (NOT_TO_EXPLAIN | PLANNING) == set()


def test_a_quiet_cycle_compiles_no_template_that_a_config_leaves_as_it_is_and_builds_no_model_of_a_case(
    bench: Bench,
) -> None:
    assert bench.run("once").code == 0
    command = bench.command("once")
    ran = bench.run_plain([command[0], "-X", "importtime", *command[1:]])
    assert ran.code == 0
    names = set(_LOADED.findall(ran.err))
    assert names & LIBRARIES == {"pydantic", "requests", "tenacity", "urllib3"}
    assert names & CODECS == set()


def test_what_is_in_memory_at_the_end_is_not_looked_through(folder: Path) -> None:
    told_last = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count()))"
    command = [sys.executable, "-c", f"{told_last}\nfrom reconciler.cli import main\nmain()", "--version"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) > 10_000
