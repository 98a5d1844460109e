"""The way to a face of the sandbox without a socket: an adapter of ``requests`` that calls it directly.

Everything above the adapter is the real client. What only a socket can show (no answer, a reset, a refusal, half a
body) is raised here as ``requests`` and ``urllib3`` raise it, at once. Cookies are not kept: a client that gets 401
behind one would log in again by itself, and tests would not see the refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from reconciler.sandbox.faults import DRIPS, FaultKind
from reconciler.sandbox.http.wire import Face, Request, Response

_POOL = urllib3.HTTPConnectionPool("in-process.invalid")
"""never connected: the errors of urllib3 name the pool that they come from"""


class InProcessAdapter(HTTPAdapter):
    """Carry the requests of one session to one face. As safe for several threads as the face."""

    def __init__(self, face: Face) -> None:
        super().__init__()
        self._face = face

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - a session hands all of these to every adapter
        timeout: object = None,  # noqa: ARG002
        verify: object = True,  # noqa: ARG002
        cert: object = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Return the answer to one request, or raise what its fault makes of it."""
        # The face has done its work even where no answer comes: the effect of a lost request is real.
        answer = self._face.answer(_arrived(request))
        kind = answer.fault.kind if answer.fault else None
        if kind in _LOST:
            raise _LOST[kind](request)
        return self.build_response(request, _received(answer, is_cut=kind is FaultKind.TRUNCATED_JSON))


def _arrived(request: requests.PreparedRequest) -> Request:
    body = request.body or b""
    assert isinstance(body, bytes)  # noqa: S101 - the client sends nothing else
    headers = {
        name: value if isinstance(value, str) else value.decode("latin-1") for name, value in request.headers.items()
    }
    return Request.of(request.method or "", request.url or "", headers=headers, body=body)


def _received(answer: Response, *, is_cut: bool) -> urllib3.HTTPResponse:
    """Return an answer as urllib3 reads it from a socket; of one that is cut, the half that came."""
    length = len(answer.body)
    return urllib3.HTTPResponse(
        body=BytesIO(answer.body[: length // 2] if is_cut else answer.body),
        headers={**answer.headers, "Content-Length": str(length)},
        status=answer.status,
        preload_content=False,
    )


def _timed_out(request: requests.PreparedRequest) -> requests.RequestException:
    return requests.ReadTimeout(ReadTimeoutError(_POOL, request.url, "Read timed out."), request=request)


def _cut(request: requests.PreparedRequest) -> requests.RequestException:
    error = ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
    return requests.ConnectionError(error, request=request)


def _refused(request: requests.PreparedRequest) -> requests.RequestException:
    reason = NewConnectionError(HTTPConnection(_POOL.host), "[Errno 111] Connection refused")
    return requests.ConnectionError(MaxRetryError(_POOL, request.url or "", reason), request=request)


_LOST: Mapping[FaultKind | None, Callable[[requests.PreparedRequest], requests.RequestException]] = {
    FaultKind.TIMEOUT: _timed_out,
    FaultKind.RESET: _cut,
    FaultKind.REFUSED: _refused,
    **dict.fromkeys(DRIPS, _timed_out),
}
"""What a session raises where no answer comes."""
