"""Interpret answers: the one place where statuses and bodies become the errors of this program.

Pure: no network, no clock. What a failure means depends on the operation: a read may be retried, a write may have been
applied. Words for people come from the service's own error envelope, cleaned and cut, never from a raw body, a header
or a query.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from reconciler.core.errors import Ambiguous, AuthFailed, Missing, Rejected, RemoteError, Transient
from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject, System
from reconciler.core.text import cut, one_line

WORDS_LIMIT = 2000
"""The words of a service are cut to this many characters where they enter the program."""
REQUEST_ID_LIMIT = 200
LONGEST_NUMBER = 12
"""A number of more digits in a header is ignored: no count of rows and no wait is that long."""
LONGEST_DATE = 64
LONGEST_INTEGER = 18
"""What fits into 64 bits with its sign."""
COMPLAINTS = frozenset({429, 503})
CANCELLED = "Transaction cancelled"
"""ServiceNow's words for a quota that was hit; they may stand behind an array that was cut (KB0546297)."""
STALE_USER_SESSION = "Failed API level ACL Validation"
"""ServiceNow's words when cookies restored a user session without its roles (KB2466644)."""
_ROUTE_MESSAGES = frozenset({"", "Not Found", "Not Found: Not Found"})


class Operation(StrEnum):
    """What a call does to the service. This, not the HTTP method, decides what a failure means."""

    READ = "read"
    WRITE = "write"
    """changes a record that exists; the same write twice ends in the same place"""
    CREATE = "create"


@dataclass(frozen=True, kw_only=True)
class Call:
    """What was asked, for errors and the audit."""

    system: System
    operation: Operation
    method: str
    path: str
    """without the query"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer as it came. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str | None = None
    cookies: str = ""
    """those that its request bore, as they were sent"""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The error to raise, and whether the same read may be sent again."""

    error: RemoteError
    repeatable: bool = False
    is_complaint: bool = False
    """the service has too much to do, so everything is asked more slowly"""
    timed_out: bool = False
    """nothing was refused: the answer did not come within its time"""
    retry_after_seconds: float | None = None
    cause: BaseException | None = None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The JSON object of a successful answer."""

    call: Call
    answer: Answer
    document: JsonObject

    @property
    def server_time(self) -> datetime | None:
        """Return the service's clock from the ``Date`` header, to the second."""
        return read_http_date(self.answer.headers.get("date", ""))

    @property
    def total_count(self) -> int | None:
        """Return ServiceNow's ``X-Total-Count``; None where it is absent or no number."""
        return _whole_number(self.answer.headers.get("x-total-count", ""))

    def unusable(self, words: str) -> RemoteError:
        """Make the error for an answer that is JSON and yet not what was asked for."""
        return error_from(_unknown_outcome(self.call), self.call, words, self.answer)


def error_from(kind: type[RemoteError], call: Call, words: str, answer: Answer | None = None) -> RemoteError:
    """Make an error of the given kind, with what may be shown of the call."""
    return kind(
        clean(words),
        system=call.system.value,
        method=call.method,
        path=call.path,
        status=answer.status if answer else None,
        request_id=answer.request_id if answer else None,
    )


def judge(call: Call, answer: Answer, now: datetime) -> Reply | Failure:
    """Decide what an answer means. ``now`` is used only for a ``Retry-After`` date without a ``Date`` header."""
    if 200 <= answer.status < 300:
        return _judge_success(call, answer)
    kind, words = _refusal(call, answer)
    return Failure(
        error=error_from(kind, call, words, answer),
        is_complaint=answer.status in COMPLAINTS,
        repeatable=answer.status in {408, 429, 499} or answer.status >= 500,
        retry_after_seconds=retry_after(answer.headers, now),
    )


def lost(call: Call, words: str, *, cause: BaseException, repeatable: bool = True) -> Failure:
    """Describe a request that was sent and whose answer never came whole."""
    error = error_from(_unknown_outcome(call), call, words)
    return Failure(error=error, repeatable=repeatable, cause=cause)


def unsent(call: Call, words: str, *, cause: BaseException) -> Failure:
    """Describe a request that never reached the service."""
    return Failure(error=error_from(Transient, call, words), repeatable=True, cause=cause)


def error_kind(operation: Operation, status: int) -> type[RemoteError]:
    """Choose the error for a status that is no success.

    A redirect leads to a login page and a 429 rejects the request, so neither was applied. A 403 on a create may hide a
    record that was made nevertheless (KB2697679).
    """
    if status == 401:
        return AuthFailed
    if status == 429 or 300 <= status < 400:
        return Transient
    if status in {408, 499} or status >= 500 or status < 300:
        return Transient if operation is Operation.READ else Ambiguous
    if status == 403 and operation is Operation.CREATE:
        return Ambiguous
    if status == 404 and operation is not Operation.CREATE:
        return Missing
    return Rejected


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read ``Retry-After``, seconds or an HTTP date, as seconds from now; None when it says nothing usable.

    A date is measured against the answer's own ``Date``, so that a wrong local clock does no harm.
    """
    text = headers.get("retry-after", "").strip()
    seconds = _whole_number(text)
    if seconds is not None:
        return float(seconds)
    moment = read_http_date(text)
    if moment is None:
        return None
    start = read_http_date(headers.get("date", "")) or now
    return max(0.0, (moment - start).total_seconds())


def read_http_date(text: str) -> datetime | None:
    """Read an HTTP date as UTC; None for any other text."""
    try:
        moment = parsedate_to_datetime(text[:LONGEST_DATE])
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):  # the parser raises all of them on odd text
        return None


def odd_headers(headers: Mapping[str, str], now: datetime) -> tuple[str, ...]:
    """Name the headers that we would use and cannot read, so that they are logged and ignored."""
    readings = {
        "date": read_http_date(headers.get("date", "")),
        "retry-after": retry_after(headers, now),
        "x-total-count": _whole_number(headers.get("x-total-count", "")),
    }
    return tuple(name for name, read in readings.items() if read is None and headers.get(name, "").strip())


def hourly_limit(headers: Mapping[str, str]) -> int | None:
    """Read how many requests an hour a rule allows, which ServiceNow says in answers that fall under one."""
    return _whole_number(headers.get("x-ratelimit-limit", ""))


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else None


def clean(text: str) -> str:
    """Make a service's words safe for a terminal and a log: one line, no invisible characters, at most 2,000."""
    return cut(" ".join(one_line(text[: 4 * WORDS_LIMIT]).split()), WORDS_LIMIT)


def envelope_words(document: object) -> str:
    """Read message and detail from either service's error envelope; empty when it has none."""
    if not isinstance(document, dict):
        return ""
    inner = document.get("error")
    source = inner if isinstance(inner, dict) else document
    candidates = [source.get("message"), source.get("detail"), document.get("error_description")]
    if isinstance(inner, str):
        candidates.insert(0, inner)
    return ": ".join(text for text in candidates if isinstance(text, str) and text.strip())


def _unknown_outcome(call: Call) -> type[RemoteError]:
    return Transient if call.operation is Operation.READ else Ambiguous


def _judge_success(call: Call, answer: Answer) -> Reply | Failure:
    document = read_json(answer.body)
    if isinstance(document, dict) and not document.get("error"):
        return Reply(call=call, answer=answer, document=document)
    is_page = document is None and _is_html(answer)
    words = envelope_words(document) or _unreadable_words(answer, is_page=is_page)
    error = error_from(_unknown_outcome(call), call, words, answer)
    return Failure(error=error, repeatable=not is_page)


def _unreadable_words(answer: Answer, *, is_page: bool) -> str:
    if is_page:
        return "an HTML page instead of JSON: maintenance, hibernation or a login form"
    if CANCELLED.encode() in answer.body:
        return f"{CANCELLED}: the answer is cut short"
    return "the answer is not a JSON object, or is cut short" if answer.body else "the answer is empty"


def _refusal(call: Call, answer: Answer) -> tuple[type[RemoteError], str]:
    kind = error_kind(call.operation, answer.status)
    document = read_json(answer.body)
    if answer.status == 404 and _is_wrong_address(call.system, document):
        return Rejected, "there is no such address in the API: is the base URL right?"
    if 300 <= answer.status < 400:
        return kind, "a redirect, so this is not the API: a login page, single sign-on or a wrong base URL"
    if answer.status == 401 and not isinstance(document, dict):
        return kind, "the credentials were refused"
    words = envelope_words(document)
    return kind, words or f"no explanation in JSON ({'an HTML page' if _is_html(answer) else 'other content'})"


def _is_wrong_address(system: System, document: object) -> bool:
    """Return whether a 404 came from the router, not from a record.

    Coralogix: ``{"code": 5}`` or a message that says no more than "Not Found" (cx-cli, terraform provider).
    ServiceNow answers in its envelope for a record; anything else is another server.
    """
    if not isinstance(document, dict):
        return True
    if system is System.SERVICENOW:
        return not envelope_words(document)
    return document.get("code") == 5 or envelope_words(document).strip() in _ROUTE_MESSAGES


def _is_html(answer: Answer) -> bool:
    return "text/html" in answer.headers.get("content-type", "") or answer.body.lstrip()[:1] == b"<"


def read_json(body: bytes) -> object:
    """Parse JSON; None for anything else (``null`` is as useless to us as a page).

    Half a surrogate pair is legal in JSON but not in UTF-8, so it becomes a question mark. An integer of too many
    digits for a database stays text, and ``NaN`` becomes null: then only the Case or record that holds one is
    malformed, and the others on its page are not lost.
    """
    try:
        document = json.loads(body, parse_int=_int_or_text, parse_constant=lambda _name: None)
        if b"\\ud" in body or b"\\uD" in body:
            document = json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return document


def _int_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits
