"""Answers that are none, or not to what was asked: pages for people, dropped conditions, hidden rows, zones of time."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from reconciler.core.errors import CycleFailed, PartialTruth, Refused, Rejected
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Switches
from tests.scenario.wild_support import WildWorld, after_a_drift_check


def test_empty_key() -> None:
    """An empty or foreign key would make a query that everything matches. None ever leaves the program."""
    world = WildWorld()
    stranger = world.servicenow.people.open_incident("Printer on fire", correlation_display="Coralogix")
    client = world.incidents
    world.link_one()
    asked = len(world.asked)
    attempts: list[Callable[[], object]] = [
        lambda: client.find("incident", [""]),
        lambda: client.find("incident", ["x^ORstate=1"]),
        lambda: client.get("incident", ""),
        lambda: client.get_many("incident", [""]),
        lambda: client.update("incident", "", {"state": "7"}),
        lambda: client.create("incident", {"sys_id": "0" * 32, "correlation_id": ""}),
    ]
    for attempt in attempts:
        with pytest.raises(Rejected):
            attempt()
    assert len(world.asked) == asked
    assert world.servicenow.record(stranger)["sys_mod_count"] == "0"


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (FaultKind.HTML_200, "an HTML page instead of JSON"),
        (FaultKind.REDIRECT_LOGIN, "a login page"),
        (FaultKind.TRUNCATED_JSON, "cut short|was cut before the answer was whole"),
        (FaultKind.ERROR_IN_200, "upstream request failed|maximum execution time exceeded"),
        (FaultKind.ERROR_503_HTML, "answered 503"),
    ],
)
@pytest.mark.parametrize("operation", ["records.list", "cases.list"])
def test_an_answer_that_is_none(kind: FaultKind, named: str, operation: str) -> None:
    """A sleeping instance says 200 with a page for people, a proxy leads to a login page, a quota cuts a page in a row.

    None of it is "nothing new": no row is used, no cursor moves, and all is caught up with later.
    """
    world = WildWorld()
    case_id, sys_id = world.link_one()
    stood = world.store.snapshots.cursors()
    world.servicenow.people.resolve(sys_id)
    world.new_case("another")
    strike = world.strike_cases if operation == "cases.list" else world.strike_records
    strike(kind, operation, times=None)
    report = world.cycle()
    assert isinstance(report.error, CycleFailed)
    assert (report.exit_code, report.plan.actions) == (1, ())
    assert re.search(named, str(report.error))
    side = "cases" if operation == "cases.list" else "incidents"
    moved = {name for name, cursor in world.store.snapshots.cursors().items() if cursor != stood[name]}
    assert not [name for name in moved if name.startswith(side)]
    assert world.writes() == 1
    world.case_faults.clear()
    world.record_faults.clear()
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert not [record for record in world.asked if "login" in record.path or "sso" in record.path]


def test_dropped_condition() -> None:
    """The instance ignores the condition of a query and gives everybody's records. None of them is taken for ours."""
    world = WildWorld()
    strangers = [world.servicenow.people.open_incident(f"Printer {number} on fire") for number in range(3)]
    client = world.incidents
    case_id, sys_id = world.link_one()
    stood = world.store.snapshots.cursors()["incidents.main.incident"]
    world.servicenow.people.resolve(sys_id)
    world.strike_records(FaultKind.DROPPED_CONDITION, "records.list", times=None)
    report = world.cycle()
    assert (report.exit_code, report.plan.actions) == (3, ())
    assert world.store.snapshots.cursors()["incidents.main.incident"] == stood
    attempts: list[Callable[[], object]] = [
        lambda: client.find("incident", [case_id]),
        lambda: client.get_many("incident", [sys_id]),
    ]
    for attempt in attempts:
        with pytest.raises(PartialTruth, match="dropped"):
            attempt()
    world.record_faults.clear()
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert {world.servicenow.record(one)["sys_mod_count"] for one in strangers} == {"0"}


def test_dropped_condition_of_an_unreadable_field() -> None:
    """A new ACL hides ``correlation_display``, so ServiceNow drops the condition on it. The cycle is refused."""
    world = WildWorld()
    stranger = world.servicenow.people.open_incident("Printer on fire")
    case_id, _ = world.link_one()
    world.servicenow.access.protect("incident", unreadable=("correlation_display",))
    world.coralogix.acknowledge(case_id)
    stood = world.store.snapshots.cursors()["incidents.main.incident"]
    assert [world.cycle().exit_code for _ in range(3)] == [3, 3, 3]
    assert world.store.snapshots.cursors()["incidents.main.incident"] == stood
    assert world.writes() == 1
    world.servicenow.access.protect("incident")
    world.run_until_quiet()
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert world.servicenow.record(stranger)["sys_mod_count"] == "0"


@pytest.mark.parametrize("form", ["absent", "empty"])
def test_hidden_rows(form: str) -> None:
    """An ACL hides one record of several; ``X-Total-Count`` still counts it. Refused until it is shown again."""
    world = WildWorld(switches=Switches(unreadable_row="empty" if form == "empty" else "absent"))
    case_id, sys_id = world.link_one()
    hidden = world.new_case("another")
    world.cycle()
    world.cycle()
    stood = world.store.snapshots.cursors()["incidents.main.incident"]
    world.servicenow.people.note(sys_id, "This one is shown.")
    world.servicenow.access.hide(world.sys_id(hidden))
    world.coralogix.acknowledge(case_id)
    written = world.writes()
    reports = [world.cycle() for _ in range(3)]
    assert {(report.exit_code, report.plan.actions) for report in reports} == {(3, ())}
    assert all(isinstance(report.error, Refused) and "does not show" in str(report.error) for report in reports)
    assert world.store.snapshots.cursors()["incidents.main.incident"] == stood
    assert world.writes() == written
    world.servicenow.access.show(world.sys_id(hidden))
    world.run_until_quiet()
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")


def test_naive_and_aware_times() -> None:
    """ServiceNow's times bear no zone and its user lives eight hours west; Coralogix's have one. Both meet in UTC."""
    world = WildWorld()
    client = world.incidents
    case_id, sys_id = world.link_one()
    record = client.get("incident", sys_id)
    case = world.context.cases.get_case(case_id)
    assert {record.updated_at.tzname(), case.created_at.tzname()} == {"UTC"}
    assert abs(record.created_at - case.created_at).total_seconds() <= 60
    for act, state in (
        (world.servicenow.people.progress, "ACKNOWLEDGED"),
        (world.servicenow.people.resolve, "RESOLVED"),
    ):
        act(sys_id)
        world.cycle()
        assert world.status(case_id) == state
    times = [cursor.time for cursor in world.store.snapshots.cursors().values() if cursor.time]
    assert all(abs(world.clock.now() - time).total_seconds() <= 120 for time in times)


def test_naive_times_read_in_the_users_zone() -> None:
    """On some instances a time in a query is read in the user's zone. Whatever that hides, the drift check finds."""
    world = WildWorld(switches=Switches(literal_tz="user"))
    case_id, sys_id = world.link_one()
    world.servicenow.people.resolve(sys_id)
    after_a_drift_check(world)
    assert world.both(case_id) == ("RESOLVED", "6")
