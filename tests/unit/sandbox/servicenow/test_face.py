"""The HTTP face of ServiceNow: routes, shapes, headers, logins, limits, and faults as a wire shows them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.servicenow.tables.seed import ADMIN_ID
from tests.unit.sandbox.servicenow.support import SYS_ID, TABLE, basic, call, created, new_face, result, token, words


def test_a_record_lives_its_life_over_the_table_api() -> None:
    face = new_face()
    made = call(face, "POST", TABLE, body={"sys_id": SYS_ID, "short_description": "x"})
    assert (made.status, made.headers["Location"]) == (201, f"http://localhost:1{TABLE}/{SYS_ID}")
    assert result(made)["sys_domain"] == {
        "link": "http://localhost:1/api/now/table/sys_user_group/global",
        "value": "global",
    }
    assert result(made)["work_notes"] == ""

    changed = call(face, "PATCH", f"{TABLE}/{SYS_ID}", {"sysparm_fields": "state,u_no_such"}, {"state": "2"})
    assert (changed.status, result(changed)) == (200, {"state": "2"})
    assert call(face, "PUT", f"{TABLE}/{SYS_ID}", body={"impact": "1"}).status == 200
    assert result(call(face, "GET", f"{TABLE}/{SYS_ID}"))["priority"] == "3"
    assert call(face, "HEAD", f"{TABLE}/{SYS_ID}").body == b""
    quiet = call(face, "PATCH", f"{TABLE}/{SYS_ID}", body={}, headers={**basic(), "x-no-response-body": "true"})
    assert (quiet.status, quiet.body) == (200, b"")
    override = {**basic(), "x-http-method-override": "DELETE"}
    assert (call(face, "POST", f"{TABLE}/{SYS_ID}", headers=override).status) == 204
    gone = call(face, "GET", f"{TABLE}/{SYS_ID}")
    assert words(gone) == (404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/api/now/table/no_such", None, (400, "Invalid table no_such", None)),
        ("GET", "/api/now/nothing", None, (400, "Requested URI does not represent any resource", None)),
        ("DELETE", TABLE, None, (405, "Method not supported", "DELETE is not supported here")),
        ("POST", TABLE, {"sys_id": SYS_ID}, (403, "Operation Failed", "Error during insert of incident (INC0010002)")),
        (
            "PATCH",
            f"{TABLE}/{SYS_ID}",
            {"state": "6", "close_code": "Nonsense"},
            (
                403,
                "Operation Failed",
                "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes",
            ),
        ),
    ],
)
def test_refusals_use_the_envelope(method: str, path: str, body: object, expected: tuple[int, str, str | None]) -> None:
    face = new_face()
    created(face, sys_id=SYS_ID)
    assert words(call(face, method, path, body=body)) == expected


def test_requests_that_are_no_json_are_refused() -> None:
    face = new_face()
    assert words(call(face, "POST", TABLE, body=b"{"))[:2] == (400, "Exception while reading request")
    assert "10485760" in (words(call(face, "POST", TABLE, body=b" " * 10485761))[2] or "")
    assert call(face, "POST", TABLE, body={}, headers={**basic(), "content-type": "text/xml"}).status == 415
    assert call(face, "GET", TABLE, headers={**basic(), "accept": "text/csv"}).status == 406
    assert call(face, "GET", TABLE, {"sysparm_offset": "-1"}).status == 400
    long = call(face, "GET", TABLE, {"sysparm_query": "x" * 21000})
    assert (long.status, long.headers["Content-Type"]) == (414, "text/html;charset=UTF-8")


def test_an_empty_list_is_404_in_version_1_only() -> None:
    face = new_face()
    assert call(face, "GET", "/api/now/v1/table/incident").status == 404
    for path in ("/api/now/v2/table/incident", TABLE):
        assert result(call(face, "GET", path)) == []


def test_paging_headers_count_and_link() -> None:
    face = new_face()
    for _ in range(5):
        created(face)
    page = call(face, "GET", TABLE, {"sysparm_limit": "2", "sysparm_offset": "2", "sysparm_query": "ORDERBYnumber"})
    assert [row["number"] for row in result(page)] == ["INC0010003", "INC0010004"]
    assert page.headers["X-Total-Count"] == "5"
    rels = [part.split(";")[1] for part in page.headers["Link"].split(",")]
    assert rels == ['rel="first"', 'rel="prev"', 'rel="next"', 'rel="last"']
    assert "sysparm_offset=4" in page.headers["Link"].split(",")[3]
    bare = call(face, "GET", TABLE, {"sysparm_no_count": "true"})
    assert not {"X-Total-Count", "Link"} & bare.headers.keys()
    suppressed = call(face, "GET", TABLE, {"sysparm_suppress_pagination_header": "true"})
    assert "Link" not in suppressed.headers
    assert suppressed.headers["X-Total-Count"] == "5"


def test_the_limit_comes_before_access_rules_and_the_count_ignores_them() -> None:
    for switch, total in (("before_acl", "3"), ("after_acl", "2")):
        face = new_face(total_count=switch)
        ids = [created(face) for _ in range(3)]
        face.world.access.hide(ids[0])
        page = call(face, "GET", TABLE, {"sysparm_limit": "2", "sysparm_query": "ORDERBYnumber"})
        assert [row["sys_id"] for row in result(page)] == [ids[1]]
        assert page.headers["X-Total-Count"] == total
    face = new_face(unreadable_row="empty")
    face.world.access.hide(created(face))
    assert result(call(face, "GET", TABLE)) == [{}]


def test_the_shapes_of_references_and_choices() -> None:
    face = new_face()
    sys_id = created(face, assigned_to=ADMIN_ID)
    link = f"http://localhost:1/api/now/table/sys_user/{ADMIN_ID}"
    name = "System Administrator"
    shapes: list[tuple[str, str, object]] = [
        ("false", "false", {"link": link, "value": ADMIN_ID}),
        ("false", "true", ADMIN_ID),
        ("true", "false", {"display_value": name, "link": link}),
        ("true", "true", name),
        ("all", "false", {"display_value": name, "link": link, "value": ADMIN_ID}),
        ("all", "true", {"display_value": name, "value": ADMIN_ID}),
    ]
    for display, excluded, expected in shapes:
        query = {"sysparm_display_value": display, "sysparm_exclude_reference_link": excluded}
        row = result(call(face, "GET", f"{TABLE}/{sys_id}", query))
        assert row["assigned_to"] == expected
        empty = {"display_value": "", "value": ""} if display == "all" else ""
        assert row["assignment_group"] == empty
    query = {"sysparm_display_value": "true", "sysparm_fields": "state,sys_created_on,assigned_to.email"}
    shown = {"state": "New", "sys_created_on": "2026-03-01 04:00:00", "assigned_to.email": "admin@example.com"}
    assert result(call(face, "GET", f"{TABLE}/{sys_id}", query)) == shown


def test_notes_read_empty_but_as_a_display_stream() -> None:
    face = new_face(journal_acl="off")
    sys_id = created(face)
    for text in ("one", "two"):
        call(face, "PATCH", f"{TABLE}/{sys_id}", body={"work_notes": text})
    stream = result(call(face, "GET", f"{TABLE}/{sys_id}", {"sysparm_display_value": "true"}))["work_notes"]
    assert stream == (
        "2026-03-01 04:00:00 - Coralogix Sync (Work notes)\ntwo\n\n"
        "2026-03-01 04:00:00 - Coralogix Sync (Work notes)\none\n\n"
    )
    journal = call(face, "GET", "/api/now/table/sys_journal_field", {"element_id": sys_id})
    assert [row["value"] for row in result(journal)] == ["one", "two"]
    hidden = new_face()
    call(hidden, "PATCH", f"{TABLE}/{created(hidden)}", body={"work_notes": "x"})
    assert result(call(hidden, "GET", "/api/now/table/sys_journal_field")) == []


def test_an_unreadable_field_is_an_absent_key_and_a_dropped_condition() -> None:
    face = new_face()
    created(face, description="x")
    face.world.access.protect("incident", unreadable=("description",))
    (row,) = result(call(face, "GET", TABLE, {"sysparm_query": "description=other"}))
    assert "description" not in row
    strict = new_face(invalid_query="no_rows")
    created(strict)
    assert result(call(strict, "GET", TABLE, {"sysparm_query": "u_no_such=1"})) == []
    assert len(result(call(strict, "GET", TABLE, {"number": "INC0010001", "sysparm_limit": "1"}))) == 1


def test_headers_tell_the_instances_time_and_an_id() -> None:
    face = new_face()
    face.world.own_clock.skew = timedelta(minutes=-10)
    headers = call(face, "GET", TABLE).headers
    assert headers["Date"] == "Sun, 01 Mar 2026 11:50:00 GMT"
    assert headers["X-Transaction-ID"] != call(face, "GET", TABLE).headers["X-Transaction-ID"]


def test_counts_and_greatest_values() -> None:
    face = new_face()
    created(face, category="network")
    created(face)
    query = {"sysparm_count": "true", "sysparm_query": "category=network", "sysparm_max_fields": "number"}
    stats = result(call(face, "GET", "/api/now/stats/incident", query))["stats"]
    assert stats == {"count": "1", "max": {"number": "INC0010001"}}


def test_events_are_taken_in_bulk() -> None:
    face = new_face()
    events = {"records": [{"source": "Coralogix", "message_key": "k", "severity": "1"}] * 2}
    answer = call(face, "POST", "/api/global/em/jsonv2", body=events)
    assert result(answer) == {"Default Bulk Endpoint": "2 events were inserted"}
    assert [row["event_count"] for row in face.world.records("em_alert")] == ["2"]


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.ERROR_500, 500),
        (FaultKind.ERROR_502_HTML, 502),
        (FaultKind.ERROR_503_HTML, 503),
        (FaultKind.FORBIDDEN_403, 403),
        (FaultKind.UNAUTHORIZED_401, 401),
        (FaultKind.RATE_429, 429),
        (FaultKind.HTML_200, 200),
        (FaultKind.REDIRECT_LOGIN, 302),
        (FaultKind.TRUNCATED_JSON, 200),
        (FaultKind.ERROR_IN_200, 200),
        (FaultKind.TIMEOUT, 200),
        (FaultKind.RESET, 200),
        (FaultKind.DRIP_BODY, 200),
    ],
)
def test_faults_on_a_write(kind: FaultKind, expected: int, after_effect: bool) -> None:
    face = new_face()
    face.world.faults.add(Fault(kind=kind, operation="records.create", after_effect=after_effect))
    answer = call(face, "POST", TABLE, body={"correlation_id": "key"})
    turned_away = kind in {FaultKind.RATE_429, FaultKind.REDIRECT_LOGIN, FaultKind.UNAUTHORIZED_401}
    assert answer.status == expected
    assert len(face.world.records()) == int(after_effect and not turned_away)
    assert (answer.fault is not None) == (kind in {FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.DRIP_BODY})
    assert [write.accepted for write in face.world.journal] == [after_effect and not turned_away]


def test_json_cut_short_ends_with_an_error() -> None:
    face = new_face()
    created(face)
    face.world.faults.add(Fault(kind=FaultKind.TRUNCATED_JSON, operation="records.list"))
    answer = call(face, "GET", TABLE)
    assert answer.body.startswith(b'{"result": [')
    assert b'"error":{"message":"Transaction cancelled: maximum execution time exceeded"' in answer.body
    with pytest.raises(ValueError, match=r"\w"):
        json.loads(answer.body)


def test_faults_on_a_listing() -> None:
    face = new_face()
    created(face, category="network")
    face.world.faults.add(Fault(kind=FaultKind.HIDDEN_ROWS, operation="records.list"))
    hidden = call(face, "GET", TABLE)
    assert (result(hidden), hidden.headers["X-Total-Count"]) == ([], "1")
    face.world.faults.add(Fault(kind=FaultKind.DROPPED_CONDITION, operation="records.list"))
    assert len(result(call(face, "GET", TABLE, {"sysparm_query": "category=other"}))) == 1
    face.world.faults.add(Fault(kind=FaultKind.STALE_LIST, operation="records.list"))
    assert result(call(face, "GET", TABLE)) == []


def test_a_write_may_change_nothing_and_a_token_may_not_come() -> None:
    face = new_face()
    sys_id = created(face)
    face.world.faults.add(Fault(kind=FaultKind.NO_CHANGE_200, operation="records.update"))
    assert result(call(face, "PATCH", f"{TABLE}/{sys_id}", body={"state": "2"}))["state"] == "1"
    face.world.faults.add(Fault(kind=FaultKind.ERROR_503_HTML, operation="oauth.token"))
    assert token(face, grant_type="client_credentials").status == 503
