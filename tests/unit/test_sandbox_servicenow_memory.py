"""The IncidentClient in memory: what it answers, what it raises for each fault, and what took effect all the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.errors import (
    Ambiguous,
    AuthFailed,
    Malformed,
    Missing,
    PartialTruth,
    Rejected,
    RemoteError,
    Transient,
)
from reconciler.core.model import Incident
from reconciler.remotes.ports import IncidentClient, Position
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan
from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.memory import MemoryIncidentClient
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.world import ServiceNowWorld

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
KINDS = FaultKind


def case_id(number: int) -> str:
    return f"0b0e7a1c-0000-4000-8000-{number:012d}"


def sys_id(number: int) -> str:
    return f"{0xABC000 + number:032x}"


def new_client(**switches: object) -> MemoryIncidentClient:
    world = ServiceNowWorld(SandboxClock(START), FaultPlan(), switches=Switches(**switches))  # type: ignore[arg-type]
    return MemoryIncidentClient(world, extra_fields=("description", "u_no_such"))


def create(client: MemoryIncidentClient, number: int = 1, **fields: str) -> Incident:
    keys = {"sys_id": sys_id(number), "correlation_id": case_id(number), "correlation_display": "Coralogix"}
    return client.create("incident", {**keys, **fields})


def strike(client: MemoryIncidentClient, kind: FaultKind, operation: str, *, after_effect: bool = False) -> None:
    client.world.faults.add(Fault(kind=kind, operation=operation, after_effect=after_effect))


def test_a_record_is_created_read_and_changed() -> None:
    client: IncidentClient = new_client()
    assert isinstance(client, MemoryIncidentClient)
    made = create(client, description="x", short_description="title")

    assert (made.sys_id, made.number, made.state, made.mod_count) == (sys_id(1), "INC0010001", "1", 0)
    assert (made.created_at, made.updated_by) == (START, "coralogix.sync")
    assert made.fields == {"close_code": "", "close_notes": "", "description": "x", "short_description": "title"}
    changed = client.update("incident", sys_id(1), {"state": "2"})
    assert client.get("incident", sys_id(1)).mod_count == changed.mod_count == 1
    assert dict(client.requests) == {"records.create": 1, "records.update": 1, "records.get": 1}
    assert client.writes == 2


def test_listing_by_change_reads_everything_of_ours_once_and_in_order() -> None:
    client = new_client()
    for number in range(25):
        if number % 4 == 0:
            client.world.clock.advance(seconds=1)
        create(client, number)
    client.world.open_incident("a stranger's", correlation_id=case_id(99), correlation_display="Other")

    read: list[Incident] = []
    page = client.changed("incident", since=START, limit=7)
    while page.incidents:
        read += page.incidents
        page = client.changed("incident", since=START, after=page.last, limit=7)

    assert [one.sys_id for one in read] == [sys_id(number) for number in range(25)]
    assert (page.last, page.hidden) == (None, 0)
    assert page.server_time == client.world.now()
    assert client.changed("incident", since=START + timedelta(minutes=1)).incidents == ()
    assert len(client.changed("incident", since=None).incidents) == 25


def test_records_are_found_by_key_fifty_in_a_request() -> None:
    client = new_client()
    for number in range(60):
        create(client, number)
    keys = [case_id(number) for number in range(120)]
    client.requests.clear()

    assert len(client.find("incident", keys)) == 60
    assert client.requests["records.list"] == 3
    assert len(client.get_many("incident", [sys_id(number) for number in range(120)])) == 60
    assert client.find("incident", []) == ()


@pytest.mark.parametrize("key", ["", " ", "x^y", "NOT-A-KEY", case_id(1).replace("0b", "0B")])
def test_an_empty_or_odd_key_is_refused_before_anything_is_sent(key: str) -> None:
    client = new_client()
    calls: list[Callable[[], object]] = [
        lambda: client.find("incident", [key]),
        lambda: client.get("incident", key),
        lambda: client.get_many("incident", [key]),
        lambda: client.update("incident", key, {"state": "2"}),
        lambda: client.create("incident", {"sys_id": key, "correlation_id": key, "correlation_display": "Coralogix"}),
    ]
    for call in calls:
        with pytest.raises(Rejected):
            call()
    assert not client.requests


def test_a_hidden_record_is_counted_in_a_listing_and_missing_by_itself() -> None:
    client = new_client()
    for number in range(3):
        create(client, number)
    client.world.hide(sys_id(1))

    page = client.changed("incident", since=None, limit=3)
    assert ([one.sys_id for one in page.incidents], page.hidden) == ([sys_id(0), sys_id(2)], 1)
    assert client.get_many("incident", [sys_id(1), sys_id(2)])[0].sys_id == sys_id(2)
    with pytest.raises(Missing):
        client.get("incident", sys_id(1))
    with pytest.raises(Missing):
        client.update("incident", sys_id(1), {"state": "2"})
    with pytest.raises(PartialTruth):
        client.find("incident", [case_id(1)])


def test_a_page_whose_rows_are_all_hidden_counts_what_is_behind_it() -> None:
    client = new_client()
    for number in range(3):
        create(client, number)
    client.world.hide(sys_id(0))
    client.world.hide(sys_id(1))

    page = client.changed("incident", since=None, limit=2)
    assert (page.incidents, page.last, page.hidden) == ((), None, 3)


def test_hidden_rows_may_be_listed_empty() -> None:
    client = new_client(unreadable_row="empty")
    create(client, 0)
    create(client, 1)
    client.world.hide(sys_id(1))
    page = client.changed("incident", since=None)
    assert (len(page.incidents), len(page.malformed), page.hidden) == (1, 1, 0)
    assert page.last == Position(updated_at=START, sys_id=sys_id(0))
    with pytest.raises(PartialTruth):
        client.changed("incident", since=None, after=page.last)


def test_a_needed_field_that_cannot_be_read_makes_a_record_malformed() -> None:
    client = new_client()
    create(client)
    client.world.protect("incident", unreadable=("state",))
    assert len(client.changed("incident", since=None).malformed) == 1
    with pytest.raises(Malformed):
        client.get("incident", sys_id(1))
    with pytest.raises(Ambiguous):
        client.update("incident", sys_id(1), {"description": "x"})


def test_a_policy_rejects_an_update_and_makes_a_create_ambiguous() -> None:
    client = new_client()
    create(client)
    with pytest.raises(Rejected, match="Resolution code, Resolution notes") as caught:
        client.update("incident", sys_id(1), {"state": "6"})
    assert caught.value.status == 403
    with pytest.raises(Ambiguous, match="Error during insert"):
        create(client)
    with pytest.raises(Rejected, match="Invalid table"):
        client.get("no_such", sys_id(1))


NEVER_APPLIED = [KINDS.REFUSED, KINDS.RATE_429, KINDS.REDIRECT_LOGIN]
UNKNOWN = [
    KINDS.TIMEOUT,
    KINDS.RESET,
    KINDS.ERROR_500,
    KINDS.ERROR_502_HTML,
    KINDS.ERROR_503_HTML,
    KINDS.HTML_200,
    KINDS.TRUNCATED_JSON,
    KINDS.ERROR_IN_200,
]
WRITE_ERRORS: list[tuple[FaultKind, type[RemoteError], type[RemoteError]]] = [
    *((kind, Ambiguous, Ambiguous) for kind in UNKNOWN),
    *((kind, Transient, Transient) for kind in NEVER_APPLIED),
    (KINDS.FORBIDDEN_403, Ambiguous, Rejected),
    (KINDS.UNAUTHORIZED_401, AuthFailed, AuthFailed),
]


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize(("kind", "on_create", "on_update"), WRITE_ERRORS)
def test_what_a_fault_makes_of_a_write(
    kind: FaultKind,
    on_create: type[RemoteError],
    on_update: type[RemoteError],
    after_effect: bool,
) -> None:
    client = new_client()
    lands = after_effect and kind not in {*NEVER_APPLIED, KINDS.UNAUTHORIZED_401}

    strike(client, kind, "records.create", after_effect=after_effect)
    with pytest.raises(on_create) as caught:
        create(client)
    assert type(caught.value) is on_create
    assert len(client.world.incidents_for(case_id(1))) == int(lands)
    assert client.world.journal[-1].accepted == lands
    if not lands:
        create(client)

    strike(client, kind, "records.update", after_effect=after_effect)
    with pytest.raises(on_update) as updated:
        client.update("incident", sys_id(1), {"state": "2"})
    assert type(updated.value) is on_update
    assert client.world.record(sys_id(1))["state"] == ("2" if lands else "1")
    assert client.world.journal[-1].asked["state"] == "2"


@pytest.mark.parametrize("operation", ["records.list", "records.get"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        *((kind, Transient) for kind in (*UNKNOWN, *NEVER_APPLIED)),
        (KINDS.FORBIDDEN_403, Rejected),
        (KINDS.UNAUTHORIZED_401, AuthFailed),
    ],
)
def test_what_a_fault_makes_of_a_read(kind: FaultKind, error: type[RemoteError], operation: str) -> None:
    client = new_client()
    create(client)
    strike(client, kind, operation)
    calls: dict[str, Callable[[], object]] = {
        "records.list": lambda: client.changed("incident", since=None),
        "records.get": lambda: client.get("incident", sys_id(1)),
    }
    with pytest.raises(error) as caught:
        calls[operation]()
    assert type(caught.value) is error


def test_a_write_may_be_answered_with_the_record_as_it_was() -> None:
    client = new_client()
    create(client)
    strike(client, KINDS.NO_CHANGE_200, "records.update")
    assert client.update("incident", sys_id(1), {"state": "2"}).state == "1"
    assert client.world.record(sys_id(1))["state"] == "1"
    assert not client.world.journal[-1].accepted


def test_faults_of_listings() -> None:
    client = new_client()
    create(client)
    strike(client, KINDS.HIDDEN_ROWS, "records.list")
    page = client.changed("incident", since=None)
    assert (page.incidents, page.hidden) == ((), 1)
    strike(client, KINDS.HIDDEN_ROWS, "records.list")
    with pytest.raises(PartialTruth):
        client.find("incident", [case_id(1)])
    client.world.open_incident("a stranger's")
    strike(client, KINDS.DROPPED_CONDITION, "records.list")
    with pytest.raises(PartialTruth):
        client.changed("incident", since=None)
    strike(client, KINDS.STALE_LIST, "records.list")
    assert client.find("incident", [case_id(1)]) == ()
    client.world.clock.advance(seconds=31)
    strike(client, KINDS.STALE_LIST, "records.list")
    assert len(client.find("incident", [case_id(1)])) == 1


def test_references_are_found_by_name_where_one_active_row_bears_it() -> None:
    client = new_client()
    admin = Actor(user_name="admin", roles=frozenset({"admin"}))
    for name, active in (("Twins", "true"), ("Twins", "true"), ("Retired", "false")):
        client.world.insert("sys_user_group", {"name": name, "active": active}, admin)
    names = ["network", "Twins", "Retired", "Nobody"]
    (network,) = [row["sys_id"] for row in client.world.records("sys_user_group") if row["name"] == "Network"]
    assert client.reference("sys_user_group", "name", names) == {"network": network}
    assert "checkout" in client.reference("cmdb_ci", "name", ["checkout"])


def test_raw_rows_and_events() -> None:
    client = new_client()
    (row,) = client.rows("sys_user", "user_name=admin", fields=["user_name", "u_no_such"], limit=1)
    assert row == {"user_name": "admin"}
    strike(client, KINDS.DROPPED_CONDITION, "records.list")
    assert len(client.rows("sys_user", "user_name=admin", fields=["user_name"], limit=3)) == 3
    client.send_event({"message_key": "key", "severity": "1"})
    strike(client, KINDS.TIMEOUT, "records.event", after_effect=True)
    with pytest.raises(Ambiguous):
        client.send_event({"message_key": "key", "severity": "0"})
    assert [row["state"] for row in client.world.records("em_alert")] == ["Closed"]
