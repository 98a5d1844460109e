"""Which Cases get a record when the first plans fail, are refused, or are a person's: backfills and saved plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import pytest

from reconciler.core.model import JsonObject, SkipReason
from reconciler.core.policies.policies import Limits
from reconciler.engine.report import CycleReport
from reconciler.engine.saved_plan import saved_document
from reconciler.sandbox.faults import FaultKind
from tests.builders import policies
from tests.scenario.wild_support import Killed, WildWorld, kill
from tests.store_helpers import empty_store
from tests.world import START, World

FEW = policies(limits=Limits(max_creates_per_cycle=2))


def records_of(world: World, case_ids: list[str]) -> list[int]:
    return [len(world.servicenow.incidents_for(case_id)) for case_id in case_ids]


# -- seen open, and over before anything could be made ---------------------------------------------------------


def an_outage(world: WildWorld) -> None:
    world.strike_records(FaultKind.ERROR_503_HTML, "*")
    assert world.cycle().error is not None


def a_kill_before_the_plan(world: WildWorld) -> None:
    world.once("before find", kill)
    with suppress(Killed):
        world.cycle()


@pytest.mark.parametrize("trouble", [an_outage, a_kill_before_the_plan])
def test_a_case_that_was_open_at_the_first_start_is_not_lost(trouble: Callable[[WildWorld], None]) -> None:
    """It was seen open, and is over before ServiceNow could be written."""
    world = WildWorld()
    case_id = world.new_case()
    world.clock.advance(seconds=60)
    trouble(world)
    world.coralogix.resolve(case_id, "by itself")
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


def test_a_case_that_waited_for_its_activation_at_the_first_start_is_not_lost() -> None:
    """It becomes active, and is over, between two pulls."""
    world = WildWorld()
    case_id = world.coralogix.create_case("Not yet", activate=False)
    world.clock.advance(seconds=60)
    world.cycle()
    assert world.skip(case_id) is SkipReason.PENDING_ACTIVATION
    world.coralogix.activate(case_id)
    world.coralogix.resolve(case_id, "by itself")
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


def test_a_case_that_was_over_at_the_first_start_gets_none() -> None:
    world = WildWorld()
    case_id = world.new_case()
    world.coralogix.resolve(case_id, "done")
    world.clock.advance(seconds=60)
    an_outage(world)
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.BEFORE_ORIGIN
    assert records_of(world, [case_id]) == [0]


# -- a backfill --------------------------------------------------------------------------------------------------


def with_old_cases(world: World, count: int = 3) -> list[str]:
    """Bring a world past its first start, which left these Cases out."""
    case_ids = [world.new_case(f"old {number}") for number in range(count)]
    world.clock.advance(days=3)
    world.cycle()
    assert all(world.skip(case_id) is SkipReason.BEFORE_ORIGIN for case_id in case_ids)
    return case_ids


def test_a_refused_backfill_leaves_no_trace() -> None:
    """What nobody let through is not made by the cycles after it, and does not stop them either."""
    world = World(rules=FEW)
    old = with_old_cases(world)
    refused = world.cycle(since=START)
    assert refused.exit_code == 3
    new = world.new_case("new")
    world.run_until_quiet()
    assert records_of(world, [*old, new]) == [0, 0, 0, 1]
    assert world.cycle(since=START, limits_on=False).exit_code == 0
    assert records_of(world, [*old, new]) == [1, 1, 1, 1]


def test_a_backfill_leaves_out_what_is_over_unless_it_is_asked_to() -> None:
    """Also a Case that was open when it was first seen, and left out for its age."""
    world = World()
    old = with_old_cases(world)
    world.coralogix.resolve(old[0], "done")
    world.clock.advance(seconds=30)
    world.cycle(since=START)
    assert records_of(world, old) == [0, 1, 1]
    world.cycle(since=START, include_resolved=True)
    assert records_of(world, old) == [1, 1, 1]


def test_a_backfill_killed_in_the_middle_does_not_stop_the_cycles_after_it() -> None:
    world = WildWorld(rules=policies(limits=Limits(max_creates_per_cycle=60)))
    old = with_old_cases(world, 90)
    world.once("before create", kill)
    with suppress(Killed):
        world.cycle(since=START, limits_on=False)
    assert world.cycle().error is None
    world.cycle(since=START, limits_on=False)
    assert records_of(world, old) == [1] * 90
    world.run_until_quiet()


def test_over_cases_are_taken_in_as_far_back_as_a_first_start_looks() -> None:
    """Without a time of its own, ``--include-resolved`` reaches as far as ``first_lookback_hours``."""
    world = World()
    ancient = world.new_case("ancient")
    world.clock.advance(days=3)
    case_id = world.new_case("over")
    for each in (ancient, case_id):
        world.coralogix.resolve(each, "done")
    world.clock.advance(seconds=60)
    world.cycle()
    assert world.skip(case_id) is SkipReason.BEFORE_ORIGIN
    world.cycle(include_resolved=True)
    assert records_of(world, [ancient, case_id]) == [0, 1]
    assert world.state(case_id) == "6"


# -- a saved plan ------------------------------------------------------------------------------------------------


def saved(world: World, **asked: object) -> JsonObject:
    """Plan on a copy, as ``plan --out`` does, and give what it would save."""
    report = planned(world, **asked)
    since = asked.get("since")
    assert since is None or isinstance(since, datetime)
    document = saved_document(
        report.plan, made_at=world.clock.now(), scope=report.kind, since=since, include_resolved=False
    )
    return dict(json.loads(json.dumps(document)))


def planned(world: World, **asked: object) -> CycleReport:
    """Let a cycle fall on a copy of the database that carries nothing out."""
    live, copy = world.store, empty_store()
    live.database.connection.backup(copy.database.connection)
    world.store = copy
    try:
        return world.cycle(seconds=1, carry_out=False, **asked)
    finally:
        world.store = live


def test_a_plan_of_a_backfill_is_carried_out() -> None:
    """Its Cases were seen, and left out, before; planning again has to look at them again."""
    world = World()
    old = with_old_cases(world)
    plan = saved(world, since=START)
    assert len(plan["actions"]) == 3
    assert world.cycle(seconds=1, expected=plan, since=START).exit_code == 0
    assert records_of(world, old) == [1, 1, 1]


def test_a_plan_made_when_a_drift_check_was_due_is_carried_out() -> None:
    """What only the full comparison shows is looked for again in the same way."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.run_until_quiet()
    world.servicenow.people.silent_edit(sys_id, state="6")
    world.clock.advance(minutes=16)
    plan = saved(world)
    assert [action["kind"] for action in plan["actions"]] == ["advance_case"]
    assert world.cycle(seconds=1, expected=plan).exit_code == 0
    assert world.status(case_id) == "RESOLVED"


def test_a_refused_stale_plan_leaves_no_trace() -> None:
    world = World()
    old = with_old_cases(world)
    plan = saved(world, since=START)
    world.coralogix.set_title(old[0], "another title")
    refused = world.cycle(seconds=1, expected=plan, since=START)
    assert refused.exit_code == 3
    assert "decided from something else" in str(refused.error)
    world.run_until_quiet()
    assert records_of(world, old) == [0, 0, 0]


def test_a_plan_that_cannot_be_made_again_is_not_called_stale() -> None:
    """A service that does not answer is a failure that may pass, and says nothing about the plan."""
    world = WildWorld()
    world.cycle()
    world.new_case()
    plan = saved(world)
    world.once("before find", lambda: world.strike_records(FaultKind.ERROR_503_HTML, "records.list"))
    failed = world.cycle(seconds=1, expected=plan)
    assert failed.exit_code == 1
    assert "no longer planned" not in str(failed.error)
    assert world.cycle(seconds=1, expected=plan).exit_code == 0
