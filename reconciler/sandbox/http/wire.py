"""What passes between the HTTP server of the sandbox and the faces that answer for the two services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from reconciler.sandbox.faults import Fault


@dataclass(frozen=True, kw_only=True)
class Request:
    """Hold one request as it arrived. Header names are lower-case."""

    method: str
    path: str
    """without the query, percent-decoded"""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Response:
    """Hold one answer; ``fault`` asks the server to spoil it on the wire after the face did its work."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @classmethod
    def json(cls, status: int, document: object, headers: Mapping[str, str] | None = None) -> Response:
        """Answer with a JSON document."""
        merged = {"Content-Type": "application/json;charset=UTF-8", **(headers or {})}
        return cls(status=status, body=json.dumps(document).encode(), headers=merged)


class Face(Protocol):
    """Answer requests for one service. Must be safe for several threads."""

    def answer(self, request: Request) -> Response:
        """Give the answer to one request; never raise."""
        ...
