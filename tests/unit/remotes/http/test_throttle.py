"""When a service is left alone, and when it is asked again. Over real sockets; time moves when something sleeps."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.errors import Ambiguous, AuthFailed, Paused, RemoteError, Transient
from reconciler.remotes.http.auth import basic_login, client_credentials_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.http.settings import HttpSettings
from reconciler.remotes.http.throttle import REFUSED_LOGIN_PAUSE, TurnedAway
from reconciler.remotes.ports import SideState
from tests.unit.remotes.scripted import BEGINNING, Scripted, Talk, as_json, silent, talking

READ, WRITE, CREATE = Operation.READ, Operation.WRITE, Operation.CREATE
FINE = as_json({"result": "fine"})
BUSY = as_json({"error": {"message": "busy"}}, 503)
DENIED = as_json({"error": {"message": "User is not authenticated"}}, 401)


def slow(status: int = 429, **headers: str) -> Scripted:
    return as_json({"error": {"message": "slow down"}}, status, **headers)


def write(it: Talk) -> type[RemoteError] | None:
    """Send one write, and say how it failed."""
    try:
        it.http.request(WRITE, "PATCH", "/x", body={})
    except RemoteError as error:
        return type(error)
    return None


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", ["3600", "Mon, 02 Nov 2026 11:00:00 GMT", "86400"])
def test_nothing_leaves_until_the_wait_that_was_asked_for_is_over(status: int, asked: str) -> None:
    """Thirty writes went out after a 429 with an hour. None does, and no wait is longer than an hour."""
    with talking(slow(status, Retry_After=asked), FINE, FINE) as it:
        assert write(it) in (Transient, Ambiguous)
        for _ in range(30):
            assert write(it) is Paused
            with pytest.raises(Paused, match=r"asked to be left alone, so nothing is sent before 11:00:00 UTC"):
                it.http.request(READ, "GET", "/x")
        assert it.http.state.paused_until == BEGINNING + timedelta(hours=1)
        assert len(it.seen) == len(it.records) == 1
        it.time.seconds += 3599
        assert write(it) is Paused
        it.time.seconds += 1
        assert write(it) is None
        assert it.http.state.paused_until is None
        assert it.http.state.pauses == 0


def test_a_pause_that_a_clock_set_back_made_void_does_not_hide_the_next() -> None:
    with talking(slow(Retry_After="3600"), FINE) as it:
        it.http.resume(SideState(paused_until=BEGINNING + timedelta(seconds=3630)))
        assert write(it) in (Transient, Ambiguous)
        assert write(it) is Paused
        assert it.http.state.paused_until == BEGINNING + timedelta(hours=1)


def test_without_a_wait_the_back_off_doubles_to_a_minute_and_one_request_goes_first() -> None:
    with talking(*[BUSY] * 9, FINE, BUSY) as it:
        waits = []
        for _ in range(9):
            assert write(it) is Ambiguous
            assert write(it) is Paused
            until = it.http.state.paused_until
            assert until is not None
            waits.append((until - it.time.now()).total_seconds())
            it.time.seconds += waits[-1]
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert len(it.seen) == 9
        assert write(it) is None
        assert write(it) is Ambiguous
        until = it.http.state.paused_until
        assert until is not None
        assert (until - it.time.now()).total_seconds() == 1


def test_a_read_waits_for_a_short_pause_and_is_the_request_that_goes_first() -> None:
    with talking(slow(Retry_After="2"), FINE) as it:
        assert it.http.request(READ, "GET", "/x").document == {"result": "fine"}
    assert it.time.slept == [2.0]
    assert not it.http.is_troubled


@pytest.mark.parametrize("status", [429, 503])
def test_in_a_cycle_no_read_waits_for_the_end_of_a_pause_that_was_asked_for(status: int) -> None:
    with talking(slow(status, Retry_After="1"), FINE) as it:
        it.http.begin_cycle()
        with pytest.raises(Transient, match="slow down"):
            it.http.request(READ, "GET", "/x")
        assert (it.time.slept, len(it.seen)) == ([], 1)
        it.http.begin_cycle()
        assert it.http.request(READ, "GET", "/x").document == {"result": "fine"}
        assert it.time.slept == [1.0]


def test_who_only_meets_a_short_pause_does_not_wait_for_its_end() -> None:
    """The look behind a write that was turned away would else be sent in the same cycle, and the writes after it."""
    with talking(slow(503, Retry_After="2"), FINE) as it:
        assert write(it) is Ambiguous
        with pytest.raises(Paused):
            it.http.request(READ, "GET", "/x")
        assert (it.time.slept, len(it.seen)) == ([], 1)
        assert it.http.is_troubled
        it.http.begin_cycle()
        it.http.request(READ, "GET", "/x")
        assert it.time.slept == [2.0]


def test_behind_a_pause_one_request_goes_first_alone() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hold(handler: Any) -> None:
        arrived.set()
        go_on.wait(20)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
        handler.wfile.flush()

    with talking(slow(Retry_After="60"), Scripted(spoil=hold), FINE) as it, ThreadPoolExecutor(1) as pool:
        assert write(it) is Transient
        it.time.seconds += 60
        first = pool.submit(write, it)
        assert arrived.wait(20)
        assert [write(it) for _ in range(3)] == [Paused] * 3
        go_on.set()
        assert first.result() is None
        assert write(it) is None
    assert len(it.seen) == 3


def test_a_first_request_that_finds_no_answer_leaves_the_place_to_another() -> None:
    with talking(slow(Retry_After="60"), Scripted(spoil=silent), FINE, read_seconds=0.05) as it:
        assert write(it) is Transient
        it.time.seconds += 60
        assert write(it) is Ambiguous
        assert it.http.is_troubled
        assert write(it) is None
        assert not it.http.is_troubled


def test_what_was_under_way_when_a_complaint_came_makes_no_second_one() -> None:
    """Eight workers are turned away together: that is one complaint, and the pace is halved once."""
    barrier = threading.Barrier(8)

    def together(handler: Any) -> None:
        barrier.wait(20)
        body = b"HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\n\r\n{}"
        with suppress(OSError):
            handler.wfile.write(body)
            handler.wfile.flush()

    with talking(*[Scripted(spoil=together)] * 8) as it, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: write(it), range(8))) == [Transient] * 8
    assert it.http.state.pauses == 1
    assert it.http.state.requests_per_second == 50


def test_who_waits_for_a_turn_when_a_complaint_comes_does_not_go() -> None:
    with talking(slow(Retry_After="60"), FINE) as it:
        throttle = it.http._throttle
        ticket = throttle.enter()
        assert ticket == 0
        assert write(it) is Transient
        assert isinstance(throttle.still(ticket), TurnedAway)
        it.time.seconds += 60
        assert throttle.still(ticket) == 1


def test_a_cancelled_transaction_makes_the_pace_slower_and_no_pause() -> None:
    cancelled = as_json({"error": {"message": "Transaction cancelled: maximum execution time exceeded"}}, 500)
    with talking(cancelled, FINE) as it:
        assert write(it) is Ambiguous
        assert it.http.state == SideState(requests_per_second=50)
        assert write(it) is None


def test_what_is_remembered_is_gone_on_with() -> None:
    with talking(FINE) as it:
        it.http.resume(SideState(paused_until=BEGINNING + timedelta(minutes=5), pauses=3, requests_per_second=25))
        assert write(it) is Paused
        assert it.http.state.requests_per_second == 25
        it.time.seconds += 300
        assert write(it) is None
        assert it.http.state == SideState(requests_per_second=it.http.state.requests_per_second)


def test_a_clock_that_was_set_back_makes_no_pause_of_a_year() -> None:
    with talking(FINE) as it:
        it.http.resume(SideState(paused_until=BEGINNING + timedelta(days=365)))
        assert write(it) is None


def test_the_log_says_once_until_when(caplog: pytest.LogCaptureFixture) -> None:
    with talking(slow(Retry_After="600"), FINE) as it, caplog.at_level(logging.WARNING):
        for _ in range(3):
            write(it)
    (told,) = caplog.records
    assert told.message == "a service asked to be left alone, so nothing is sent to it for a while"
    assert (told.__dict__["side"], told.__dict__["status"]) == ("servicenow", 429)
    assert told.__dict__["until"] == BEGINNING + timedelta(minutes=10)


# -- logins ------------------------------------------------------------------------------------------------------------


def login(it: Talk) -> str:
    """Send one read, and say how its login was refused."""
    with pytest.raises(AuthFailed) as caught:
        it.http.request(READ, "GET", "/x")
    return caught.value.words


def test_a_login_that_was_refused_three_times_is_tried_every_quarter_of_an_hour() -> None:
    with talking(*[DENIED] * 5, FINE, DENIED, login=basic_login("u", "p")) as it:
        for count in (1, 2, 3):
            assert login(it) == "User is not authenticated"
            assert it.http.state.refused_logins == count
        assert it.http.state.silent_until == BEGINNING + REFUSED_LOGIN_PAUSE
        for _ in range(10):
            assert "refused 3 times in a row, so nothing is sent before 10:15:00 UTC" in login(it)
        assert len(it.seen) == 3
        it.time.seconds += REFUSED_LOGIN_PAUSE.total_seconds()
        assert login(it) == "User is not authenticated"
        assert "refused 4 times" in login(it)
        assert len(it.seen) == 4
        it.time.seconds += REFUSED_LOGIN_PAUSE.total_seconds()
        login(it)
        it.time.seconds += REFUSED_LOGIN_PAUSE.total_seconds()
        assert it.http.request(READ, "GET", "/x").document == {"result": "fine"}
        assert it.http.state == SideState()
        assert login(it) == "User is not authenticated"


def test_a_refused_grant_is_a_refused_login() -> None:
    refusal = as_json({"error": "access_denied"}, 401)
    with talking(*[refusal] * 4, login=client_credentials_login(client_id="c", client_secret="s")) as it:
        for _ in range(6):
            login(it)
    assert len(it.seen) == 3


def test_refusals_with_a_success_between_are_not_in_a_row() -> None:
    with talking(DENIED, DENIED, FINE, DENIED, DENIED, FINE, login=basic_login("u", "p")) as it:
        for _ in range(2):
            login(it)
            login(it)
            it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 6


ABSENT = as_json({"error": {"message": "No Record found", "detail": "Record doesn't exist"}}, 404)
NO_SUCH_PLACE = as_json({}, 404)


@pytest.mark.parametrize(
    ("answer", "is_proof"),
    [
        (ABSENT, True),
        (NO_SUCH_PLACE, False),
        (as_json({"error": {"message": "Invalid query"}}, 400), False),
        (as_json({"error": {"message": "Operation failed", "detail": "ACL"}}, 403), False),
        (slow(), False),
    ],
)
def test_a_record_that_is_not_there_proves_that_the_login_is_accepted(answer: Scripted, is_proof: bool) -> None:
    with talking(DENIED, DENIED, answer, DENIED, login=basic_login("u", "p")) as it:
        login(it)
        login(it)
        assert write(it) is not None
        it.time.seconds += 60
        login(it)
        assert it.http.state.refused_logins == (1 if is_proof else 3)


@pytest.mark.parametrize(("password", "is_asked"), [("p", False), ("changed", True)])
def test_a_restart_honours_refusals_of_this_login_alone(password: str, is_asked: bool) -> None:
    with talking(*[DENIED] * 3, FINE, login=basic_login("u", "p")) as it:
        for _ in range(3):
            login(it)
        settings = HttpSettings(base_url=it.server.url)
        again = HttpService(it.http.system, settings, basic_login("u", password), clock=it.time.clock)
        again.resume(it.http.state)
        with closing(again):
            if is_asked:
                assert again.request(READ, "GET", "/x").document == {"result": "fine"}
                return
            with pytest.raises(AuthFailed, match="3 times in a row"):
                again.request(READ, "GET", "/x")


def test_another_address_is_another_login() -> None:
    with talking(*[DENIED] * 3, login=basic_login("u", "p")) as it, talking(FINE, login=basic_login("u", "p")) as other:
        for _ in range(3):
            login(it)
        other.http.resume(it.http.state)
        assert other.http.request(READ, "GET", "/x").document == {"result": "fine"}
