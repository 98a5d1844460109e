"""A Case that fires again after it was resolved: forward only stays, but nobody is left in the dark."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from reconciler.core.model import ActionKind, Result, SkipReason
from reconciler.core.planning.known import SETTLE_AFTER
from reconciler.core.policies.policies import OnReactivate
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.rebuild.rebuild import rebuild
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow import copies
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.store.values import HoldRequest, HoldRequestKind
from tests.builders import an_inbound, policies
from tests.scenario.wild_support import Killed, WildWorld, kill, two_instances
from tests.store_helpers import empty_store


def world_with(how: OnReactivate, per_day: int = 5, *, is_told: bool = True) -> WildWorld:
    """Give a world whose Coralogix may leave out since when a Case is active again, as its description does."""
    rules = policies(inbound=an_inbound(on_reactivate=how, reactivations_per_day=per_day))
    return WildWorld(rules=rules, case_knobs=CaseKnobs(tells_reactivation=is_told))


def resolved(world: WildWorld) -> tuple[str, str]:
    case_id, sys_id = world.link_one()
    world.coralogix.resolve(case_id, "over")
    world.run_until_quiet()
    return case_id, sys_id


def fire_again(world: WildWorld, case_id: str) -> None:
    world.clock.advance(seconds=60)
    world.coralogix.reactivate(case_id)


def lose(world: WildWorld, write: str, kind: FaultKind | None) -> None:
    """Let the next write take effect and its answer not come: by a fault, or else as the process is killed."""
    if kind is None:
        world.once(f"after {write}", kill)
        with pytest.raises(Killed):
            world.cycle()
    else:
        world.strike_records(kind, f"records.{write}", after_effect=True)


def open_records(world: WildWorld, case_id: str) -> list[str]:
    records = world.servicenow.incidents_for(case_id)
    return [record["sys_id"] for record in records if record["state"] in {"1", "2", "3"}]


@pytest.mark.parametrize("is_told", [True, False])
def test_people_are_told_once_for_each_reactivation(*, is_told: bool) -> None:
    world = world_with(OnReactivate.NOTE, is_told=is_told)
    case_id, sys_id = resolved(world)
    fire_again(world, case_id)
    world.cycle()
    world.coralogix.set_title(case_id, "Still slow")
    for _ in range(3):
        world.cycle()
    assert len(world.servicenow.notes(sys_id)) == 1
    assert "CASE-1 is active again" in world.servicenow.notes(sys_id)[0]
    assert world.both(case_id) == ("ACTIVE", "6")
    assert world.skip(case_id) is SkipReason.CASE_MOVED_BACK
    world.coralogix.resolve(case_id, "over")
    world.run_until_quiet()
    fire_again(world, case_id)
    world.run_until_quiet()
    assert len(world.servicenow.notes(sys_id)) == 2


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("kind", [None, FaultKind.TIMEOUT, FaultKind.ERROR_500])
def test_a_note_that_arrived_is_not_sent_again(kind: FaultKind | None, *, is_told: bool) -> None:
    """Its answer was lost, or the process was killed before it came."""
    world = world_with(OnReactivate.NOTE, is_told=is_told)
    case_id, sys_id = resolved(world)
    fire_again(world, case_id)
    lose(world, "update", kind)
    world.run_until_quiet()
    assert len(world.servicenow.notes(sys_id)) == 1


def test_a_record_that_is_made_after_its_case_fired_again_gets_no_note() -> None:
    world = world_with(OnReactivate.NOTE)
    world.cycle()
    case_id = world.new_case()
    world.strike_records(FaultKind.FORBIDDEN_403, "records.create")
    world.cycle()
    world.coralogix.resolve(case_id)
    fire_again(world, case_id)
    world.cycle(seconds=900)
    assert world.run_until_quiet() == 0
    assert world.servicenow.notes(world.sys_id(case_id)) == ()
    world.coralogix.resolve(case_id)
    world.run_until_quiet()
    fire_again(world, case_id)
    world.run_until_quiet()
    assert len(world.servicenow.notes(world.sys_id(case_id))) == 1, "what comes after it is told"


@pytest.mark.parametrize("is_made", [True, False])
@pytest.mark.parametrize("bumps", ["yes", "no"])
def test_a_note_whose_answer_was_lost_is_sent_again_only_where_notes_are_counted(
    bumps: Literal["yes", "no"], is_made: bool
) -> None:
    """The first note was answered; of the second nobody knows, and nobody can look whether it arrived."""
    world, case_id, sys_id = told_once(bumps)
    world.strike_records(FaultKind.TIMEOUT, "records.update", after_effect=is_made)
    world.run_until_quiet()
    assert len(world.servicenow.notes(sys_id)) == (2 if is_made else 1), "one that timed out may still arrive"
    is_awaited = bumps == "yes" and not is_made
    assert world.skip(case_id) is (SkipReason.SETTLING if is_awaited else SkipReason.CASE_MOVED_BACK)
    world.cycle(seconds=SETTLE_AFTER.total_seconds())
    assert len(world.servicenow.notes(sys_id)) == (2 if is_made or bumps == "yes" else 1)


def told_once(bumps: Literal["yes", "no"] = "yes") -> tuple[WildWorld, str, str]:
    """Give a world in which a Case fired again twice, and people were told of the first time."""
    rules = policies(inbound=an_inbound(on_reactivate=OnReactivate.NOTE))
    world = WildWorld(rules=rules, switches=Switches(note_bumps=bumps))
    case_id, sys_id = resolved(world)
    fire_again(world, case_id)
    world.run_until_quiet()
    world.coralogix.resolve(case_id, "over")
    world.run_until_quiet()
    fire_again(world, case_id)
    return world, case_id, sys_id


@pytest.mark.parametrize("kind", [None, FaultKind.TIMEOUT])
def test_a_note_that_is_stored_late_is_not_sent_again(kind: FaultKind | None) -> None:
    """Nobody is shown it when its answer was lost, or its process killed: the instance goes on with it for a while."""
    world, _, sys_id = told_once()
    world.servicenow.tables.delay_commit(100)
    lose(world, "update", kind)
    for _ in range(12):
        world.cycle(seconds=60)
    assert len(world.servicenow.notes(sys_id)) == 2


def test_a_closed_record_gets_no_note() -> None:
    world = world_with(OnReactivate.NOTE)
    case_id, sys_id = resolved(world)
    world.servicenow.people.close(sys_id)
    fire_again(world, case_id)
    world.run_until_quiet()
    assert world.servicenow.notes(sys_id) == ()


def test_hold_says_nothing() -> None:
    world = world_with(OnReactivate.HOLD)
    case_id, sys_id = resolved(world)
    fire_again(world, case_id)
    assert not world.cycle().plan.actions
    assert world.servicenow.notes(sys_id) == ()
    assert world.skip(case_id) is SkipReason.CASE_MOVED_BACK


@pytest.mark.parametrize("is_told", [True, False])
def test_a_new_record_goes_on_with_the_case(*, is_told: bool) -> None:
    world = world_with(OnReactivate.NEW_RECORD, is_told=is_told)
    case_id, first = resolved(world)
    number = world.servicenow.record(first)["number"]
    fire_again(world, case_id)
    report = world.cycle()
    assert [action.kind for action in report.plan.actions] == [ActionKind.CREATE_INCIDENT]
    assert world.run_until_quiet() == 0
    [second] = open_records(world, case_id)
    assert second != first
    assert number in world.servicenow.record(second)["description"]
    assert world.servicenow.record(first)["state"] == "6"
    world.servicenow.people.progress(second)
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED"
    world.servicenow.people.resolve(second)
    world.run_until_quiet()
    assert world.status(case_id) == "RESOLVED"
    assert world.skip(case_id) is None


@pytest.mark.parametrize("is_told", [True, False])
def test_no_more_new_records_in_a_day_than_are_allowed(*, is_told: bool) -> None:
    world = world_with(OnReactivate.NEW_RECORD, per_day=2, is_told=is_told)
    case_id, _ = resolved(world)
    for _ in range(4):
        fire_again(world, case_id)
        world.run_until_quiet()
        world.coralogix.resolve(case_id, "over")
        world.run_until_quiet()
    assert len(world.servicenow.incidents_for(case_id)) == 3
    assert sum(len(world.servicenow.notes(one["sys_id"])) for one in world.servicenow.incidents_for(case_id)) == 2


@pytest.mark.parametrize("kind", [None, FaultKind.TIMEOUT, FaultKind.ERROR_500, FaultKind.RESET])
def test_one_open_record_at_any_time(kind: FaultKind | None) -> None:
    """Also where the create of the next one was killed, or its outcome is not known."""
    world = world_with(OnReactivate.NEW_RECORD)
    case_id, _ = resolved(world)
    fire_again(world, case_id)
    lose(world, "create", kind)
    world.run_until_quiet()
    assert len(open_records(world, case_id)) == 1
    assert len(world.servicenow.incidents_for(case_id)) == 2


def test_no_next_record_is_made_beside_the_one_before_that_is_open_again() -> None:
    """Its create came to nothing, and people opened the first one: they have what they need until that is resolved."""
    world = world_with(OnReactivate.NEW_RECORD)
    case_id, first = resolved(world)
    fire_again(world, case_id)
    world.strike_records(FaultKind.TIMEOUT, "records.create")
    world.cycle()
    world.servicenow.people.reopen(first)
    world.run_until_quiet()
    assert (open_records(world, case_id), world.skip(case_id)) == ([first], SkipReason.INCIDENT_REOPENED)
    world.servicenow.people.resolve(first)
    world.run_until_quiet()
    [second] = open_records(world, case_id)
    assert (second != first, world.skip(case_id)) == (True, None)


def test_a_case_stays_back_though_it_fires_again_at_an_older_time() -> None:
    """Two daemons; the clock of Coralogix is set back, and the other one resolved the record in between."""
    world = world_with(OnReactivate.NOTE)
    case_id, sys_id = world.link_one()
    world.clock.advance(seconds=60)
    world.coralogix.resolve(case_id, "over")
    fire_again(world, case_id)
    world.run_until_quiet()
    world.clock.advance(seconds=-600)
    world.coralogix.resolve(case_id, "over")
    world.coralogix.reactivate(case_id)
    world.clock.advance(seconds=600)
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert (world.status(case_id), world.skip(case_id)) == ("ACTIVE", SkipReason.CASE_MOVED_BACK)


@pytest.mark.parametrize("is_made", [False, True])
@pytest.mark.parametrize("keeps_ids", [True, False])
def test_the_record_before_is_not_taken_for_the_next_one_whose_create_was_not_answered(
    keeps_ids: bool, is_made: bool
) -> None:
    """It bears the same key, and is what a look-up by key shows where the create came to nothing."""
    rules = policies(inbound=an_inbound(on_reactivate=OnReactivate.NEW_RECORD))
    world = WildWorld(rules=rules, switches=Switches(sys_id_on_post="honour" if keeps_ids else "strip"))
    case_id, first = resolved(world)
    fire_again(world, case_id)
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=is_made)
    [outcome] = world.cycle().outcomes
    assert outcome.result is (Result.DONE if is_made else Result.UNKNOWN)
    world.run_until_quiet()
    world.cycle(seconds=SETTLE_AFTER.total_seconds())
    world.coralogix.resolve(case_id, "over")
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(case_id)) == 2
    assert {record["state"] for record in world.servicenow.incidents_for(case_id)} == {"6"}
    assert world.servicenow.record(first)["sys_mod_count"] == "1"


def ask(world: WildWorld, case_id: str, kind: HoldRequestKind) -> None:
    now = world.clock.now()
    request = HoldRequest(case_id=case_id, kind=kind, fingerprint="", asked_by="me", asked_at=now)
    world.store.hold_requests.ask([request])


@pytest.mark.parametrize("why", ["fired again", "deleted"])
def test_a_person_may_ask_for_the_next_record(why: str) -> None:
    world = world_with(OnReactivate.HOLD)
    case_id, first = resolved(world)
    fire_again(world, case_id)
    if why == "deleted":
        world.servicenow.people.remove(first)
        world.clock.advance(seconds=1000)
        world.cycle()
        world.cycle()
    world.cycle()
    ask(world, case_id, HoldRequestKind.RECREATE)
    world.run_until_quiet()
    [second] = open_records(world, case_id)
    assert second != first
    assert world.status(case_id) == "ACTIVE"
    assert world.skip(case_id) is None


@pytest.mark.parametrize("is_rebuilt", [True, False])
@pytest.mark.parametrize("is_first_there", [True, False])
def test_a_lost_database_goes_on_with_the_newest_record(is_rebuilt: bool, is_first_there: bool) -> None:
    """What is left of the record before is no rival of it; by a rebuild as by the next cycle, which finds both."""
    world = world_with(OnReactivate.NEW_RECORD)
    case_id, first = resolved(world)
    fire_again(world, case_id)
    world.run_until_quiet()
    [second] = open_records(world, case_id)
    if not is_first_there:
        world.servicenow.people.remove(first)
    kept = {one["sys_id"]: one["sys_mod_count"] for one in world.servicenow.incidents_for(case_id)}
    world.clock.advance(seconds=60)
    world.store = empty_store()
    if is_rebuilt:
        assert rebuild(world.context, cycle_id="rebuild").findings == ()
    world.run_until_quiet()
    pair = world.pair(case_id)
    assert (pair.link.sys_id, pair.link.generation) == (second, 2)
    assert pair.link.earlier == ((first,) if is_first_there else ())
    assert {one["sys_id"]: one["sys_mod_count"] for one in world.servicenow.incidents_for(case_id)} == kept
    world.servicenow.people.resolve(second)
    world.run_until_quiet()
    assert (world.status(case_id), world.skip(case_id)) == ("RESOLVED", None)


@pytest.mark.parametrize("is_rebuilt", [True, False])
def test_a_copy_beside_the_newest_record_is_its_rival(is_rebuilt: bool) -> None:
    world = world_with(OnReactivate.NEW_RECORD)
    case_id, _ = resolved(world)
    fire_again(world, case_id)
    world.run_until_quiet()
    [second] = open_records(world, case_id)
    known = {one["sys_id"] for one in world.servicenow.incidents_for(case_id)}
    world.servicenow.people.copy(second)
    [copy] = {one["sys_id"] for one in world.servicenow.incidents_for(case_id)} - known
    world.clock.advance(seconds=60)
    world.store = empty_store()
    if is_rebuilt:
        [found] = rebuild(world.context, cycle_id="rebuild").findings
        assert world.servicenow.record(copy)["number"] in found.why
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    world.servicenow.people.remove(copy)
    world.clock.advance(seconds=3600)
    world.run_until_quiet()
    assert (world.pair(case_id).link.sys_id, world.skip(case_id)) == (second, None)


def test_no_second_record_is_made_beside_an_open_one() -> None:
    world = world_with(OnReactivate.HOLD)
    case_id, first = resolved(world)
    fire_again(world, case_id)
    world.servicenow.people.reopen(first)
    world.cycle()
    ask(world, case_id, HoldRequestKind.RECREATE)
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_a_record_that_was_cloned_into_another_instance_is_no_rival() -> None:
    """PROD is cloned over TEST, with ids, keys and marks: what is linked in PROD goes on."""
    world, second = two_instances("case.priority == 'P5'")
    case_id, _ = world.link_one()
    copies.clone(world.servicenow, second)
    world.run_until_quiet()
    assert world.skip(case_id) is None
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    assert world.state(case_id) == "2"


def test_a_changed_config_tries_again_what_was_rejected() -> None:
    world = WildWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.NO_CHANGE_200, "records.update")
    world.cycle()
    assert world.skip(case_id) is SkipReason.REJECTED
    assert not world.cycle().plan.actions
    world.clock.advance(seconds=30)
    run_cycle(replace(world.context, policy_hash="changed"), CycleRequest(), cycle_id="changed")
    assert world.state(case_id) == "2"
