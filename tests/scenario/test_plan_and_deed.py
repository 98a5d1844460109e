"""Between plan and deed: no more is done than was planned, nothing on old ground, nothing behind a failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model import ActionKind, Result
from reconciler.core.policies.policies import Limits
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from tests.builders import policies
from tests.scenario.wild_support import WildWorld
from tests.store_helpers import empty_store
from tests.world import results


def test_no_more_is_done_than_was_planned_and_braked() -> None:
    """Planned were a title and an acknowledgement; then a person resolves the record. No brake counted a resolve."""
    none = Limits(max_creates_per_cycle=9, max_case_resolves_per_cycle=0, max_incident_resolves_per_cycle=0)
    world = WildWorld(rules=policies(limits=none))
    case_id, sys_id = world.link_one()
    world.coralogix.set_title(case_id, "Payments are down")
    world.servicenow.people.progress(sys_id)
    world.once("before get_many", lambda: world.servicenow.people.resolve(sys_id))
    report = world.cycle()
    assert [action.kind for action in report.plan.actions] == [ActionKind.UPDATE_INCIDENT, ActionKind.ADVANCE_CASE]
    assert "resolve" not in world.verbs(case_id)
    assert world.cycle().exit_code == 3
    assert world.verbs(case_id) == []


def test_the_key_goes_between_look_up_and_adoption() -> None:
    """The record that was found loses its key before it is bound. It is not bound; the Case gets one of its own."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.store = empty_store()
    world.once("before get_many", lambda: world.servicenow.people.edit(sys_id, correlation_id=""))
    report = world.cycle()
    assert Result.REJECTED in results(report)
    assert world.pair(case_id).link.sys_id == ""
    assert not world.sent(case_id)


def test_a_record_that_was_taken_in_stays_bound_while_its_next_step_is_sent() -> None:
    """What was decided is stored with the adoption, and not once more with the step: a kill would find no record."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.store = empty_store()
    bound: list[str] = []
    world.once("before update", lambda: bound.append(world.pair(case_id).link.sys_id))
    assert results(world.cycle()) == [Result.DONE, Result.DONE]
    assert bound == [sys_id]


def test_a_hold_is_over_when_the_retry_succeeds() -> None:
    """After a success nothing of the hold is left: the next rejection waits 15 minutes again, not an hour."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.NO_CHANGE_200, "records.update")
    assert results(world.cycle()) == [Result.REJECTED]
    assert results(world.cycle(seconds=900)) == [Result.DONE]
    assert world.pair(case_id).link.hold is None
    world.servicenow.people.close(sys_id)
    world.strike_cases(FaultKind.NO_CHANGE_200, "cases.resolve")
    assert results(world.cycle()) == [Result.REJECTED]
    pair = world.pair(case_id)
    assert pair.link.hold is not None
    assert pair.link.hold.attempts == 1
    assert results(world.cycle(seconds=900)) == [Result.DONE]
    assert world.pair(case_id).link.hold is None


@pytest.mark.parametrize(
    "strikes",
    [
        pytest.param({"records.list": FaultKind.RATE_429}, id="the side is left alone"),
        pytest.param(
            {"records.list": FaultKind.ERROR_502_HTML, "records.get": FaultKind.ERROR_502_HTML}, id="the action fails"
        ),
    ],
)
def test_nothing_follows_a_failed_action_on_its_own_link(strikes: dict[str, FaultKind]) -> None:
    """The adoption does not come off for now. The step that was planned behind it is not begun."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.resolve(sys_id)
    world.store = empty_store()

    def strike() -> None:
        for operation, kind in strikes.items():
            world.strike_records(kind, operation)

    world.once("before get_many", strike)
    report = world.cycle()
    assert [action.kind.value for action in report.plan.actions] == ["adopt_incident", "advance_case"]
    assert results(report) == [Result.RETRY]
    assert world.verbs(case_id) == []


def test_a_batch_read_that_fails_stops_nothing() -> None:
    """The read of fifty records before their writes fails; each is read by itself then."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before get_many", lambda: world.strike_records(FaultKind.ERROR_502_HTML, "records.list"))
    assert results(world.cycle()) == [Result.DONE]
    assert world.state(case_id) == "2"


def test_the_origin_is_the_services_time() -> None:
    """Our clock is an hour ahead at the first start. A short-lived Case right after it is not taken for an old one."""
    world = WildWorld()
    world.ahead = timedelta(hours=1)
    world.cycle()
    origin = world.store.facts.origin()
    assert origin is not None
    assert abs(origin - world.clock.now()) < timedelta(seconds=60)
    world.clock.advance(seconds=5)
    case_id = world.new_case()
    world.coralogix.resolve(case_id, "over at once")
    world.run_until_quiet()
    assert world.state(case_id) == "6"


@pytest.mark.parametrize("order", ["deep", "shallow"])
def test_cases_of_one_instant_over_two_pages(order: str) -> None:
    """A page ends amid Cases that bear one and the same time, where the floor is. The rest of them is read."""
    usual = Settings(workers=1, case_page_rows=2, all_cases_page_rows=2, case_overlap=timedelta(0))
    shallow = replace(usual, short_rows=0, case_overlap=timedelta(600 / 3600))
    world = WildWorld(settings=usual if order == "deep" else shallow)
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(6)]  # no time passes between them
    world.cycle(seconds=0)
    for case_id in case_ids:
        world.coralogix.acknowledge(case_id)
    world.cycle(seconds=0)
    more = [world.new_case(f"Case {number}") for number in range(6, 12)]
    world.cycle(seconds=0)
    assert {world.state(case_id) for case_id in case_ids} == {"2"}
    assert all(len(world.servicenow.incidents_for(case_id)) == 1 for case_id in more)


def test_a_transient_second_verb_does_not_forget_the_first() -> None:
    """Resolved by us, then a 429 to the close, then a person re-activates: it was resolved once, and is left alone."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.close(sys_id)
    world.strike_cases(FaultKind.RATE_429, "cases.close")
    assert results(world.cycle()) == [Result.RETRY]
    pair = world.pair(case_id)
    assert pair.case.status == "RESOLVED"
    assert pair.link.case_peak is not None
    assert pair.link.case_peak.word == "resolved"
