"""What the tests of the ServiceNow world share: a world, a record, a refusal; a face and a call to it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.wire import Request, Response
from reconciler.sandbox.servicenow.api.face import RateRule, ServiceNowFace
from reconciler.sandbox.servicenow.api.login import API_PASSWORD, ApiUser, OAuthClient
from reconciler.sandbox.servicenow.journal import Actor, Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import API_USER
from reconciler.sandbox.servicenow.world import ServiceNowWorld

START = datetime(2026, 3, 1, 12, 0, 0, 400000, tzinfo=UTC)
API = Actor(user_name="coralogix.sync", via_api=True)
CASE = "0b0e7a1c-0000-4000-8000-000000000001"
TABLE = "/api/now/table/incident"
SYS_ID = "abcdef0123456789abcdef0123456789"
CLOSE_INFO = {"close_code": "Solution provided", "close_notes": "Done."}


def new_world(**switches: object) -> ServiceNowWorld:
    return ServiceNowWorld(SandboxClock(START), FaultPlan(), switches=Switches(**switches))  # type: ignore[arg-type]


def create(world: ServiceNowWorld, **fields: object) -> str:
    return world.writes.insert("incident", {"correlation_id": CASE, "correlation_display": "Coralogix", **fields}, API)[
        "sys_id"
    ]


def refusal(world: ServiceNowWorld, sys_id: str, **fields: object) -> str:
    with pytest.raises(Denial) as caught:
        world.writes.update("incident", sys_id, fields, API)
    assert caught.value.status == 403
    assert caught.value.message == "Operation Failed"
    return caught.value.detail or ""


def basic(user_name: str = API_USER, password: str = API_PASSWORD) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user_name}:{password}".encode()).decode()}


def new_face(
    rate_rule: RateRule | None = None, users: tuple[ApiUser, ...] = (ApiUser(api_key="k3y"),), **switches: object
) -> ServiceNowFace:
    world = ServiceNowWorld(SandboxClock(START), FaultPlan(), switches=Switches(**switches))  # type: ignore[arg-type]
    clients = (OAuthClient(client_id="c", client_secret="s", user_name=API_USER),)
    return ServiceNowFace(world, users, clients, rate_rule=rate_rule)


def call(
    face: ServiceNowFace,
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    merged = {"host": "localhost:1", "accept": "application/json", "content-type": "application/json"}
    request = Request(method=method, path=path, query=query or {}, headers=merged | dict(headers or basic()), body=sent)
    return face.answer(request)


def result(response: Response) -> Any:
    return json.loads(response.body)["result"]


def words(response: Response) -> tuple[int, str, str | None]:
    document = json.loads(response.body)
    assert document["status"] == "failure"
    return response.status, document["error"]["message"], document["error"]["detail"]


def created(face: ServiceNowFace, **fields: str) -> str:
    return str(result(call(face, "POST", TABLE, body={"correlation_display": "Coralogix", **fields}))["sys_id"])


def token(face: ServiceNowFace, **form: str) -> Response:
    sent = urlencode({"client_id": "c", "client_secret": "s", **form}).encode()
    form_type = {"content-type": "application/x-www-form-urlencoded"}
    return call(face, "POST", "/oauth_token.do", body=sent, headers=form_type)
