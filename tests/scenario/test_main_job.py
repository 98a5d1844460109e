"""The main job, end to end on the sandbox in memory: each side moves, the other follows."""

from __future__ import annotations

from reconciler.core.model import ActionKind, Result, SkipReason, Stage
from reconciler.sandbox.faults import FaultKind
from tests.world import World, results


def test_a_case_gets_one_incident_and_then_there_is_nothing_to_do() -> None:
    world = World()
    world.cycle()
    case_id = world.new_case("Payments are slow")
    report = world.cycle()
    assert [(o.action.kind, o.result) for o in report.outcomes] == [(ActionKind.CREATE_INCIDENT, Result.DONE)]
    record = world.record(case_id)
    assert "Payments are slow" in record["short_description"]
    assert (record["correlation_id"], record["correlation_display"]) == (case_id, "Coralogix")
    assert record["priority"] == "2"
    assert not world.cycle().plan.actions
    assert world.writes() == 1


def test_the_incident_follows_its_case_to_the_end() -> None:
    world = World()
    case_id = world.started()
    world.coralogix.acknowledge(case_id)
    world.cycle()
    assert world.state(case_id) == "2"
    world.coralogix.resolve(case_id, "the disk was full")
    world.cycle()
    assert world.state(case_id) == "6"
    assert "the disk was full" in world.record(case_id)["close_notes"]
    world.coralogix.close(case_id)
    world.cycle()
    assert world.both(case_id) == ("CLOSED", "7")
    world.run_until_quiet()
    assert world.writes() == 4
    assert world.agreed(case_id) is Stage.CLOSED


def test_the_case_follows_its_incident_to_the_end() -> None:
    world = World()
    case_id, sys_id = world.link_one()
    world.servicenow.people.assign(sys_id)
    world.cycle()
    assert world.both(case_id) == ("ACKNOWLEDGED", "1")
    world.servicenow.people.progress(sys_id)
    world.servicenow.people.resolve(sys_id)
    world.cycle()
    assert world.both(case_id) == ("RESOLVED", "6")
    world.servicenow.people.close(sys_id)
    world.cycle()
    assert world.both(case_id) == ("CLOSED", "7")
    world.run_until_quiet()
    assert world.writes() == 4


def test_a_canceled_incident_resolves_its_case_and_then_closes_it() -> None:
    world = World()
    case_id = world.started()
    world.servicenow.people.cancel(world.sys_id(case_id))
    report = world.cycle()
    assert [action.path for action in report.plan.actions] == [("resolve", "close")]
    assert world.both(case_id) == ("CLOSED", "8")


def test_a_reopened_incident_is_left_alone_until_it_is_resolved_again() -> None:
    world = World()
    case_id, sys_id = world.link_one()
    world.servicenow.people.resolve(sys_id)
    world.cycle()
    world.servicenow.people.reopen(sys_id)
    world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED
    world.coralogix.close(case_id)
    world.coralogix.set_title(case_id, "another title")
    written = world.writes()
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "2")
    assert world.writes() == written
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "7")
    assert world.skip(case_id) is None


def test_a_reactivated_case_is_left_alone() -> None:
    world = World()
    case_id = world.started()
    world.coralogix.recover(case_id)
    world.cycle()
    assert world.both(case_id) == ("RESOLVED", "6")
    world.coralogix.reactivate(case_id)
    world.cycle()
    world.servicenow.people.close(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.both(case_id) == ("ACTIVE", "7")
    assert world.skip(case_id) is SkipReason.CASE_MOVED_BACK


def test_an_unacknowledged_case_follows_only_news() -> None:
    world = World()
    case_id, sys_id = world.link_one()
    world.servicenow.people.progress(sys_id)
    world.cycle()
    world.coralogix.unacknowledge(case_id)
    world.servicenow.people.edit(sys_id, urgency="1")
    world.run_until_quiet()
    assert world.status(case_id) == "ACTIVE"
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


def test_an_unknown_state_is_held_and_stops_nothing_else() -> None:
    world = World()
    world.cycle()
    held, free = world.new_case("one"), world.new_case("two")
    world.cycle()
    world.servicenow.people.set_state(world.sys_id(held), "42")
    world.servicenow.people.progress(world.sys_id(free))
    world.cycle()
    assert world.skip(held) is SkipReason.UNKNOWN_STATE
    assert world.status(free) == "ACKNOWLEDGED"
    world.coralogix.set_status(free, "CASE_STATUS_SNOOZED")
    world.cycle()
    assert world.skip(free) is SkipReason.UNKNOWN_STATE


def test_a_pending_case_gets_no_record_and_an_active_one_does() -> None:
    world = World()
    world.cycle()
    case_id = world.new_case(activate=False)
    never = world.new_case(activate=False)
    world.cycle()
    assert world.skip(case_id) is SkipReason.PENDING_ACTIVATION
    world.coralogix.activate(case_id)
    world.coralogix.recover(never)
    world.run_until_quiet()
    assert world.state(case_id) == "1"
    assert not world.servicenow.incidents_for(never)


def test_a_title_that_a_person_changed_is_left_alone() -> None:
    world = World()
    world.cycle()
    mine, theirs = world.new_case("one"), world.new_case("two")
    world.cycle()
    world.servicenow.people.edit(world.sys_id(theirs), short_description="what it really is")
    world.coralogix.set_title(mine, "one and a half")
    world.coralogix.set_title(theirs, "two and a half")
    world.run_until_quiet()
    assert "one and a half" in world.record(mine)["short_description"]
    assert world.record(theirs)["short_description"] == "what it really is"


def test_a_lost_verb_is_planned_again() -> None:
    world = World()
    case_id = world.started()
    world.servicenow.people.progress(world.sys_id(case_id))
    world.strike_cases(FaultKind.RATE_429, "cases.acknowledge")
    assert results(world.cycle()) == [Result.RETRY]
    assert world.status(case_id) == "ACTIVE"
    assert results(world.cycle()) == [Result.DONE]
    assert world.status(case_id) == "ACKNOWLEDGED"
