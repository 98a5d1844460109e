"""A person is told once, and nobody is told twice: notes, writes that come to nothing, records that go back in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.model import Result, SkipReason
from reconciler.core.policies.defaults import DEFAULT_ON_RESOLVE
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow import copies
from reconciler.sandbox.servicenow.journal import Operation
from tests.builders import an_inbound, compiled, policies
from tests.scenario.wild_support import Killed, WildWorld, after_a_drift_check, kill
from tests.world import results

NOTED = policies(
    inbound=an_inbound(
        on_acknowledge=compiled({"state": "2"}, work_notes="Acknowledged in Coralogix."),
        on_resolve=compiled(DEFAULT_ON_RESOLVE, work_notes="Resolved in Coralogix."),
    )
)


def notes(world: WildWorld, case_id: str) -> list[str]:
    """List the work notes that reached a record."""
    return list(world.servicenow.notes(world.sys_id(case_id)))


def acknowledged(world: WildWorld) -> str:
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    return case_id


def later(world: WildWorld, cycles: int = 6, seconds: float = 30) -> None:
    for _ in range(cycles):
        world.cycle(seconds=seconds)


def test_a_rule_that_puts_the_state_back_gets_one_note() -> None:
    world = WildWorld(rules=NOTED)
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    for _ in range(5):
        world.once("after update", lambda: world.servicenow.people.edit(sys_id, state="1"))
        world.cycle(seconds=3600)
    assert notes(world, case_id) == ["Acknowledged in Coralogix."]


@pytest.mark.parametrize("kind", [FaultKind.ERROR_500, FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.FORBIDDEN_403])
@pytest.mark.parametrize("blind", [False, True])
def test_a_note_that_arrived_behind_an_error_is_not_sent_again(kind: FaultKind, blind: bool) -> None:
    world = WildWorld(rules=NOTED)
    case_id = acknowledged(world)
    sys_id = world.sys_id(case_id)
    world.strike_records(kind, "records.update", after_effect=True)
    if blind:
        world.strike_records(FaultKind.ERROR_500, "records.get")
    world.cycle()
    world.servicenow.people.back_to_new(sys_id)
    later(world, 3, seconds=1800)
    assert notes(world, case_id) == ["Acknowledged in Coralogix."]


def test_a_note_that_never_arrived_is_sent_with_the_retry() -> None:
    world = WildWorld(rules=NOTED)
    case_id = acknowledged(world)
    world.strike_records(FaultKind.ERROR_500, "records.update")
    later(world)
    assert world.state(case_id) == "2"
    assert notes(world, case_id) == ["Acknowledged in Coralogix."]


@pytest.mark.parametrize("moment", ["before update", "after update"])
@pytest.mark.parametrize("hides_values", [False, True])
def test_a_killed_process_leaves_one_note(moment: str, hides_values: bool) -> None:
    world = WildWorld(rules=NOTED, settings=Settings(workers=1, hides_values=hides_values))
    case_id = acknowledged(world)
    sys_id = world.sys_id(case_id)
    world.once(moment, kill)
    with pytest.raises(Killed):
        world.cycle()
    if moment == "after update":
        world.servicenow.people.edit(sys_id, state="1")
    later(world, 3, seconds=1800)
    assert notes(world, case_id) == ["Acknowledged in Coralogix."]


def test_the_note_of_the_next_step_is_sent() -> None:
    world = WildWorld(rules=NOTED)
    case_id = acknowledged(world)
    later(world, 2)
    world.coralogix.resolve(case_id, "over")
    later(world, 2)
    assert notes(world, case_id) == ["Acknowledged in Coralogix.", "Resolved in Coralogix."]


def test_a_write_that_always_ends_in_an_error_is_held_after_four_cycles() -> None:
    """The record cannot be written, whatever is sent: a person is told, in the words of the service."""
    world = WildWorld()
    case_id = acknowledged(world)
    world.strike_records(FaultKind.ERROR_500, "records.update", times=100)
    reports = [world.cycle() for _ in range(10)]
    assert [results(report) for report in reports[:5]] == [[Result.UNKNOWN]] * 3 + [[Result.REJECTED], []]
    assert world.skip(case_id) is SkipReason.REJECTED
    assert "maximum execution time" in world.detail(case_id)
    world.record_faults.clear()
    world.cycle(seconds=900)
    assert world.state(case_id) == "2"


def test_a_case_whose_verb_always_ends_in_an_error_is_held_after_four_cycles() -> None:
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.progress(sys_id)
    world.strike_cases(FaultKind.ERROR_500, "cases.acknowledge", times=100)
    later(world, 8)
    assert world.cases.requests["cases.acknowledge"] == 4
    assert world.skip(case_id) is SkipReason.REJECTED


def test_a_step_that_is_found_done_twice_is_not_planned_a_third_time() -> None:
    """A listing keeps showing what the record itself does not: no time and no count says which of them is right."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.clock.advance(seconds=60)
    world.coralogix.set_title(case_id, "Payments are down")
    world.servicenow.people.silent_edit(sys_id, short_description="CASE-1: Payments are down")
    world.servicenow.access.list_lag = timedelta(seconds=90)
    ended = []
    for _ in range(4):
        world.strike_records(FaultKind.STALE_LIST, "records.list")
        ended.append(results(world.cycle(seconds=15)))
    assert ended == [[Result.ALREADY], [Result.REJECTED], [], []]
    assert "2 times in a row" in world.detail(case_id)
    world.cycle(seconds=900)
    assert (world.skip(case_id), world.writes()) == (None, 1)


def test_an_outage_of_two_cycles_holds_nothing() -> None:
    world = WildWorld()
    case_id = acknowledged(world)
    world.strike_records(FaultKind.ERROR_500, "records.update", times=3)
    later(world, 4)
    assert world.state(case_id) == "2"
    assert world.pair(case_id).link.tries is None


@pytest.mark.parametrize("found_by", ["a drift check", "a write"])
def test_an_instance_restored_from_an_older_copy_is_believed(found_by: str) -> None:
    """Its records have older times and counts. The one that was resolved is open again: left to people, not pushed."""
    world = WildWorld()
    case_id, _ = world.link_one()
    taken_at = world.clock.now()
    world.clock.advance(seconds=3600)
    world.coralogix.resolve(case_id, "over")
    world.run_until_quiet()
    assert world.state(case_id) == "6"
    copies.restore(world.servicenow, taken_at)
    if found_by == "a write":
        world.coralogix.set_title(case_id, "Payments are down")
        later(world, 3)
    else:
        after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED
    assert not world.cycle().plan.actions
    assert world.state(case_id) == "1"
    assert len(world.sent(case_id, Operation.UPDATE)) == 1


def test_a_restored_record_that_was_only_behind_is_followed_on() -> None:
    world = WildWorld()
    case_id, _ = world.link_one()
    taken_at = world.clock.now()
    world.clock.advance(seconds=3600)
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    copies.restore(world.servicenow, taken_at)
    after_a_drift_check(world)
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    assert world.state(case_id) == "2"
    assert world.run_until_quiet() == 0
