"""What went wrong with such daemons elsewhere, one test for each, which bears its name and tells its story."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import CycleFailed, Locked, Refused
from reconciler.core.model import Result, SkipReason
from reconciler.core.policies.defaults import DEFAULT_ON_RESOLVE
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.store.opening.lock import DatabaseLock
from tests.builders import an_inbound, compiled, policies
from tests.scenario.wild_support import WildWorld, after_a_drift_check
from tests.store_helpers import empty_store
from tests.world import results


def test_time_out_before_create() -> None:
    """The create never arrived, which looks the same. It is looked for, not found, and sent again a cycle later."""
    world = WildWorld()
    world.cycle()
    case_id = world.new_case()
    world.strike_records(FaultKind.TIMEOUT, "records.create")
    assert results(world.cycle()) == [Result.UNKNOWN]
    assert results(world.cycle()) == [Result.DONE]
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_two_daemons_on_one_database(tmp_path: Path) -> None:
    """A second daemon is started beside the first. It is turned away and told by whom."""
    path = tmp_path / "reconciler.db"
    with (
        DatabaseLock(path, command="reconciler run"),
        pytest.raises(Locked, match="reconciler run") as turned_away,
        DatabaseLock(path, command="reconciler once"),
    ):
        pass
    assert turned_away.value.exit_code == 3


@pytest.mark.parametrize("moment", ["before find", "after find", "before create", "after create"])
def test_two_daemons_on_two_hosts(moment: str) -> None:
    """A stand-by host with a database of its own runs too. Wherever its cycle falls into ours: one record."""
    world = WildWorld()
    other = empty_store()
    world.cycle()
    world.cycle_of(other)
    case_id = world.new_case()
    world.once(moment, lambda: world.cycle_of(other))
    world.cycle()
    world.coralogix.acknowledge(case_id)
    world.once("before update", lambda: world.cycle_of(other))
    world.run_until_quiet()
    assert not world.cycle_of(other).plan.actions
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_empty_key_closes_a_strangers_record() -> None:
    """A record without a key bears our mark, since a person copied the form. No Case without a record touches it."""
    world = WildWorld()
    stranger = world.servicenow.people.open_incident("Printer on fire", correlation_display="Coralogix")
    world.servicenow.rules.add("no more", lambda before, _after: not before)
    world.cycle()
    case_id = world.new_case()
    world.cycle()
    world.coralogix.resolve(case_id)
    world.cycle(seconds=3600)
    world.coralogix.close(case_id)
    world.cycle(seconds=3600)
    assert world.servicenow.record(stranger)["sys_mod_count"] == "0"
    assert {write.operation for write in world.servicenow.journal if write.via_api} == {Operation.INSERT}
    assert len(world.servicenow.records()) == 1


def test_closed_record_updated() -> None:
    """The record was closed; then its Case got another title and priority. Nothing is written, and that is said."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.close(sys_id)
    world.run_until_quiet()
    world.coralogix.set_title(case_id, "Payments are down")
    world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_TERMINAL
    assert not world.sent(case_id)


def test_closed_record_updated_in_the_same_cycle() -> None:
    """A person closes the record between our plan and our write. The read before the write notices."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before get_many", lambda: world.servicenow.people.close(sys_id))
    assert results(world.cycle()) == [Result.ALREADY]
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "7")
    assert not world.sent(case_id)


@pytest.mark.parametrize("kind", [FaultKind.ERROR_500, FaultKind.ERROR_IN_200, FaultKind.TRUNCATED_JSON])
def test_error_read_as_empty(kind: FaultKind) -> None:
    """The look-up that guards a create fails. It is not taken for "no record yet": nothing is created."""
    world = WildWorld()
    case_id, _ = world.link_one()
    fresh = empty_store()
    world.strike_records(kind, "records.list", times=None)
    report = world.cycle_of(fresh)
    assert isinstance(report.error, CycleFailed)
    world.record_faults.clear()
    world.once("before find", lambda: world.strike_records(kind, "records.list"))
    world.store = fresh
    report = world.cycle()
    assert (report.exit_code, report.outcomes) == (1, ())
    world.run_until_quiet()
    assert len(world.sent(case_id, Operation.INSERT)) == 1


def test_hidden_cases() -> None:
    """An access policy hides Cases from the key (``pbacTruncated``). Refused, and no cursor moves."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    stood = world.store.snapshots.cursors()["cases.updated"]
    world.coralogix.hide(case_id)
    world.coralogix.create_case("another")
    world.servicenow.people.resolve(sys_id)
    for _ in range(3):
        report = world.cycle()
        assert isinstance(report.error, Refused)
    assert world.store.snapshots.cursors()["cases.updated"] == stood
    assert world.writes() == 1
    world.coralogix.hide(case_id, hidden=False)
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


def test_same_second_cursor() -> None:
    """Many records change in one second, some after we read. With no overlap at all, over small pages: all seen."""
    world = WildWorld(settings=Settings(workers=1, incident_overlap=timedelta(), incident_page_rows=2))
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(7)]
    world.cycle()
    for case_id in case_ids[:4]:
        world.servicenow.people.progress(world.sys_id(case_id))
    world.cycle(seconds=0)
    for case_id in case_ids[4:]:
        world.servicenow.people.progress(world.sys_id(case_id))
    world.cycle(seconds=0)
    assert {world.status(case_id) for case_id in case_ids} == {"ACKNOWLEDGED"}


def test_steady_divergence_that_no_change_announces() -> None:
    """A script resolves the record with ``autoSysFields(false)``: no time moves. The drift check finds it in time."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    for _ in range(20):
        world.cycle()
    world.link_one("a later one, which moves the cursor on")
    world.cycle()
    edited_at = world.clock.now()
    world.servicenow.people.silent_edit(sys_id, state="6", close_code="Solution provided", close_notes="By script.")
    world.cycle()
    assert world.status(case_id) == "ACTIVE"
    while world.status(case_id) == "ACTIVE":
        assert world.clock.now() - edited_at < world.settings.drift_check_every
        world.cycle()
    assert world.status(case_id) == "RESOLVED"


def test_200_without_change() -> None:
    """The service says 200 and leaves the state as it was. That is noticed, held, and tried again much later."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.NO_CHANGE_200, "records.update")
    assert results(world.cycle()) == [Result.REJECTED]
    assert not world.cycle().plan.actions
    assert "in state 1" in world.detail(case_id)
    assert results(world.cycle(seconds=900)) == [Result.DONE]
    assert world.state(case_id) == "2"


def test_200_without_change_of_a_field() -> None:
    """The same with a title. It is not remembered as written, nor taken for a person's own words afterwards."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.coralogix.set_title(case_id, "Payments are down")
    world.strike_records(FaultKind.NO_CHANGE_200, "records.update")
    assert results(world.cycle()) == [Result.REJECTED]
    assert not world.cycle().plan.actions
    assert "short_description" in world.detail(case_id)
    assert results(world.cycle(seconds=900)) == [Result.DONE]
    assert "Payments are down" in world.record(case_id)["short_description"]


def test_200_without_change_of_a_case() -> None:
    """Coralogix says 200 to a resolve and leaves the Case open. Held; closing it is not even tried."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.close(sys_id)
    world.strike_cases(FaultKind.NO_CHANGE_200, "cases.resolve")
    assert results(world.cycle()) == [Result.REJECTED]
    assert world.verbs(case_id) == ["resolve"]
    assert results(world.cycle(seconds=900)) == [Result.DONE]
    assert world.both(case_id) == ("CLOSED", "7")


@pytest.mark.parametrize("kind", [FaultKind.TIMEOUT, FaultKind.ERROR_500, FaultKind.HTML_200])
def test_note_posted_twice(kind: FaultKind) -> None:
    """A write whose answer was lost is repeated, and what it said stands there twice. Ours is looked for instead."""
    step = compiled(DEFAULT_ON_RESOLVE, work_notes="Resolved in Coralogix.")
    world = WildWorld(rules=policies(inbound=an_inbound(on_resolve=step)))
    case_id, sys_id = world.link_one()
    world.coralogix.resolve(case_id, "the disk was full")
    world.strike_records(kind, "records.update", after_effect=True)
    world.run_until_quiet()
    assert len(world.sent(case_id)) == 1
    assert len(world.servicenow.notes(sys_id)) == 1
    world.servicenow.people.close(sys_id)
    world.strike_cases(kind, "cases.close", after_effect=True)
    world.run_until_quiet()
    assert world.verbs(case_id) == ["close"]
    assert len(world.servicenow.notes(sys_id)) == 1


def test_one_poison_record_blocks_all() -> None:
    """A data policy refuses one record, another Case cannot be read at all. Everybody else's go on."""
    world = WildWorld()
    world.cycle()
    refused, unread, sound = [world.new_case(title) for title in ("refused", "unread", "sound")]
    world.cycle()
    poisoned = world.sys_id(refused)
    world.servicenow.rules.add("reviewed", lambda before, _after: before["sys_id"] == poisoned, labels=("Review",))
    for case_id in (refused, unread, sound):
        world.coralogix.acknowledge(case_id)
    world.meddled.poison = frozenset({unread})
    report = world.cycle()
    assert (report.malformed, sorted(results(report))) == (2, [Result.DONE, Result.REJECTED])
    world.cycle()
    assert "Review" in world.detail(refused)
    after_a_drift_check(world)  # which reads the unread one by itself
    world.coralogix.resolve(sound, "done")
    world.cycle()
    assert world.both(sound) == ("RESOLVED", "6")


def test_two_records_with_one_key() -> None:
    """A reopening by mail copied the record, key and mark included. Both are named, neither is written."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.copy(sys_id)
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    numbers = [row["number"] for row in world.servicenow.incidents_for(case_id)]
    assert all(number in world.detail(case_id) for number in numbers)
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert not world.sent(case_id)
    assert world.verbs(case_id) == []


@pytest.mark.parametrize("is_listed", [True, False])
def test_two_records_with_one_key_and_none_linked(is_listed: bool) -> None:
    """The same is found by a host whose database knows of neither, by the look-up alone where its pull lags."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.copy(sys_id)
    world.coralogix.acknowledge(case_id)
    world.store = empty_store()
    if not is_listed:
        world.strike_records(FaultKind.STALE_LIST, "records.list")
        world.servicenow.access.list_lag = timedelta(hours=1)
    assert results(world.cycle()) == []
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    if is_listed:
        world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    assert len(world.servicenow.incidents_for(case_id)) == 2
    assert not world.sent(case_id)
