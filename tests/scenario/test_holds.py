"""People and holds: a retry is tried in the very next cycle, an ignored link is silent until either side changes."""

from __future__ import annotations

import pytest

from reconciler.core.identity import fingerprint
from reconciler.core.model import Result, SkipReason
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from reconciler.store.values import HoldRequest, HoldRequestKind
from tests.world import World, results


def ask(world: World, case_id: str, kind: HoldRequestKind) -> None:
    """Ask as the command does: with what both sides look like now."""
    pair = world.pair(case_id)
    request = HoldRequest(
        case_id=case_id, kind=kind, fingerprint=fingerprint(pair), asked_by="somebody", asked_at=world.clock.now()
    )
    world.store.hold_requests.ask([request])


def rejected(world: World) -> str:
    """Make a link whose record refuses to be moved, and let a cycle find that out."""
    world.cycle()
    case_id = world.new_case()
    world.cycle()
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update")
    assert results(world.cycle()) == [Result.REJECTED]
    world.cycle()
    assert world.skip(case_id) is SkipReason.REJECTED
    return case_id


def linked(world: World) -> str:
    world.cycle()
    case_id = world.new_case()
    world.run_until_quiet()
    return case_id


def held_reasons(world: World) -> list[object]:
    return [row["reason"] for row in world.store.reports.holds()]


def test_a_rejected_write_waits_and_a_retry_sends_it_in_the_next_cycle() -> None:
    world = World()
    case_id = rejected(world)
    assert results(world.cycle()) == []
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == [Result.DONE]
    assert world.state(case_id) == "2"
    assert held_reasons(world) == []


def test_a_retry_that_is_refused_again_starts_its_waiting_time_anew() -> None:
    world = World()
    case_id = rejected(world)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update")
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == [Result.REJECTED]
    assert results(world.cycle()) == []
    assert held_reasons(world) == ["rejected"]


def test_an_ignored_link_is_silent_until_either_side_changes() -> None:
    world = World()
    case_id = rejected(world)
    ask(world, case_id, HoldRequestKind.IGNORE)
    assert results(world.cycle()) == []
    assert held_reasons(world) == []
    world.clock.advance(days=2)
    assert not world.cycle().plan.actions
    world.coralogix.set_title(case_id, "It is worse than that")
    assert Result.DONE in results(world.cycle())
    assert world.state(case_id) == "2"


def test_a_change_between_the_asking_and_the_cycle_ends_the_ignoring_before_it_begins() -> None:
    world = World()
    case_id = rejected(world)
    ask(world, case_id, HoldRequestKind.IGNORE)
    world.coralogix.set_title(case_id, "It is worse than that")
    assert results(world.cycle()) == [Result.DONE]


def test_a_retry_takes_an_ignoring_back() -> None:
    world = World()
    case_id = rejected(world)
    ask(world, case_id, HoldRequestKind.IGNORE)
    world.cycle()
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == [Result.DONE]


def test_wishes_are_done_in_their_order_once_and_leave_their_trace() -> None:
    world = World()
    case_id = rejected(world)
    ask(world, case_id, HoldRequestKind.RETRY)
    ask(world, case_id, HoldRequestKind.IGNORE)
    world.cycle()
    assert world.store.hold_requests.waiting() == ()
    assert held_reasons(world) == []
    assert world.state(case_id) == "1"
    story = world.store.reports.story(case_id)
    assert story is not None
    asked = [(row["event"], row["actor"]) for row in story.notifications if row["source"] == "person"]
    assert asked == [("hold_retry", "somebody"), ("hold_ignore", "somebody")]


def test_what_is_asked_in_the_middle_of_a_cycle_is_not_undone_by_it() -> None:
    world = World()
    case_id = rejected(world)
    pair = world.pair(case_id)
    ask(world, case_id, HoldRequestKind.RETRY)
    world.store.links.update_links([pair.link], world.clock.now())
    assert results(world.cycle()) == [Result.DONE]


def test_a_missing_record_is_asked_for_again_at_once_and_stays_held_while_it_is_gone() -> None:
    world = World()
    case_id = linked(world)
    world.servicenow.people.remove(world.sys_id(case_id))
    world.coralogix.acknowledge(case_id)
    for _ in range(3):
        world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING
    asked_before = world.incidents.requests["records.get"]
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == []
    assert world.incidents.requests["records.get"] == asked_before + 1
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING
    assert not world.servicenow.incidents_for(case_id)


def test_a_case_that_was_hidden_is_back_with_a_retry() -> None:
    world = World(settings=Settings(workers=1, accept_partial_view=True))
    case_id = linked(world)
    world.coralogix.hide(case_id)
    world.servicenow.people.progress(world.sys_id(case_id))
    for _ in range(3):
        world.cycle()
    assert world.skip(case_id) is SkipReason.CASE_MISSING
    world.coralogix.hide(case_id, hidden=False)
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == [Result.DONE]
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")


@pytest.mark.parametrize("way", ["deleted", "unmarked"])
def test_a_copy_that_a_person_put_away_is_forgotten_by_a_retry(way: str) -> None:
    world = World()
    case_id = linked(world)
    original = world.sys_id(case_id)
    world.servicenow.people.copy(original)
    world.coralogix.acknowledge(case_id)
    world.cycle()
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    copy = next(r["sys_id"] for r in world.servicenow.incidents_for(case_id) if r["sys_id"] != original)
    if way == "deleted":
        world.servicenow.people.remove(copy)
    else:
        world.servicenow.people.edit(copy, correlation_id="", correlation_display="")
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == [Result.DONE]
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    world.run_until_quiet()


def test_a_copy_that_is_still_there_is_held_again() -> None:
    world = World()
    case_id = linked(world)
    world.servicenow.people.copy(world.sys_id(case_id))
    world.cycle()
    ask(world, case_id, HoldRequestKind.RETRY)
    assert results(world.cycle()) == []
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS


def test_a_retry_that_the_service_does_not_answer_waits_for_the_next_cycle() -> None:
    world = World()
    case_id = linked(world)
    original = world.sys_id(case_id)
    world.servicenow.people.copy(original)
    world.coralogix.acknowledge(case_id)
    world.cycle()
    copy = next(r["sys_id"] for r in world.servicenow.incidents_for(case_id) if r["sys_id"] != original)
    world.servicenow.people.remove(copy)
    ask(world, case_id, HoldRequestKind.RETRY)
    world.strike_records(FaultKind.TIMEOUT, "records.list")
    world.cycle()
    assert len(world.store.hold_requests.waiting()) == 1
    assert results(world.cycle()) == [Result.DONE]


def test_an_ignored_missing_record_leaves_the_list_and_stays_away() -> None:
    world = World()
    case_id = linked(world)
    world.servicenow.people.remove(world.sys_id(case_id))
    world.coralogix.acknowledge(case_id)
    for _ in range(3):
        world.cycle()
    ask(world, case_id, HoldRequestKind.IGNORE)
    world.clock.advance(hours=1)
    for _ in range(3):
        world.cycle(seconds=1200)
        assert held_reasons(world) == []


def test_a_missing_record_that_comes_back_ends_the_ignoring() -> None:
    world = World(settings=Settings(workers=1, accept_partial_view=True))
    case_id = linked(world)
    world.coralogix.hide(case_id)
    world.servicenow.people.progress(world.sys_id(case_id))
    for _ in range(3):
        world.cycle()
    ask(world, case_id, HoldRequestKind.IGNORE)
    world.cycle()
    assert held_reasons(world) == []
    world.coralogix.hide(case_id, hidden=False)
    world.cycle(seconds=1800)
    world.run_until_quiet()
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
