"""The sandbox's Cases API: verbs and paths, rights, answers and faults."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from reconciler.core.model import Indicator
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.api.routes import PREFIX, ROUTES, Right
from reconciler.sandbox.coralogix.lifecycle import Profile
from reconciler.sandbox.coralogix.records import CaseKnobs, person
from reconciler.sandbox.faults import DRIPS, ODD_ANSWERS, Fault, FaultKind
from reconciler.sandbox.http.server import SandboxServer
from tests.unit.sandbox.coralogix.support import KEY, START, ask, make_face, send


@pytest.fixture
def face() -> CoralogixFace:
    return make_face()


@pytest.fixture
def case_id(face: CoralogixFace) -> str:
    return face.world.create_case("CPU is high", priority="P1", labels=[("routing.team", "sre"), ("routing.team", "b")])


def test_the_verbs_of_one_case(face: CoralogixFace, case_id: str) -> None:
    steps = [
        (f"PUT /cases/acknowledged/v1/{case_id}", None, "ACKNOWLEDGED"),
        (f"DELETE /cases/acknowledged/v1/{case_id}", None, "ACTIVE"),
        ("PUT /cases/acknowledged/v1/CASE-1", {}, "ACKNOWLEDGED"),
        (f"PUT /cases/resolved/v1/{case_id}", {"reason": "fixed"}, "RESOLVED"),
        (f"POST /cases/closed/v1/{case_id}", {}, "CLOSED"),
    ]
    for line, body, status in steps:
        code, document = ask(face, line, body)
        assert (code, document["case"]["status"]) == (200, f"CASE_STATUS_{status}")
    assert document["case"]["resolutionDetails"]["resolvedBy"] == {"apiKey": {}}
    assert document["case"]["resolutionDetails"]["reason"] == "fixed"
    assert {entry.actor for entry in face.world.journal[1:]} == {"apiKey"}


@pytest.mark.parametrize(
    "line",
    [
        "POST /cases/acknowledged/v1/{id}",
        "PUT /cases/closed/v1/{id}",
        "POST /cases/resolved/v1/{id}",
        "PATCH /cases/cases/v1/{id}",
        "GET /cases/cases/v1",
        "GET /nothing",
        "POST //cases/cases/v1",
        "POST //mgmt/openapi/5//cases/cases/v1",
        "POST //mgmt/openapi/4/cases/cases/v1",
        "POST /cases/cases/v1/{id}:acknowledge",
    ],
)
def test_an_unknown_route_says_nothing_more(line: str, face: CoralogixFace, case_id: str) -> None:
    assert ask(face, line.format(id=case_id)) == (404, {"code": 5, "message": "Not Found"})


def test_a_missing_case_says_more_than_an_unknown_route(face: CoralogixFace) -> None:
    code, document = ask(face, f"GET /cases/cases/v1/{uuid4()}")
    assert (code, document["code"]) == (404, 404)
    assert document["message"].startswith("Not Found: Case with id")


@pytest.mark.parametrize("key", ["", KEY, "Bearer wrong", f"bearer {KEY}", "Basic eDp5"])
def test_another_key_is_refused(key: str, face: CoralogixFace, case_id: str) -> None:
    response = send(face, f"GET /cases/cases/v1/{case_id}", key=key)
    assert (response.status, json.loads(response.body)["code"]) == (401, 401)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.right], ids=lambda route: route.operation)
def test_each_route_wants_its_right(route: object) -> None:
    assert isinstance(route, type(ROUTES[0]))
    others = [right for right in Right if right is not route.right]
    face = make_face(permissions=[str(right) for right in others])
    path = route.path.replace("{id}", str(uuid4())).replace("{event_id}", str(uuid4()))
    response = send(face, f"{route.method} /{path}")
    assert response.status == 403
    assert str(route.right) in json.loads(response.body)["message"]


def test_resolve_and_close_share_a_right_and_reading_is_one() -> None:
    rights = {route.operation: route.right for route in ROUTES}
    assert rights["cases.acknowledge"] == rights["cases.unacknowledge"] == "case:Acknowledge"
    assert rights["cases.resolve"] == rights["cases.close"] == "case:Close"
    reads = ("cases.list", "cases.get", "cases.events", "cases.deep_links", "cases.deliveries")
    assert {rights[operation] for operation in reads} == {"case:Read"}
    assert (rights["cases.update"], rights["cases.assign"]) == ("case:Update", "case:Assign")


def test_every_key_may_ask_who_it_is() -> None:
    code, document = ask(make_face(permissions=[]), "GET //identity/whoami")
    assert (code, set(document)) == (200, {"team_id", "team_name", "user_name"})


def test_a_refused_step_is_a_400(face: CoralogixFace, case_id: str) -> None:
    code, document = ask(face, f"POST /cases/closed/v1/{case_id}")
    assert (code, document["message"]) == (400, "Bad Request: a Case that is ACTIVE does not take the step close")
    lenient = make_face(profile=Profile.LENIENT)
    other = lenient.world.create_case("one")
    assert ask(lenient, f"POST /cases/closed/v1/{other}")[0] == 200


def test_listing_pages_to_the_end(face: CoralogixFace) -> None:
    for number in range(5):
        face.world.create_case(f"{number}")
        face.world.clock.advance(seconds=1)
    order = {"field": "CASE_ORDER_BY_FIELD_UPDATED_AT", "direction": "CASE_ORDER_BY_DIRECTION_DESCENDING"}
    titles: list[str] = []
    pagination: dict[str, object] = {"pageSize": 2}
    while True:
        code, document = ask(face, "POST /cases/cases/v1", {"orderBy": order, "pagination": pagination})
        assert code == 200
        titles += [case["title"] for case in document["cases"]]
        if not document["pagination"].get("nextPageToken"):
            break
        pagination = {"pageSize": 2, "pageToken": document["pagination"]["nextPageToken"]}
    assert titles == ["4", "3", "2", "1", "0"]
    assert "pbacTruncated" not in document


def test_a_list_request_may_have_no_body(face: CoralogixFace, case_id: str) -> None:
    assert [case["id"] for case in ask(face, "POST /cases/cases/v1")[1]["cases"]] == [case_id]


def test_update_assign_and_priority(face: CoralogixFace, case_id: str) -> None:
    ada = person("ada").id
    update = ask(face, f"PUT /cases/cases/v1/{case_id}", {"title": " new ", "resolutionReason": "why"})[1]["case"]
    assert update["title"] == "new"
    assert ask(face, f"POST /cases/assigned/v1/{case_id}", {"assignee": {"userId": ada}})[1]["case"]["assignee"] == {
        "userId": ada
    }
    assert "assignee" not in ask(face, f"DELETE /cases/assigned/v1/{case_id}")[1]["case"]
    body = {"priority": "CASE_PRIORITY_P4"}
    changed = ask(face, f"PUT /cases/priority-override/v1/{case_id}", body)[1]["case"]
    assert (changed["priority"], changed["priorityDetails"]) == (
        "CASE_PRIORITY_P4",
        {"system": "CASE_PRIORITY_P1", "override": "CASE_PRIORITY_P4"},
    )
    assert ask(face, f"DELETE /cases/priority-override/v1/{case_id}")[1]["case"]["priority"] == "CASE_PRIORITY_P1"


def test_a_case_is_found_by_its_alert(face: CoralogixFace) -> None:
    began = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
    alert = Indicator(kind="prometheus", id="a1b2c3d4e5f6a7b8", triggered_at=began)
    made = face.world.create_case("one", indicators=[alert])
    line = "POST /cases/indicators/v1/get"
    wanted = {"fingerprint": alert.id, "startedAt": "2026-03-01T07:00:00Z"}
    assert ask(face, line, {"prometheusAlert": wanted})[1]["case"]["id"] == made
    assert ask(face, line, {"prometheusAlert": {**wanted, "startedAt": "2026-03-01T07:00:01Z"}})[0] == 404
    assert ask(face, line, {"prometheusAlert": {"fingerprint": alert.id}})[0] == 400
    assert ask(face, line, {})[0] == 404
    face.world.hide(made)
    assert ask(face, line, {"prometheusAlert": wanted})[0] == 404


def test_a_thread_that_is_nowhere_is_not_followed(face: CoralogixFace, case_id: str) -> None:
    line = "POST /cases/cases/v1/{}/sync-external-thread-comments"
    assert ask(face, line.replace("{}", case_id)) == (200, {"syncRegistered": False})
    assert ask(face, line.replace("{}", str(uuid4())))[0] == 404


def test_events_deliveries_and_links(face: CoralogixFace, case_id: str) -> None:
    face.world.acknowledge(case_id)
    face.world.deliver("CASE-1", "https://instance.example/x")
    events = ask(face, "GET /cases/cases/v1/CASE-1/events")[1]["events"]
    assert events[1]["eventData"]["statusChanged"]["newStatus"] == "CASE_STATUS_ACKNOWLEDGED"
    assert events[0]["actor"] == {"system": {}}
    assert ask(face, f"GET /cases/events/v1/{events[1]['eventId'].upper()}")[1]["event"] == events[1]
    sent = ["CASE-1", case_id, str(uuid4())]
    found = ask(face, "POST /cases/notifications/v1/deliveries", {"caseIds": sent})[1]["deliveriesByCase"]
    assert [len(found[name]["notificationDeliveries"]) for name in sent] == [1, 1, 0]
    assert case_id in ask(face, "GET /cases/cases/v1/CASE-1/deep-links")[1]["deepLinks"]["detail"]


def test_comments(face: CoralogixFace, case_id: str) -> None:
    event = ask(face, f"POST /cases/cases/v1/{case_id}/comments", {"text": " hello "})[1]["event"]
    assert event["eventData"]["comment"]["unsafeText"] == "hello"
    path = f"/cases/events/v1/{event['eventId']}"
    assert "updateTime" in ask(face, f"PUT {path}/comments", {"text": "bye"})[1]["event"]
    assert ask(face, f"DELETE {path}/comments") == (200, {})
    assert ask(face, f"GET {path}")[0] == 404


def test_settings_counts_and_keys(face: CoralogixFace, case_id: str) -> None:
    settings = ask(face, "GET /cases/cases/case-settings/v1/configs:getActive")[1]["caseSettings"]
    assert settings["caseLifecycle"]["autoClose"] == {"postResolutionPeriod": "604800s"}
    counts = ask(face, "POST /cases/filter-values/v1")[1]
    assert counts["statusAggregations"] == [{"status": "CASE_STATUS_ACTIVE", "count": 1}]
    assert ask(face, "GET /cases/grouping-keys/v1")[1] == {"groupingKeys": []}


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        (0, "2026-03-01T12:00:00Z"),
        (3, "2026-03-01T12:00:00.123Z"),
        (6, "2026-03-01T12:00:00.123456Z"),
        (9, "2026-03-01T12:00:00.123456000Z"),
    ],
)
def test_times_have_so_many_digits(digits: int, text: str) -> None:
    face = make_face(CaseKnobs(fractional_digits=digits))
    case_id = face.world.create_case("one")
    assert ask(face, f"GET /cases/cases/v1/{case_id}")[1]["case"]["createTime"] == text


def test_members_nobody_knows_and_explicit_nulls() -> None:
    face = make_face(CaseKnobs(extra_fields=True, null_optionals=True))
    case = ask(face, f"GET /cases/cases/v1/{face.world.create_case('one', activate=False)}")[1]["case"]
    assert case["readableId"] is None
    assert case["assignee"] is None
    assert case["muteState"] == "MUTE_STATE_UNMUTED"


def test_labels_repeat_and_a_duration_is_text(face: CoralogixFace, case_id: str) -> None:
    face.world.clock.advance(seconds=70, milliseconds=120)
    case = ask(face, f"GET /cases/cases/v1/{case_id}")[1]["case"]
    assert case["labels"] == [{"key": "routing.team", "value": "sre"}, {"key": "routing.team", "value": "b"}]
    assert case["duration"] == "70120"


def test_a_hidden_case_marks_the_list_as_cut(face: CoralogixFace, case_id: str) -> None:
    face.world.hide(case_id)
    assert ask(face, "POST /cases/cases/v1")[1] == {"cases": [], "pagination": {}, "pbacTruncated": True}
    assert ask(face, f"GET /cases/cases/v1/{case_id}")[0] == 404


# Status, content type and wire fault of each kind, before any effect of a write.
FAULTS: dict[FaultKind, tuple[int | None, str | None]] = {
    FaultKind.TIMEOUT: (None, None),
    FaultKind.RESET: (None, None),
    FaultKind.REFUSED: (None, None),
    FaultKind.TRUNCATED_JSON: (None, None),
    FaultKind.ERROR_500: (500, "json"),
    FaultKind.ERROR_502_HTML: (502, "html"),
    FaultKind.ERROR_503_HTML: (503, "html"),
    FaultKind.FORBIDDEN_403: (403, "json"),
    FaultKind.UNAUTHORIZED_401: (401, "json"),
    FaultKind.RATE_429: (429, "json"),
    FaultKind.HTML_200: (200, "html"),
    FaultKind.REDIRECT_LOGIN: (302, None),
    FaultKind.ERROR_IN_200: (200, "json"),
    FaultKind.NO_CHANGE_200: (200, "json"),
    FaultKind.HIDDEN_ROWS: (200, "json"),
    FaultKind.STALE_LIST: (200, "json"),
    FaultKind.DROPPED_CONDITION: (200, "json"),
    **dict.fromkeys(DRIPS, (None, None)),
    **dict.fromkeys(ODD_ANSWERS, (200, "json")),
}
HARMLESS = ODD_ANSWERS | {FaultKind.HIDDEN_ROWS, FaultKind.STALE_LIST, FaultKind.DROPPED_CONDITION}


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("after_effect", [False, True])
def test_a_fault_of_a_write(kind: FaultKind, after_effect: bool, face: CoralogixFace, case_id: str) -> None:
    face.world.faults.add(Fault(kind=kind, operation="cases.acknowledge", after_effect=after_effect))
    response = send(face, f"PUT /cases/acknowledged/v1/{case_id}")
    status, content = FAULTS[kind]
    if status is None:
        assert response.fault is not None
        assert response.fault.kind is kind
    else:
        assert (response.status, response.fault) == (status, None)
        assert (content or "") in response.headers.get("Content-Type", "")
    landed = kind in HARMLESS or (after_effect and kind not in {FaultKind.REFUSED, FaultKind.NO_CHANGE_200})
    assert face.world.ledger.case(case_id).status == ("ACKNOWLEDGED" if landed else "ACTIVE")
    assert face.requests["cases.acknowledge"] == 1
    assert sum(face.world.faults.struck.values()) == 1


def test_what_some_faults_say(face: CoralogixFace, case_id: str) -> None:
    line = f"PUT /cases/acknowledged/v1/{case_id}"
    for kind in (FaultKind.RATE_429, FaultKind.REDIRECT_LOGIN, FaultKind.ERROR_IN_200, FaultKind.NO_CHANGE_200):
        face.world.faults.add(Fault(kind=kind, operation="cases.acknowledge"))
    limited, redirected, wrong, unchanged = (send(face, line) for _ in range(4))
    assert limited.headers["Retry-After"] == "0"
    assert redirected.headers["Location"] == "/login"
    assert "error" in json.loads(wrong.body)
    assert json.loads(unchanged.body)["case"]["status"] == "CASE_STATUS_ACTIVE"
    assert face.world.journal[-1].detail == "no_change_200"


def test_faults_of_a_listing(face: CoralogixFace, case_id: str) -> None:
    face.world.clock.advance(seconds=face.world.ledger.knobs.stale_list_seconds)
    face.world.resolve(case_id)
    for kind in (FaultKind.HIDDEN_ROWS, FaultKind.STALE_LIST):
        face.world.faults.add(Fault(kind=kind, operation="cases.list"))
    hidden, stale, whole = (ask(face, "POST /cases/cases/v1")[1] for _ in range(3))
    assert hidden == {"cases": [], "pagination": {}, "pbacTruncated": True}
    assert stale["cases"][0]["status"] == "CASE_STATUS_ACTIVE"
    assert whole["cases"][0]["status"] == "CASE_STATUS_RESOLVED"


def test_the_face_on_a_real_socket(face: CoralogixFace, case_id: str) -> None:
    face.world.clock.advance(days=1)
    headers = {"Authorization": f"Bearer {KEY}"}
    with SandboxServer(face, hang_seconds=0.05) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        client.request("PUT", f"{PREFIX}/cases/acknowledged/v1/{case_id}", headers=headers)
        answer = client.getresponse()
        assert json.loads(answer.read())["case"]["status"] == "CASE_STATUS_ACKNOWLEDGED"
        assert answer.headers.get_all("Date") == ["Mon, 02 Mar 2026 12:00:00 GMT"]
        assert START + timedelta(days=1) == face.world.clock.now()
        for kind in (FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.TRUNCATED_JSON):
            face.world.faults.add(Fault(kind=kind, after_effect=True))
            client.request("GET", f"{PREFIX}/cases/cases/v1/{case_id}", headers=headers)
            with pytest.raises((ConnectionError, http.client.IncompleteRead)):
                client.getresponse().read()
            client.close()
