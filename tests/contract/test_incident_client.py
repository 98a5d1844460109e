"""The contract of IncidentClient for finding and reading records, references, events and raw rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.core.errors import AuthFailed, Missing, PartialTruth, Rejected
from reconciler.remotes.ports import IncidentClient, Position
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.servicenow.journal import Actor
from tests.contract.record_support import SECOND, ids, put
from tests.contract.stage import (
    OWNER,
    OpenRecords,
    RecordStage,
    Theatre,
    case_id,
    new_records,
    record_fields,
    sys_id,
)

ADMIN = Actor(user_name="admin", roles=frozenset({"admin"}))
ODD_KEYS = [
    "",
    " ",
    "x^y",
    "NOT-A-KEY",
    sys_id(1)[:-1],
    "z" * 32,
    f"{sys_id(1)}\n",
    case_id(1).upper(),
    f"{case_id(1)} ",
]
BY_ID: dict[str, Callable[[IncidentClient, str], object]] = {
    "get": lambda client, key: client.get("incident", key),
    "update": lambda client, key: client.update("incident", key, {"state": "2"}),
}


@pytest.mark.parametrize("count", [0, 1, 2, 200, 201, 250])
def test_records_are_found_by_key_two_hundred_in_a_request(count: int, records: RecordStage) -> None:
    made = [put(records.world, number) for number in range(0, 250, 2)]
    records.requests.clear()
    keys = [case_id(number) for number in range(count)]
    found = records.client.find("incident", [*keys, *keys])
    assert [one.sys_id for one in found] == [one for one in made if one < sys_id(count)]
    assert dict(records.requests) == ({"records.list": -(-count // 200)} if count else {})


def test_every_record_of_ours_that_bears_a_key_is_found(records: RecordStage) -> None:
    first = put(records.world, 1)
    records.world.people.copy(first)
    second = put(records.world, 2, correlation_id=case_id(1))
    records.world.people.open_incident("another's", correlation_id=case_id(1), correlation_display="Other")
    found = records.client.find("incident", [case_id(1)])
    assert len(found) == 3
    assert {first, second} < {one.sys_id for one in found}
    assert [one.sys_id for one in found] == sorted(one.sys_id for one in found)
    assert {(one.correlation_id, one.correlation_display) for one in found} == {(case_id(1), OWNER)}


def test_a_hidden_record_of_a_key_is_partial_truth(records: RecordStage) -> None:
    put(records.world, 1)
    records.world.access.hide(put(records.world, 2))
    assert len(records.client.find("incident", [case_id(1)])) == 1
    with pytest.raises(PartialTruth):
        records.client.find("incident", [case_id(1), case_id(2)])


@pytest.mark.parametrize("count", [0, 1, 2, 250])
def test_records_are_read_by_id_and_those_missing_left_out(count: int, records: RecordStage) -> None:
    made = [put(records.world, number) for number in range(0, 250, 2)]
    records.world.access.hide(made[0])
    records.requests.clear()
    wanted = [sys_id(number) for number in range(count)]
    found = records.client.get_many("incident", [*wanted, *wanted])
    assert [one.sys_id for one in found] == [one for one in made[1:] if one < sys_id(count)]
    assert dict(records.requests) == ({"records.list": -(-count // 200)} if count else {})


def test_an_id_is_the_same_in_either_case(records: RecordStage) -> None:
    made = put(records.world, 0xABCDEF)
    assert records.client.get("incident", made.upper()).sys_id == made
    assert [one.sys_id for one in records.client.get_many("incident", [made.upper(), made])] == [made]
    assert records.client.update("incident", made.upper(), {"state": "2"}).sys_id == made


@pytest.mark.parametrize("operation", BY_ID)
def test_a_record_that_is_not_there_is_missing(operation: str, records: RecordStage) -> None:
    hidden, deleted = put(records.world, 1), put(records.world, 2)
    records.world.access.hide(hidden)
    records.world.people.remove(deleted)
    for key in (sys_id(99), hidden, deleted):
        with pytest.raises(Missing) as caught:
            BY_ID[operation](records.client, key)
        assert (type(caught.value), caught.value.status) == (Missing, 404)


@pytest.mark.parametrize("key", ODD_KEYS)
def test_an_odd_key_is_refused_before_anything_is_sent(key: str, records: RecordStage) -> None:
    client = records.client
    calls: list[Callable[[], object]] = [
        lambda: client.get("incident", key),
        lambda: client.get_many("incident", [sys_id(1), key]),
        lambda: client.update("incident", key, {"state": "2"}),
        lambda: client.create("incident", record_fields(1, sys_id=key)),
        lambda: client.create("incident", record_fields(1, correlation_id=key)),
        lambda: client.find("incident", [case_id(1), key]),
        lambda: client.changed("incident", since=None, after=Position(updated_at=SECOND, sys_id=key)),
    ]
    for call in calls:
        with pytest.raises(Rejected) as caught:
            call()
        assert type(caught.value) is Rejected
    assert records.requests.total() == 0
    assert records.world.journal == []


@pytest.mark.parametrize("table", ["", "no_such_table"])
def test_a_table_that_is_not_there_is_rejected(table: str, records: RecordStage) -> None:
    client = records.client
    calls: list[Callable[[], object]] = [
        lambda: client.changed(table, since=None),
        lambda: client.find(table, [case_id(1)]),
        lambda: client.get(table, sys_id(1)),
        lambda: client.get_many(table, [sys_id(1)]),
        lambda: client.update(table, sys_id(1), {"state": "2"}),
        lambda: client.create(table, record_fields(1)),
        lambda: client.reference(table, "name", ["x"]),
        lambda: client.rows(table, "", fields=["sys_id"], limit=1),
    ]
    for call in calls:
        with pytest.raises(Rejected) as caught:
            call()
        assert type(caught.value) is Rejected


# --- the rest ------------------------------------------------------------------------------------------------


def test_references_are_found_where_one_active_row_bears_the_name(records: RecordStage) -> None:
    groups = {}
    for name, active in (
        ("Twins", "true"), ("Twins", "true"), ("Retired", "false"), ("Once", "true"), ("Once", "false"),
        ("a, b", "true"), ("x^y", "true"), ("k=v", "true"), ("ORx", "true"),
    ):  # fmt: skip
        groups[name, active] = records.world.writes.insert("sys_user_group", {"name": name, "active": active}, ADMIN)[
            "sys_id"
        ]
    (network,) = [row["sys_id"] for row in records.world.records("sys_user_group") if row["name"] == "Network"]
    names = ["network", "NETWORK", "Twins", "Retired", "Once", "a, b", "x^y", "k=v", "ORx", "Nobody", "", " ", "Once"]
    assert records.client.reference("sys_user_group", "name", names) == {
        "network": network,
        "NETWORK": network,
        **{name: groups[name, "true"] for name in ("Once", "a, b", "x^y", "k=v", "ORx")},
    }
    assert records.client.reference("sys_user_group", "name", []) == {}
    checkout = next(row["sys_id"] for row in records.world.records("cmdb_ci") if row["name"] == "checkout")
    assert records.client.reference("cmdb_ci", "name", ["checkout"]) == {"checkout": checkout}
    beth = records.world.tables.user_id("beth.anglin")
    assert records.client.reference("sys_user", "user_name", ["beth.anglin"]) == {"beth.anglin": beth}


def test_a_name_field_that_is_not_there_proves_nothing(records: RecordStage) -> None:
    with pytest.raises(PartialTruth):
        records.client.reference("sys_user_group", "u_name", ["Network"])


def test_many_names_are_asked_for_fifty_at_once(records: RecordStage) -> None:
    for number in range(60):
        records.world.writes.insert("sys_user_group", {"name": f"Group {number:03}", "active": "true"}, ADMIN)
    names = [f"Group {number:03}" for number in range(120)]
    assert list(records.client.reference("sys_user_group", "name", names)) == names[:60]
    assert records.requests["records.list"] == 3


def test_raw_rows_are_given_as_they_come(records: RecordStage) -> None:
    client = records.client
    assert client.rows("sys_user", "user_name=admin", fields=["user_name", "u_nope", "email"], limit=5) == (
        {"user_name": "admin", "email": "admin@example.com"},
    )
    assert len(client.rows("sys_user", "u_nope=1", fields=["sys_id"], limit=3)) == 3
    names = client.rows("sys_user", "ORDERBYDESCuser_name", fields=["user_name"], limit=2)
    assert [row["user_name"] for row in names] == ["fred.luddy", "david.loo"]
    assert client.rows("sys_user", "user_name=nobody", fields=["sys_id"], limit=5) == ()
    assert client.rows("sys_journal_field", "", fields=["sys_id"], limit=5) == ()


def test_events_meet_their_alert_by_key(records: RecordStage) -> None:
    for severity, state in (("1", "Open"), ("2", "Open"), ("0", "Closed"), ("1", "Reopen")):
        records.client.send_event({"message_key": "key", "severity": severity, "source": "Coralogix"})
        (alert,) = records.world.records("em_alert")
        assert alert["state"] == state
    assert len(records.world.records("em_event")) == 4
    assert records.requests["records.event"] == 4


def test_the_connector_is_named(records: RecordStage) -> None:
    assert records.client.connector == "main"


def test_reading_changes_nothing(records: RecordStage) -> None:
    made = put(records.world, 1)
    before = list(records.world.journal)
    client = records.client
    client.changed("incident", since=None)
    client.find("incident", [case_id(1)])
    client.get("incident", made)
    client.get_many("incident", [made])
    client.reference("sys_user_group", "name", ["Network"])
    client.rows("incident", "", fields=["sys_id"], limit=1)
    assert records.world.journal == before
    assert dict(records.requests) == {"records.list": 5, "records.get": 1}


def test_the_pull_stays_true_when_literals_are_local_time(open_records: OpenRecords) -> None:
    """An instance that reads times in the user's zone shows rows of before the start, which is noticed."""
    stage = open_records(literal_tz="user")
    put(stage.world, 1)
    stage.world.clock.advance(hours=2)
    assert ids(stage.client.changed("incident", since=SECOND)) == []


def test_a_dropped_condition_is_partial_truth(records: RecordStage) -> None:
    put(records.world, 1)
    records.world.people.open_incident("another's")
    records.world.faults.add(Fault(kind=FaultKind.DROPPED_CONDITION, times=None))
    calls: list[Callable[[], object]] = [
        lambda: records.client.changed("incident", since=None),
        lambda: records.client.find("incident", [case_id(1)]),
        lambda: records.client.get_many("incident", [sys_id(1)]),
        lambda: records.client.reference("sys_user_group", "name", ["Network"]),
    ]
    for call in calls:
        with pytest.raises(PartialTruth):
            call()


# --- what only a wire has ------------------------------------------------------------------------------------


def test_a_wrong_password_is_a_failed_login(theatre: Theatre) -> None:
    stage = theatre.records(new_records(), password="wrong")
    made = put(stage.world, 1)
    calls: list[Callable[[], object]] = [
        lambda: stage.client.changed("incident", since=None),
        lambda: stage.client.update("incident", made, {"state": "2"}),
        lambda: stage.client.create("incident", record_fields(2)),
    ]
    for call in calls:
        with pytest.raises(AuthFailed):
            call()
    assert stage.world.record(made)["state"] == "1"
    assert stage.requests.total() == 0
    assert len(stage.world.records()) == 1
