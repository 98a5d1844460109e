"""Connections that keep one time limit for a whole answer, from the first byte sent to the last received.

A time limit for each read alone does not stop a service that sends a byte now and then: in its status line, its
headers, its chunk sizes or its body. So every read of an answer passes through ``Watch``. Rules of this file: a request
that failed while connecting was never sent; a stop ends every wait within the limit of one read.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from reconciler.remotes.http.failures import Abandoned

LONGEST_NAP_SECONDS = 1.0
"""How often a silent read checks whether it should end."""


@dataclass
class Watch:
    """The time limits of one request. Not for several threads."""

    monotonic: Callable[[], float]
    should_stop: Callable[[], bool]
    silence_seconds: float
    total_seconds: float
    is_connecting: bool = False
    _deadline: float = field(init=False)
    _is_stopping: bool = False

    def __post_init__(self) -> None:
        self._deadline = self.monotonic() + self.total_seconds

    def receive(self, sock: socket.socket, buffer: Any) -> int:
        """Read once into a buffer; raise TimeoutError after a long silence, Abandoned beyond the other limits."""
        silent_seconds = 0.0
        while True:
            nap_seconds = self._nap_seconds(silent_seconds)
            sock.settimeout(nap_seconds)
            try:
                size = sock.recv_into(buffer)
            except TimeoutError:
                silent_seconds += nap_seconds
                if silent_seconds >= self.silence_seconds:
                    raise
                continue
            sock.settimeout(self.silence_seconds)  # the next request leaves on this connection
            return size

    def _nap_seconds(self, silent_seconds: float) -> float:
        now = self.monotonic()
        if self.should_stop() and not self._is_stopping:
            self._is_stopping = True
            self._deadline = min(self._deadline, now + self.silence_seconds)
        left_seconds = self._deadline - now
        if left_seconds <= 0:
            why = "the program is stopping" if self._is_stopping else f"it took longer than {self.total_seconds:g} s"
            raise Abandoned(f"the answer was not waited for: {why}", repeatable=not self._is_stopping)
        # Never 0, which would mean not to wait at all.
        return min(LONGEST_NAP_SECONDS, left_seconds, max(self.silence_seconds - silent_seconds, 0.001))


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Limit everything that this thread receives inside the block."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


@contextmanager
def _connecting() -> Iterator[None]:
    """Mark that a connection is being made; the mark stays if that fails."""
    watch = _watch.get()
    if watch is not None:
        watch.is_connecting = True
    yield
    if watch is not None:
        watch.is_connecting = False


class _Stream(io.RawIOBase):
    """The bytes of one connection; each read obeys the watch of its thread."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read once."""
        watch = _watch.get()
        return self._raw.readinto(buffer) if watch is None else watch.receive(self._sock, buffer)

    def close(self) -> None:
        """Let go of the connection."""
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """Read a response through the watch, its status line first."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp: Any = io.BufferedReader(_Stream(sock, self.fp.detach()))


class _Watched:
    """Connect so that ``Watch`` knows until when nothing can have been sent."""

    response_class: Any = _Response

    def connect(self) -> None:
        """Connect, for TLS through the proxy and the handshake."""
        with _connecting():
            super().connect()  # type: ignore[misc]  # of the connection class that this is mixed into


class _Plain(_Watched, HTTPConnection):
    """A connection without TLS."""


class _Secure(_Watched, HTTPSConnection):
    """A connection with TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class WatchedAdapter(HTTPAdapter):
    """Make the connections of one requests session."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make the pools of connections through one proxy; a SOCKS proxy keeps its own."""
        manager = super().proxy_manager_for(proxy, **options)
        if proxy.lower().startswith("http"):
            manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager
