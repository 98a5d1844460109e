"""The HTTP server for the metrics, with health and readiness checks.

It answers from stored values, in threads of its own, so it and the cycles never wait for each other.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from reconciler.core.errors import ConfigError
from reconciler.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

LONGEST_SILENCE_SECONDS = 5.0
"""A client that is silent for longer is disconnected."""
_PLAIN = "text/plain; charset=utf-8"
_NEEDED = "give [metrics] listen another port, or end what uses this one"


class MetricsServer:
    """Serve ``/metrics``, ``/healthz`` and ``/readyz`` at one address.

    ``complaints`` returns why the program is not ready; it is called in a thread of the server. Raises ConfigError
    where the address cannot be used.
    """

    def __init__(self, host: str, port: int, *, metrics: Metrics, complaints: Callable[[], Sequence[str]]) -> None:
        self.asked = (host, port)
        try:
            self._server = _Server(host, port, _handler(metrics, complaints))
        except OSError as error:
            said = error.strerror or str(error)
            raise ConfigError([f"[metrics] listen: {host}:{port} cannot be used: {said}; {_NEEDED}"]) from error
        serving = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        serving.start()
        log.info("metrics are served", extra={"host": host, "port": self.port})

    @property
    def port(self) -> int:
        """Return the actual port, also when 0 was asked for."""
        port: int = self._server.server_address[1]
        return port

    def close(self) -> None:
        """Stop serving, and release the address."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_port = False

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the library's signature
        """Log a client that disconnected at DEBUG only."""
        log.debug("a reader of the metrics went away")

    def server_bind(self) -> None:
        """Bind without the reverse look-up of the host name that the base class does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "reconciler", self.server_address[1]


def _handler(metrics: Metrics, complaints: Callable[[], Sequence[str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = LONGEST_SILENCE_SECONDS
        server_version, sys_version = "reconciler", ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, content_type, encode(metrics.registry))
            elif path == "/healthz":
                self._answer(200, _PLAIN, b"alive\n")
            elif path == "/readyz":
                why = complaints()
                self._answer(503 if why else 200, _PLAIN, ("\n".join(why or ["ready"]) + "\n").encode())
            else:
                self._answer(404, _PLAIN, b"there are /metrics, /healthz and /readyz\n")

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Log no request."""

    return Handler
