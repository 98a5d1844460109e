"""How requests leave: limits, retries of reads, cookies, tokens, reports. Over real sockets on loopback."""

from __future__ import annotations

import gzip
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.core.errors import Ambiguous, AuthFailed, Rejected, Transient
from reconciler.core.model import System
from reconciler.remotes.http.auth import api_key_login, basic_login, client_credentials_login, password_login
from reconciler.remotes.http.client import environment_settings
from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.http.pacing import ClientClock
from tests.unit.remotes.scripted import (
    Scripted,
    as_json,
    begin_and_hang,
    talking,
)

READ, WRITE, CREATE = Operation.READ, Operation.WRITE, Operation.CREATE
BUSY = as_json({"error": {"message": "busy"}}, 503)
DENIED = as_json({"error": {"message": "User is not authenticated"}}, 401)
FINE = as_json({"result": "fine"})


def token(access: str, **more: object) -> Scripted:
    return as_json({"access_token": access, "expires_in": 1799, **more})


def test_a_read_is_tried_three_times_and_each_try_is_reported() -> None:
    with talking(BUSY, BUSY, FINE) as it:
        assert it.http.request(READ, "GET", "/x", query={"secret": "query"}).document == {"result": "fine"}
    assert [(record.attempt, record.status, record.path) for record in it.records] == [
        (1, 503, "/x"),
        (2, 503, "/x"),
        (3, 200, "/x"),
    ]
    assert all(0 <= wait <= 2 for wait in it.time.slept)


def test_each_request_is_shown_to_who_debugs_without_query_body_or_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconciler")
    with talking(FINE) as it:
        it.http.request(WRITE, "PATCH", "/x", query={"a": "query"}, body={"a": "body"})
    [record] = [record for record in caplog.records if record.message == "request"]
    told = vars(record)
    assert (told["side"], told["method"], told["path"], told["status"]) == (it.http.name, "PATCH", "/x", 200)
    assert not [value for value in map(str, told.values()) if "query" in value or "body" in value]


def test_a_read_is_given_up_after_three_times() -> None:
    with talking(BUSY, BUSY, BUSY, FINE) as it, pytest.raises(Transient, match="busy"):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 3


def test_a_read_may_be_sent_once_only() -> None:
    with talking(BUSY, FINE, read_attempts=1) as it, pytest.raises(Transient, match="busy"):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("operation", [WRITE, CREATE])
def test_a_write_is_never_sent_twice(status: int, operation: Operation) -> None:
    with talking(as_json({"error": "no"}, status), FINE) as it, pytest.raises((Transient, Ambiguous)):
        it.http.request(operation, "POST", "/x", body={})
    assert len(it.seen) == 1


def test_an_answer_that_drips_is_cut_off_at_the_deadline() -> None:
    ticks = iter(range(0, 10_000, 100))
    clock = ClientClock(monotonic=lambda: next(ticks), sleep=lambda _: None)
    drip = Scripted(spoil=begin_and_hang)
    with talking(drip, clock=clock, total_seconds=90) as it, pytest.raises(Ambiguous, match="took longer than 90 s"):
        it.http.request(WRITE, "PATCH", "/x", body={})


def test_a_packed_bomb_is_cut_off_at_the_limit_and_not_asked_for_again() -> None:
    bomb = Scripted(body=gzip.compress(b" " * 20_000_000), headers={"Content-Encoding": "gzip"})
    with (
        talking(bomb, FINE, max_answer_bytes=1_000_000) as it,
        pytest.raises(Transient, match="larger than 1000000 bytes"),
    ):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 1


def test_a_packed_answer_is_unpacked() -> None:
    packed = Scripted(body=gzip.compress(b'{"result": "fine"}'), headers={"Content-Encoding": "gzip"})
    with talking(packed) as it:
        assert it.http.request(READ, "GET", "/x").document == {"result": "fine"}


def test_a_redirect_is_not_followed() -> None:
    away = Scripted(status=302, headers={"Location": "/login.do"})
    with talking(away, FINE) as it, pytest.raises(Transient, match="redirect"):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 1


def test_retry_after_is_waited_for() -> None:
    with talking(as_json({"error": "slow"}, 429, Retry_After="2"), FINE) as it:
        it.http.request(READ, "GET", "/x")
    assert it.time.slept == [2.0]


@pytest.mark.parametrize("asked", ["6", "3600", "Mon, 02 Nov 2026 10:01:00 GMT"])
def test_retry_after_beyond_the_budget_is_given_up_at_once(asked: str) -> None:
    with (
        talking(as_json({"error": "slow"}, 429, Retry_After=asked), FINE) as it,
        pytest.raises(Transient, match="slow"),
    ):
        it.http.request(READ, "GET", "/x")
    assert it.time.slept == []


def test_a_stop_ends_the_retries() -> None:
    stop = threading.Event()
    clock = ClientClock(sleep=lambda _: stop.set())
    with talking(BUSY, FINE, stop=stop, clock=clock) as it, pytest.raises(Transient, match="stopping"):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 1


def test_a_stop_cuts_the_wait_itself_short() -> None:
    stop = threading.Event()
    stop.set()
    slow = as_json({"error": "slow"}, 429, Retry_After="4")
    with talking(slow, FINE, stop=stop, clock=ClientClock()) as it, pytest.raises(Transient, match="stopping"):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 1


def test_cookies_are_kept_for_servicenow_and_dropped_after_a_401() -> None:
    first = as_json({}, Set_Cookie="JSESSIONID=abc; Path=/")
    with talking(first, FINE, DENIED, FINE, login=basic_login("u", "p")) as it:
        for _ in range(3):
            it.http.request(READ, "GET", "/x")
    assert [seen.headers.get("cookie") for seen in it.seen] == [None, "JSESSIONID=abc", "JSESSIONID=abc", None]


def test_coralogix_gets_no_cookies_and_an_id_with_each_request() -> None:
    first = as_json({}, Set_Cookie="a=b; Path=/")
    with talking(first, FINE, system=System.CORALOGIX) as it:
        for _ in range(2):
            it.http.request(READ, "GET", "/x")
    assert "cookie" not in it.seen[1].headers
    sent = [seen.headers["x-cx-correlation-id"] for seen in it.seen]
    assert sent == [record.request_id for record in it.records]
    assert len(set(sent)) == 2


def test_a_user_session_without_its_roles_is_tried_once_without_cookies() -> None:
    stale = as_json({"error": {"message": "Not Authorized", "detail": "Failed API level ACL Validation"}}, 403)
    first = as_json({}, Set_Cookie="JSESSIONID=abc; Path=/")
    with talking(first, stale, FINE) as it:
        it.http.request(READ, "GET", "/x")
        assert it.http.request(READ, "GET", "/x").document == {"result": "fine"}
    with talking(first, stale, FINE) as it:
        it.http.request(READ, "GET", "/x")
        with pytest.raises(Rejected):
            it.http.request(WRITE, "PATCH", "/x", body={})


@pytest.mark.parametrize("operation", Operation)
def test_a_second_try_with_a_fixed_login_would_lock_the_account(operation: Operation) -> None:
    with talking(DENIED, FINE, login=basic_login("u", "p")) as it, pytest.raises(AuthFailed, match="not authenticated"):
        it.http.request(operation, "POST", "/x", body={})
    assert len(it.seen) == 1


@pytest.mark.parametrize("operation", Operation)
def test_a_token_that_ran_out_is_renewed_once_and_the_call_repeated_once(operation: Operation) -> None:
    login = client_credentials_login(client_id="c", client_secret="s")
    with talking(token("one"), DENIED, token("two"), FINE, login=login) as it:
        it.http.request(operation, "POST", "/x", body={})
    assert [record.path for record in it.records] == ["/oauth_token.do", "/x", "/oauth_token.do", "/x"]
    assert it.seen[3].headers["authorization"] == "Bearer two"
    assert [record.attempt for record in it.records] == [1, 1, 1, 2]


def test_a_second_401_is_final() -> None:
    login = client_credentials_login(client_id="c", client_secret="s")
    with talking(token("one"), DENIED, token("two"), DENIED, FINE, login=login) as it, pytest.raises(AuthFailed):
        it.http.request(READ, "GET", "/x")
    assert len(it.seen) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_grant_is_a_failed_login_and_nothing_else_is_sent(status: int) -> None:
    login = password_login(client_id="c", client_secret="s3cret", username="u", password="p4ss")
    refusal = as_json({"error": "server_error", "error_description": "access_denied"}, status)
    with talking(refusal, login=login) as it, pytest.raises(AuthFailed, match="access_denied") as caught:
        it.http.request(CREATE, "POST", "/x", body={})
    assert len(it.seen) == 1
    assert "s3cret" not in str(caught.value)
    assert it.seen[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert it.seen[0].body == b"grant_type=password&username=u&password=p4ss&client_id=c&client_secret=s3cret"


def test_a_token_that_cannot_be_had_leaves_the_write_unsent() -> None:
    login = client_credentials_login(client_id="c", client_secret="s")
    with talking(BUSY, BUSY, BUSY, login=login) as it, pytest.raises(Transient):
        it.http.request(CREATE, "POST", "/x", body={})


def test_many_threads_ask_for_one_token() -> None:
    login = client_credentials_login(client_id="c", client_secret="s")
    with talking(token("one"), *[FINE] * 8, login=login) as it, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: it.http.request(READ, "GET", "/x"), range(8)))
    assert [seen.path for seen in it.seen].count("/oauth_token.do") == 1


def test_the_request_id_of_the_service_is_reported_and_told() -> None:
    refusal = as_json({"error": {"message": "no"}}, 400, X_Transaction_ID="abc123")
    with talking(refusal) as it, pytest.raises(Rejected) as caught:
        it.http.request(READ, "GET", "/x")
    assert it.records[0].request_id == caught.value.request_id == "abc123"


def test_the_environment_is_read_once_and_never_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ca.pem")
    there = environment_settings("https://acme.service-now.com")
    assert there.proxies["https"] == "http://proxy.example:3128"
    assert there.ca_bundle == "/etc/ca.pem"
    for here in ("127.0.0.1:8080", "127.0.0.2", "[::1]:8080", "localhost"):
        assert environment_settings(f"http://{here}").proxies == {}


def test_nothing_of_the_environment_is_used_for_a_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with talking(FINE, login=api_key_login("mine")) as it:
        it.http.request(READ, "GET", "/x")
    assert "authorization" not in it.seen[0].headers
    assert it.seen[0].headers["x-sn-apikey"] == "mine"
