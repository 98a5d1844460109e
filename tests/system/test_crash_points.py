"""Kill -9 of a real process at every commit of one cycle, just before it and just after it.

However a process ended, ``once`` until quiet must leave both services and the links as an uninterrupted run leaves
them: one record per Case, nothing twice, nothing back. The number of commits is not written down here: the cycle is
run with a kill at the first, the second, … until a process comes through unharmed. What a kill leaves at each request
and at the commits of other cycles is played in memory, ``tests/scenario/test_crash_points.py``.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.scenario.crashes import assert_journal_is_whole_and_nothing_came_twice_or_back, busy_cycle, end_state
from tests.system.forks import Forks
from tests.system.support import PATIENCE_SECONDS, Bench, fast_folder

KILLED = -signal.SIGKILL
each_side = pytest.mark.parametrize("side", ["before", "after"])


class Stand(Bench):
    """A bench on which a scenario is played."""

    def once(self) -> None:
        assert self.run("once").code == 0


def first_cycle(stand: Stand) -> None:
    """One new Case, and no database yet."""
    stand.new_case("First")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with fast_folder(tmp_path) as fast:
        yield fast


@contextmanager
def staged(forks: Forks, folder: Path, prepare: Callable[[Stand], None]) -> Iterator[Stand]:
    """Play a scenario in a new world and a new folder, up to the cycle that matters."""
    folder.mkdir()
    with Stand(folder, runner=forks) as stand:
        prepare(stand)
        yield stand


def uninterrupted(forks: Forks, folder: Path, prepare: Callable[[Stand], None]) -> dict[str, Any]:
    """Give how it ends where nothing is killed."""
    with staged(forks, folder, prepare) as stand:
        stand.run_until_quiet()
        return end_state(stand)


def killed_at(forks: Forks, stand: Stand, nth: int, side: str) -> int:
    """Run a cycle in a process that is killed at its nth commit, if it comes so far, and give its exit code."""
    process = forks.start(stand.command("once"), stand.folder, stand.environment(), kill_at=(nth, side))
    process.communicate(timeout=PATIENCE_SECONDS)
    return process.wait()


def assert_same_end(stand: Stand, expected: dict[str, Any]) -> None:
    """Go on after a kill until it is quiet, and look at the end and at every write on the way."""
    stand.run_until_quiet()
    assert end_state(stand) == expected
    assert_journal_is_whole_and_nothing_came_twice_or_back(stand)


@pytest.mark.gate
@pytest.mark.timeout(300)
@each_side
def test_killed_at_every_commit(forks: Forks, folder: Path, side: str) -> None:
    expected = uninterrupted(forks, folder / "whole", busy_cycle)
    for nth in count(1):
        with staged(forks, folder / str(nth), busy_cycle) as stand:
            code = killed_at(forks, stand, nth, side)
            assert_same_end(stand, expected)
            if code != KILLED:
                break
    assert code == 0
    assert nth > 8


@each_side
def test_killed_while_it_makes_its_database(forks: Forks, folder: Path, side: str) -> None:
    expected = uninterrupted(forks, folder / "whole", first_cycle)
    with staged(forks, folder / "killed", first_cycle) as stand:
        assert killed_at(forks, stand, 1, side) == KILLED
        assert_same_end(stand, expected)
