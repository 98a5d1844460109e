"""A face of the sandbox over real HTTP: one thread for each connection, loopback only.

Faults that only a socket can show (no answer, a reset, half an answer) are done here; everything else that
goes wrong is in the face's answer already. The ``Date`` header tells the time of the world, not of this machine.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self

from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.http.wire import Face, Request, Response

MAX_BODY_BYTES = 16 * 1024 * 1024
DRIP_SECONDS = 0.05
_BEFORE_THE_DRIPS = {
    FaultKind.DRIP_HEAD: b"HTTP/1.1 200 OK\r\nX-Drip: ",
    FaultKind.DRIP_CHUNKS: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    FaultKind.DRIP_BODY: b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
}
"""what comes at once; behind it, a digit at a time"""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with zero seconds: closing sends RST and no FIN."""


class SandboxServer:
    """Serve one face on a loopback address; also a context manager.

    ``port`` 0 takes a free one; ``tls`` makes it HTTPS. ``now`` tells the time for ``Date`` headers that the face does
    not give itself. A ``TIMEOUT`` fault keeps the connection silent, and a drip keeps it busy, until the client gives
    up, the server stops, or ``hang_seconds`` are over.
    Raises ValueError for a host that is not loopback, OSError when the port is taken.
    """

    def __init__(
        self,
        face: Face,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        now: Callable[[], datetime] | None = None,
        hang_seconds: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        _require_loopback(host)
        self._listener = _Listener((host, port), face, now or _real_time, hang_seconds)
        self._listener.tls = tls
        self._thread: threading.Thread | None = None
        self.host = host

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        return int(self._listener.server_address[1])

    @property
    def url(self) -> str:
        """Return the base URL, without a slash at its end."""
        scheme = "https" if self._listener.tls else "http"
        return f"{scheme}://{self.host}:{self.port}"

    def start(self) -> Self:
        """Begin to answer in a daemon thread; a second start does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._listener.serve_forever,
                kwargs={"poll_interval": 0.05},
                name=f"sandbox-{self.port}",
                daemon=True,
            )
            self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening, cut every open connection and wait for its thread; a second stop does nothing."""
        if self._thread is not None:
            with suppress(OSError):  # wakes the thread at once, which looks for the end only now and then
                self._listener.socket.shutdown(socket.SHUT_RDWR)
            self._listener.shutdown()
            self._thread.join()
            self._thread = None
        self._listener.server_close()
        self._listener.cut_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Listener(ThreadingHTTPServer):
    """Accept connections and know which are open, so that a stop leaves none behind."""

    daemon_threads = True
    request_queue_size = 128
    tls: ssl.SSLContext | None = None

    def __init__(self, address: tuple[str, int], face: Face, now: Callable[[], datetime], hang_seconds: float) -> None:
        self.face = face
        self.now = now
        self.hang_seconds = hang_seconds
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without the name look-up of the standard library, which may ask a DNS server."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept one connection; the handshake of TLS is left to its own thread."""
        connection, address = super().get_request()
        if self.tls is None:
            return connection, address
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one connection until it ends, and remember it meanwhile."""
        with self._lock:
            self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        """Close one connection; one that is to be reset gets no orderly end first."""
        if request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, len(RESET_ON_CLOSE)) == RESET_ON_CLOSE:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away; show every other error, which is a fault of a face."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            super().handle_error(request, client_address)

    def cut_connections(self) -> None:
        """End every open connection and wait for its thread, two seconds at most."""
        with self._lock:
            still_open = list(self._open.items())
        for connection, _ in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself meanwhile
        for _, thread in still_open:
            thread.join(timeout=2.0)


class _Handler(BaseHTTPRequestHandler):
    """Turn what arrives into a Request, and a Response into what leaves."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet: with Nagle's algorithm and small writes each answer costs 40 ms.
    wbufsize = 65536
    disable_nagle_algorithm = True
    server: _Listener

    def handle_any(self) -> None:
        """Answer one request of any method."""
        body = self._read_body()
        if body is None:
            return
        request = Request.of(self.command, self.path, headers=dict(self.headers.items()), body=body)
        self._send(self.server.face.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names of the standard library

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the world's time for the ``Date`` header."""
        moment = self.server.now() if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
        return format_datetime(moment.astimezone(UTC), usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Keep quiet: the world's own records say what happened."""

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.send_error(413, f"a Content-Length of at most {MAX_BODY_BYTES} bytes is needed")
            self.close_connection = True
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # whoever sent it died in the middle: half a request has no effect
            self.close_connection = True
            return None
        return body

    def _send(self, response: Response) -> None:
        kind = response.fault.kind if response.fault else None
        match kind:
            case FaultKind.TIMEOUT:
                self._hang()
            case FaultKind.RESET | FaultKind.REFUSED:
                # A server that runs cannot refuse: a connection cut before anything was done comes nearest.
                self._reset()
            case FaultKind.DRIP_HEAD | FaultKind.DRIP_CHUNKS | FaultKind.DRIP_BODY:
                self._drip(_BEFORE_THE_DRIPS[kind])
            case FaultKind.TRUNCATED_JSON:
                self._write_head(response)  # it promises the whole length
                self.wfile.write(response.body[: len(response.body) // 2])
                self.close_connection = True
            case _:
                self._write_head(response)
                self.wfile.write(b"" if self.command == "HEAD" else response.body)

    def _write_head(self, response: Response) -> None:
        self.send_response_only(response.status)
        if not any(name.lower() == "date" for name in response.headers):
            self.send_header("Date", self.date_time_string())
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != 204:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()

    def _hang(self) -> None:
        """Wait for the client, who goes away or sends something more; either way nothing is answered."""
        select.select([self.connection], [], [], self.server.hang_seconds)
        self.close_connection = True

    def _drip(self, begun: bytes) -> None:
        """Send a byte now and then, so that the client is never left in silence and never has an answer."""
        self.close_connection = True
        # Past the buffer of ``wfile``, which would keep single bytes back until it is flushed.
        self.connection.sendall(begun)
        for _ in range(ceil(self.server.hang_seconds / DRIP_SECONDS)):
            self.connection.sendall(b"0")
            if select.select([self.connection], [], [], DRIP_SECONDS)[0]:
                return  # the client went away, or the server stops

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True


def _require_loopback(host: str) -> None:
    if host == "localhost":
        return
    try:
        allowed = ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        allowed = False
    if not allowed:
        raise ValueError(f"the sandbox listens on loopback only (127.0.0.1 or localhost), not on {host!r}")


def _real_time() -> datetime:
    return datetime.now(UTC)
