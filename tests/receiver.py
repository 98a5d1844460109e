"""A web address of our own that takes messages and heartbeats, and refuses or keeps silent on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

PATIENCE_SECONDS = 60.0


class Receiver:
    """Take what is sent to a port of loopback; a context manager. Safe for several threads."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        """path and JSON body (None of a GET) of each request that was answered well, in the order of arrival"""
        self.refused = 0
        self.refuses = False
        self.answers = threading.Event()
        """while it is not set, nothing is answered"""
        self.answers.set()
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _handler(self))

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Give host and port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def messages(self) -> list[tuple[str, str]]:
        """List title and text of each message."""
        return [(body["title"], body["message"]) for _, body in self.got if body is not None]

    def wait_for(self, is_there: Callable[[], bool]) -> None:
        """Wait until what arrived is as a test expects it; fail when it never is."""
        with self._changed:
            assert self._changed.wait_for(is_there, PATIENCE_SECONDS), f"it never came: {self.got}"

    def take(self, path: str, body: bytes) -> int:
        """Take one request and give the status of its answer."""
        self.answers.wait(PATIENCE_SECONDS)
        with self._changed:
            if self.refuses:
                self.refused += 1
            else:
                self.got.append((path, json.loads(body) if body else None))
            self._changed.notify_all()
        return 503 if self.refuses else 200


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a sender that went away."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(receiver.take(self.path, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    return Handler
