"""What a ServiceNow client makes of a fault or a refusal: the error that the real one would raise.

The table is the facts' own: what was never applied is Transient, what may have landed is Ambiguous, and a 403 on a
create may hide a record that was made all the same (KB2697679).
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.core.errors import Ambiguous, AuthFailed, Malformed, Missing, Rejected, RemoteError, Transient
from reconciler.core.model import System
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.servicenow.journal import Denial

CANCELLED = "Transaction cancelled: maximum execution time exceeded"
NEVER_APPLIED = frozenset({FaultKind.REFUSED, FaultKind.RATE_429, FaultKind.REDIRECT_LOGIN, FaultKind.UNAUTHORIZED_401})
"""these turn a request away, so that they cannot strike after its effect"""
_STRIKES: dict[FaultKind, tuple[int | None, str]] = {
    FaultKind.TIMEOUT: (None, "no answer in time"),
    FaultKind.RESET: (None, "the connection was cut"),
    FaultKind.REFUSED: (None, "the connection was refused"),
    FaultKind.ERROR_500: (500, CANCELLED),
    FaultKind.ERROR_502_HTML: (502, "not JSON: Bad Gateway"),
    FaultKind.ERROR_503_HTML: (503, "not JSON: Service Unavailable"),
    FaultKind.FORBIDDEN_403: (403, "Operation Failed: aborted by a business rule"),
    FaultKind.UNAUTHORIZED_401: (401, "User is not authenticated: Required to provide Auth information"),
    FaultKind.RATE_429: (429, "Rate limit exceeded"),
    FaultKind.HTML_200: (200, "not JSON: Your instance is hibernating"),
    FaultKind.REDIRECT_LOGIN: (302, "a redirect to a login page"),
    FaultKind.TRUNCATED_JSON: (200, CANCELLED),
    FaultKind.ERROR_IN_200: (200, CANCELLED),
}


@dataclass(frozen=True, kw_only=True)
class StruckCall:
    """Name what was asked for, as errors do."""

    method: str
    path: str
    writes: bool = False
    creates: bool = False


def lands(fault: Fault) -> bool:
    """Say whether the request takes effect all the same."""
    return fault.after_effect and fault.kind not in NEVER_APPLIED


def fault_error(kind: FaultKind, call: StruckCall) -> RemoteError | None:
    """Give the error that a fault makes of a call; None for the kinds that raise none by themselves."""
    if kind not in _STRIKES:
        return None
    status, words = _STRIKES[kind]
    return _error(_fault_class(kind, call), call, status, words)


def denial_error(denial: Denial, call: StruckCall) -> RemoteError:
    """Give the error that a refusal of the service makes of a call."""
    words = f"{denial.message}: {denial.detail}" if denial.detail else denial.message
    kind: type[RemoteError] = Rejected
    if denial.status == 403 and call.creates:
        kind = Ambiguous
    elif denial.status == 404:
        kind = Missing
    return _error(kind, call, denial.status, words)


def unreadable_answer(error: Malformed, call: StruckCall) -> RemoteError:
    """Give the error for a write that was answered with a record that shows too little to prove it."""
    return _error(Ambiguous, call, 200, str(error))


def _fault_class(kind: FaultKind, call: StruckCall) -> type[RemoteError]:
    if kind is FaultKind.UNAUTHORIZED_401:
        return AuthFailed
    if kind is FaultKind.FORBIDDEN_403:
        return Ambiguous if call.creates else Rejected
    return Ambiguous if call.writes and kind not in NEVER_APPLIED else Transient


def _error(kind: type[RemoteError], call: StruckCall, status: int | None, words: str) -> RemoteError:
    return kind(words, system=System.SERVICENOW.value, method=call.method, path=call.path, status=status)
