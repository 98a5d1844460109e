"""Death at every mutating request, before its effect and after it, and at every commit of what runs together.

However a process ended, cycles until quiet must leave both services and the links as an uninterrupted run leaves them:
one record per Case, nothing twice, nothing back. The number of points is not written down here: a scenario is run with
a death at the first, the second, … until a process comes through unharmed.

The processes die in memory (``crashes``). That does not show what the operating system does with a killed one: that its
lock ends, that its threads stop between two instructions and not only at their next request or commit, that a start
copes with whatever else it left, and what a kill leaves of a database that is being made. For that
``tests/system/test_crash_points.py`` kills real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from reconciler.engine.report import CycleRequest
from tests.campaign.schedule import Interrupt, Kill, When
from tests.scenario.crashes import (
    MUTATION,
    START,
    Life,
    MemoryStand,
    assert_journal_is_whole_and_nothing_came_twice_or_back,
    busy_cycle,
    end_state,
)
from tests.system.support import fast_folder


@dataclass(frozen=True)
class Scenario:
    """Hold what comes before the process that dies, and what that process is asked for."""

    prepare: Callable[[MemoryStand], None]
    request: CycleRequest = field(default_factory=CycleRequest)
    workers: int = 1


def first_cycle(stand: MemoryStand) -> None:
    """One new Case, and a database that is just made."""
    stand.new_case("First")


def lost_database(stand: MemoryStand) -> None:
    """Three records of a database that is gone: to be advanced, to be retitled, and reopened."""
    advanced, retitled, reopened = map(stand.new_case, ("Advanced", "Retitled", "Reopened"))
    stand.once()
    stand.world.servicenow.people.resolve(stand.sys_id(reopened))
    stand.once()
    stand.world.servicenow.people.reopen(stand.sys_id(reopened))
    stand.world.coralogix.acknowledge(advanced)
    stand.world.coralogix.set_title(retitled, "Another title")
    stand.forget_database()


def old_cases(stand: MemoryStand) -> None:
    """Cases from before the first start, which a backfill takes in, one of them over."""
    clock = stand.world.clock
    clock.advance(days=-3)
    _, over, _ = map(stand.new_case, ("Old", "Old and over", "Old too"))
    stand.world.coralogix.resolve(over, "Recovered")
    clock.advance(days=3)
    stand.once()


def batch_cycle(stand: MemoryStand) -> None:
    """Four creates, two advances of a record and two of a Case, all of which can begin at once."""
    first, second, third, fourth = map(stand.new_case, ("One", "Two", "Three", "Four"))
    stand.once()
    stand.world.coralogix.resolve(first, "Recovered")
    stand.world.coralogix.acknowledge(second)
    stand.world.servicenow.people.assign(stand.sys_id(third))
    stand.world.servicenow.people.cancel(stand.sys_id(fourth))
    for title in ("Five", "Six", "Seven", "Eight"):
        stand.new_case(title)


BUSY = "busy cycle"
"""Its requests are those of every kind of action; the campaign kills in all other stories."""
SCENARIOS = {
    "first cycle": Scenario(first_cycle),
    BUSY: Scenario(busy_cycle),
    "lost database": Scenario(lost_database),
    "backfill": Scenario(old_cases, CycleRequest(since=START - timedelta(days=7), include_resolved=True)),
}
IN_BATCHES = {
    "batch": Scenario(batch_cycle, workers=8),
    "lost database": Scenario(lost_database, workers=8),
}
"""What starts together begins in one commit, what ended together finishes in one. A record is taken in as it was read,
so those of the lost database are committed together, begun and ended, however the threads run."""
LEFT = """SELECT count(*) FILTER (WHERE result IS NULL) AS open_rows,
    count(*) FILTER (WHERE result IS NOT NULL AND kind = 'adopt_incident') AS adopted FROM actions"""
each_scenario = pytest.mark.parametrize(
    "name", [BUSY, *(pytest.param(name, marks=pytest.mark.gate) for name in SCENARIOS if name != BUSY)]
)
each_side = pytest.mark.parametrize("side", When)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with fast_folder(tmp_path) as fast:
        yield fast


def staged(folder: Path, scenario: Scenario) -> MemoryStand:
    """Play a scenario in a new world and a new folder, up to the cycle that matters."""
    stand = MemoryStand(folder)
    scenario.prepare(stand)
    stand.workers = scenario.workers
    return stand


def uninterrupted(folder: Path, scenario: Scenario) -> tuple[dict[str, object], Life]:
    """Give how it ends where nothing is killed, and the life of the process that did the most of it."""
    stand = staged(folder, scenario)
    report, life = stand.run(scenario.request)
    assert report is not None
    assert report.exit_code == 0
    stand.run_until_quiet()
    return end_state(stand, workers=scenario.workers), life


def assert_same_end(stand: MemoryStand, scenario: Scenario, expected: dict[str, object]) -> None:
    """Go on after a death until it is quiet, and look at the end and at every write on the way."""
    report, _ = stand.run(scenario.request)
    assert report is not None
    assert report.exit_code == 0
    stand.run_until_quiet()
    assert end_state(stand, workers=scenario.workers) == expected
    assert_journal_is_whole_and_nothing_came_twice_or_back(stand)


@each_scenario
@each_side
def test_killed_at_every_mutating_request(folder: Path, name: str, side: When) -> None:
    scenario = SCENARIOS[name]
    expected, life = uninterrupted(folder / "whole", scenario)
    for nth in count(1):
        stand = staged(folder / str(nth), scenario)
        stand.run(scenario.request, Interrupt(MUTATION, nth, side, Kill()))
        died = stand.has_died
        assert_same_end(stand, scenario, expected)
        if not died:
            break
    assert nth == life.met[MUTATION] + 1 > 1


@pytest.mark.gate
@pytest.mark.parametrize("name", IN_BATCHES)
@each_side
def test_killed_at_every_commit_of_what_begins_and_ends_together(folder: Path, name: str, side: When) -> None:
    scenario = IN_BATCHES[name]
    expected, _ = uninterrupted(folder / "whole", scenario)
    open_rows, adopted = [], []
    for nth in count(1):
        stand = staged(folder / str(nth), scenario)
        stand.run(scenario.request, Interrupt("commit", nth, side, Kill()))
        died = stand.has_died
        if died:
            [left] = stand.query(LEFT)
            open_rows.append(left["open_rows"])
            adopted.append(left["adopted"])
        assert_same_end(stand, scenario, expected)
        if not died:
            break
    assert max(open_rows) >= (4 if name == "batch" else 2)
    assert {*adopted} == ({0} if name == "batch" else {0, 3})
