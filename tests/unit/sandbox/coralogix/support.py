"""Ask the sandbox's Coralogix face without a socket."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from reconciler.core.model import JsonObject
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.api.routes import PREFIX
from reconciler.sandbox.coralogix.lifecycle import Profile
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.wire import Request, Response

KEY = "cxtp_sandbox"
START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def make_face(
    knobs: CaseKnobs | None = None, profile: Profile = Profile.STRICT, permissions: list[str] | None = None
) -> CoralogixFace:
    world = CoralogixWorld(SandboxClock(START), FaultPlan(), profile=profile, knobs=knobs)
    return CoralogixFace(world, KEY) if permissions is None else CoralogixFace(world, KEY, permissions)


def send(
    face: CoralogixFace, line: str, body: object = None, *, raw: bytes | None = None, key: str = f"Bearer {KEY}"
) -> Response:
    """Send ``VERB /path`` behind the prefix of the API, or behind nothing where the path starts with ``//``."""
    method, _, address = line.partition(" ")
    parts = urlsplit(address.removeprefix("/") if address.startswith("//") else f"{PREFIX}{address}")
    query: dict[str, str] = {}
    for name, value in parse_qsl(parts.query):
        query[name] = f"{query[name]},{value}" if name in query else value
    content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    headers = {"authorization": key, "content-type": "application/json"}
    return face.answer(Request(method=method, path=parts.path, query=query, headers=headers, body=content))


def ask(face: CoralogixFace, line: str, body: object = None, *, raw: bytes | None = None) -> tuple[int, JsonObject]:
    """Send a request and read its JSON answer."""
    response = send(face, line, body, raw=raw)
    document = json.loads(response.body)
    assert isinstance(document, dict)
    return response.status, document
