"""SIGHUP: what the service manager hears, what the log says, and which timetable is in force afterwards."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import ConfigError
from reconciler.daemon.notify import Notifier
from reconciler.daemon.reload import Reload
from reconciler.daemon.schedule import Daemon
from reconciler.daemon.signals import signals_into, stop_on_signal
from reconciler.daemon.timetable import TickResult, Timetable

PATIENCE_SECONDS = 20
SELDOM = Timetable(poll_seconds=3600, look_seconds=0.01)
SELDOM_TOO = Timetable(poll_seconds=1800, look_seconds=0.01)


@pytest.fixture(autouse=True)
def a_hang_up_is_heard() -> Iterator[None]:
    """Take SIGHUP as in a shell, also where the tests were started by nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


def run(cycles: list[Callable[[], None]], reload: Reload, notify: Path | None = None) -> int:
    """Run a daemon whose cycles are an hour apart: each of them but the first comes because of a signal."""
    stop = threading.Event()

    def cycle(_cycle_id: str) -> TickResult:
        cycles.pop(0)()
        if not cycles:
            stop.set()
        return TickResult(ok=True, summary="nothing to do")

    notifier = Notifier(str(notify) if notify else None)
    return Daemon(cycle, timetable=SELDOM, stop=stop, reload=reload, notifier=notifier).run()


def hang_up() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def heard_until(listener: socket.socket, last: str, *, times: int = 1) -> list[str]:
    """Give the first lines of the messages until one was heard so many times."""
    messages: list[str] = []
    while messages.count(last) < times:
        messages.append(listener.recv(4096).decode().partition("\n")[0])
    return messages


def test_a_good_config_is_taken_up_and_the_next_cycle_comes_at_once(
    manager: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="reconciler")
    assert run([hang_up, lambda: None], lambda: SELDOM_TOO, tmp_path / "notify") == 0
    story = [line for line in heard_until(manager, "READY=1", times=2) if not line.startswith("STATUS")]
    assert story == ["READY=1", "RELOADING=1", "READY=1"]
    [record] = [record for record in caplog.records if record.message == "config taken up"]
    assert vars(record)["poll_seconds"] == 1800


@pytest.mark.parametrize(
    ("error", "has_trace"),
    [(ConfigError(["reconciler.toml:3: no such key: poll"]), False), (ZeroDivisionError("a fault of ours"), True)],
)
def test_a_config_that_cannot_be_used_leaves_the_old_one_and_says_why(
    error: Exception, has_trace: bool, manager: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = iter([error, None])

    def reload() -> Timetable:
        failure = next(asked)
        if failure is None:
            return SELDOM_TOO
        heard.set()
        raise failure

    heard = threading.Event()

    def refused_then_mended() -> None:
        hang_up()
        assert heard.wait(PATIENCE_SECONDS)
        hang_up()

    assert run([refused_then_mended, lambda: None], reload, tmp_path / "notify") == 0
    [record] = [record for record in caplog.records if record.message.startswith("config not taken up")]
    assert record.levelname == "ERROR"
    assert str(error) in vars(record)["because"]
    assert bool(record.exc_info) == has_trace
    told = heard_until(manager, "STOPPING=1")
    kept = [line for line in told if "the config on disk is not in force" in line]
    assert kept
    assert all(str(error) in line for line in kept)
    assert told.count("RELOADING=1") == 2
    assert "not in force" not in [line for line in told if line.startswith("STATUS")][-1]


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    """So ``nohup`` starts a process."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    during = []
    try:
        assert run([lambda: during.append(signal.getsignal(signal.SIGHUP))], lambda: SELDOM) == 0
        assert during == [signal.SIG_IGN]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_first_signal_asks_and_the_second_acts_as_ever() -> None:
    stop, told = threading.Event(), threading.Event()

    def be_stopped_twice() -> None:
        with stop_on_signal(stop, told.set):
            os.kill(os.getpid(), signal.SIGINT)
            assert told.wait(PATIENCE_SECONDS)
            assert stop.is_set()
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(PATIENCE_SECONDS)  # the signal may reach another thread first

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            be_stopped_twice()
    finally:
        signal.signal(signal.SIGINT, before)


def test_without_a_signal_nothing_is_asked_and_the_handlers_are_put_back() -> None:
    stop = threading.Event()
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    with stop_on_signal(stop, lambda: pytest.fail("nobody asked")):
        pass
    assert not stop.is_set()
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


def test_words_of_signals_are_put_back_too() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with signals_into(queue.SimpleQueue(), (signal.SIGHUP,)):
        assert signal.getsignal(signal.SIGHUP) is not before
    assert signal.getsignal(signal.SIGHUP) is before
