"""Which requests the sandbox's Cases API takes, and what its filters let through."""

from __future__ import annotations

import pytest

from reconciler.core.model import Entity, Indicator
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.records import person
from tests.unit.sandbox.coralogix.support import ask, make_face

NO_BREAK_SPACE = "\u00a0"


@pytest.fixture
def face() -> CoralogixFace:
    return make_face()


@pytest.fixture
def case_id(face: CoralogixFace) -> str:
    return face.world.create_case("CPU is high")


@pytest.mark.parametrize(
    "name", ["nonsense", "3F166E9F-3C88-4AF2-B52E-138F339DAB3E", "case-1", "CASE-", f"A-{'1' * 63}"]
)
def test_what_is_no_id_is_refused(name: str, face: CoralogixFace) -> None:
    code, document = ask(face, f"GET /cases/cases/v1/{name}")
    assert code == 400
    assert "id must match" in document["message"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b'{"patch": {}}', f'proto:{NO_BREAK_SPACE}(line 1:2): unknown field "patch"'),
        (b'{\n  "filters": {"status": []}}', f'proto:{NO_BREAK_SPACE}(line 2:15): unknown field "status"'),
        (
            b'{"filters": {"statuses": ["ACTIVE"]}}',
            f'proto:{NO_BREAK_SPACE}(line 1:27): invalid value for enum field statuses: "ACTIVE"',
        ),
        (
            b'{"orderBy": {"field": "updateTime"}}',
            f'proto:{NO_BREAK_SPACE}(line 1:23): invalid value for enum field field: "updateTime"',
        ),
        (b"{", f"proto:{NO_BREAK_SPACE}syntax error (line 1:1): unexpected token"),
        (b"[]", "body must be an object"),
        (b'{"pagination": {"pageSize": 0}}', "pageSize must be"),
        (b'{"pagination": {"pageSize": 1001}}', "pageSize must be"),
        (b'{"pagination": {"pageSize": true}}', "pageSize must be"),
        (b'{"pagination": {"pageSize": "5"}}', "pageSize must be"),
        (b'{"pagination": {"pageToken": "x"}}', "invalid page token"),
        (b'{"pagination": {"skip": 1000001}}', "skip must be"),
        (b'{"filters": {"statuses": "CASE_STATUS_ACTIVE"}}', "statuses must be a list"),
        (b'{"filters": {"textSearch": ""}}', "textSearch must have 1 to 4096"),
        (b'{"filters": {"textSearch": 5}}', "textSearch must be a string"),
        (b'{"filters": {"dateRange": {"from": "2026-03-01T00:00:00Z"}}}', "to is required"),
        (b'{"filters": {"dateRange": {"from": "2026-03-01", "to": "2026-03-02"}}}', "from must be an RFC 3339 time"),
        (b'{"filters": {"alertFilters": {"alertIds": ["x"]}}}', "alertIds must be a lower-case UUID"),
    ],
)
def test_a_list_request_that_is_not_valid(raw: bytes, words: str, face: CoralogixFace) -> None:
    code, document = ask(face, "POST /cases/cases/v1", raw=raw)
    assert (code, document["code"]) == (400, 400)
    assert document["message"].startswith("Bad Request: ")
    assert words in document["message"]


@pytest.mark.parametrize(
    ("line", "body", "words"),
    [
        ("PUT /cases/resolved/v1/{id}", {"reason": ""}, "reason must have 1 to 500"),
        ("PUT /cases/resolved/v1/{id}", {"reason": "x" * 501}, "reason must have 1 to 500"),
        ("PUT /cases/resolved/v1/{id}", {"resolutionReason": "x"}, "unknown field"),
        ("PUT /cases/acknowledged/v1/{id}", {"actor": {}}, "unknown field"),
        ("PUT /cases/cases/v1/{id}", {"title": "  "}, "title must have 1 to 512"),
        ("PUT /cases/cases/v1/{id}", {"title": "x" * 513}, "title must have 1 to 512"),
        ("POST /cases/assigned/v1/{id}", {"assignee": {"userId": "ada"}}, "userId must be a lower-case UUID"),
        ("POST /cases/assigned/v1/{id}", None, "assignee is required"),
        ("PUT /cases/priority-override/v1/{id}", {"priority": "P1"}, "invalid value for enum field priority"),
        ("POST /cases/notifications/v1/deliveries", {"caseIds": []}, "caseIds must be a list"),
        ("POST /cases/cases/v1/{id}/comments", {"text": " "}, "text must have 1 to 10000"),
        ("GET /cases/events/v1/x", None, "event_id must be a UUID"),
    ],
)
def test_a_write_that_is_not_valid_changes_nothing(
    line: str, body: object, words: str, face: CoralogixFace, case_id: str
) -> None:
    before = list(face.world.journal)
    code, document = ask(face, line.format(id=case_id), body)
    assert code == 400
    assert words in document["message"]
    assert face.world.journal == before


@pytest.mark.parametrize(
    ("filters", "titles"),
    [
        ({"statuses": ["CASE_STATUS_RESOLVED", "CASE_STATUS_CLOSED"]}, {"b"}),
        ({"statuses": []}, {"a", "b"}),
        ({"priorities": ["CASE_PRIORITY_P1"], "categories": ["CASE_CATEGORY_SECURITY"]}, {"a"}),
        ({"priorities": ["CASE_PRIORITY_P1"], "categories": ["CASE_CATEGORY_AVAILABILITY"]}, set()),
        ({"assignees": [{"assignee": person("ada").id}]}, {"a"}),
        ({"assignees": [{"unassigned": {}}]}, {"b"}),
        ({"textSearch": "A"}, {"a"}),
        ({"labels": [{"key": "team", "values": ["x", "sre"]}]}, {"a"}),
        ({"groupings": [{"key": "service", "values": ["pay"]}]}, {"b"}),
        ({"caseLabelsFilter": {"flatLabels": [{"key": "team", "value": "web"}]}}, {"b"}),
        ({"caseLabelsFilter": {}}, {"a", "b"}),
        ({"impactedEntities": [{"apmService": {"name": "PAY-API"}}]}, {"a"}),
        ({"breached": ["KPI_FILTER_TIME_TO_RESOLVE_BREACHED"]}, {"a"}),
        ({"breached": ["KPI_FILTER_NOT_BREACHED"]}, {"b"}),
        ({"indicatorTypes": ["INDICATOR_TYPE_ALERT"]}, {"a"}),
        ({"alertFilters": {"alertIds": ["3f166e9f-3c88-4af2-b52e-138f339dab3e"]}}, {"a"}),
        ({"connectorTypeFilters": [{"connectorType": "CONNECTOR_TYPE_SERVICE_NOW"}]}, {"b"}),
        ({"connectorTypeFilters": [{"noConnector": {}}]}, {"a"}),
        (
            {
                "dateRange": {
                    "from": "2026-03-01T12:00:30Z",
                    "to": "2026-03-01T13:00:00Z",
                    "mode": "DATE_RANGE_MODE_CREATED_AT",
                }
            },
            {"b"},
        ),
        ({"dateRange": {"from": "2026-03-01T12:30:00Z", "to": "2026-03-01T13:00:00Z"}}, {"a"}),
    ],
)
def test_filters(filters: object, titles: set[str], face: CoralogixFace) -> None:
    world = face.world
    alert = Indicator(kind="alert", id="3f166e9f-3c88-4af2-b52e-138f339dab3e")
    first = world.create_case(
        "a",
        "P1",
        [("team", "sre")],
        category="SECURITY",
        impacted_entities=[Entity(kind="service", name="pay-api", detail="go")],
        indicators=[alert],
    )
    world.assign(first, person("ada").id)
    world.breach_kpi(first, "TIME_TO_RESOLVE")
    world.clock.advance(minutes=1)
    second = world.create_case("b", "P2", [("team", "web")], groupings=[("service", "pay")])
    world.resolve(second)
    world.deliver(second, "https://instance.example/nav_to.do?uri=incident.do?sys_id=abc")
    code, document = ask(face, "POST /cases/cases/v1", {"filters": filters})
    assert (code, {case["title"] for case in document["cases"]}) == (200, titles)
