"""Send requests. With ``failures`` and ``watch`` beside it the only user of requests, and the only one of tenacity.

Rules: every request has time limits; no redirect is followed; reads are retried for seconds, writes only after a 401.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime
from http.cookiejar import DefaultCookiePolicy
from itertools import count
from urllib.parse import unquote, urlencode, urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import BaseAdapter

from reconciler.core.errors import AuthFailed, HeldBack, Missing, Paused, Rejected, Transient
from reconciler.core.frozen import dataclass
from reconciler.core.hosts import is_loopback
from reconciler.core.model import HttpRecord, JsonObject, System
from reconciler.remotes.http.auth import Login
from reconciler.remotes.http.echoes import SHORTEST_IN_DATA, SHORTEST_IN_REFUSALS, Echoes
from reconciler.remotes.http.failures import Abandoned, failure_of
from reconciler.remotes.http.outcomes import (
    REQUEST_ID_LIMIT,
    STALE_USER_SESSION,
    Answer,
    Call,
    Failure,
    Operation,
    Reply,
    clean,
    error_from,
    hourly_limit,
    judge,
    odd_headers,
)
from reconciler.remotes.http.pacing import ClientClock, Pace
from reconciler.remotes.http.reads import is_read
from reconciler.remotes.http.redaction import kept_body
from reconciler.remotes.http.settings import HABITS, HttpSettings, Observer, ignore_record
from reconciler.remotes.http.throttle import Throttle, TurnedAway
from reconciler.remotes.http.watch import Watch, WatchedAdapter, watched
from reconciler.remotes.ports import SideState

log = logging.getLogger(__name__)

READ_BUDGET_SECONDS = 5.0
"""Counted from the first attempt, with the coming wait: after this a read is not tried again."""
_CHUNK_BYTES = 65536
_BACK_OFF = tenacity.wait_random_exponential(multiplier=0.3, max=2)


@dataclass(frozen=True, kw_only=True)
class _Sending:
    """One call ready to be sent, with the count of its attempts."""

    call: Call
    query: Mapping[str, str]
    body: bytes | None
    content_type: str
    is_grant: bool = False
    """asks for a token, so that its answer may hold one"""
    attempts: count[int] = field(default_factory=lambda: count(1))


def environment_settings(base_url: str) -> HttpSettings:
    """Read proxy and certificates from the environment, once, as requests would for this host.

    A loopback host never goes through a proxy.
    """
    is_here = is_loopback(urlsplit(base_url).hostname or "")
    proxies = {} if is_here else requests.utils.get_environ_proxies(base_url)
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return HttpSettings(base_url=base_url, proxies=dict(proxies), ca_bundle=bundle or None)


class HttpService:
    """Reach one service with one login. Safe for several threads.

    ``stop`` ends every wait at once, and no read is retried after it; the request in progress may finish. ``observe``
    is called after each request, in the thread that sent it. ``adapter`` carries the requests in place of sockets.
    ``name`` is used in the log: the connector's. Implements ``Side``.
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
        name: str = "",
    ) -> None:
        self.system = system
        self.name = name or system.value
        self.writes_unanswered = 0
        self.hourly_limit: int | None = None
        self._settings = settings
        self._login = login
        self._observe = observe
        self._stop = stop or threading.Event()
        self._clock = clock or ClientClock()
        self._habits = HABITS[system]
        self._proxy_secrets = _proxy_secrets(settings.proxies)
        self._known_echoes: dict[int, tuple[frozenset[str], Echoes]] = {}
        self._odd: set[str] = set()
        self._session = _open_session(settings, adapter, keeps_cookies=self._habits.keeps_cookies)
        pace = Pace(
            ceiling=settings.requests_per_second,
            burst=settings.burst,
            monotonic=self._clock.monotonic,
            sleep=self._pause,
        )
        self._throttle = Throttle(pace=pace, now=self._clock.now)

    def request(
        self,
        operation: Operation,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Reply:
        """Send one call and return its JSON object; raise the RemoteError that its outcome means."""
        call = Call(system=self.system, operation=operation, method=method, path=path)
        turned = self._throttle.enter_login()
        if turned is not None:
            raise error_from(AuthFailed, call, turned.words)
        try:
            reply = self._request(call, query or {}, body)
        except AuthFailed:
            if self._throttle.login_refused(self._identity):
                facts = {"side": self.name, "until": self._throttle.state.login_paused_until}
                log.warning("a login was refused again and again, so it is tried every 15 minutes", extra=facts)
            raise
        except Missing:
            # Told in the words of who looked for the record, and nobody is looked for before the login is accepted. A
            # 400, a 403 or a 429 proves nothing: what checks requests may stand before what checks logins.
            self._throttle.login_worked()
            raise
        self._throttle.login_worked()
        return reply

    def _request(self, call: Call, query: Mapping[str, str], body: Mapping[str, object] | None) -> Reply:
        data = None if body is None else json.dumps(body).encode("ascii")
        sending = _Sending(call=call, query=query, body=data, content_type="application/json")
        if call.operation is Operation.READ:
            return _reply_or_raise(self._with_retries(lambda: self._signed(sending)))
        return _reply_or_raise(self._signed(sending))

    @property
    def state(self) -> SideState:
        """Return what is stored of this service, and shown."""
        return self._throttle.state

    @property
    def is_troubled(self) -> bool:
        """Return whether its last answer was a 429 or 503."""
        return self._throttle.is_troubled

    def resume(self, state: SideState) -> None:
        """Go on from what was stored of this service; refusals of another login than the present one are forgotten."""
        self._throttle.resume(state)
        if not self._throttle.is_refused(self._identity):
            self._throttle.forget_refusals()

    def begin_cycle(self) -> None:
        """Note that a cycle begins: its reads may wait for the end of a short pause from the cycle before."""
        self._throttle.begin_cycle()

    @property
    def _identity(self) -> frozenset[str]:
        return frozenset({self._settings.base_url}) | self._login.identity()

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def _pause(self, seconds: float) -> None:
        (self._clock.sleep or self._stop.wait)(seconds)

    def _ask_token(self, path: str, form: Mapping[str, str]) -> JsonObject:
        """Request a token. Any refusal is a failed login; no answer at all is only transient."""
        call = Call(system=self.system, operation=Operation.READ, method="POST", path=path)
        data = urlencode(form).encode("ascii")
        form_type = "application/x-www-form-urlencoded"
        sending = _Sending(call=call, query={}, body=data, content_type=form_type, is_grant=True)
        try:
            return _reply_or_raise(self._with_retries(lambda: self._once(sending, {}))).document
        except Rejected as error:
            raise error_from(AuthFailed, call, error.words) from error

    def _with_retries(self, attempt: Callable[[], Reply | Failure]) -> Reply | Failure:
        """Retry a read while that may help and the budget lasts; return the last outcome."""
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
        """Send one request unless the service is paused; the outcome is free of the login's secrets."""
        ticket = self._throttle.enter()
        if isinstance(ticket, int):
            self._throttle.pace.take()
            ticket = self._throttle.still(ticket)
        if isinstance(ticket, TurnedAway):
            return _not_sent(sending.call, ticket)
        outcome: Reply | Failure | None = None
        try:
            outcome = self._sent(sending, headers)
        finally:
            if self._throttle.leave(ticket, outcome):
                self._tell_pause(outcome)
        if isinstance(outcome, Failure) and outcome.timed_out and sending.call.operation is not Operation.READ:
            self.writes_unanswered += 1  # threads may lose one count: two are as good as three
        if isinstance(outcome, Failure) and outcome.is_complaint:
            # A service that names its pause is left alone for the rest of the cycle; a read waits out a short one.
            is_over = bool(outcome.retry_after_seconds) and self._throttle.is_in_cycle
            may_repeat = outcome.repeatable and not is_over
            return replace(outcome, repeatable=may_repeat, retry_after_seconds=self._throttle.seconds_left)
        return outcome

    def _tell_pause(self, outcome: Reply | Failure | None) -> None:
        status = outcome.error.status if isinstance(outcome, Failure) else None
        facts = {"side": self.name, "status": status, "until": self._throttle.state.paused_until}
        log.warning("a service asked to be left alone, so nothing is sent to it for a while", extra=facts)

    def _sent(self, sending: _Sending, headers: Mapping[str, str]) -> Reply | Failure:
        own_id = {self._habits.sends_id: str(uuid.uuid4())} if self._habits.sends_id else {}
        sent_at, started = self._clock.now(), self._clock.monotonic()
        watch = self._watch()
        try:
            with watched(watch):
                outcome: Answer | Failure = self._exchange(sending, {**headers, **own_id})
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError, Abandoned) as error:
            outcome = self._without_secrets(
                failure_of(sending.call, error, was_connecting=watch.is_connecting), headers
            )
        if isinstance(outcome, Answer):
            self._tell_odd(odd_headers(outcome.headers, sent_at))
            self.hourly_limit = hourly_limit(outcome.headers) or self.hourly_limit
            outcome = self._cleaned(sending, outcome, headers, sent_at)
        self._report(sending, outcome, own_id, sent_at, started)
        return outcome if isinstance(outcome, Failure) else judge(sending.call, outcome, sent_at)

    def _watch(self) -> Watch:
        return Watch(
            monotonic=self._clock.monotonic,
            should_stop=self._stop.is_set,
            silence_seconds=self._settings.read_seconds,
            total_seconds=self._settings.total_seconds,
        )

    def _hold_back_writes(self, call: Call) -> None:
        if self._settings.reads_only and not is_read(call.system, call.method, call.path):
            where = f"{self.name}: {call.method} {call.path}"
            raise HeldBack(f'{where} was not sent, since it could write and the config says mode = "observe"')

    def _exchange(self, sending: _Sending, headers: Mapping[str, str]) -> Answer:
        """Send one request and return its answer: the only place where the program sends anything."""
        self._hold_back_writes(sending.call)
        settings = self._settings
        with self._session.send(
            self._prepared(sending, headers),
            timeout=(settings.connect_seconds, settings.read_seconds),
            allow_redirects=False,  # a redirected POST would be repeated as a GET, or sent to a login page
            stream=True,  # so that size and time of the answer are limited while it is read
            proxies=self._session.proxies,
            verify=self._session.verify,
        ) as response:
            body = self._body(response)
            cookies = str(response.request.headers.get("Cookie", ""))
        own_id = headers.get(self._habits.sends_id)
        lowered = {name.lower(): value for name, value in response.headers.items()}
        request_id = clean(lowered.get(self._habits.answers_id) or own_id or "")[:REQUEST_ID_LIMIT] or None
        return Answer(status=response.status_code, headers=lowered, body=body, request_id=request_id, cookies=cookies)

    def _prepared(self, sending: _Sending, headers: Mapping[str, str]) -> requests.PreparedRequest:
        """Prepare a request from what the session and the request have; ``Session.request`` merges more, and slowly."""
        content = {} if sending.body is None else {"Content-Type": sending.content_type}
        prepared = requests.PreparedRequest()
        prepared.prepare(
            method=sending.call.method,
            url=self._settings.base_url.rstrip("/") + sending.call.path,
            headers={**self._session.headers, **content, **headers},
            params=urlencode(sending.query),
            data=sending.body,
            cookies=self._session.cookies,
        )
        return prepared

    def _body(self, response: requests.Response) -> bytes:
        """Read an answer piece by piece, up to its largest size unpacked."""
        most_bytes = self._settings.max_answer_bytes
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            size += len(chunk)
            if size > most_bytes:
                raise Abandoned(f"the answer is larger than {most_bytes} bytes", repeatable=False)
            chunks.append(chunk)
        return b"".join(chunks)

    def _cleaned(self, sending: _Sending, answer: Answer, headers: Mapping[str, str], now: datetime) -> Answer:
        """Remove the login's secrets from an answer; a token that was requested is kept."""
        is_success = isinstance(judge(sending.call, answer, now), Reply) if sending.is_grant else answer.status < 300
        if sending.is_grant and is_success:
            return answer
        if is_success:
            return self._echoes(headers, shortest=SHORTEST_IN_DATA).clean(answer)
        without_login = self._echoes(headers, shortest=SHORTEST_IN_REFUSALS).clean(answer)
        # Who has the value of a cookie is logged in until its session ends.
        sessions = {pair.partition("=")[2].strip('"') for pair in answer.cookies.split("; ")}
        return Echoes(sessions, shortest=SHORTEST_IN_DATA).clean(without_login)

    def _without_secrets(self, failure: Failure, headers: Mapping[str, str]) -> Failure:
        """Drop a cause that repeats a secret: an invalid status line is quoted in it whole."""
        echoes = self._echoes(headers, shortest=SHORTEST_IN_REFUSALS)
        return replace(failure, cause=None) if echoes.are_in(str(failure.cause).encode()) else failure

    def _echoes(self, headers: Mapping[str, str], *, shortest: int) -> Echoes:
        """Return the forms of every secret that this service may repeat, computed again only when one changed."""
        sent = {value.rpartition(" ")[2] for value in headers.values()}
        secrets = frozenset(sent) | self._login.secrets() | self._proxy_secrets
        known = self._known_echoes.get(shortest)
        if known is None or known[0] != secrets:
            known = self._known_echoes[shortest] = (secrets, Echoes(secrets, shortest=shortest))
        return known[1]

    def _tell_odd(self, names: tuple[str, ...]) -> None:
        """Log each invalid header once."""
        for name in set(names) - self._odd:
            self._odd.add(name)
            log.warning("a header makes no sense and is ignored", extra={"side": self.name, "header": name})

    def _report(
        self,
        sending: _Sending,
        outcome: Answer | Failure,
        own_id: Mapping[str, str],
        sent_at: datetime,
        started: float,
    ) -> None:
        answer = outcome if isinstance(outcome, Answer) else None
        record = HttpRecord(
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
        log.debug("request", extra={"side": self.name, **_shown(record)})
        self._observe(record)


def _shown(record: HttpRecord) -> Mapping[str, object]:
    """Return what is logged of one request: neither query, header nor body."""
    named = ("method", "path", "status", "duration_ms", "request_id", "attempt")
    return {name: getattr(record, name) for name in named}


def _open_session(settings: HttpSettings, adapter: BaseAdapter | None, *, keeps_cookies: bool) -> requests.Session:
    session = requests.Session()
    # Proxies and certificates were read once (environment_settings); a .netrc would replace our login.
    session.trust_env = False
    session.proxies = dict(settings.proxies)
    session.verify = settings.ca_bundle or True
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip, deflate"})
    session.headers["User-Agent"] = "coralogix-servicenow-reconciler"
    if not keeps_cookies:
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    carrier = adapter or WatchedAdapter(pool_connections=2, pool_maxsize=settings.pool_size, max_retries=0)
    session.mount("https://", carrier)
    session.mount("http://", carrier)
    return session


def _not_sent(call: Call, turned: TurnedAway) -> Failure:
    """Describe a request that was not sent; a read may be retried if the pause ends soon."""
    error = error_from(Paused, call, turned.words)
    return Failure(error=error, repeatable=turned.seconds is not None, retry_after_seconds=turned.seconds)


def _proxy_secrets(proxies: Mapping[str, str]) -> frozenset[str]:
    """Return the passwords in the addresses of proxies, and the headers that they become."""
    found: set[str] = set()
    for address in filter(None, proxies.values()):
        parts = urlsplit(address)
        if parts.password:
            password = unquote(parts.password)
            pair = f"{unquote(parts.username or '')}:{password}"
            found |= {password, base64.b64encode(pair.encode()).decode("ascii")}
    return frozenset(found)


def _reply_or_raise(outcome: Reply | Failure) -> Reply:
    """Return a reply; raise the error of a failure."""
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
