"""What passes between a face of the sandbox and whoever brings a request to it: a socket, or a call in process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Protocol, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.core.frozen import dataclass
from reconciler.sandbox.faults import Fault


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it arrived. Header names are lower-case."""

    method: str
    path: str
    """without the query, percent-decoded"""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, method: str, target: str, *, headers: Mapping[str, str], body: bytes) -> Self:
        """Read a request as it was sent; ``target`` is a URL, or the path and query of one."""
        parts = urlsplit(target)
        return cls(
            method=method,
            path=unquote(parts.path),
            query=_query(parts.query),
            headers={name.lower(): value for name, value in headers.items()},
            body=body,
        )


@dataclass(frozen=True, kw_only=True)
class Response:
    """One answer; ``fault`` asks the server to spoil it on the wire after the face did its work."""

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
        """Return the answer to one request; never raise."""
        ...


def _query(text: str) -> dict[str, str]:
    """Read a query; the values of a name that repeats are joined with commas."""
    values: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        values[name] = f"{values[name]},{value}" if name in values else value
    return values
