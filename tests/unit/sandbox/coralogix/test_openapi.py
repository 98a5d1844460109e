"""Every answer of the sandbox's Cases API, and every request it takes, against the official descriptions.

The descriptions are looked for beside the checkout; without them there is nothing to compare with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema_rs
import pytest

from reconciler.core.model import Entity, Indicator
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.api.json_shapes import wire_time
from reconciler.sandbox.coralogix.api.requests import BODIES, BadRequestError, read_body
from reconciler.sandbox.coralogix.api.routes import PREFIX, ROUTES
from reconciler.sandbox.coralogix.records import CaseKnobs, person
from tests.unit.sandbox.coralogix.support import KEY, make_face, send

FOLDER = Path(__file__).resolve().parents[5] / "shared" / "contracts" / "coralogix"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the official descriptions are not at {FOLDER}")

ADA = "3f166e9f-3c88-4af2-b52e-138f339dab3e"
NOT_OFFERED = {
    "POST /cases/acknowledged/v1",
    "POST /cases/resolved/v1",
    "POST /cases/closed/v1",
    "PUT /cases/assigned/v1",
    "DELETE /cases/assigned/v1",
    "POST /cases/priority-override/v1",
    "DELETE /cases/priority-override/v1",
    "POST /cases/cases/case-settings/v1/configs",
    "GET /cases/cases/case-settings/v1/configs/{}",
    "PATCH /cases/cases/case-settings/v1/configs/{}",
    "DELETE /cases/cases/case-settings/v1/configs/{}",
    "GET /cases/cases/case-settings/v1/configs:getSystemDefaults",
}


class Description:
    """The operations of all description files, by ``VERB /path/{}``."""

    def __init__(self) -> None:
        self.operations: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        for file in sorted(FOLDER.glob("*.openapi.json")):
            document = json.loads(file.read_text())
            for path, verbs in document["paths"].items():
                for verb, operation in verbs.items():
                    if verb in {"get", "post", "put", "patch", "delete"}:
                        name = f"{verb.upper()} {re.sub(r'{[^}]+}', '{}', path)}"
                        self.operations[name] = (operation, document["components"])

    def answer(self, operation: str, status: int) -> Callable[[object], bool] | None:
        """Give the check of an answer; None where the description declares no such status."""
        details, components = self.operations[operation]
        declared = details["responses"].get(str(status))
        if declared is None:
            return None
        return self._validator(declared["content"]["application/json"]["schema"], components)

    def request(self, operation: str) -> Callable[[object], bool]:
        details, components = self.operations[operation]
        return self._validator(details["requestBody"]["content"]["application/json"]["schema"], components)

    def _validator(self, schema: dict[str, Any], components: dict[str, Any]) -> Callable[[object], bool]:
        whole = {**schema, "components": components}
        validator = jsonschema_rs.Draft4Validator(whole, validate_formats=True)

        def check(document: object) -> bool:
            validator.validate(document)
            return True

        return check


@pytest.fixture(scope="module")
def description() -> Description:
    return Description()


def route_name(method: str, path: str) -> str:
    return f"{method} {re.sub(r'{[^}]+}', '{}', path.removeprefix(PREFIX))}"


def test_the_routes_are_those_of_the_description(description: Description) -> None:
    ours = {route_name(route.method, route.path) for route in ROUTES if route.path.startswith(PREFIX)}
    assert ours | NOT_OFFERED == set(description.operations)
    assert not ours & NOT_OFFERED


def rich_face(knobs: CaseKnobs) -> tuple[CoralogixFace, str]:
    """Make a world whose first Case has everything that a Case can have."""
    face = make_face(knobs)
    world = face.world
    indicators = [
        Indicator(kind="alert", id=str(uuid4()), state="NO_DATA", labels={"host": "a"}),
        Indicator(kind="generic", id=str(uuid4()), state="RESOLVED", resolved_at=world.clock.now(), labels={"k": "v"}),
        Indicator(kind="prometheus", id="f1", name="Down", resolved_at=world.clock.now()),
        Indicator(kind="prometheus", id="f2", name="Up"),
    ]
    case_id = world.create_case(
        "one",
        "P3",
        [("routing.team", "sre"), ("routing.team", "web")],
        activate=False,
        groupings=[("service", "pay")],
        impacted_entities=[
            Entity(kind="service", name="pay-api", detail="go"),
            Entity(kind="database", name="orders"),
        ],
        indicators=indicators,
    )
    world.activate(case_id)
    world.create_case("pending", category="SECURITY", activate=False)
    world.acknowledge(case_id, by="serviceNow")
    world.unacknowledge(case_id)
    world.assign(case_id, person("ada").id)
    world.assign(case_id, person("bob").id)
    world.assign(case_id, "")
    world.assign(case_id, person("ada").id)
    world.set_priority(case_id, "P1")
    world.set_priority(case_id, "P2", by="system")
    world.breach_kpi(case_id)
    world.deliver(case_id, "https://instance.example/nav_to.do?uri=incident.do?sys_id=abc")
    world.deliver(case_id)
    world.recover(case_id)
    world.set_reason(case_id, "it went away")
    world.set_reason(case_id, "it went away by itself")
    world.reactivate(case_id)
    return face, case_id


def every_call(face: CoralogixFace, case_id: str) -> Iterator[tuple[str, str, object]]:
    """Give operation, request line and body: good ones, refused ones, missing ones."""
    ada, event_id = person("ada").id, face.world.comment(case_id, "hello").id
    alert = next(one for one in face.world.ledger.case(case_id).indicators if one.kind == "prometheus")
    began = wire_time(alert.triggered_at, 6) if alert.triggered_at else ""
    descending = {"field": "CASE_ORDER_BY_FIELD_UPDATED_AT", "direction": "CASE_ORDER_BY_DIRECTION_DESCENDING"}
    yield "POST /cases/cases/v1", "", {"orderBy": descending, "pagination": {"pageSize": 1}}
    yield "POST /cases/cases/v1", "", {"pagination": {"pageSize": 1001}}
    yield "GET /cases/cases/v1/{}", case_id, None
    yield "GET /cases/cases/v1/{}", "nonsense", None
    yield "PUT /cases/cases/v1/{}", case_id, {"title": "new"}
    yield "POST /cases/indicators/v1/get", "", {"prometheusAlert": {"fingerprint": alert.id, "startedAt": began}}
    yield "POST /cases/cases/v1/{}/sync-external-thread-comments", case_id, None
    yield "GET /cases/cases/v1/{}/deep-links", case_id, None
    yield "GET /cases/events/v1/{}", event_id, None
    yield "GET /cases/events/v1/{}", str(uuid4()), None
    yield "PUT /cases/events/v1/{}/comments", event_id, {"text": "bye"}
    yield "GET /cases/cases/v1/{}/events", case_id, None
    yield "DELETE /cases/events/v1/{}/comments", event_id, None
    yield "POST /cases/cases/v1/{}/comments", case_id, {"text": "hello"}
    yield "POST /cases/notifications/v1/deliveries", "", {"caseIds": [case_id, "CASE-77"]}
    yield "POST /cases/filter-values/v1", "", {}
    yield "GET /cases/grouping-keys/v1", "", None
    yield "GET /cases/cases/case-settings/v1/configs:getActive", "", None
    yield "POST /cases/assigned/v1/{}", case_id, {"assignee": {"userId": ada}}
    yield "DELETE /cases/assigned/v1/{}", case_id, None
    yield "PUT /cases/priority-override/v1/{}", case_id, {"priority": "CASE_PRIORITY_P5"}
    yield "DELETE /cases/priority-override/v1/{}", case_id, None
    yield "POST /cases/closed/v1/{}", case_id, None
    yield "DELETE /cases/acknowledged/v1/{}", case_id, None
    yield "PUT /cases/acknowledged/v1/{}", case_id, {}
    yield "PUT /cases/resolved/v1/{}", case_id, {"reason": "fixed"}
    face.world.reactivate(case_id)
    yield "PUT /cases/resolved/v1/{}", case_id, {"reason": "fixed"}
    yield "POST /cases/closed/v1/{}", case_id, {}
    yield "GET /cases/cases/v1/{}/events", case_id, None


def line_of(operation: str, rest: str) -> str:
    return operation.replace("{}", rest) if "{}" in operation else operation + rest


@pytest.mark.parametrize(
    "knobs",
    [
        CaseKnobs(),
        CaseKnobs(fractional_digits=0, fresh_update_time_null=True, duplicate_rows=True),
        CaseKnobs(fractional_digits=9, extra_fields=True, offset_tokens=True),
    ],
    ids=["usual", "sparse", "future"],
)
def test_every_answer_is_valid(knobs: CaseKnobs, description: Description) -> None:
    face, case_id = rich_face(knobs)
    operations, statuses = set(), set()
    for operation, rest, body in every_call(face, case_id):
        response = send(face, f"{line_of(operation, rest)}", body)
        check = description.answer(operation, response.status)
        assert check is not None, (operation, rest, response.body)
        assert check(json.loads(response.body))
        operations.add(operation)
        statuses.add(response.status)
    assert operations == set(description.operations) - NOT_OFFERED
    assert statuses == {200, 400, 404}


def test_refusals_of_a_stranger_are_valid(description: Description) -> None:
    face = make_face(permissions=[])
    for operation, key, status in (
        ("POST /cases/cases/v1", "Bearer wrong", 401),
        ("GET /cases/cases/v1/{}/events", f"Bearer {KEY}", 403),
    ):
        response = send(face, line_of(operation, str(uuid4())) if "{}" in operation else operation, key=key)
        check = description.answer(operation, response.status)
        assert response.status == status
        assert check is not None
        assert check(json.loads(response.body))


def test_the_checks_can_fail(description: Description) -> None:
    check = description.answer("GET /cases/cases/v1/{}", 200)
    face, case_id = rich_face(CaseKnobs())
    document = json.loads(send(face, f"GET /cases/cases/v1/{case_id}").body)
    assert check is not None
    for name, value in (("status", "ACTIVE"), ("createTime", "2026"), ("duration", 5), ("labels", None)):
        with pytest.raises(jsonschema_rs.ValidationError):
            check({"case": {**document["case"], name: value}})


@pytest.mark.parametrize(
    ("operation", "name", "document"),
    [
        ("POST /cases/cases/v1", "list", {"pagination": {"pageSize": size}}) for size in (0, 1, 1000, 1001)
    ]
    + [
        ("POST /cases/cases/v1", "list", {"filters": filters})
        for filters in (
            {"statuses": ["CASE_STATUS_ACTIVE"]},
            {"statuses": ["ACTIVE"]},
            {"textSearch": ""},
            {"textSearch": "x" * 4097},
            {"categories": ["CASE_CATEGORY_OTHER"]},
            {"dateRange": {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}},
            {"dateRange": {"from": "2026-03-01T00:00:00Z"}},
            {"connectorTypeFilters": [{"connectorType": "CONNECTOR_TYPE_EMAIL"}, {"noConnector": {}}]},
            {"impactedEntities": [{"apmService": {"name": ""}}]},
            {"caseLabelsFilter": {"flatLabels": [{"key": "a"}]}},
        )
    ]
    + [
        ("PUT /cases/resolved/v1/{}", "resolve", {"reason": "x" * length}) for length in (0, 1, 500, 501)
    ]
    + [
        ("POST /cases/indicators/v1/get", "indicator", {"prometheusAlert": alert})
        for alert in (
            {"fingerprint": "f", "startedAt": "2026-03-01T00:00:00Z"},
            {"fingerprint": "", "startedAt": "2026-03-01T00:00:00Z"},
            {"fingerprint": "f"},
            {"startedAt": "2026-03-01T00:00:00Z"},
        )
    ]
    + [
        ("POST /cases/notifications/v1/deliveries", "deliveries", {"caseIds": ids}) for ids in ([], ["x"], ["x" * 65])
    ]
    + [("PUT /cases/cases/v1/{}", "update", {"title": title}) for title in ("", " ", "a", "a" * 512, "a" * 513)],
)  # fmt: skip
def test_a_request_is_taken_exactly_when_the_description_allows_it(
    operation: str, name: str, document: object, description: Description
) -> None:
    try:
        description.request(operation)(document)
        allowed = True
    except jsonschema_rs.ValidationError:
        allowed = False
    try:
        read_body(json.dumps(document).encode(), BODIES[name])
        taken = True
    except BadRequestError:
        taken = False
    assert taken == allowed
