"""The database is gone and rebuilt: nothing is made twice, nothing is moved back, and all comes to rest."""

from __future__ import annotations

from collections import Counter

import pytest

from reconciler.core.errors import PartialTruth, Transient
from reconciler.core.identity import record_id
from reconciler.core.model import SkipReason
from reconciler.engine.context import Settings
from reconciler.rebuild.rebuild import rebuild
from reconciler.rebuild.report import RebuildReport, UncertaintyKind
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Switches
from tests.store_helpers import empty_store
from tests.world import World


def linked(world: World, count: int = 1) -> list[str]:
    """Make Cases with their records, all at rest."""
    world.cycle()
    case_ids = [world.new_case(f"Case number {number}") for number in range(count)]
    world.run_until_quiet()
    return case_ids


def rebuilt(world: World, *, after_days: float = 0) -> RebuildReport:
    """Lose the database, and rebuild it."""
    world.clock.advance(days=after_days, minutes=1)
    world.store = empty_store()
    written = world.writes()
    report = rebuild(world.context, cycle_id="rebuild")
    assert world.writes() == written
    return report


def stages(world: World) -> list[tuple[object, ...]]:
    """Give where each link stands, as auditors see it."""
    columns = "case_id, number, case_stage, incident_stage, agreed_stage"
    return world.store.database.read(f"SELECT {columns} FROM audit_links ORDER BY case_id")  # noqa: S608 - our own constants


def kinds(report: RebuildReport) -> Counter[UncertaintyKind]:
    return Counter(finding.kind for finding in report.findings)


def test_links_that_are_in_step_come_back_and_nothing_is_planned() -> None:
    world = World()
    case_ids = linked(world, 3)
    world.coralogix.acknowledge(case_ids[0])
    world.coralogix.resolve(case_ids[1])
    world.run_until_quiet()
    before = {case_id: world.store.links.pair(case_id) for case_id in case_ids}
    shown = stages(world)
    report = rebuilt(world)
    assert stages(world) == shown
    assert (report.records, report.links, report.findings) == (3, 3, ())
    for case_id, pair in before.items():
        again = world.store.links.pair(case_id)
        assert pair is not None
        assert again is not None
        assert (again.link.sys_id, again.link.agreed, again.link.written, again.link.route) == (
            pair.link.sys_id,
            pair.link.agreed,
            pair.link.written,
            pair.link.route,
        )
    written = world.writes()
    assert world.run_until_quiet() == 0
    assert world.writes() == written


def test_after_a_rebuild_both_sides_go_on_as_before() -> None:
    world = World()
    first, second = linked(world, 2)
    rebuilt(world, after_days=3)
    world.run_until_quiet()
    world.coralogix.set_title(first, "Something else")
    world.servicenow.people.resolve(world.sys_id(second))
    world.run_until_quiet()
    assert "Something else" in world.record(first)["short_description"]
    assert world.both(second) == ("RESOLVED", "6")


def test_a_reopened_incident_is_not_resolved_again() -> None:
    world = World()
    (case_id,) = linked(world)
    world.coralogix.resolve(case_id)
    world.run_until_quiet()
    world.servicenow.people.reopen(world.sys_id(case_id))
    report = rebuilt(world)
    assert kinds(report) == {UncertaintyKind.AMBIGUOUS: 1}
    assert "incident_reopened" in report.findings[0].why
    written = world.writes()
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "2")
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED
    assert world.writes() == written
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.skip(case_id) is None


def test_a_resolve_that_had_not_reached_the_case_is_named_and_not_pushed() -> None:
    world = World()
    (case_id,) = linked(world)
    world.servicenow.people.resolve(world.sys_id(case_id))
    report = rebuilt(world)
    assert kinds(report) == {UncertaintyKind.AMBIGUOUS: 1}
    world.run_until_quiet()
    assert world.both(case_id) == ("ACTIVE", "6")
    assert world.skip(case_id) is SkipReason.CASE_MOVED_BACK
    world.coralogix.resolve(case_id)
    world.servicenow.people.close(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "7")


def test_a_difference_below_resolved_follows_only_news() -> None:
    world = World()
    (case_id,) = linked(world)
    world.servicenow.people.progress(world.sys_id(case_id))
    report = rebuilt(world)
    assert kinds(report) == {UncertaintyKind.AMBIGUOUS: 1}
    assert world.run_until_quiet() == 0
    assert world.both(case_id) == ("ACTIVE", "2")
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


def test_two_records_with_one_key_are_named_and_neither_is_written() -> None:
    world = World()
    (case_id,) = linked(world)
    world.servicenow.people.copy(world.sys_id(case_id))
    numbers = {record["number"] for record in world.servicenow.incidents_for(case_id)}
    report = rebuilt(world, after_days=40)
    assert kinds(report) == {UncertaintyKind.DUPLICATES: 1}
    assert all(number in report.findings[0].why for number in numbers)
    world.coralogix.acknowledge(case_id)
    written = world.writes()
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    assert world.writes() == written
    assert len(world.servicenow.incidents_for(case_id)) == 2


@pytest.mark.parametrize("how", ["delete", "hide"])
def test_a_record_whose_case_is_gone_is_named_and_left_alone(how: str) -> None:
    world = World()
    gone, there = linked(world, 2)
    getattr(world.coralogix, how)(gone)
    world.settings = Settings(workers=1, accept_partial_view=True)
    report = rebuilt(world)
    assert [(f.kind, f.case_id) for f in report.findings] == [(UncertaintyKind.CASE_MISSING, gone)]
    assert world.store.links.pair(gone) is None
    assert world.store.links.pair(there) is not None
    assert world.run_until_quiet() == 0


def test_a_record_with_our_mark_and_a_strange_key_is_named() -> None:
    world = World()
    linked(world)
    world.servicenow.people.open_incident("by hand", correlation_id="CASE-7", correlation_display="Coralogix")
    report = rebuilt(world)
    assert kinds(report) == {UncertaintyKind.FOREIGN_KEY: 1}
    assert "CASE-7" in report.findings[0].why
    assert world.run_until_quiet() == 0


def test_cases_that_never_had_a_record_get_none_when_they_are_over_and_one_when_they_are_young() -> None:
    world = World()
    linked(world)
    over, young = world.new_case("over"), world.new_case("young")
    world.coralogix.resolve(over)
    rebuilt(world)
    world.run_until_quiet()
    assert not world.servicenow.incidents_for(over)
    assert world.skip(over) is SkipReason.BEFORE_ORIGIN
    assert len(world.servicenow.incidents_for(young)) == 1


def test_a_case_that_came_and_went_since_the_rebuild_began_is_not_lost() -> None:
    world = World()
    linked(world)
    rebuilt(world)
    world.clock.advance(seconds=1)
    case_id = world.new_case("short")
    world.coralogix.resolve(case_id)
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_a_field_that_a_person_changed_meanwhile_stays_theirs() -> None:
    world = World()
    ours, theirs = linked(world, 2)
    world.servicenow.people.edit(world.sys_id(theirs), short_description="what it really is")
    rebuilt(world)
    world.run_until_quiet()
    world.coralogix.set_title(theirs, "two and a half")
    world.coralogix.set_title(ours, "one and a half")
    world.run_until_quiet()
    assert world.record(theirs)["short_description"] == "what it really is"
    assert "one and a half" in world.record(ours)["short_description"]


def test_an_unknown_state_is_named_and_held() -> None:
    world = World()
    (case_id,) = linked(world)
    world.servicenow.people.set_state(world.sys_id(case_id), "42")
    assert kinds(rebuilt(world)) == {UncertaintyKind.AMBIGUOUS: 1}
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.UNKNOWN_STATE


def test_an_instance_that_replaces_our_ids_is_recognised() -> None:
    world = World(switches=Switches(sys_id_on_post="strip"))
    (case_id,) = linked(world)
    sys_id = world.sys_id(case_id)
    assert sys_id != record_id("Coralogix", case_id)
    assert rebuilt(world).links == 1
    assert world.store.facts.get("ids_not_honoured.main") == sys_id
    assert world.run_until_quiet() == 0


def test_a_rebuild_that_fails_half_way_leaves_the_memory_as_it_was_and_can_be_run_again() -> None:
    world = World()
    case_ids = linked(world, 3)
    before = [world.store.links.pair(case_id) for case_id in case_ids]
    for operation in ("cases.list", "cases.get"):
        if operation == "cases.get":
            world.coralogix.delete(case_ids[2])
        world.strike_cases(FaultKind.TIMEOUT, operation)
        with pytest.raises(Transient):
            rebuild(world.context, cycle_id=f"rebuild {operation}")
        assert [world.store.links.pair(case_id) for case_id in case_ids] == before
    assert rebuild(world.context, cycle_id="rebuild").links == 2
    again = rebuild(world.context, cycle_id="once more")
    assert again.links == 2
    assert [row["result"] for row in world.store.journal.last_cycles(4)] == ["done", "done", "failed", "failed"]


def test_what_a_service_hides_stops_a_rebuild() -> None:
    world = World()
    linked(world)
    world.strike_records(FaultKind.HIDDEN_ROWS, "records.list", times=2)
    with pytest.raises(PartialTruth):
        rebuild(world.context, cycle_id="rebuild")
    world.coralogix.hide(world.new_case())
    with pytest.raises(PartialTruth):
        rebuild(world.context, cycle_id="again")


def test_many_pages_are_read_to_their_end() -> None:
    world = World(settings=Settings(workers=1, all_cases_page_rows=7, incident_page_rows=7))
    linked(world, 30)
    report = rebuilt(world)
    assert (report.records, report.links, report.findings) == (30, 30, ())
    assert world.cases.requests["cases.get"] == 0
    assert world.run_until_quiet() == 0
