"""Probes of Coralogix, and what both services' probes share. None changes anything.

Rules of this file: a probe passes only with proof; what could not be asked is "not checked" with the reason, never
"passed"; a probe that fails says what to do. The rights to acknowledge, resolve and close are tried on a Case id that
does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from reconciler.core.errors import AuthFailed, HeldBack, Malformed, ReconcilerError, RemoteError, Transient
from reconciler.core.findings import PAGES, Code
from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject, System
from reconciler.remotes.ports import CaseClient, CaseOrder, CasePage

NO_CASE = "ffffffff-ffff-4fff-bfff-ffffffffffff"
"""An id that no Case has: all its free bits are set, which practically no random or time-based UUID has."""
RIGHTS: Mapping[str, str] = {"acknowledge": "case:Acknowledge", "resolve": "case:Close", "close": "case:Close"}
"""Step of a Case -> the permission that it needs."""
FORBIDDEN = 403
NO_SUCH_CASE = frozenset({400, 404})
"""How the service answers a verb on a Case that does not exist, once the key has the right."""
GREATEST_CLOCK_DIFFERENCE = timedelta(seconds=60)


class Verdict(StrEnum):
    """The result of a probe."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one probe found."""

    side: str
    """``coralogix`` or the connector's name"""
    probe: str
    verdict: Verdict
    words: str
    code: Code | None = None
    """names its page; every failure has one"""
    advice: str = ""
    """what to do; empty where nothing is to be done"""
    may_pass: bool = False
    """trying again, or the right password, may help; otherwise a setting has to change"""


@dataclass(frozen=True, kw_only=True)
class ProbedSide:
    """Make the findings about one side."""

    name: str

    def passed(self, probe: str, words: str) -> Finding:
        """Make the finding of a probe that saw proof."""
        return Finding(side=self.name, probe=probe, verdict=Verdict.PASSED, words=words)

    def failed(self, probe: str, words: str, advice: str, *, code: Code) -> Finding:
        """Make the finding that a setting has to change."""
        return Finding(side=self.name, probe=probe, verdict=Verdict.FAILED, words=words, code=code, advice=advice)

    def not_checked(self, probe: str, words: str, advice: str = "", *, code: Code | None = None) -> Finding:
        """Make the finding that nothing was proved."""
        return Finding(side=self.name, probe=probe, verdict=Verdict.NOT_CHECKED, words=words, code=code, advice=advice)

    def from_error(self, probe: str, error: ReconcilerError, advice: str, *, code: Code) -> Finding:
        """Make the finding of a failed request: temporary, a refused login, or (``code``) a missing right."""
        if isinstance(error, AuthFailed):
            advice = "look at the credentials, and whether this login may use the API"
            return self._may_pass(probe, error, advice, Code.LOGIN)
        if isinstance(error, Transient):
            advice = "look at the address, the network and the proxy, and try again"
            return self._may_pass(probe, error, advice, Code.NO_ANSWER)
        is_odd = isinstance(error, Malformed)
        return self.failed(probe, str(error), advice, code=Code.NOT_UNDERSTOOD if is_odd else code)

    def _may_pass(self, probe: str, error: ReconcilerError, advice: str, code: Code) -> Finding:
        failed = self.failed(probe, str(error), advice, code=code)
        return replace(failed, may_pass=True)

    def attempt(
        self, probe: str, ask: Callable[[], Finding], advice: str = "look at the rights of the user", *, code: Code
    ) -> Finding:
        """Ask, and make a finding of the error where it fails; ``code`` stands for a missing right."""
        try:
            return ask()
        except (RemoteError, Malformed) as error:
            return self.from_error(probe, error, advice, code=code)

    def clock(self, server_time: datetime | None, now: datetime) -> Finding:
        """Compare a service's clock with the local one. Cursors do not depend on it; retry times and lags do."""
        if server_time is None:
            return self.not_checked("clock", "the service told no time")
        difference = abs(server_time - now)
        words = f"the clocks differ by {difference.total_seconds():.0f} s"
        if difference <= GREATEST_CLOCK_DIFFERENCE:
            return self.passed("clock", words)
        return self.failed("clock", words, PAGES[Code.CLOCK].to_do, code=Code.CLOCK)


class IdentityClient(Protocol):
    """Identify a key and read the Case settings, which ``CaseClient`` does not offer."""

    def whoami(self) -> JsonObject:
        """Return team and name of the key."""
        ...

    def settings(self) -> JsonObject:
        """Return the active Case settings."""
        ...


@dataclass(frozen=True, kw_only=True)
class CaseProbes:
    """Probe Coralogix."""

    cases: CaseClient
    identity: IdentityClient
    accept_partial_view: bool
    clock: Callable[[], datetime]
    side: ProbedSide = ProbedSide(name=System.CORALOGIX)

    def run(self) -> tuple[Finding, ...]:
        """Run every probe; after a login that failed, the others are not checked."""
        login = self.side.attempt(
            "login", self._login, "look at region and base_url: nothing there says who the key is", code=Code.ADDRESS
        )
        if login.verdict is Verdict.FAILED:
            others = ("list", "clock", "settings", *RIGHTS)
            return (login, *(self.side.not_checked(probe, "the login failed") for probe in others))
        return (login, *self._listing(), self._settings(), *self._rights())

    def _login(self) -> Finding:
        known = self.identity.whoami()
        team = known.get("team_name") or known.get("team_id")
        who = known.get("user_name")
        return self.side.passed("login", f"team {team}" + (f", as {who}" if who else ""))

    def _listing(self) -> tuple[Finding, ...]:
        try:
            page = self.cases.list_cases(order=CaseOrder.UPDATED, page_size=1)
        except RemoteError as error:
            advice = "give the key the permission case:Read"
            failed = self.side.from_error("list", error, advice, code=Code.CASE_READ)
            return failed, self.side.not_checked("clock", "the list failed")
        return self._page(page), self.side.clock(page.server_time, self.clock())

    def _page(self, page: CasePage) -> Finding:
        if page.truncated and not self.accept_partial_view:
            return self.side.failed(
                "list",
                "an access policy hides Cases from this key (pbacTruncated): every cycle would be refused",
                'widen the key, or say [coralogix] partial_view = "accept" where that is on purpose',
                code=Code.HIDDEN_CASES,
            )
        if page.malformed:
            words = str(page.malformed[0])
            return self.side.failed("list", words, "report this Case with its raw form", code=Code.NOT_UNDERSTOOD)
        if not page.cases:
            return self.side.not_checked("list", "there is no Case to read; the list itself was answered")
        return self.side.passed("list", f"read {page.cases[0].key or page.cases[0].id}")

    def _settings(self) -> Finding:
        try:
            settings = self.identity.settings()
        except RemoteError as error:
            words = f"not readable: {error}"
            return self.side.not_checked("settings", words, "case-config:Read shows them; nothing else needs it")
        lifecycle = (settings.get("caseSettings") or settings).get("caseLifecycle") or {}
        period = (lifecycle.get("autoClose") or {}).get("postResolutionPeriod")
        return self.side.passed("settings", f"resolved Cases close by themselves after {_in_days(period)}")

    def _rights(self) -> Iterator[Finding]:
        """Try each verb on a Case that does not exist: 403 shows a missing right, 400 or 404 a right that is there."""
        steps: Mapping[str, Callable[[str], object]] = {
            "acknowledge": self.cases.acknowledge,
            "resolve": lambda case_id: self.cases.resolve(case_id, ""),
            "close": self.cases.close,
        }
        for name, step in steps.items():
            yield self._right(name, step)

    def _right(self, name: str, step: Callable[[str], object]) -> Finding:
        try:
            step(NO_CASE)
        except HeldBack:
            return self.side.not_checked(name, "nothing that could write leaves the program in observe mode")
        except (AuthFailed, Transient) as error:
            return self.side.from_error(name, error, "", code=Code.CASE_WRITE)
        except RemoteError as error:
            return self._refused(name, error)
        return self.side.not_checked(name, "a Case that there is not was answered as if it were there")

    def _refused(self, name: str, error: RemoteError) -> Finding:
        if error.status == FORBIDDEN:
            advice = f"give the key the permission {RIGHTS[name]}"
            return self.side.failed(name, str(error), advice, code=Code.CASE_WRITE)
        if error.status in NO_SUCH_CASE:
            words = f"not refused: a Case that there is not was answered {error.status}, so {RIGHTS[name]} is there"
            return self.side.passed(name, words)
        return self.side.not_checked(name, str(error))


def _in_days(period: object) -> str:
    """Show a duration of Protocol Buffers, ``604800s``, in days; one of another form as it is."""
    seconds = str(period or "").removesuffix("s")
    if not re.fullmatch("[0-9]{1,9}", seconds):
        return str(period or "a week")
    days = int(seconds) / 86_400
    return "1 day" if days == 1 else f"{days:g} days"
