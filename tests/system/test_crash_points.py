"""Kill -9 everywhere: at every mutating request, before its effect and after it, and at every database commit.

However a process ended, ``once`` until quiet must leave both services and the links as an uninterrupted run leaves
them: one record per Case, nothing twice, nothing back. The number of points is not written down here: a scenario is
run with a kill at the first, the second, … until a process comes through unharmed.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from reconciler.sandbox.http.wire import Request, Response
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.store.database.connection import connect_to
from tests.system.forks import Forks
from tests.system.support import PATIENCE_SECONDS, Bench, Process, fast_folder

pytestmark = pytest.mark.timeout(300)

KILLED = -signal.SIGKILL
SIDES = ("before", "after")
FIELDS = ("correlation_id", "correlation_display", "sys_id", "number", "state", "short_description", "close_code")
LINKS = """SELECT case_id, case_key, case_status, connector, target_table, sys_id, number, incident_state, case_stage,
    incident_stage, agreed_stage, hold_reason FROM audit_links ORDER BY case_id"""
CASE_ORDER = ("", "ACTIVE", "ACKNOWLEDGED", "RESOLVED", "CLOSED")


@dataclass(frozen=True)
class Scenario:
    """Hold what comes before the process that is killed, and the command that it runs."""

    prepare: Callable[[Bench], None]
    arguments: tuple[str, ...] = ("once",)
    workers: int = 1
    """requests to ServiceNow under way; with several the numbers of records depend on which came first"""


def first_cycle(bench: Bench) -> None:
    """One new Case, and no database yet."""
    bench.new_case("First")


def busy_cycle(bench: Bench) -> None:
    """One create, one advance of a record, and one of a Case in one step and in two."""
    taken, cancelled, over = map(bench.new_case, ("Taken", "Cancelled", "Over"))
    assert bench.run("once").code == 0
    bench.world.servicenow.people.assign(bench.sys_id(taken))
    bench.world.servicenow.people.cancel(bench.sys_id(cancelled))
    bench.world.coralogix.resolve(over, "Recovered")
    bench.new_case("New")


def lost_database(bench: Bench) -> None:
    """Three records of a database that is gone: to be advanced, to be retitled, and reopened."""
    advanced, retitled, reopened = map(bench.new_case, ("Advanced", "Retitled", "Reopened"))
    bench.run_until_quiet()
    bench.world.servicenow.people.resolve(bench.sys_id(reopened))
    bench.run_until_quiet()
    bench.world.servicenow.people.reopen(bench.sys_id(reopened))
    bench.world.coralogix.acknowledge(advanced)
    bench.world.coralogix.set_title(retitled, "Another title")
    for path in bench.folder.glob("reconciler.db*"):
        path.unlink()


def old_cases(bench: Bench) -> None:
    """Cases from before the first start, which a backfill takes in, one of them over."""
    clock = bench.world.clock
    clock.advance(days=-3)
    _, over, _ = map(bench.new_case, ("Old", "Old and over", "Old too"))
    bench.world.coralogix.resolve(over, "Recovered")
    clock.advance(days=3)
    assert bench.run("once").code == 0


def batch_cycle(bench: Bench) -> None:
    """Four creates, two advances of a record and two of a Case, all of which can begin at once."""
    first, second, third, fourth = map(bench.new_case, ("One", "Two", "Three", "Four"))
    assert bench.run("once").code == 0
    bench.world.coralogix.resolve(first, "Recovered")
    bench.world.coralogix.acknowledge(second)
    bench.world.servicenow.people.assign(bench.sys_id(third))
    bench.world.servicenow.people.cancel(bench.sys_id(fourth))
    for title in ("Five", "Six", "Seven", "Eight"):
        bench.new_case(title)


SCENARIOS = {
    "first cycle": Scenario(first_cycle),
    "busy cycle": Scenario(busy_cycle),
    "lost database": Scenario(lost_database),
    "backfill": Scenario(old_cases, ("once", "--since", "7d", "--include-resolved")),
}
IN_BATCHES = {
    "batch": Scenario(batch_cycle, workers=8),
    "lost database": Scenario(lost_database, workers=8),
}
"""What starts together begins in one commit, what ended together finishes in one. A record is taken in as it was read,
so those of the lost database are committed together, begun and ended, however the threads run."""
BUSY = "busy cycle"
"""Its requests and commits are those of every kind of action; the campaign kills in memory in all other stories."""
each_scenario = pytest.mark.parametrize(
    "name", [BUSY, *(pytest.param(name, marks=pytest.mark.gate) for name in SCENARIOS if name != BUSY)]
)
each_side = pytest.mark.parametrize("side", SIDES)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with fast_folder(tmp_path) as fast:
        yield fast


@contextmanager
def staged(forks: Forks, folder: Path, scenario: Scenario) -> Iterator[Bench]:
    """Play a scenario in a new world and a new folder, up to the cycle that matters."""
    folder.mkdir()
    with Bench(folder, runner=forks) as bench:
        scenario.prepare(bench)
        bench.write_config(workers=scenario.workers)
        bench.traffic.forget()
        yield bench


def end_state(bench: Bench, scenario: Scenario) -> dict[str, Any]:
    """Give what may not depend on how often the program was killed on its way."""
    left_out = {"number"} if scenario.workers > 1 else set()
    records = sorted(bench.world.servicenow.records(), key=lambda row: row["correlation_id"])
    return {
        "cases": [(case.key, case.status, case.resolution_reason) for case in bench.world.coralogix.ledger.cases()],
        "records": [[row[name] for name in FIELDS if name not in left_out] for row in records],
        "notes": [row["close_notes"].partition("\n")[0] for row in records],
        "links": [{key: row[key] for key in row.keys() - left_out} for row in bench.query(LINKS)],
    }


def uninterrupted(forks: Forks, folder: Path, scenario: Scenario) -> tuple[dict[str, Any], int]:
    """Give how it ends where nothing is killed, and how many mutating requests that takes."""
    with staged(forks, folder, scenario) as bench:
        assert bench.run(*scenario.arguments).code == 0
        bench.run_until_quiet()
        return end_state(bench, scenario), len(bench.traffic.mutations)


def assert_same_end(bench: Bench, scenario: Scenario, expected: dict[str, Any]) -> None:
    """Go on after a kill until it is quiet, and look at the end and at every write on the way."""
    assert bench.run(*scenario.arguments).code == 0
    bench.run_until_quiet()
    assert end_state(bench, scenario) == expected
    assert bench.query("SELECT count(*) AS n FROM audit_actions WHERE result IS NULL") == [{"n": 0}]
    assert_nothing_twice_and_nothing_back(bench)


def assert_nothing_twice_and_nothing_back(bench: Bench) -> None:
    steps = [entry for entry in bench.world.coralogix.journal if entry.actor == "apiKey"]
    assert [entry for entry in steps if not (entry.accepted and entry.changed)] == []
    assert [s for s in steps if CASE_ORDER.index(s.to_status) <= CASE_ORDER.index(s.from_status)] == []
    writes = [write for write in bench.world.servicenow.journal if write.via_api and write.accepted]
    assert [write for write in writes if write.changed_nothing] == []
    assert [write for write in writes if write.state_before and int(write.state_after) < int(write.state_before)] == []
    made = Counter(write.correlation_id for write in writes if write.operation is Operation.INSERT)
    assert set(made.values()) == {1}


@pytest.mark.gate
@each_side
def test_killed_at_every_commit(forks: Forks, folder: Path, side: str) -> None:
    scenario = SCENARIOS[BUSY]
    expected, _ = uninterrupted(forks, folder / "whole", scenario)
    for nth in count(1):
        with staged(forks, folder / str(nth), scenario) as bench:
            command = bench.command(*scenario.arguments)
            code = ended(forks.start(command, bench.folder, bench.environment(), kill_at=(nth, side)))
            assert_same_end(bench, scenario, expected)
            if code != KILLED:
                break
    assert code == 0
    assert nth > 8


@pytest.mark.gate
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", IN_BATCHES)
@each_side
def test_killed_at_every_commit_of_what_begins_and_ends_together(
    forks: Forks, folder: Path, name: str, side: str
) -> None:
    scenario = IN_BATCHES[name]
    expected, _ = uninterrupted(forks, folder / "whole", scenario)
    open_rows, adopted = [], []
    for nth in count(1):
        with staged(forks, folder / str(nth), scenario) as bench:
            command = bench.command(*scenario.arguments)
            code = ended(forks.start(command, bench.folder, bench.environment(), kill_at=(nth, side)))
            if code == KILLED and bench.database.exists():
                open_rows.append(rows_left(bench, "result IS NULL"))
                adopted.append(rows_left(bench, "result IS NOT NULL AND kind = 'adopt_incident'"))
            assert_same_end(bench, scenario, expected)
            if code != KILLED:
                break
    assert code == 0
    assert max(open_rows) >= (4 if name == "batch" else 2)
    assert {*adopted} == ({0} if name == "batch" else {0, 3})


def rows_left(bench: Bench, which: str) -> int:
    """Count rows of the journal that a process left, without mending the file as who opens it for writing would."""
    with closing(connect_to(bench.database, "mode=ro")) as left:
        if not left.execute("SELECT 1 FROM sqlite_master WHERE name = 'actions'").fetchone():
            return 0
        return int(left.execute(f"SELECT count(*) FROM actions WHERE {which}").fetchone()[0])  # noqa: S608


@each_scenario
@each_side
def test_killed_at_every_mutating_request(forks: Forks, folder: Path, name: str, side: str) -> None:
    scenario = SCENARIOS[name]
    expected, mutations = uninterrupted(forks, folder / "whole", scenario)
    for nth in count(1):
        with staged(forks, folder / str(nth), scenario) as bench:
            code = run_and_kill(forks, bench, scenario, nth, side)
            assert_same_end(bench, scenario, expected)
            if code != KILLED:
                break
    assert code == 0
    assert nth == mutations + 1


def run_and_kill(forks: Forks, bench: Bench, scenario: Scenario, nth: int, side: str) -> int:
    """Run the command, which is killed at its nth mutating request if it comes so far, and give its exit code."""
    pids: SimpleQueue[int] = SimpleQueue()

    def kill(request: Request) -> Response | None:
        os.kill(pids.get(timeout=PATIENCE_SECONDS), signal.SIGKILL)
        return Response(status=500) if side == "before" else None

    bench.traffic.step_in(nth, side, kill)
    command = bench.command(*scenario.arguments)
    process = forks.start(command, bench.folder, bench.environment())
    pids.put(process.pid)
    return ended(process)


def ended(process: Process) -> int:
    """Wait for the end of a command, and give its exit code."""
    process.communicate(timeout=PATIENCE_SECONDS)
    return process.wait()
