"""Bodies are kept only for writes, only when asked, and never with a secret in them."""

from __future__ import annotations

import json

import pytest

from reconciler.core.model import HttpRecord, System
from reconciler.core.text import REDACTED
from reconciler.remotes.http.auth import basic_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import Call, Operation
from reconciler.remotes.http.redaction import kept_body
from reconciler.remotes.http.settings import HttpSettings
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.http.wire import Request, Response


def call(operation: Operation) -> Call:
    return Call(system=System.SERVICENOW, operation=operation, method="POST", path="/x")


def test_a_write_is_kept_without_its_secrets() -> None:
    body = {"short_description": "a", "u_password": "b", "nested": [{"apiKey": "c", "state": "6"}]}
    kept = json.loads(kept_body(call(Operation.CREATE), json.dumps(body).encode()))
    assert kept == {"short_description": "a", "u_password": REDACTED, "nested": [{"apiKey": REDACTED, "state": "6"}]}


def test_reads_and_empty_bodies_are_not_kept() -> None:
    assert kept_body(call(Operation.READ), b'{"a": 1}') == ""
    assert kept_body(call(Operation.WRITE), None) == ""


class Echo:
    """Answer every request with an empty result."""

    def answer(self, request: Request) -> Response:
        return Response.json(200, {"result": {}})


@pytest.mark.parametrize(("keep", "expected"), [(True, '{"state": "6"}'), (False, "")])
def test_a_body_is_reported_only_when_asked(keep: bool, expected: str) -> None:
    seen: list[HttpRecord] = []
    with SandboxServer(Echo()) as server:
        settings = HttpSettings(base_url=server.url, keep_bodies=keep)
        service = HttpService(System.SERVICENOW, settings, basic_login("u", "p"), observe=seen.append)
        service.request(Operation.WRITE, "PATCH", "/api/now/table/incident/x", body={"state": "6"})
        service.close()
    assert [record.body for record in seen] == [expected]
