"""The account of a window: what is missing on either side, or in the database, is found and never called complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.audit import fresh
from reconciler.audit.coverage import Coverage, ExceptionKind
from reconciler.audit.fresh import CoverageRequest, FreshReading
from reconciler.core.errors import AuthFailed, Transient
from reconciler.remotes.ports import CaseOrder, CasePage
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Switches
from tests.builders import an_inbound, condition, policies
from tests.clients import CasesInProcess
from tests.scenario.test_existing import started, with_record
from tests.scenario.wild_support import WildWorld
from tests.world import START, World


def covered(world: World, **window: timedelta) -> Coverage:
    """Account for everything since the start, or since a while ago."""
    now = world.clock.now()
    since = now - window["ago"] if "ago" in window else START - timedelta(hours=1)
    reading = FreshReading(
        cases=world.cases,
        connectors={"main": world.incidents},
        tables=world.context.tables(),
        policies=world.rules,
        store=world.store,
        asked=CoverageRequest(since=since, until=now - window.get("but", timedelta())),
        now=now,
        progress=lambda _what, _count: None,
    )
    return reading.run()


def kinds(found: Coverage) -> list[str]:
    return [one.kind.value for one in found.exceptions]


@pytest.fixture
def world() -> WildWorld:
    """Link two Cases, one of them resolved on both sides."""
    made = WildWorld()
    made.link_one("one")
    second, _ = made.link_one("two")
    made.coralogix.resolve(second)
    made.run_until_quiet()
    return made


def test_what_is_as_it_should_be_is_complete_and_clean(world: WildWorld) -> None:
    found = covered(world)
    assert (found.is_complete, found.is_clean) == (True, True)
    assert [(line.case_key, line.stage, line.record_stage) for line in found.cases] == [
        ("CASE-1", "open", "open"),
        ("CASE-2", "resolved", "resolved"),
    ]
    assert {line.case_key for line in found.records} == {"CASE-1", "CASE-2"}


def test_it_writes_nothing_anywhere(world: WildWorld) -> None:
    world.new_case("unknown")
    head, writes = world.store.ledger.head(), world.writes()
    covered(world)
    assert (world.store.ledger.head(), world.writes()) == (head, writes)


def test_a_case_that_was_hidden_from_the_daemon_is_found(world: WildWorld) -> None:
    hidden = world.new_case("hidden")
    world.coralogix.hide(hidden)
    world.cycle()
    world.coralogix.hide(hidden, hidden=False)
    found = covered(world)
    assert [(one.kind, one.case_id) for one in found.exceptions] == [(ExceptionKind.NEVER_SEEN, hidden)]
    assert found.is_complete


def test_a_link_row_that_was_deleted_is_found(world: WildWorld) -> None:
    case_id = covered(world).cases[0].case_id
    world.store.database.connection.execute("DELETE FROM links WHERE case_id = ?", (case_id,))
    found = covered(world)
    assert [(one.kind, one.case_id) for one in found.exceptions] == [(ExceptionKind.NOT_LINKED, case_id)]


@pytest.mark.parametrize("form", ["absent", "empty"])
def test_rows_that_an_acl_hides_are_found_and_the_account_is_not_complete(form: str) -> None:
    world = WildWorld(switches=Switches(unreadable_row=form))  # type: ignore[arg-type]
    _, sys_id = world.link_one()
    world.servicenow.access.hide(sys_id)
    found = covered(world)
    assert not found.is_complete
    assert "record_missing" in kinds(found)


@pytest.mark.parametrize("operation", ["cases.list", "records.list"])
def test_a_page_that_is_truncated_is_never_called_complete(world: WildWorld, operation: str) -> None:
    strike = world.strike_cases if operation.startswith("cases") else world.strike_records
    strike(FaultKind.HIDDEN_ROWS, operation, times=2)  # a page of records that hides rows is asked for again
    assert not covered(world).is_complete


class Forgetful(CasesInProcess):
    """Leave one Case out of one listing, as a page does that was cut on its way."""

    left_out: str
    order: CaseOrder

    def list_cases(self, *, order: CaseOrder, **rest: Any) -> CasePage:
        page = super().list_cases(order=order, **rest)
        kept = tuple(case for case in page.cases if case.id != self.left_out or order is not self.order)
        return replace(page, cases=kept)


@pytest.mark.parametrize("order", CaseOrder)
def test_a_case_that_one_listing_leaves_out_is_never_called_complete(world: WildWorld, order: CaseOrder) -> None:
    client = Forgetful(world.coralogix)
    client.left_out, client.order = covered(world).cases[1].case_id, order
    world.cases = client
    found = covered(world)
    assert found.incomplete == ("a listing of Coralogix left out CASE-2, which another has",)
    assert [line.case_key for line in found.cases] == ["CASE-1", "CASE-2"]


def test_pages_are_read_to_their_end(world: WildWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAGE_ROWS", "IDS_AT_ONCE"):
        monkeypatch.setattr(fresh, name, 1)
    found = covered(world)
    assert (len(found.cases), len(found.records), found.is_complete) == (2, 2, True)


@pytest.mark.parametrize(
    ("kind", "error"), [(FaultKind.ERROR_500, Transient), (FaultKind.UNAUTHORIZED_401, AuthFailed)]
)
def test_a_service_that_does_not_answer_ends_it(world: WildWorld, kind: FaultKind, error: type[Exception]) -> None:
    world.strike_cases(kind, "cases.list", times=None)
    with pytest.raises(error):
        covered(world)


def test_pairs_that_are_out_of_step_are_named_with_since_when(world: WildWorld) -> None:
    case_id = covered(world).cases[0].case_id
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.strike_cases(FaultKind.ERROR_500, "cases.resolve", times=None)
    world.cycle()
    [one] = covered(world).exceptions
    assert (one.kind, one.case_key, one.words) == (
        ExceptionKind.OUT_OF_STEP,
        "CASE-1",
        "the next cycle would advance_case to resolved",
    )
    assert one.since is not None
    world.coralogix.resolve(case_id, "done")
    line = covered(world).cases[0]
    assert (line.record_stage, line.out_of_step_since) == ("resolved", None)


def test_a_reopened_record_is_out_of_step_and_one_that_the_config_leaves_apart_is_not(world: WildWorld) -> None:
    first, second = (line.case_id for line in covered(world).cases)
    world.servicenow.people.reopen(world.sys_id(second))
    world.run_until_quiet()
    [one] = covered(world).exceptions
    assert one.kind is ExceptionKind.OUT_OF_STEP
    assert one.words.startswith("incident_reopened")
    one_way = WildWorld(rules=policies(inbound=an_inbound(on_acknowledge=None)))
    first, _ = one_way.link_one()
    one_way.coralogix.acknowledge(first)
    one_way.run_until_quiet()
    found = covered(one_way)
    assert (found.cases[0].stage, found.cases[0].record_stage, found.is_clean) == ("acknowledged", "open", True)


def test_a_case_without_a_record_has_its_reason() -> None:
    world = WildWorld(rules=policies(inbound=an_inbound(create_when=condition('case.priority == "P1"'))))
    world.cycle()
    world.new_case("unwanted", priority="P4")
    pending = world.coralogix.create_case("pending", activate=False)
    world.run_until_quiet()
    found = covered(world)
    assert found.is_clean
    assert {line.reason for line in found.cases} == {"not_routed", "pending_activation"}
    assert pending in {line.case_id for line in found.cases}


def test_a_record_by_other_means_stands_for_its_case() -> None:
    world = started()
    case_id, sys_id = with_record(world)
    world.run_until_quiet()
    [line] = [line for line in covered(world).cases if line.case_id == case_id]
    assert (line.elsewhere, line.sys_id, line.reason) == (True, sys_id, "kept_elsewhere")
    assert covered(world).is_clean


def test_a_record_is_named_that_is_gone_doubled_or_nobodys(world: WildWorld) -> None:
    first, second = (line.case_id for line in covered(world).cases)
    world.servicenow.people.copy(world.sys_id(first))
    world.servicenow.people.remove(world.sys_id(second))
    stray = "00000000-0000-4000-8000-000000000000"
    for key in (stray, "no key"):
        world.servicenow.people.open_incident("stray", correlation_id=key, correlation_display="Coralogix")
    found = covered(world)
    assert sorted(kinds(found)) == ["duplicate_record", "no_case", "no_case", "record_missing"]
    assert {one.case_id for one in found.exceptions if one.kind is ExceptionKind.NO_CASE} == {stray, "no key"}


def test_only_what_was_made_or_changed_in_the_window_is_of_it(world: WildWorld) -> None:
    world.clock.advance(days=2)
    late, _ = world.link_one("late")
    found = covered(world, ago=timedelta(hours=1))
    assert [line.case_id for line in found.cases] == [late]
    assert found.is_clean
    assert [line.case_key for line in covered(world, but=timedelta(days=1)).cases] == ["CASE-1", "CASE-2"]


def test_a_record_that_changed_brings_its_case_into_the_window(world: WildWorld) -> None:
    case_id = covered(world).cases[0].case_id
    world.clock.advance(days=2)
    world.servicenow.people.note(world.sys_id(case_id), "a word")
    found = covered(world, ago=timedelta(hours=1))
    assert [line.case_id for line in found.cases] == [case_id]
    assert found.is_clean
