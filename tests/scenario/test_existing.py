"""Records by other means: a Case that has one gets no second, and the record is never written."""

from __future__ import annotations

import pytest

from reconciler.core.model import SkipReason
from reconciler.sandbox.faults import FaultKind
from tests.scenario.configured import ConfiguredWorld

BY_DESCRIPTION = '[inbound.default]\nexisting = "descriptionLIKE{{ case.key }}"\n'
NO_SUCH_FIELD = '[inbound.default]\nexisting = "u_no_such_field={{ case.id }}"\n'
DRIFT_SECONDS = 16 * 60


def with_record(world: ConfiguredWorld, *, text: str = "By the app for {}", active: bool = True) -> tuple[str, str]:
    """Open a Case for which something else made a record; give both ids."""
    case_id = world.new_case()
    key = world.coralogix.ledger.case(case_id).key
    sys_id = world.servicenow.people.open_incident("the app's", description=text.format(key))
    if not active:
        world.servicenow.people.resolve(sys_id)
        world.servicenow.people.close(sys_id)
    return case_id, sys_id


def started(text: str = BY_DESCRIPTION) -> ConfiguredWorld:
    world = ConfiguredWorld(text=text)
    world.cycle()
    return world


def reads(world: ConfiguredWorld) -> int:
    return world.clients["main"].requests["records.list"]


def test_a_case_with_a_record_elsewhere_gets_no_second_and_its_record_no_write() -> None:
    world = started()
    case_id, sys_id = with_record(world)
    before = dict(world.servicenow.record(sys_id))
    report = world.cycle()
    [skip] = report.plan.skips
    number = world.servicenow.record(sys_id)["number"]
    assert (report.exit_code, report.plan.actions, skip.reason) == (0, (), SkipReason.KEPT_ELSEWHERE)
    assert skip.detail == f"{number} (main/incident) stands for this Case, by other means"
    world.coralogix.resolve(case_id)
    world.servicenow.people.progress(sys_id)
    before |= {name: value for name, value in world.servicenow.record(sys_id).items() if value != before.get(name)}
    for _ in range(3):
        world.cycle()
    assert world.written() == 0
    assert dict(world.servicenow.record(sys_id)) == before
    link = world.pair(case_id).link
    assert link.elsewhere
    assert (link.has_record, link.elsewhere.sys_id, link.elsewhere.number) == (True, sys_id, number)


def test_a_column_of_its_own_keeps_it_as_the_page_of_the_config_says() -> None:
    world = started('[inbound.default]\nexisting = "u_coralogix_case={{ case.id }}"\n')
    kept, free = world.new_case("kept"), world.new_case("free")
    world.servicenow.people.open_incident("the app's", u_coralogix_case=kept)
    world.servicenow.people.open_incident("a stranger")
    world.cycle()
    assert world.skip(kept) is SkipReason.KEPT_ELSEWHERE
    assert len(world.servicenow.incidents_for(free)) == world.written() == 1


def test_only_the_case_that_is_meant_is_kept() -> None:
    world = started()
    with_record(world, text="{}2 is another one")
    case_id = world.new_case("free")
    world.cycle()
    assert len(world.servicenow.incidents_for(case_id)) == 1
    assert world.written() == 2


def test_a_quiet_cycle_asks_for_nothing_more_and_a_changed_title_neither() -> None:
    world = started()
    case_id, _ = with_record(world)
    world.cycle()
    world.cycle()
    quiet = reads(world)
    world.cycle()
    assert reads(world) - quiet == 1
    world.coralogix.set_title(case_id, "another one")
    changed = reads(world)
    world.cycle()
    assert reads(world) - changed == 1


def test_many_cases_are_asked_for_together() -> None:
    world = started()
    for _ in range(40):
        with_record(world)
    before = reads(world)
    world.cycle()
    assert reads(world) - before == 1 + 1 + 1
    assert world.store.links.count_skips() == {"kept_elsewhere": 40}


def test_a_record_that_is_gone_is_believed_after_two_drift_checks() -> None:
    world = started()
    case_id, sys_id = with_record(world)
    world.cycle()
    world.servicenow.people.remove(sys_id)
    assert world.cycle().plan.actions == ()
    assert world.cycle(seconds=DRIFT_SECONDS).plan.actions == ()
    assert "looks once more" in str(world.store.links.standing_skips()[0].detail)
    assert not world.pair(case_id).link.has_record
    world.cycle(seconds=DRIFT_SECONDS)
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_a_record_that_was_only_hidden_for_a_while_keeps_its_case() -> None:
    world = started()
    case_id, sys_id = with_record(world)
    world.cycle()
    text = world.servicenow.record(sys_id)["description"]
    world.servicenow.people.silent_edit(sys_id, description="")
    world.cycle(seconds=DRIFT_SECONDS)
    world.servicenow.people.silent_edit(sys_id, description=text)
    for _ in range(3):
        world.cycle(seconds=DRIFT_SECONDS)
    assert (world.written(), world.skip(case_id)) == (0, SkipReason.KEPT_ELSEWHERE)


def test_a_closed_record_keeps_its_case_too() -> None:
    world = started()
    with_record(world, active=False)
    world.cycle()
    assert world.written() == 0


def test_a_record_of_our_own_is_adopted_whatever_the_query_finds() -> None:
    world = started()
    case_id = world.new_case()
    key = world.coralogix.ledger.case(case_id).key
    ours = {"correlation_id": case_id, "correlation_display": "Coralogix"}
    world.servicenow.people.open_incident("ours", description=f"for {key}", **ours)
    world.servicenow.people.open_incident("the app's", description=f"for {key}")
    world.run_until_quiet()
    assert world.skip(case_id) is None
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_a_field_that_the_instance_does_not_know_makes_no_record_and_refuses() -> None:
    """The condition is dropped, and every record of the table comes back."""
    world = started(NO_SUCH_FIELD)
    world.servicenow.people.open_incident("a stranger")
    for _ in range(12):
        world.new_case()
    report = world.cycle()
    assert report.exit_code == 3
    assert str(report.error).count("u_no_such_field") == 1
    assert world.written() == 0


def test_a_dropped_condition_stops_nothing_but_new_records() -> None:
    world = ConfiguredWorld()
    linked = world.started("linked")
    world.read(NO_SUCH_FIELD)
    world.new_case("new")
    world.coralogix.resolve(linked)
    assert world.cycle().exit_code == 3
    assert world.state(linked) == "6"
    world.read("")
    world.run_until_quiet()
    assert len(world.servicenow.records()) == 2


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.gate) for seed in range(3, 12))])
def test_an_instance_that_answers_now_and_then_makes_no_second_record(seed: int) -> None:
    world = ConfiguredWorld(text=BY_DESCRIPTION, seed=seed)
    kept, _ = with_record(world)
    free = world.new_case("free")
    for kind in (FaultKind.TIMEOUT, FaultKind.HIDDEN_ROWS, FaultKind.STALE_LIST, FaultKind.DROPPED_CONDITION):
        world.strike_records(kind, "records.*", probability=0.2, times=8)
    for _ in range(40):
        world.cycle(seconds=120)
    assert (world.skip(kept), len(world.servicenow.incidents_for(kept))) == (SkipReason.KEPT_ELSEWHERE, 0)
    assert len(world.servicenow.incidents_for(free)) == 1


def test_a_title_that_cannot_be_asked_for_holds_its_case_and_no_other() -> None:
    world = started('[inbound.default]\nexisting = "short_description={{ case.labels.service }}"\n')
    held = world.new_case("no label")
    fine = world.new_case("fine", labels=[("service", "pay")])
    world.cycle()
    assert world.skip(held) is SkipReason.REJECTED
    assert len(world.servicenow.incidents_for(fine)) == 1


def test_a_changed_query_is_asked_and_its_silence_not_believed_at_once() -> None:
    world = started()
    case_id, _ = with_record(world)
    world.cycle()
    world.read('[inbound.default]\nexisting = "short_descriptionLIKE{{ case.key }}"\n')
    world.cycle()
    assert (world.written(), world.skip(case_id)) == (0, SkipReason.KEPT_ELSEWHERE)


def test_it_is_shown_while_observing() -> None:
    world = ConfiguredWorld(text=BY_DESCRIPTION, observes=True)
    world.cycle()
    case_id, _ = with_record(world)
    assert world.cycle().plan.actions == ()
    assert world.skip(case_id) is SkipReason.KEPT_ELSEWHERE
    world.observes = False
    world.cycle()
    assert (world.written(), world.skip(case_id)) == (0, SkipReason.KEPT_ELSEWHERE)
