"""The Coralogix client without a network: the port ``CaseClient`` straight on a world, faults included.

Rule: it raises what the real client raises for the same misfortune. A fault before the effect leaves the world alone;
one after it strikes when the change is made. What the real client refuses by itself is refused before anything is
counted or struck. Nothing is retried, so each fault is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from reconciler.core.errors import Ambiguous, AuthFailed, Malformed, Missing, Rejected, RemoteError, Transient
from reconciler.core.model import Case, System
from reconciler.remotes.ports import CaseOrder, CasePage
from reconciler.sandbox.coralogix.lifecycle import STATUSES, Step
from reconciler.sandbox.coralogix.records import (
    API_KEY,
    REASON_LIMIT,
    Actor,
    BadTokenError,
    NoSuchCaseError,
    StepRefusedError,
)
from reconciler.sandbox.coralogix.requests import CASE_ID
from reconciler.sandbox.coralogix.shelf import ListQuery, SortField
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind

READ_ERRORS: Mapping[FaultKind, type[RemoteError]] = {
    FaultKind.TIMEOUT: Transient,
    FaultKind.RESET: Transient,
    FaultKind.REFUSED: Transient,
    FaultKind.ERROR_500: Transient,
    FaultKind.ERROR_502_HTML: Transient,
    FaultKind.ERROR_503_HTML: Transient,
    FaultKind.FORBIDDEN_403: Rejected,
    FaultKind.UNAUTHORIZED_401: AuthFailed,
    FaultKind.RATE_429: Transient,
    FaultKind.HTML_200: Transient,
    FaultKind.REDIRECT_LOGIN: Transient,
    FaultKind.TRUNCATED_JSON: Transient,
    FaultKind.ERROR_IN_200: Transient,
}
"""The kinds that are an error of a read; the others leave it an answer."""

WRITE_ERRORS: Mapping[FaultKind, type[RemoteError]] = {
    **READ_ERRORS,
    FaultKind.TIMEOUT: Ambiguous,
    FaultKind.RESET: Ambiguous,
    FaultKind.ERROR_500: Ambiguous,
    FaultKind.ERROR_502_HTML: Ambiguous,
    FaultKind.ERROR_503_HTML: Ambiguous,
    FaultKind.HTML_200: Ambiguous,
    FaultKind.TRUNCATED_JSON: Ambiguous,
    FaultKind.ERROR_IN_200: Ambiguous,
}

HTTP_STATUSES: Mapping[FaultKind, int] = {
    FaultKind.ERROR_500: 500,
    FaultKind.ERROR_502_HTML: 502,
    FaultKind.ERROR_503_HTML: 503,
    FaultKind.FORBIDDEN_403: 403,
    FaultKind.UNAUTHORIZED_401: 401,
    FaultKind.RATE_429: 429,
    FaultKind.HTML_200: 200,
    FaultKind.REDIRECT_LOGIN: 302,
    FaultKind.TRUNCATED_JSON: 200,
    FaultKind.ERROR_IN_200: 200,
}
"""The HTTP status that goes with a kind; the others have no answer at all."""

FIELDS: Mapping[CaseOrder, SortField] = {
    CaseOrder.UPDATED: SortField.UPDATED,
    CaseOrder.CREATED: SortField.CREATED,
}


class MemoryCaseClient:
    """Speak to a world as one actor. Safe for several threads."""

    def __init__(self, world: CoralogixWorld, *, actor: Actor = API_KEY) -> None:
        self._world = world
        self._actor = actor
        self.requests: Counter[str] = Counter()
        """calls by operation, those that a fault struck too"""

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = 200,
        statuses: Sequence[str] = (),
        created_from: datetime | None = None,
    ) -> CasePage:
        """List Cases newest first, as the port says; raises Rejected for a page size or token that is not valid."""
        _require_listable(page_size, statuses)
        fault = self._begin("cases.list", READ_ERRORS)
        query = ListQuery(
            field=FIELDS[order],
            page_size=page_size,
            page_token=page_token or None,
            matches=_condition(statuses, created_from),
        )
        try:
            listing = self._world.list_cases(query, stale=fault is not None and fault.kind is FaultKind.STALE_LIST)
        except BadTokenError as error:
            raise _error(Rejected, "cases.list", 400, "the page token is not valid") from error
        self._end("cases.list", fault, READ_ERRORS)
        server_time = self._world.clock.now().replace(microsecond=0)
        if fault is not None and fault.kind is FaultKind.HIDDEN_ROWS:
            return CasePage(cases=(), truncated=True, server_time=server_time)
        return CasePage(
            cases=tuple(case for case in listing.cases if case.status),
            malformed=tuple(_malformed(case) for case in listing.cases if not case.status),
            next_token=listing.next_token,
            truncated=listing.truncated,
            server_time=server_time,
        )

    def get_case(self, case_id: str) -> Case:
        """Read one Case; raise Missing when there is none, Malformed when it has no status."""
        case = self._read(case_id, "cases.get")
        if not case.status:
            raise _malformed(case)
        return case

    def acknowledge(self, case_id: str) -> Case:
        """Acknowledge one Case and give it as it is afterwards."""
        return self._write("cases.acknowledge", case_id, Step.ACKNOWLEDGE)

    def resolve(self, case_id: str, reason: str) -> Case:
        """Resolve one Case; a reason of more than 500 characters is Rejected."""
        return self._write("cases.resolve", case_id, Step.RESOLVE, reason)

    def close(self, case_id: str) -> Case:
        """Close one Case."""
        return self._write("cases.close", case_id, Step.CLOSE)

    def deep_link(self, case_id: str) -> str:
        """Give the address of a Case in the console of this world."""
        return self._world.console_url(self._read(case_id, "cases.deep_links").id)

    def _read(self, case_id: str, operation: str) -> Case:
        _require_id(case_id, operation)
        fault = self._begin(operation, READ_ERRORS)
        try:
            case = self._world.visible_case(case_id)
        except NoSuchCaseError as error:
            raise _error(Missing, operation, 404, "there is no such Case") from error
        self._end(operation, fault, READ_ERRORS)
        return case

    def _write(self, operation: str, case_id: str, step: Step, reason: str = "") -> Case:
        _require_id(case_id, operation)
        if len(reason) > REASON_LIMIT:
            raise _error(Rejected, operation, 400, f"reason must have 1 to {REASON_LIMIT} characters")
        fault = self._begin(operation, WRITE_ERRORS)
        try:
            if fault is not None and fault.kind is FaultKind.NO_CHANGE_200:
                return self._world.ignore(case_id, step, self._actor, FaultKind.NO_CHANGE_200)
            case = self._world.step(case_id, step, self._actor, reason)
        except NoSuchCaseError as error:
            raise _error(Missing, operation, 404, "there is no such Case") from error
        except StepRefusedError as error:
            raise _error(Rejected, operation, 400, str(error)) from error
        self._end(operation, fault, WRITE_ERRORS)
        return case

    def _begin(self, operation: str, errors: Mapping[FaultKind, type[RemoteError]]) -> Fault | None:
        """Count the call, draw its fault, and fail here when that strikes before the effect."""
        with self._world.lock:
            self.requests[operation] += 1
        fault = self._world.faults.take(operation)
        if fault is not None and (not fault.after_effect or fault.kind is FaultKind.REFUSED):
            _fail_if_error(operation, fault, errors)
        return fault

    def _end(self, operation: str, fault: Fault | None, errors: Mapping[FaultKind, type[RemoteError]]) -> None:
        """Fail here when the fault strikes after the effect."""
        if fault is not None and fault.after_effect:
            _fail_if_error(operation, fault, errors)


def _condition(statuses: Sequence[str], created_from: datetime | None) -> Callable[[Case], bool]:
    wanted = frozenset(statuses)
    return lambda case: (
        (not wanted or case.status in wanted) and (created_from is None or case.created_at >= created_from)
    )


def _fail_if_error(operation: str, fault: Fault, errors: Mapping[FaultKind, type[RemoteError]]) -> None:
    kind = errors.get(fault.kind)
    if kind is not None:
        raise _error(kind, operation, HTTP_STATUSES.get(fault.kind), f"the fault {fault.kind} struck")


def _error(kind: type[RemoteError], operation: str, status: int | None, words: str) -> RemoteError:
    return kind(words, system=System.CORALOGIX, path=operation, status=status)


def _malformed(case: Case) -> Malformed:
    return Malformed("a Case cannot be understood: status missing or not readable", record_id=case.id)


def _require_listable(page_size: int, statuses: Sequence[str]) -> None:
    if not 1 <= page_size <= 1000:
        raise _error(Rejected, "cases.list", 400, "pageSize must be 1 to 1000")
    unknown = sorted(set(statuses) - set(STATUSES))
    if unknown:
        raise _error(Rejected, "cases.list", 400, f"no status of a Case: {', '.join(unknown)}")


def _require_id(case_id: str, operation: str) -> None:
    if len(case_id) > 64 or not CASE_ID.fullmatch(case_id):
        raise _error(Rejected, operation, 400, f"{case_id!r} is not the id of a Case")
