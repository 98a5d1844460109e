"""How a request leaves. With ``failures``, the program's only user of requests, and the only one of tenacity.

Rules: every request has limits; no redirect is followed; reads are tried again for seconds, writes only after a 401.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from itertools import count
from urllib.parse import urlencode, urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase

from reconciler.core.errors import AuthFailed, Rejected, Transient
from reconciler.core.model import HttpRecord, JsonObject, System
from reconciler.remotes.http.auth import Login
from reconciler.remotes.http.failures import Abandoned, failure_of
from reconciler.remotes.http.outcomes import (
    STALE_USER_SESSION,
    Answer,
    Call,
    Failure,
    Operation,
    Reply,
    error_from,
    judge,
)
from reconciler.remotes.http.pacing import ClientClock, TokenBucket
from reconciler.remotes.http.redaction import kept_body
from reconciler.remotes.http.settings import HABITS, HttpSettings, Observer, ignore_record

READ_BUDGET_SECONDS = 5.0
"""Counted from the first attempt, with the coming wait: after this a read is not tried again."""
_CHUNK_BYTES = 65536
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_BACK_OFF = tenacity.wait_random_exponential(multiplier=0.3, max=2)


@dataclass(frozen=True, kw_only=True)
class _Sending:
    """Hold one call ready to be sent, as often as it may be."""

    call: Call
    query: Mapping[str, str]
    body: bytes | None
    content_type: str
    attempts: count[int] = field(default_factory=lambda: count(1))


class _Signature(AuthBase):
    """Put a login's headers on a request; an AuthBase, since a ``.netrc`` beats plain headers."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign one request."""
        r.headers.update(self._headers)
        return r


def environment_settings(base_url: str) -> HttpSettings:
    """Read proxy and certificates from the environment, once, as requests would for this host.

    A loopback host never goes through a proxy.
    """
    proxies = {} if urlsplit(base_url).hostname in _LOOPBACK else requests.utils.get_environ_proxies(base_url)
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return HttpSettings(base_url=base_url, proxies=dict(proxies), ca_bundle=bundle or None)


class HttpService:
    """Reach one service with one login. Safe for several threads.

    ``stop`` ends every wait at once, and no read is tried again after it; what is in hand may still be
    finished. ``observe`` is called after each request, in the thread that sent it. ``adapter`` carries the requests
    in place of sockets.
    """

    def __init__(
        self,
        system: System,
        settings: HttpSettings,
        login: Login,
        *,
        observe: Observer = ignore_record,
        stop: threading.Event | None = None,
        clock: ClientClock | None = None,
        adapter: BaseAdapter | None = None,
    ) -> None:
        self.system = system
        self._settings = settings
        self._login = login
        self._observe = observe
        self._stop = stop or threading.Event()
        self._clock = clock or ClientClock()
        self._habits = HABITS[system]
        self._session = _open_session(settings, adapter, keeps_cookies=self._habits.keeps_cookies)
        self._bucket = TokenBucket(
            per_second=settings.requests_per_second,
            burst=settings.burst,
            monotonic=self._clock.monotonic,
            sleep=self._pause,
        )

    def request(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Reply:
        """Send one call and give its JSON object; raise the RemoteError that its outcome means."""
        call = Call(system=self.system, operation=operation, method=method, path=path)
        data = None if body is None else json.dumps(body).encode("ascii")
        sending = _Sending(call=call, query=query or {}, body=data, content_type="application/json")
        if operation is Operation.READ:
            return _granted(self._with_retries(lambda: self._signed(sending)))
        return _granted(self._signed(sending))

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _pause(self, seconds: float) -> None:
        (self._clock.sleep or self._stop.wait)(seconds)

    def _ask_token(self, path: str, form: Mapping[str, str]) -> JsonObject:
        """Ask for a token. Whatever refuses it is a failed login; no answer at all is only transient."""
        call = Call(system=self.system, operation=Operation.READ, method="POST", path=path)
        data = urlencode(form).encode("ascii")
        sending = _Sending(call=call, query={}, body=data, content_type="application/x-www-form-urlencoded")
        try:
            return _granted(self._with_retries(lambda: self._once(sending, {}))).document
        except Rejected as error:
            raise error_from(AuthFailed, call, error.words) from error

    def _with_retries(self, attempt: Callable[[], Reply | Failure]) -> Reply | Failure:
        """Try a read again while that may help and the budget lasts; give the last outcome."""
        started = self._clock.monotonic()

        def is_spent(state: tenacity.RetryCallState) -> bool:
            elapsed = self._clock.monotonic() - started
            is_last = state.attempt_number >= self._settings.read_attempts
            return is_last or elapsed + state.upcoming_sleep > READ_BUDGET_SECONDS

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda outcome: isinstance(outcome, Failure) and outcome.repeatable),
            stop=is_spent,
            wait=_wait_seconds,
            sleep=self._pause,
            before=self._unless_stopping,
            retry_error_callback=_last_outcome,
        )
        return retrying(attempt)

    def _unless_stopping(self, state: tenacity.RetryCallState) -> None:
        if state.attempt_number > 1 and self._stop.is_set():
            raise Transient("the program is stopping, so the read is not tried again", system=self.system.value)

    def _signed(self, sending: _Sending) -> Reply | Failure:
        """Send with the login's headers; once more where the first refusal was about a token or a cookie."""
        had_cookies = len(self._session.cookies) > 0
        headers = self._login.headers(self._ask_token)
        outcome = self._once(sending, headers)
        if isinstance(outcome, Failure) and self._deserves_another_login(outcome, sending, headers, had_cookies):
            return self._once(sending, self._login.headers(self._ask_token))
        return outcome

    def _deserves_another_login(
        self, failure: Failure, sending: _Sending, headers: Mapping[str, str], had_cookies: bool
    ) -> bool:
        reads_with_cookies = had_cookies and sending.call.operation is Operation.READ
        if isinstance(failure.error, AuthFailed):
            self._session.cookies.clear()
            return self._login.renew(headers) or reads_with_cookies
        if reads_with_cookies and STALE_USER_SESSION in failure.error.words:
            self._session.cookies.clear()
            return True
        return False

    def _once(self, sending: _Sending, headers: Mapping[str, str]) -> Reply | Failure:
        """Send one request and report it."""
        self._bucket.take()
        own_id = {self._habits.sends_id: str(uuid.uuid4())} if self._habits.sends_id else {}
        sent_at, started = self._clock.now(), self._clock.monotonic()
        try:
            outcome: Answer | Failure = self._exchange(sending, {**headers, **own_id})
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, Abandoned) as error:
            outcome = failure_of(sending.call, error)
        self._report(sending, outcome, own_id, sent_at, started)
        return outcome if isinstance(outcome, Failure) else judge(sending.call, outcome, sent_at)

    def _exchange(self, sending: _Sending, headers: Mapping[str, str]) -> Answer:
        settings = self._settings
        with self._session.request(
            sending.call.method,
            settings.base_url.rstrip("/") + sending.call.path,
            params=sending.query,
            data=sending.body,
            headers={"Content-Type": sending.content_type} if sending.body is not None else None,
            auth=_Signature(headers),
            timeout=(settings.connect_seconds, settings.read_seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = self._body(response, self._clock.monotonic() + settings.total_seconds)
        own_id = headers.get(self._habits.sends_id)
        lowered = {name.lower(): value for name, value in response.headers.items()}
        request_id = lowered.get(self._habits.answers_id) or own_id
        return Answer(status=response.status_code, headers=lowered, body=body, request_id=request_id)

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        """Read an answer piece by piece: a time limit for each read alone does not stop a drip."""
        settings = self._settings
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > settings.max_answer_bytes:
                raise Abandoned(f"the answer is larger than {settings.max_answer_bytes} bytes", repeatable=False)
            if self._clock.monotonic() > deadline:
                raise Abandoned(f"the answer took longer than {settings.total_seconds:g} s", repeatable=True)
            chunks.append(chunk)
        return b"".join(chunks)

    def _report(
        self,
        sending: _Sending,
        outcome: Answer | Failure,
        own_id: Mapping[str, str],
        sent_at: datetime,
        started: float,
    ) -> None:
        answer = outcome if isinstance(outcome, Answer) else None
        self._observe(
            HttpRecord(
                system=self.system,
                method=sending.call.method,
                path=sending.call.path,
                status=answer.status if answer else None,
                duration_ms=round((self._clock.monotonic() - started) * 1000),
                request_id=answer.request_id if answer else own_id.get(self._habits.sends_id),
                attempt=next(sending.attempts),
                sent_at=sent_at,
                body=kept_body(sending.call, sending.body) if self._settings.keep_bodies else "",
            )
        )


def _open_session(settings: HttpSettings, adapter: BaseAdapter | None, *, keeps_cookies: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.proxies = dict(settings.proxies)
    session.verify = settings.ca_bundle or True
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip, deflate"})
    session.headers["User-Agent"] = "coralogix-servicenow-reconciler"
    if not keeps_cookies:
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    carrier = adapter or HTTPAdapter(pool_connections=2, pool_maxsize=settings.pool_size, max_retries=0)
    session.mount("https://", carrier)
    session.mount("http://", carrier)
    return session


def _granted(outcome: Reply | Failure) -> Reply:
    if isinstance(outcome, Failure):
        raise outcome.error from outcome.cause
    return outcome


def _wait_seconds(state: tenacity.RetryCallState) -> float:
    outcome = _last_outcome(state)
    asked = outcome.retry_after_seconds if isinstance(outcome, Failure) else None
    return _BACK_OFF(state) if asked is None else asked


def _last_outcome(state: tenacity.RetryCallState) -> Reply | Failure:
    assert state.outcome is not None  # noqa: S101 - tenacity calls this after an attempt only
    outcome: Reply | Failure = state.outcome.result()
    return outcome
