"""What an answer means, for every status and every kind of call."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.errors import Ambiguous, AuthFailed, Missing, Rejected, RemoteError, Transient
from reconciler.core.model import System
from reconciler.remotes.http.outcomes import (
    Answer,
    Call,
    Failure,
    Operation,
    Reply,
    clean,
    judge,
    odd_headers,
    retry_after,
)

NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)
READ, WRITE, CREATE = Operation.READ, Operation.WRITE, Operation.CREATE

Row = tuple[type[RemoteError], type[RemoteError], type[RemoteError]]
REJECTED: Row = (Rejected, Rejected, Rejected)
TRANSIENT: Row = (Transient, Transient, Transient)
UNKNOWN: Row = (Transient, Ambiguous, Ambiguous)

MEANING: dict[int, Row] = {
    301: TRANSIENT,
    302: TRANSIENT,
    303: TRANSIENT,
    307: TRANSIENT,
    308: TRANSIENT,
    400: REJECTED,
    401: (AuthFailed, AuthFailed, AuthFailed),
    403: (Rejected, Rejected, Ambiguous),
    404: (Missing, Missing, Rejected),
    405: REJECTED,
    406: REJECTED,
    408: UNKNOWN,
    409: REJECTED,
    412: REJECTED,
    413: REJECTED,
    415: REJECTED,
    422: REJECTED,
    429: TRANSIENT,
    499: UNKNOWN,
    500: UNKNOWN,
    501: UNKNOWN,
    502: UNKNOWN,
    503: UNKNOWN,
    504: UNKNOWN,
    599: UNKNOWN,
}
REPEATABLE = {408, 429, 499, 500, 501, 502, 503, 504, 599}
HTML = b"<html><body>Your instance is hibernating</body></html>"


def call(operation: Operation, system: System = System.SERVICENOW) -> Call:
    return Call(system=system, operation=operation, method="GET", path="/api/now/table/incident/1")


def answer(status: int, body: object = None, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}, body=data)


def failure(operation: Operation, came: Answer, system: System = System.SERVICENOW) -> Failure:
    outcome = judge(call(operation, system), came, NOW)
    assert isinstance(outcome, Failure)
    return outcome


@pytest.mark.parametrize("system", System)
@pytest.mark.parametrize("status", MEANING)
@pytest.mark.parametrize("column", range(3))
def test_each_status_means_the_same_for_both_services(system: System, status: int, column: int) -> None:
    operation = list(Operation)[column]
    seen = failure(operation, answer(status, {"error": {"message": "No Record found", "detail": "why"}}), system)
    assert type(seen.error) is MEANING[status][column]
    assert seen.error.status == status
    assert seen.repeatable == (status in REPEATABLE)


@pytest.mark.parametrize(
    "body", [HTML, b"", b'{"result": [{"sys', b"[]", b"null", b"7", b'{"error": {"message": "x"}}']
)
@pytest.mark.parametrize(("operation", "kind"), [(READ, Transient), (WRITE, Ambiguous), (CREATE, Ambiguous)])
def test_success_without_a_sound_object_is_no_success(
    body: bytes, operation: Operation, kind: type[RemoteError]
) -> None:
    assert type(failure(operation, answer(200, body)).error) is kind


def test_a_cut_answer_may_be_asked_for_again_and_a_page_for_people_may_not() -> None:
    assert failure(READ, answer(200, b'{"result": [')).repeatable
    assert failure(READ, answer(200, {"error": "x"})).repeatable
    assert not failure(READ, answer(200, HTML)).repeatable


def test_json_that_nests_too_deep_is_no_answer() -> None:
    assert type(failure(READ, answer(200, b"[" * 200_000)).error) is Transient


def test_a_sound_object_is_a_reply() -> None:
    reply = judge(call(READ), answer(200, {"result": [], "error": None}, date="Mon, 02 Nov 2026 10:00:00 GMT"), NOW)
    assert isinstance(reply, Reply)
    assert reply.document["result"] == []
    assert reply.server_time == NOW
    assert reply.total_count is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("12", 12),
        ("9" * 12, 999_999_999_999),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("x", None),
        ("²", None),
    ],
)
def test_total_count_is_a_number_or_nothing(text: str, count: int | None) -> None:
    reply = judge(call(READ), answer(200, {}, x_total_count=text), NOW)
    assert isinstance(reply, Reply)
    assert reply.total_count == count


@pytest.mark.parametrize(
    "body",
    [
        {"code": 5, "message": "Not Found"},
        {"code": 5, "message": "anything"},
        {"code": 404, "message": "Not Found: Not Found"},
        {"message": "Not Found"},
        b"404 page not found",
        HTML,
    ],
)
def test_a_404_of_the_router_is_a_wrong_base_url_and_no_missing_case(body: object) -> None:
    error = failure(READ, answer(404, body), System.CORALOGIX).error
    assert type(error) is Rejected
    assert "base URL" in error.words


def test_a_404_that_says_more_is_a_missing_record() -> None:
    body = {"code": 404, "message": 'Not Found: {"reason":"Case with id \'x\' not found"}'}
    assert type(failure(READ, answer(404, body), System.CORALOGIX).error) is Missing
    assert type(failure(READ, answer(404, HTML)).error) is Rejected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "Operation Failed", "detail": "Data Policy"}}, "Operation Failed: Data Policy"),
        ({"error": {"message": "Operation Failed", "detail": None}}, "Operation Failed"),
        ({"error": "server_error", "error_description": "access_denied"}, "server_error: access_denied"),
        ({"code": 400, "message": "Bad Request: proto:\u00a0(line 1:12)"}, "Bad Request: proto: (line 1:12)"),
        ({"message": "a\x1b[31m\r\nb\u202ec"}, "a[31m bc"),
        (b"secret words of a proxy", "no explanation in JSON (other content)"),
        (HTML, "no explanation in JSON (an HTML page)"),
    ],
)
def test_words_come_from_the_envelope_and_are_clean(body: object, words: str) -> None:
    error = failure(READ, answer(400, body)).error
    assert error.words == words
    assert "secret" not in str(error)


def test_words_are_cut() -> None:
    assert len(clean("x" * 10_000)) == 2000
    assert clean("x" * 2000) == "x" * 2000


def test_a_cancelled_transaction_is_named_though_its_json_is_cut() -> None:
    body = b'{"result": [{"a": "b"}, {"error": {"message": "Transaction cancelled: maximum execution time exceeded"'
    assert "Transaction cancelled" in failure(READ, answer(200, body)).error.words


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    reply = judge(call(READ), answer(200, b'{"a": "x\\ud800y", "b": "\\ud83d\\ude00"}'), NOW)
    assert isinstance(reply, Reply)
    assert reply.document == {"a": "x?y", "b": "\U0001f600"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("99999", 99999.0),
        ("-1", None),
        ("1.5", None),
        ("abc", None),
        ("nan", None),
        ("9" * 400, None),
        ("Fri, 31 Dec 9999 23:59:59 -1400", None),
        ("Mon, 02 Nov 20000 10:00:00 GMT", None),
        ("", None),
        ("Mon, 02 Nov 2026 10:01:00 GMT", 60.0),
        ("Mon, 02 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}, NOW) == seconds


@pytest.mark.parametrize(
    "text",
    ["Mon, 02 Nov 20000 10:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1400", ",", "x"],
)
def test_a_date_that_no_clock_shows_is_none_and_told(text: str) -> None:
    reply = judge(call(READ), answer(200, {}, date=text), NOW)
    assert isinstance(reply, Reply)
    assert reply.server_time is None
    assert odd_headers(reply.answer.headers, NOW) == ("date",)


def test_headers_that_make_sense_or_are_not_there_are_not_odd() -> None:
    headers = {"date": "Mon, 02 Nov 2026 10:00:00 GMT", "retry-after": "3600", "x-total-count": "0"}
    assert odd_headers(headers, NOW) == ()
    assert odd_headers({}, NOW) == ()
    assert odd_headers({"retry-after": "-5", "x-total-count": "9" * 5000}, NOW) == ("retry-after", "x-total-count")


def test_a_number_beyond_all_bounds_costs_no_more_than_its_own_record() -> None:
    body = b'{"result": [{"a": 1' + b"0" * 6000 + b'}, {"a": 2, "b": NaN}]}'
    reply = judge(call(READ), answer(200, body), NOW)
    assert isinstance(reply, Reply)
    assert reply.document == {"result": [{"a": "1" + "0" * 6000}, {"a": 2, "b": None}]}


def test_retry_after_is_measured_by_the_clock_of_the_service() -> None:
    headers = {"retry-after": "Mon, 02 Nov 2026 10:00:02 GMT", "date": "Mon, 02 Nov 2026 10:00:00 GMT"}
    assert retry_after(headers, NOW - timedelta(minutes=10)) == 2.0
