"""What a config, an integration or a person at a console tries on an instance beyond the daemon's own requests."""

from __future__ import annotations

import base64
import http.client
import json
from urllib.parse import quote

import pytest

from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.servicenow.tables.query import parse
from tests.unit.sandbox.servicenow.support import (
    SYS_ID,
    TABLE,
    basic,
    call,
    create,
    created,
    new_face,
    new_world,
    result,
    token,
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("impactBETWEEN1@2", ["1", "2"]),
        ("impactBETWEEN2@2", ["2"]),
        ("impactBETWEEN3@1", []),
        ("sys_created_onBETWEEN2026-03-01 12:00:00@2026-03-01 12:00:00", ["1", "2", "3"]),
        ("sys_created_onBETWEEN2026-03-01 12:00:01@2027-01-01 00:00:00", []),
        ("impactSAMEASurgency", ["2"]),
        ("impactNSAMEASurgency", ["1", "3"]),
        ("impactSAMEASno_such_field", ["1", "2", "3"]),
    ],
)
def test_ranges_and_comparisons_of_fields(query: str, found: list[str]) -> None:
    world = new_world()
    for impact in ("1", "2", "3"):
        create(world, impact=impact, urgency="2", correlation_id=impact)
    assert [row["impact"] for row in world.access.search("incident", parse(f"{query}^ORDERBYimpact"))] == found


def test_states_may_be_negative_numbers() -> None:
    world = new_world(unlisted_choice="keep")
    for state in ("-5", "-1", "0", "3"):
        create(world, state=state, correlation_id=state)
    rows = world.access.search("incident", parse("state<0^ORDERBYDESCstate"))
    assert [row["state"] for row in rows] == ["-1", "-5"]


def test_a_choice_that_is_added_is_taken_and_one_that_is_made_inactive_is_not() -> None:
    face = new_face()
    assert created(face, category="cloud", sys_id=SYS_ID)
    assert face.world.record(SYS_ID)["category"] == "inquiry"
    added = {"name": "incident", "element": "category", "value": "cloud", "label": "Cloud"}
    choice = result(call(face, "POST", "/api/now/table/sys_choice", body=added))["sys_id"]
    call(face, "PATCH", f"{TABLE}/{SYS_ID}", body={"category": "cloud"})
    shown = call(face, "GET", f"{TABLE}/{SYS_ID}", {"sysparm_display_value": "true"})
    assert result(shown)["category"] == "Cloud"
    call(face, "PATCH", f"/api/now/table/sys_choice/{choice}", body={"inactive": "true"})
    assert face.world.record(created(face, category="cloud"))["category"] == "inquiry"


def test_values_may_be_sent_as_a_person_types_them() -> None:
    face = new_face()
    typed = {
        "assignment_group": "Network",
        "assigned_to": "Beth Anglin",
        "state": "In Progress",
        "due_date": "2026-03-01 08:00:00",
        "short_description": "In Progress",
    }
    query = {"sysparm_input_display_value": "true"}
    row = result(call(face, "POST", TABLE, query, typed))
    stored = face.world.record(row["sys_id"])
    assert stored["assignment_group"] == face.world.access.search("sys_user_group", parse("name=Network"))[0]["sys_id"]
    assert stored["assigned_to"] == face.world.tables.user_id("beth.anglin")
    assert (stored["state"], stored["due_date"]) == ("2", "2026-03-01 16:00:00")
    assert stored["short_description"] == "In Progress"
    call(face, "PATCH", f"{TABLE}/{row['sys_id']}", query, {"assigned_to": "", "due_date": "soon", "cmdb_ci": "nobody"})
    after = face.world.record(row["sys_id"])
    assert (after["assigned_to"], after["due_date"], after["cmdb_ci"]) == ("", "soon", "nobody")


def test_raw_values_are_raw_unless_it_is_said() -> None:
    face = new_face()
    row = result(call(face, "POST", TABLE, body={"due_date": "2026-03-01 08:00:00", "assignment_group": "Network"}))
    assert (row["due_date"], row["assignment_group"]["value"]) == ("2026-03-01 08:00:00", "Network")


def test_counts_by_group() -> None:
    face = new_face()
    for impact, urgency in (("1", "1"), ("1", "2"), ("2", "2")):
        created(face, impact=impact, urgency=urgency)
    stats = "/api/now/stats/incident"
    asked = {"sysparm_count": "true", "sysparm_group_by": "impact", "sysparm_max_fields": "urgency"}
    assert result(call(face, "GET", stats, asked)) == [
        {"stats": {"count": "2", "max": {"urgency": "2"}}, "groupby_fields": [{"field": "impact", "value": "1"}]},
        {"stats": {"count": "1", "max": {"urgency": "2"}}, "groupby_fields": [{"field": "impact", "value": "2"}]},
    ]
    both = {"sysparm_count": "true", "sysparm_group_by": "impact,urgency", "sysparm_display_value": "all"}
    first = result(call(face, "GET", stats, both))[0]["groupby_fields"]
    assert first[0] == {"field": "impact", "value": "1", "display_value": "1 - High"}
    assert [group["field"] for group in first] == ["impact", "urgency"]
    labels = result(call(face, "GET", stats, {**asked, "sysparm_display_value": "true"}))
    assert labels[0]["groupby_fields"] == [{"field": "impact", "display_value": "1 - High"}]
    assert result(call(face, "GET", stats, {"sysparm_group_by": "nothing", "sysparm_count": "true"})) == {
        "stats": {"count": "3"}
    }


@pytest.mark.parametrize(("client_id", "client_secret", "status"), [("c", "s", 200), ("c", "wrong", 401)])
def test_a_client_may_show_its_credentials_in_the_header(client_id: str, client_secret: str, status: int) -> None:
    face = new_face()
    pair = base64.b64encode(f"{quote(client_id)}:{quote(client_secret)}".encode()).decode()
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Basic {pair}"}
    answer = call(face, "POST", "/oauth_token.do", body=b"grant_type=client_credentials", headers=headers)
    assert answer.status == status
    broken = {**headers, "authorization": "Basic ?"}
    assert call(face, "POST", "/oauth_token.do", body=b"grant_type=client_credentials", headers=broken).status == 401
    assert token(face, grant_type="client_credentials").status == 200


def test_head_answers_with_headers_alone() -> None:
    face = new_face()
    created(face)
    with SandboxServer(face) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
        connection.request("HEAD", f"{TABLE}?sysparm_limit=1", headers=basic())
        answer = connection.getresponse()
        assert (answer.status, answer.headers["X-Total-Count"], answer.read()) == (200, "1", b"")
        connection.request("GET", TABLE, headers=basic())
        assert len(json.loads(connection.getresponse().read())["result"]) == 1
        connection.close()


def test_an_address_that_is_too_long_is_refused_by_the_gateway() -> None:
    answer = call(new_face(), "GET", "/api/now/table/" + "A" * 23_000)
    assert (answer.status, answer.body[:6]) == (414, b"<html>")
