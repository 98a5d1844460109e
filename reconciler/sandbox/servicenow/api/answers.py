"""The answers of a ServiceNow instance beside its data: the error envelope, HTML pages, what faults look like.

The texts are those that instances send; ``reconciler/remotes/README.md`` names their sources.
"""

from __future__ import annotations

from reconciler.sandbox.faults import DRIPS, ODD_ANSWERS, Fault, FaultKind
from reconciler.sandbox.http.wire import Response
from reconciler.sandbox.servicenow.journal import Denial

CANCELLED = "Transaction cancelled: maximum execution time exceeded"
HTML = {"Content-Type": "text/html;charset=UTF-8"}
HIBERNATING = (
    "<html><head><title>Instance Hibernating page</title></head><body>Your instance is hibernating</body></html>"
)
ABORTED = "Operation against file 'incident' was aborted by Business Rule 'Struck'. Business Rule Stack: Struck"
NOT_AUTHENTICATED = ("User is not authenticated", "Required to provide Auth information")
ON_THE_WIRE = DRIPS | {FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.REFUSED}
"""what only a socket can show"""
NEVER_APPLIED = frozenset({FaultKind.REFUSED, FaultKind.RATE_429, FaultKind.REDIRECT_LOGIN, FaultKind.UNAUTHORIZED_401})
"""these turn a request away, so that they cannot strike after its effect"""
SPOILS_NO_ANSWER = ODD_ANSWERS | {
    FaultKind.NO_CHANGE_200,
    FaultKind.HIDDEN_ROWS,
    FaultKind.STALE_LIST,
    FaultKind.DROPPED_CONDITION,
}
"""these change what is done, found or said, and the answer to that is a good one"""


def failure(status: int, message: str, detail: str | None = None) -> Response:
    """Answer with the error envelope."""
    return Response.json(status, _envelope(message, detail))


def denied(denial: Denial) -> Response:
    """Answer with what a refusal says."""
    return failure(denial.status, denial.message, denial.detail)


def unauthenticated() -> Response:
    """Answer a request that bears no, or bad, credentials."""
    return Response(
        status=401,
        body=failure(401, *NOT_AUTHENTICATED).body,
        headers={"Content-Type": "application/json;charset=UTF-8", "WWW-Authenticate": 'BASIC realm="Service-now"'},
    )


def page(status: int, html: str) -> Response:
    """Answer with an HTML page."""
    return Response(status=status, body=html.encode(), headers=HTML)


def lands(fault: Fault) -> bool:
    """Return whether a request takes effect in spite of a fault."""
    return fault.after_effect and fault.kind not in NEVER_APPLIED


def struck(fault: Fault, answer: Response | None) -> Response:
    """Return what a client sees of a fault; ``answer`` is the normal answer, if the request was carried out."""
    if fault.kind in ON_THE_WIRE:
        return Response(status=200, fault=fault)
    match fault.kind:
        case FaultKind.TRUNCATED_JSON:
            return _cut_short(answer)
        case FaultKind.RATE_429:
            limited = failure(429, "Rate limit exceeded", "Rate limit of 1000 requests per hour for Table API exceeded")
            return Response(status=429, body=limited.body, headers={**limited.headers, "Retry-After": "0"})
        case FaultKind.REDIRECT_LOGIN:
            return Response(status=302, headers={"Location": "/login.do"})
        case _:
            return _whole(fault.kind)


def _whole(kind: FaultKind) -> Response:
    match kind:
        case FaultKind.ERROR_500:
            return failure(500, CANCELLED, "maximum execution time exceeded. Check logs for error trace")
        case FaultKind.ERROR_502_HTML:
            return page(502, "<html><body><h1>502 Bad Gateway</h1></body></html>")
        case FaultKind.ERROR_503_HTML:
            return page(503, "<html><body><h1>503 Service Unavailable</h1></body></html>")
        case FaultKind.FORBIDDEN_403:
            return failure(403, "Operation Failed", ABORTED)
        case FaultKind.UNAUTHORIZED_401:
            return unauthenticated()
        case _:
            return _success_that_is_none(kind)


def _success_that_is_none(kind: FaultKind) -> Response:
    if kind is FaultKind.HTML_200:
        return page(200, HIBERNATING)
    return Response.json(200, {"result": [], **_envelope(CANCELLED, "maximum execution time exceeded")})


def _cut_short(answer: Response | None) -> Response:
    """Answer with JSON whose result is cut and followed by an error object, as a quota hit in mid-stream does."""
    start = answer.body[: len(answer.body) * 2 // 3] if answer else b'{"result":['
    error = f',"error":{{"message":"{CANCELLED}","detail":"maximum execution time exceeded"}},"status":"failure"}}'
    return Response(status=200, body=start + error.encode(), headers={"Content-Type": "application/json;charset=UTF-8"})


def _envelope(message: str, detail: str | None) -> dict[str, object]:
    return {"error": {"message": message, "detail": detail}, "status": "failure"}
