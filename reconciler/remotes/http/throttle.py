"""When one service may be asked, by its earlier answers: pauses after a 429 or 503, the pace, refused logins.

Rules of this file: it sends nothing; during a pause nothing is sent, and after it one request goes first, alone; the
state is a plain value, so that it is kept over a restart. Requests that were under way when a complaint came do not
count as further complaints.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.core.frozen import dataclass
from reconciler.remotes.http.outcomes import CANCELLED, Failure, Reply
from reconciler.remotes.http.pacing import Pace
from reconciler.remotes.ports import SideState

LONGEST_PAUSE = timedelta(hours=1)
FIRST_PAUSE_SECONDS, LONGEST_BACK_OFF_SECONDS = 1, 60
"""Without ``Retry-After``: doubled with each complaint, from the first to the second."""
ALMOST_OVER = timedelta(milliseconds=50)
"""Who slept for a pause may wake this much early, since wall clock and monotonic clock differ."""
REFUSALS_IN_A_ROW = 3
REFUSED_LOGIN_PAUSE = timedelta(minutes=15)
"""Services lock an account after a few refusals in a row, so a wrong password is tried four times an hour."""


@dataclass(frozen=True, kw_only=True)
class TurnedAway:
    """Nothing may be sent now: why, and for how long."""

    words: str
    seconds: float | None = None
    """None: until another request has come back, or longer than this cycle"""


class Throttle:
    """The pauses, pace and refused logins of one service. Safe for several threads."""

    def __init__(self, *, pace: Pace, now: Callable[[], datetime]) -> None:
        self.pace = pace
        self._now = now
        self._state = SideState()
        self._complaints = 0
        """how often it complained since the start: a request sent before the last one is not counted again"""
        self._is_troubled = False
        self._complained_in_cycle = self.is_in_cycle = False
        self._probing: int | None = None
        """the thread whose request goes first after a pause"""
        self._lock = threading.RLock()  # a thread may take it twice: `still` calls `enter`

    @property
    def state(self) -> SideState:
        """Return what is stored, and shown by ``status``."""
        with self._lock:
            return replace(self._state, requests_per_second=self.pace.slowed_to)

    def resume(self, state: SideState) -> None:
        """Go on from what was stored."""
        with self._lock:
            self._state = state
            self._is_troubled = state.paused_until is not None
            self.pace.resume(state.requests_per_second)

    def begin_cycle(self) -> None:
        """Let reads wait for the end of a short pause from the cycle before, but not for one of this cycle."""
        with self._lock:
            self._complained_in_cycle, self.is_in_cycle = False, True

    @property
    def is_troubled(self) -> bool:
        """Return whether its last answer was a complaint."""
        return self._is_troubled

    # -- pauses ------------------------------------------------------------------------------------------------

    def enter(self) -> int | TurnedAway:
        """Return a ticket for one request, or why it has to wait."""
        with self._lock:
            left = self._left(self._state.paused_until)
            if left > ALMOST_OVER:
                at = f"{self._state.paused_until:%H:%M:%S}"
                words = f"the service asked to be left alone, so nothing is sent before {at} UTC"
                seconds = None if self._complained_in_cycle else left.total_seconds()
                return TurnedAway(words=words, seconds=seconds)
            if self._is_troubled:
                if self._probing is not None:
                    return TurnedAway(
                        words="the service asked to be left alone, and one request is to show that it is over"
                    )
                # By thread, since a thread has one request under way; `leave` of that thread ends the probe.
                self._probing = threading.get_ident()
            return self._complaints

    def still(self, ticket: int) -> int | TurnedAway:
        """Check again for a request that waited for its turn: a complaint may have come meanwhile."""
        with self._lock:
            if ticket == self._complaints:
                return ticket
            self._end_probe()
            return self.enter()

    def leave(self, ticket: int, outcome: Reply | Failure | None) -> bool:
        """Note how a request ended (None: not known); return whether it is a new complaint."""
        with self._lock:
            self._end_probe()
            if isinstance(outcome, Failure) and outcome.is_complaint:
                return self._complain(outcome.retry_after_seconds, is_news=ticket == self._complaints)
            if isinstance(outcome, Failure) and CANCELLED in outcome.error.words and ticket == self._complaints:
                self._complaints += 1
                self.pace.slow_down()
            answered = isinstance(outcome, Reply) or (outcome is not None and outcome.error.status is not None)
            if answered and ticket == self._complaints and self._is_troubled:
                self._is_troubled = False
                self._state = replace(self._state, paused_until=None, pauses=0)
            return False

    def _end_probe(self) -> None:
        if self._probing == threading.get_ident():
            self._probing = None

    def _complain(self, asked_seconds: float | None, *, is_news: bool) -> bool:
        """Begin a pause, or extend the present one."""
        if asked_seconds is None and not is_news:
            return False
        pauses = self._state.pauses + is_news
        seconds = asked_seconds
        if seconds is None:
            seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** min(pauses - 1, 10), LONGEST_BACK_OFF_SECONDS)
        until = self._now() + timedelta(seconds=min(seconds, LONGEST_PAUSE.total_seconds()))
        # A pause that looks too long (our clock was set back) is void: kept, it would hide the new one.
        stands = self._state.paused_until if self._left(self._state.paused_until) else None
        self._state = replace(self._state, paused_until=max(until, stands) if stands else until, pauses=pauses)
        self._is_troubled = self._complained_in_cycle = True
        if is_news:
            self._complaints += 1
            self.pace.slow_down()
        return is_news

    @property
    def seconds_left(self) -> float:
        """Return the seconds that the pause still lasts."""
        with self._lock:
            return max(0.0, self._left(self._state.paused_until).total_seconds())

    def _left(self, until: datetime | None) -> timedelta:
        """Return what is left of a pause; more than an hour means that our clock was set back, so the pause is over."""
        left = until - self._now() if until else timedelta()
        return left if left <= LONGEST_PAUSE else timedelta()

    # -- the login ---------------------------------------------------------------------------------------------

    def enter_login(self) -> TurnedAway | None:
        """Return why the login may not be tried now, or None. After three refusals: one try in 15 minutes."""
        with self._lock:
            if self._state.refused_logins < REFUSALS_IN_A_ROW:
                return None
            left = self._left(self._state.login_paused_until)
            if left > timedelta():
                words = (
                    f"the login was refused {self._state.refused_logins} times in a row, so nothing is sent before "
                    f"{self._state.login_paused_until:%H:%M:%S} UTC, or a change of the config or of the secret's file"
                )
                return TurnedAway(words=words, seconds=left.total_seconds())
            self._state = replace(self._state, login_paused_until=self._now() + REFUSED_LOGIN_PAUSE)
            return None

    def login_refused(self, login: Collection[str]) -> bool:
        """Count one refusal of a login, which is made of these values; return whether a pause begins."""
        with self._lock:
            refused = self._state.refused_logins + 1
            self._state = replace(self._state, refused_logins=refused)
            if refused >= REFUSALS_IN_A_ROW:
                until = self._now() + REFUSED_LOGIN_PAUSE
                mark = self._state.refused_mark or login_mark(login)
                self._state = replace(self._state, login_paused_until=until, refused_mark=mark)
            return refused == REFUSALS_IN_A_ROW

    def login_worked(self) -> None:
        """Forget earlier refusals."""
        if self._state.refused_logins:
            self.forget_refusals()

    def forget_refusals(self) -> None:
        """Start again, as with a login that was never refused."""
        with self._lock:
            self._state = replace(self._state, refused_logins=0, login_paused_until=None, refused_mark="")

    def is_refused(self, login: Collection[str]) -> bool:
        """Return whether it is this login that was refused; True where no refusal is remembered."""
        mark = self._state.refused_mark
        return not mark or login_mark(login, salt=mark.partition(":")[0]) == mark


def login_mark(login: Collection[str], *, salt: str = "") -> str:
    """Hash a login so that a change is noticed but no secret can be recovered: 16 bits of a slow, salted hash."""
    salt = salt or secrets.token_hex(8)
    text = "\0".join(sorted(login)).encode()
    return f"{salt}:{hashlib.scrypt(text, salt=salt.encode(), n=2**14, r=8, p=1, dklen=2).hex()}"
