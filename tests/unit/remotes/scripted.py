"""A tiny HTTP server that gives prepared answers in order and keeps what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from reconciler.core.model import HttpRecord, System
from reconciler.remotes.http.auth import Login, bearer_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.pacing import ClientClock
from reconciler.remotes.http.settings import HttpSettings

BEGINNING = datetime(2026, 11, 2, 10, tzinfo=UTC)
Spoil = Callable[["_Handler"], None]


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """Hold one prepared answer; ``spoil`` takes the connection over instead."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    spoil: Spoil | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Hold one request as it arrived. Header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body) if self.body else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536
    disable_nagle_algorithm = True
    server: _Server

    def _answer(self) -> None:
        address = urlsplit(self.path)
        seen = Seen(
            method=self.command,
            path=address.path,
            query=dict(parse_qsl(address.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        scripted = self.server.answer_to(seen)
        if scripted.spoil is not None:
            scripted.spoil(self)
            self.close_connection = True
            return
        self.send_response(scripted.status)
        for name, value in scripted.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(scripted.body)))
        self.end_headers()
        self.wfile.write(scripted.body)

    def do_CONNECT(self) -> None:
        if self.server.connect_with is not None:
            self.server.connect_with(self)
        else:
            self.send_error(self.server.connect_status)
        self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815 - the names are the standard library's

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Mon, 02 Nov 2026 10:00:00 GMT"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: tuple[Scripted, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.left = list(answers)
        self.seen: list[Seen] = []
        self.connections = 0
        self.connect_with: Spoil | None = None
        """what is done to whoever asks for a tunnel"""
        self.connect_status = 407
        self.lock = threading.Lock()

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().finish_request(request, client_address)

    def answer_to(self, seen: Seen) -> Scripted:
        with self.lock:
            self.seen.append(seen)
            return self.left.pop(0) if self.left else Scripted(status=418, body=b'{"message": "nothing is left"}')

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def scripted_server(*answers: Scripted) -> Iterator[_Server]:
    """Serve the answers, each once, while the block runs."""
    server = _Server(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_url() -> str:
    """Give the address of a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


class FakeTime:
    """A clock that moves only when something sleeps on it."""

    def __init__(self, world: Callable[[], datetime] = lambda: BEGINNING) -> None:
        self._world = world
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._world() + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    @property
    def clock(self) -> ClientClock:
        return ClientClock(now=self.now, monotonic=lambda: self.seconds, sleep=self.sleep)


@dataclass(frozen=True, kw_only=True)
class Talk:
    """Hold one service, the server behind it, what it reported, and the clock it runs on."""

    http: HttpService
    server: _Server
    records: list[HttpRecord]
    time: FakeTime

    @property
    def seen(self) -> list[Seen]:
        return self.server.seen


@contextmanager
def talking(
    *answers: Scripted,
    system: System = System.SERVICENOW,
    login: Login | None = None,
    stop: threading.Event | None = None,
    clock: ClientClock | None = None,
    scheme: str = "http",
    **limits: Any,
) -> Iterator[Talk]:
    """Serve the answers, and reach them with a service that has a clock of its own."""
    time, records = FakeTime(), list[HttpRecord]()
    with scripted_server(*answers) as server:
        settings = HttpSettings(base_url=server.url.replace("http:", f"{scheme}:"), **limits)
        who = login or bearer_login("key")
        http = HttpService(system, settings, who, observe=records.append, stop=stop, clock=clock or time.clock)
        try:
            yield Talk(http=http, server=server, records=records, time=time)
        finally:
            http.close()


def as_json(document: object, status: int = 200, **headers: str) -> Scripted:
    """Prepare a JSON answer; underscores in header names become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Scripted(status=status, body=json.dumps(document).encode(), headers=named)


def reset(handler: _Handler) -> None:
    """Cut the connection without an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def silent(handler: _Handler) -> None:
    """Say nothing until the caller hangs up."""
    handler.connection.recv(1)


def begin_and_hang(handler: _Handler) -> None:
    """Send the start of an answer, then nothing until the caller hangs up."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"result"')
    handler.wfile.flush()
    silent(handler)


def two_lengths(handler: _Handler) -> None:
    """Announce two lengths that contradict each other."""
    handler.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")
    handler.wfile.flush()


def cut_body(handler: _Handler) -> None:
    """Send less than was announced."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"result": []}')
    handler.wfile.flush()
