"""What a fault makes of an answer: how long to wait, a repetition of the request, headers and times that make no sense.

Both faces answer with words of their own; this is what they have in common. Source of ``Retry-After``: RFC 9110,
section 10.2.3. Repetitions are those that real gateways and debug pages give: headers word for word, the credentials
once more decoded and percent-encoded, and an id of the request that holds them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from html import escape
from math import ceil
from urllib.parse import quote, unquote_plus

from reconciler.core.model import JsonObject
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.http.wire import Request, Response

CREDENTIALS = ("authorization", "x-sn-apikey")
PATIENCE_STATUSES = frozenset({429, 503})
MANY_DIGITS = "9" * 5000
"""more than ``int`` reads"""
ABSURD_HEADERS = dict.fromkeys(("Date", "Retry-After", "X-Total-Count"), MANY_DIGITS)
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d\S*")
_HOLDERS = ("case", "cases", "event", "events", "result")
"""the members of an answer that hold one Case, event or record, or many"""


def dressed(response: Response, fault: Fault, request: Request, now: datetime) -> Response:
    """Return the answer of a fault with its ``Retry-After``, and with the request in it where the fault echoes."""
    if response.fault is not None:
        return response
    if response.status in PATIENCE_STATUSES and (wait := _wait(fault, now)):
        response = replace(response, headers={**response.headers, "Retry-After": wait})
    return _echoing(response, request) if fault.echoes else response


def made_odd(response: Response, fault: Fault | None) -> Response:
    """Return a good answer as a fault of ``ODD_ANSWERS`` has it; with any other fault, or none, as it is."""
    match fault.kind if fault else None:
        case FaultKind.ABSURD_HEADERS:
            return replace(response, headers={**response.headers, **ABSURD_HEADERS})
        case FaultKind.STRANGE_TIMES if fault is not None and response.body:
            document = _in_another_year(json.loads(response.body), fault.year)
            return replace(response, body=json.dumps(document).encode())
        case _:
            return response


def _in_another_year(document: JsonObject, year: int) -> JsonObject:
    """Move the times of one thing that an answer holds; others on the same page stay as they are."""
    holder = next((name for name in _HOLDERS if document.get(name)), None)
    if holder is None:
        return document
    rows = document[holder]
    if not isinstance(rows, list):
        return {**document, holder: _moved(rows, year)}
    # Records are listed oldest first, Cases newest first: the one is moved that stands where the year belongs.
    place = 0 if (year == 1) == (holder == "result") else len(rows) - 1
    return {**document, holder: [_moved(one, year) if at == place else one for at, one in enumerate(rows)]}


def _moved(value: object, year: int) -> object:
    if isinstance(value, dict):
        return {name: _moved(one, year) for name, one in value.items()}
    if isinstance(value, list):
        return [_moved(one, year) for one in value]
    time = _TIME.fullmatch(value) if isinstance(value, str) else None
    return _edge_of(year, time[1]) if time else value


def _edge_of(year: int, divider: str) -> str:
    """Write the first moment of the year 1, or the last of another.

    In the form with an offset it lies beyond what UTC can show, where the year is 1 or 9999.
    """
    day, time, offset = ("01-01", "00:00:00", "+14:00") if year == 1 else ("12-31", "23:59:59", "-14:00")
    return f"{year:04d}-{day}{divider}{time}{offset if divider == 'T' else ''}"


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
    """Yield what a request shows of its credentials, in every form in which they come back."""
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
    # Only the members that hold words: whatever else an error document has stays as it is.
    return {
        name: f"{value}: {told}" if name in {"message", "error_description"} else _reworded(value, told)
        for name, value in document.items()
    }
