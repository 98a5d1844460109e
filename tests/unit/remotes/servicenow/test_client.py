"""The ServiceNow client: what it sends, and what it refuses to believe."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core.errors import Ambiguous, Malformed, Missing, PartialTruth, Rejected
from reconciler.core.model import Incident, JsonObject
from reconciler.remotes.servicenow.client import ServiceNowClient
from tests.unit.remotes.scripted import Scripted, as_json, talking
from tests.unit.remotes.servicenow.rows import (
    CASE,
    NEEDED,
    NOON,
    OTHER_CASE,
    client,
    listing,
    named,
    numbers,
    record,
    row,
    sys_id,
    without,
)


def test_a_row_becomes_an_incident() -> None:
    reference = {"link": "https://x", "value": "abc"}
    with client(record(row(7, assigned_to=reference, impact="2", reopen_count="4"))) as (it, talk):
        assert it.get("incident", sys_id(7)) == Incident(
            connector="main",
            table="incident",
            sys_id=sys_id(7),
            number="INC0000007",
            state="2",
            assigned_to="abc",
            correlation_id=CASE,
            correlation_display="Coralogix",
            created_at=datetime(2026, 11, 2, 11, tzinfo=UTC),
            updated_at=NOON,
            updated_by="admin",
            mod_count=3,
            reopen_count=4,
            fields={"close_code": "", "close_notes": "", "impact": "2"},
        )
    assert talk.seen[0].path == f"/api/now/table/incident/{sys_id(7)}"
    assert talk.seen[0].query == {
        "sysparm_fields": f"{NEEDED},impact",
        "sysparm_display_value": "false",
        "sysparm_exclude_reference_link": "true",
    }


def test_two_hundred_keys_are_asked_for_in_one_request() -> None:
    keys = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(450)]
    rows = [row(number, correlation_id=key) for number, key in enumerate(keys, 1)]
    with client(listing(*rows[:200]), listing(*rows[200:400]), listing(*rows[400:])) as (it, talk):
        assert len(it.find("incident", keys)) == 450
        assert it.find("incident", []) == ()
    asked = talk.seen[0].query["sysparm_query"]
    assert asked == f"correlation_display=Coralogix^correlation_idIN{','.join(keys[:200])}^ORDERBYsys_id"
    assert len(talk.seen) == 3


def test_more_rows_than_the_limit_are_read_to_the_end() -> None:
    first = listing(*[row(number) for number in range(1, 201)], count=203)
    rest = listing(*[row(number) for number in range(201, 204)])
    with client(first, rest) as (it, talk):
        assert len(it.find("incident", [CASE])) == 203
    assert f"^sys_id>{sys_id(200)}^ORDERBYsys_id" in talk.seen[1].query["sysparm_query"]


@pytest.mark.parametrize(
    "stranger", [row(2, correlation_id=OTHER_CASE), row(2, correlation_id=""), row(2, correlation_display="x")]
)
def test_a_look_up_that_brings_strangers_is_not_believed(stranger: JsonObject) -> None:
    answer = listing(row(1), stranger, count=9999)
    with client(answer) as (it, talk), pytest.raises(PartialTruth, match="does not fit"):
        it.find("incident", [CASE])
    assert len(talk.seen) == 1


@pytest.mark.parametrize("answer", [listing(count=1), as_json({"result": [{}]}), listing(without("state"))])
def test_a_look_up_that_hides_something_finds_nothing_out(answer: Scripted) -> None:
    with client(answer) as (it, _), pytest.raises(PartialTruth):
        it.find("incident", [CASE])


def test_a_key_in_other_letters_is_not_ours() -> None:
    with client(listing(row(1, correlation_id=CASE.upper()), row(2, correlation_display="coralogix"), row(3))) as (
        it,
        _,
    ):
        assert numbers(it.find("incident", [CASE])) == [3]


@pytest.mark.parametrize("key", ["", "CASE-1", CASE.upper(), f"{CASE},", "x^ORstate=1"])
def test_an_odd_key_never_reaches_a_query(key: str) -> None:
    with client() as (it, talk), pytest.raises(Rejected):
        it.find("incident", [CASE, key])
    assert talk.seen == []


def test_a_record_that_is_gone_or_wrong_is_not_taken_for_the_one_asked_for() -> None:
    gone = as_json({"error": {"message": "No Record found", "detail": "Record doesn't exist or ACL"}}, 404)
    with client(gone, record(row(2)), record({}), record(without("state"))) as (it, _):
        with pytest.raises(Missing):
            it.get("incident", sys_id(1))
        with pytest.raises(PartialTruth, match="instead of"):
            it.get("incident", sys_id(1))
        with pytest.raises(Malformed, match="empty row"):
            it.get("incident", sys_id(1))
        with pytest.raises(Malformed, match="state"):
            it.get("incident", sys_id(1))


def test_many_records_are_read_by_id_and_the_rest_left_out() -> None:
    with client(listing(row(10), without("state", 11), {}, count=4)) as (it, talk):
        assert numbers(it.get_many("incident", [sys_id(10).upper(), sys_id(11), sys_id(12), sys_id(13)])) == [10]
    assert talk.seen[0].query["sysparm_query"].startswith(f"sys_idIN{sys_id(10).upper()},{sys_id(11)},")
    with client(listing(row(4))) as (it, _), pytest.raises(PartialTruth, match="does not fit"):
        it.get_many("incident", [sys_id(1)])


FIELDS = {"sys_id": sys_id(1), "correlation_id": CASE, "correlation_display": "Coralogix", "u_team": "a^b\n"}


def test_a_create_sends_its_fields_and_reads_the_record() -> None:
    with client(record(row(1, u_team="a^b"), 201)) as (it, talk):
        assert it.create("incident", FIELDS).fields["u_team"] == "a^b"
    assert (talk.seen[0].method, talk.seen[0].path) == ("POST", "/api/now/table/incident")
    assert talk.seen[0].document == FIELDS
    assert talk.seen[0].query["sysparm_fields"] == f"{NEEDED},impact,u_team"


def test_a_create_may_come_back_under_another_id() -> None:
    with client(record(row(9), 201)) as (it, _):
        assert it.create("incident", FIELDS).sys_id == sys_id(9)


@pytest.mark.parametrize(
    "change",
    [{"sys_id": ""}, {"sys_id": "x"}, {"correlation_id": ""}, {"correlation_id": "x"}, {"correlation_display": "y"}],
)
def test_a_create_without_its_keys_is_not_sent(change: dict[str, str]) -> None:
    with client() as (it, talk), pytest.raises(Rejected):
        it.create("incident", {**FIELDS, **change})
    assert talk.seen == []


def test_a_record_that_was_made_and_shows_too_little_is_known_by_its_id() -> None:
    short = record(without("state"))
    with client(short, short) as (it, _):
        with pytest.raises(Malformed) as caught:
            it.create("incident", FIELDS)
        assert caught.value.record_id == sys_id(1)
        with pytest.raises(Ambiguous):
            it.update("incident", sys_id(1), {"state": "2"})


@pytest.mark.parametrize("answer", [record({}), record([]), as_json({}), record(without("sys_id"))])
def test_a_write_without_its_record_in_the_answer_is_unknown(answer: Scripted) -> None:
    with client(answer, answer) as (it, _):
        with pytest.raises(Ambiguous):
            it.create("incident", FIELDS)
        with pytest.raises(Ambiguous):
            it.update("incident", sys_id(1), {"state": "2"})


def test_an_update_patches_and_checks_which_record_came_back() -> None:
    with client(record(row(10)), record(row(2))) as (it, talk):
        assert it.update("incident", sys_id(10).upper(), {"state": "2"}).mod_count == 3
        with pytest.raises(Ambiguous, match="instead of"):
            it.update("incident", sys_id(1), {"state": "2"})
    assert (talk.seen[0].method, talk.seen[0].document) == ("PATCH", {"state": "2"})


@pytest.mark.parametrize(
    ("table", "number"), [("incident", "x"), ("incident", ""), ("a/b", sys_id(1)), ("", sys_id(1))]
)
def test_an_odd_target_is_not_written(table: str, number: str) -> None:
    with client() as (it, talk), pytest.raises(Rejected):
        it.update(table, number, {"state": "2"})
    with client() as (it, _), pytest.raises(Rejected, match="nothing"):
        it.update("incident", sys_id(1), {})
    assert talk.seen == []


def test_names_are_found_once_each() -> None:
    teams = listing(
        named(1, "Database"), named(2, "network "), named(3, "Twice"), named(4, "Twice"), named(5, "Old", "false")
    )
    odd = listing({"sys_id": sys_id(6), "name": "R^D, Paris"})
    with client(teams, odd) as (it, talk):
        names = ["Database", "Network", "Twice", "Old", "Unknown", "R^D, Paris", "", "javascript:x"]
        found = it.reference("sys_user_group", "name", names)
    assert found == {"Database": sys_id(1), "Network": sys_id(2), "R^D, Paris": sys_id(6)}
    assert talk.seen[0].query["sysparm_query"] == "nameINDatabase,Network,Twice,Old,Unknown^ORDERBYsys_id"
    assert talk.seen[1].query["sysparm_query"] == "name=R^^D, Paris^ORDERBYsys_id"
    assert talk.seen[0].query["sysparm_fields"] == "sys_id,name,active"
    assert len(talk.seen) == 2


def test_names_that_nobody_asked_for_are_not_believed() -> None:
    answer = listing(named(1, "Stranger"), count=5000)
    with client(answer) as (it, talk), pytest.raises(PartialTruth, match="does not fit"):
        it.reference("sys_user_group", "name", ["Database"])
    assert len(talk.seen) == 1


def test_a_full_page_is_read_on_though_nothing_counts() -> None:
    full = as_json({"result": [named(number, "Database") for number in range(1, 201)]})
    with client(full, as_json({"result": [named(201, "Database")]})) as (it, talk):
        assert it.reference("sys_user_group", "name", ["Database"]) == {}
    assert len(talk.seen) == 2


def test_an_event_is_sent_as_one_record() -> None:
    with client(as_json({"result": {"Default Bulk Endpoint": "1 events were inserted"}})) as (it, talk):
        it.send_event({"source": "Coralogix", "message_key": CASE})
    assert (talk.seen[0].method, talk.seen[0].path) == ("POST", "/api/global/em/jsonv2")
    assert talk.seen[0].document == {"records": [{"source": "Coralogix", "message_key": CASE}]}


def test_raw_rows_come_as_they_are() -> None:
    with client(listing({"value": "1"}, {})) as (it, talk):
        assert it.rows("sys_choice", "name=incident", fields=["value"], limit=9) == ({"value": "1"}, {})
    assert talk.seen[0].query["sysparm_query"] == "name=incident"
    assert talk.seen[0].query["sysparm_limit"] == "9"


@pytest.mark.parametrize("owner", ["", " ", "a\nb", "javascript:x"])
def test_an_owner_that_cannot_stand_in_a_query_is_refused_at_once(owner: str) -> None:
    with talking() as it, pytest.raises(Rejected):
        ServiceNowClient("main", it.http, owner=owner)
