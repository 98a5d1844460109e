"""What a fault adds to the answer that it makes: how long to wait, and a repetition of the request.

Both faces answer with words of their own; this is what they have in common. Source of ``Retry-After``: RFC 9110,
section 10.2.3. Repetitions are those that real gateways and debug pages give: headers word for word, the credentials
once more decoded and percent-encoded, and an id of the request that holds them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from html import escape
from math import ceil
from urllib.parse import quote, unquote_plus

from reconciler.sandbox.faults import Fault
from reconciler.sandbox.http.wire import Request, Response

CREDENTIALS = ("authorization", "x-sn-apikey")
PATIENCE_STATUSES = frozenset({429, 503})


def dressed(response: Response, fault: Fault, request: Request, now: datetime) -> Response:
    """Give the answer of a fault with its ``Retry-After``, and with the request in it where the fault echoes."""
    if response.fault is not None:
        return response
    if response.status in PATIENCE_STATUSES and (wait := _wait(fault, now)):
        response = replace(response, headers={**response.headers, "Retry-After": wait})
    return _echoing(response, request) if fault.echoes else response


def _wait(fault: Fault, now: datetime) -> str:
    if fault.retry_after or fault.until is None:
        return fault.retry_after
    return str(max(0, ceil((fault.until - now).total_seconds())))


def _echoing(response: Response, request: Request) -> Response:
    secrets = list(_secrets(request))
    told = "\n".join((f"{request.method} {request.path}", *_lines(request), *secrets))
    headers = {**response.headers, "X-Request-Id": secrets[-1] if secrets else "none"}
    return replace(response, body=_with_words(response.body, told), headers=headers)


def _lines(request: Request) -> Iterator[str]:
    yield from (f"{name}: {value}" for name, value in request.headers.items())
    yield request.body.decode(errors="replace")


def _secrets(request: Request) -> Iterator[str]:
    """Give what a request shows of its credentials, in every form in which they come back."""
    form = request.body.decode(errors="replace")
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        yield unquote_plus(form)
    for name in CREDENTIALS:
        if value := request.headers.get(name):
            bare = value.rpartition(" ")[2]
            yield from (quote(bare, safe=""), base64.b64encode(bare.encode()).decode(), _decoded(bare), bare)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


def _with_words(body: bytes, told: str) -> bytes:
    """Put words into an error document, or into a page."""
    try:
        document = json.loads(body)
    except ValueError:
        page = body.decode(errors="replace")
        return page.replace("</body>", f"<pre>{escape(told, quote=False)}</pre></body>").encode()
    return json.dumps(_reworded(document, told)).encode()


def _reworded(document: object, told: str) -> object:
    if not isinstance(document, Mapping):
        return document
    return {
        name: f"{value}: {told}" if name in {"message", "error_description"} else _reworded(value, told)
        for name, value in document.items()
    }
