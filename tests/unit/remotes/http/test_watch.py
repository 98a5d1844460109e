"""One time limit for a whole answer, however its bytes come; and a stop that ends every wait. Over real sockets.

No time passes here: the clock moves by a step each time it is asked, so a service that never stops sending is cut off
after a few reads.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from reconciler.core.errors import Ambiguous, RemoteError, Transient
from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.http.pacing import ClientClock
from tests.unit.remotes.scripted import Scripted, Spoil, as_json, begin_and_hang, silent, talking

READ, WRITE = Operation.READ, Operation.WRITE
HEAD = b"HTTP/1.1 200 OK\r\n"


def endless(start: bytes, piece: bytes) -> Spoil:
    """Send a start and then one piece after the other, until the caller hangs up."""

    def spoil(handler: Any) -> None:
        with suppress(OSError):
            handler.wfile.write(start)
            while True:
                handler.wfile.write(piece)
                handler.wfile.flush()

    return spoil


def ticking(step_seconds: float) -> ClientClock:
    ticks = count(0.0, step_seconds)
    return ClientClock(monotonic=lambda: next(ticks), sleep=lambda _seconds: None)


DRIPS = {
    "the status line": endless(b"HTTP/1.1 200 ", b"O"),
    "one header": endless(HEAD + b"X-Long: ", b"y"),
    "answers before the answer": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "the size of a chunk": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"z"),
    "one byte in a chunk": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "what follows the last chunk": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
    "a body of known length": endless(HEAD + b"Content-Length: 99999999999\r\n\r\n", b" "),
    "a body until the end": endless(HEAD + b"Connection: close\r\n\r\n", b" "),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_an_answer_that_never_ends_is_cut_off_at_the_limit_of_the_whole(drip: str) -> None:
    with (
        talking(Scripted(spoil=DRIPS[drip]), clock=ticking(100), total_seconds=350, read_seconds=60) as it,
        pytest.raises(Ambiguous, match="longer than 350 s"),
    ):
        it.http.request(WRITE, "PATCH", "/x", body={})


def test_a_body_that_ends_too_late_is_cut_off() -> None:
    def late(handler: Any) -> None:
        handler.wfile.write(HEAD + b"Content-Length: 200000\r\n\r\n" + b" " * 199_998 + b"{}")
        handler.wfile.flush()

    for limit_seconds, kind in ((150, Transient), (1_000_000, None)):
        answers = [Scripted(spoil=late)] * 3
        with talking(*answers, clock=ticking(100), total_seconds=limit_seconds) as it:
            if kind is None:
                assert it.http.request(READ, "GET", "/x").document == {}
            else:
                with pytest.raises(kind, match="longer than 150 s"):
                    it.http.request(READ, "GET", "/x")


def test_a_proxy_that_drips_before_its_tunnel_stands_sent_nothing() -> None:
    with talking() as other:
        other.server.connect_with = endless(b"HTTP/1.1 200 ", b"O")
        limits: dict[str, Any] = {"clock": ticking(100), "total_seconds": 350, "proxies": {"https": other.server.url}}
        with talking(scheme="https", **limits) as it, pytest.raises(Transient) as caught:
            it.http.request(WRITE, "PATCH", "/x", body={})
    assert type(caught.value) is Transient


@pytest.mark.parametrize("drip", DRIPS)
def test_a_stop_ends_an_answer_that_drips_within_the_limit_of_one_read(drip: str) -> None:
    stop = threading.Event()
    stop.set()
    with (
        talking(Scripted(spoil=DRIPS[drip]), clock=ticking(1), stop=stop, read_seconds=5) as it,
        pytest.raises(Ambiguous, match="the program is stopping"),
    ):
        it.http.request(WRITE, "PATCH", "/x", body={})
    assert it.records[0].duration_ms <= 10_000


@pytest.mark.parametrize("spoil", [silent, begin_and_hang])
def test_silence_ends_with_the_limit_of_one_read(spoil: Spoil) -> None:
    with talking(Scripted(spoil=spoil), read_seconds=0.05) as it, pytest.raises(Ambiguous, match="within the time"):
        it.http.request(WRITE, "PATCH", "/x", body={})


def test_a_stop_lets_an_answer_that_comes_be_finished() -> None:
    stop = threading.Event()
    stop.set()
    with talking(as_json({"result": "fine"}), as_json({"result": "fine"}), stop=stop) as it:
        for _ in range(2):
            assert it.http.request(WRITE, "PATCH", "/x", body={}).document == {"result": "fine"}


def test_a_connection_is_used_again_after_its_limits_were_those_of_another_answer() -> None:
    with talking(*[as_json({"result": "fine"})] * 3) as it:
        for _ in range(3):
            it.http.request(READ, "GET", "/x")
    assert it.server.connections == 1


def test_what_is_cut_behind_a_connection_that_stood_is_not_called_unsent() -> None:
    with talking(as_json({}), Scripted(spoil=silent), read_seconds=0.05) as it:
        it.http.request(WRITE, "PATCH", "/x", body={})
        with pytest.raises(RemoteError) as caught:
            it.http.request(WRITE, "PATCH", "/x", body={})
    assert type(caught.value) is Ambiguous
