"""Services that ask to be left alone, or refuse a login: what a cycle, the next ones and a restart make of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.cli.commands.status import print_status, sides_document, status_document
from reconciler.core.errors import CycleFailed
from reconciler.core.model import Result
from reconciler.engine.sides import read_side, side_fact
from reconciler.remotes.ports import SideState
from reconciler.sandbox.faults import FaultKind
from tests.clients import CasesInProcess, IncidentsInProcess
from tests.world import FIELDS, World, results

HOUR = timedelta(hours=1)


def restart(world: World) -> None:
    """Begin anew with clients that remember nothing by themselves."""
    world.cases = CasesInProcess(world.coralogix)
    world.incidents = IncidentsInProcess(world.servicenow, extra_fields=FIELDS)


def reached(world: World) -> int:
    """Count the requests that reached ServiceNow since the last restart."""
    return sum(world.incidents.requests.values())


def remembered(world: World, side: str) -> SideState:
    text = world.store.facts.get(side_fact(side))
    assert text is not None
    return read_side(text)


def test_a_long_wait_is_honoured_by_this_cycle_by_the_next_ones_and_over_restarts() -> None:
    world = World()
    world.cycle()
    case_ids = [world.new_case(f"one of many {number}") for number in range(30)]
    world.strike_records(FaultKind.RATE_429, "records.create", times=None, retry_after="3600")
    report = world.cycle()
    assert results(report) == [Result.RETRY] * 30
    assert world.incidents.requests["records.create"] == 1
    begun = world.clock.now()
    assert remembered(world, "main").paused_until == begun + HOUR
    world.record_faults.clear()
    for _ in range(10):
        restart(world)
        report = world.cycle()
        assert isinstance(report.error, CycleFailed)
        assert "asked to be left alone" in str(report.error)
        assert reached(world) == 0
    world.clock.advance(seconds=(begun + HOUR - world.clock.now()).total_seconds())
    restart(world)
    world.run_until_quiet()
    assert all(len(world.servicenow.incidents_for(case_id)) == 1 for case_id in case_ids)
    assert remembered(world, "main").silent_until is None


@pytest.mark.parametrize(
    ("kind", "first"), [(FaultKind.ERROR_503_HTML, Result.UNKNOWN), (FaultKind.RATE_429, Result.RETRY)]
)
def test_a_service_that_complains_gets_no_more_in_this_cycle(kind: FaultKind, first: Result) -> None:
    """The 503 names no wait, the 429 one of no length."""
    world = World()
    world.cycle()
    for number in range(5):
        world.new_case(f"one of many {number}")
    world.strike_records(kind, "records.create")
    assert results(world.cycle()) == [first] + [Result.RETRY] * 4
    assert world.incidents.requests["records.create"] == 1
    assert world.run_until_quiet() >= 1
    assert len(world.servicenow.records()) == 5


def test_a_read_that_is_turned_away_before_the_writes_stops_them_too() -> None:
    world = World()
    world.cycle()
    case_id = world.new_case()
    world.run_until_quiet()
    world.coralogix.acknowledge(case_id)
    asked = world.incidents.writes
    world.strike_records(FaultKind.RATE_429, "records.list", times=None, retry_after="3600")
    world.cycle()
    assert world.incidents.writes == asked
    assert world.state(case_id) == "1"


def test_coralogix_is_left_alone_by_itself() -> None:
    world = World()
    world.cycle()
    world.strike_cases(FaultKind.RATE_429, "cases.list", times=None, retry_after="600")
    world.cycle()
    asked = sum(world.cases.requests.values())
    for _ in range(3):
        assert isinstance(world.cycle().error, CycleFailed)
    assert sum(world.cases.requests.values()) == asked
    assert world.store.facts.get(side_fact("main")) is None
    assert reached(world) >= 4


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_refused_login_is_tried_every_quarter_of_an_hour(is_restarted: bool) -> None:
    world = World()
    world.cycle()
    world.strike_records(FaultKind.UNAUTHORIZED_401, "*", times=None)
    asked = 0
    for _ in range(20):  # forty minutes
        before = reached(world)
        world.cycle(seconds=120)
        asked += reached(world) - before
        if is_restarted:
            restart(world)
    assert asked == 3 + 2
    assert remembered(world, "main").refused_logins == 5
    world.record_faults.clear()
    world.clock.advance(seconds=900)
    assert world.cycle().error is None
    assert remembered(world, "main") == SideState()


def test_a_quiet_service_is_remembered_without_a_row() -> None:
    world = World()
    for _ in range(3):
        world.cycle()
    assert world.store.facts.get(side_fact("main")) is None
    assert world.store.facts.get(side_fact("coralogix")) is None


def test_status_says_until_when(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    ceilings = {"coralogix": 100.0, "main": 50.0}
    usual = {"paused_until": None, "requests_per_second": 50.0, "refused_logins": 0}
    world.cycle()
    assert usual.items() <= sides_document(world.store, ceilings, world.clock.now())["main"].items()
    world.strike_records(FaultKind.UNAUTHORIZED_401, "*", times=3)
    world.strike_cases(FaultKind.RATE_429, "cases.list", retry_after="600")
    for _ in range(3):
        world.cycle()
    now = world.clock.now()
    told = sides_document(world.store, ceilings, now)
    paused = {"paused_until": (now + timedelta(minutes=15)).isoformat(), "refused_logins": 3}
    assert (usual | paused).items() <= told["main"].items()
    assert told["coralogix"]["paused_until"] == (now + timedelta(minutes=9)).isoformat()
    assert told["coralogix"]["requests_per_second"] < 1e6
    later = sides_document(world.store, ceilings, now + timedelta(minutes=20))
    assert (later["main"]["paused_until"], later["coralogix"]["paused_until"]) == (None, None)
    print_status(
        status_document(world.store.reports.status_summary(), now)
        | {"database": "x", "sides": told, "daemon": {"running": False}, "sync_lag": {"p50_seconds": None}}
        | {"chain": {"seq": 0, "head": ""}}
    )
    shown = capsys.readouterr().out
    assert f"paused     main: nothing is sent before {told['main']['paused_until']}" in shown
    assert "its login was refused 3 times in a row" in shown


def test_what_is_remembered_is_plain_for_whoever_reads_the_database() -> None:
    world = World()
    world.cycle()
    world.strike_records(FaultKind.RATE_429, "records.list", retry_after="120")
    world.cycle()
    saved = json.loads(world.store.facts.get(side_fact("main")) or "")
    assert saved["paused_until"] == (world.clock.now() + timedelta(minutes=2)).isoformat()
    assert saved["refused_logins"] == 0
    assert saved["requests_per_second"] > 0
