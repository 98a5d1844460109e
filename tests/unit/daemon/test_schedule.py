"""The daemon's loop on the real scheduler; cycles end it by setting ``stop``, and nothing waits for time to pass."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.core.errors import CycleFailed, ReconcilerError, StoreError
from reconciler.daemon.clock_watch import MachineClock
from reconciler.daemon.notify import Notifier
from reconciler.daemon.reload import Reload
from reconciler.daemon.schedule import Daemon
from reconciler.daemon.timetable import TickResult, Timetable
from reconciler.telemetry.log import LogFormat, configure_logging

PATIENCE_SECONDS = 20
OFTEN = Timetable(poll_seconds=0.01, look_seconds=0.01)
SELDOM = Timetable(poll_seconds=3600, look_seconds=0.01)
OK = TickResult(ok=True, summary="nothing to do")

Step = Callable[[], TickResult]


class Script:
    """Play one step for each cycle, then set ``stop``."""

    def __init__(self, *steps: Step) -> None:
        self.stop = threading.Event()
        self.played = 0
        self.cycle_ids: list[str] = []
        self._steps = list(steps)

    def __call__(self, cycle_id: str) -> TickResult:
        self.played += 1
        self.cycle_ids.append(cycle_id)
        step = self._steps.pop(0)
        try:
            return step()
        finally:
            if not self._steps:
                self.stop.set()

    def run(
        self,
        timetable: Timetable = OFTEN,
        *,
        notifier: Notifier | None = None,
        clock: MachineClock | None = None,
        reload: Reload | None = None,
    ) -> int:
        return Daemon(
            self,
            timetable=timetable,
            stop=self.stop,
            reload=reload or (lambda: timetable),
            notifier=notifier or Notifier(),
            clock=clock,
        ).run()


def fine() -> TickResult:
    return OK


def raising(error: BaseException) -> Step:
    def step() -> TickResult:
        raise error

    return step


def failures(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.message == "cycle failed"]


def test_the_first_cycle_starts_at_once() -> None:
    script = Script(fine)
    assert script.run(SELDOM) == 0
    assert script.played == 1


def test_cycles_follow_until_stopped() -> None:
    script = Script(*[fine] * 5)
    assert script.run() == 0
    assert script.played == 5


@pytest.mark.parametrize("error", [CycleFailed("the pull failed"), ZeroDivisionError("a bug")])
def test_a_raising_cycle_ends_nothing_and_is_logged_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    script = Script(raising(error), raising(error), fine, raising(error))
    assert script.run() == 0
    assert script.played == 4
    counts = [vars(record)["failures_in_a_row"] for record in failures(caplog)]
    assert counts == [1, 2, 1]


def test_only_an_error_of_this_program_has_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    Script(raising(CycleFailed("theirs")), raising(ZeroDivisionError("ours"))).run()
    assert [bool(record.exc_info) for record in failures(caplog)] == [False, True]


def test_a_result_that_is_not_ok_counts_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    Script(lambda: TickResult(ok=False, summary="refused: 120 creates are over 100")).run()
    [record] = failures(caplog)
    assert vars(record)["summary"] == "refused: 120 creates are over 100"


def counting(words: str, **counts: int) -> Step:
    return lambda: TickResult(ok=True, summary=words, counts=counts)


def test_what_was_counted_is_news_and_how_long_it_took_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconciler")
    quick, slow = counting("in 0.1 s", planned=0, held=1), counting("in 9.9 s", planned=0, held=1)
    Script(quick, slow, counting("in 0.1 s", planned=0, held=2), quick).run()
    told = [(record.levelname, vars(record)["held"]) for record in caplog.records if record.message == "cycle done"]
    assert told == [("INFO", 1), ("DEBUG", 1), ("INFO", 2), ("INFO", 1)]


def test_every_line_of_a_cycle_bears_its_id_and_no_other_does() -> None:
    def works() -> TickResult:
        logging.getLogger("reconciler.test").info("at work")
        return OK

    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure_logging(log_format=LogFormat.JSON, stream=stream, environ={})
    try:
        script = Script(works, raising(CycleFailed("gone")))
        script.run()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    first, second = script.cycle_ids
    assert {(line["message"], line.get("cycle_id")) for line in lines} == {
        ("daemon started", None),
        ("at work", first),
        ("cycle done", first),
        ("cycle failed", second),
        ("daemon stopped", None),
    }
    assert first != second


def test_a_quiet_cycle_like_the_one_before_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="reconciler")
    Script(fine, fine, raising(CycleFailed("gone")), fine).run()
    levels = [record.levelname for record in caplog.records if record.message == "cycle done"]
    assert levels == ["INFO", "DEBUG", "INFO"]


@pytest.mark.parametrize(("error", "code"), [(StoreError("damaged"), 1), (MemoryError(), 1), (SystemExit(), 1)])
def test_a_fatal_result_ends_the_daemon_with_its_exit_code(error: BaseException, code: int) -> None:
    script = Script(lambda: TickResult(ok=False, summary="damaged", fatal=error), fine)
    assert script.run() == code
    assert script.played == 1


def test_cycles_never_overlap() -> None:
    """The first cycle lasts until the scheduler itself says that one more waits, and that it dropped a third."""
    skipped = threading.Event()
    log = logging.getLogger("apscheduler.scheduler")
    running: list[int] = []
    most: list[int] = []

    def watched(last_until: threading.Event | None) -> Step:
        def step() -> TickResult:
            running.append(1)
            most.append(len(running))
            if last_until is not None:
                assert last_until.wait(PATIENCE_SECONDS)
            running.pop()
            return OK

        return step

    handler = logging.Handler()
    handler.emit = lambda record: skipped.set() if "reached (2)" in record.getMessage() else None  # type: ignore[method-assign]
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.WARNING)
    try:
        script = Script(watched(skipped), watched(None), watched(None))
        assert script.run() == 0
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
    assert skipped.is_set()
    assert most == [1, 1, 1]


class HandClock:
    """Two clocks that stand still until moved; says when the main thread looked at them."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.seconds = 0.0
        self._looks = threading.Semaphore(0)
        self.clock = MachineClock(now=self._now, monotonic=lambda: self.seconds)

    def _now(self) -> datetime:
        self._looks.release()
        return self.wall

    def wait_for_looks(self, count: int) -> None:
        """Wait until the main thread has gone round that often from now on."""
        while self._looks.acquire(blocking=False):
            pass
        for _ in range(count):
            assert self._looks.acquire(timeout=PATIENCE_SECONDS)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_does_not_silence_the_daemon(hours: int, caplog: pytest.LogCaptureFixture) -> None:
    """The next cycle is an hour away; only the repair can start it now."""
    hand = HandClock()
    script = Script(fine, fine)
    give_up = threading.Timer(PATIENCE_SECONDS, script.stop.set)

    def set_clock() -> None:
        hand.wait_for_looks(10)
        hand.wall += timedelta(hours=hours)

    setter = threading.Thread(target=set_clock)
    give_up.start()
    setter.start()
    script.run(SELDOM, clock=hand.clock)
    give_up.cancel()
    setter.join()
    assert script.played == 2
    [record] = [record for record in caplog.records if record.message == "the clock was set"]
    assert vars(record)["step_seconds"] == hours * 3600


def test_a_clock_before_this_program_is_refused() -> None:
    clock = MachineClock(now=lambda: datetime(1970, 1, 1, tzinfo=UTC), monotonic=lambda: 0.0)
    script = Script(fine)
    with pytest.raises(ReconcilerError, match="cannot be right"):
        script.run(clock=clock)
    assert script.played == 0


def test_signal_handlers_are_put_back() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    Script(fine).run()
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


# --- what the service manager hears -------------------------------------------------------------------------------


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    """Give every message that waits."""
    listener.setblocking(False)
    messages = []
    try:
        while True:
            messages.append(listener.recv(4096).decode())
    except BlockingIOError:
        return messages


def test_the_manager_hears_the_whole_story(manager: socket.socket, tmp_path: Path) -> None:
    script = Script(fine, raising(CycleFailed("no answer")), raising(CycleFailed("no answer")), fine)
    script.run(notifier=Notifier(str(tmp_path / "notify")))
    story = heard(manager)
    assert "READY=1" in story
    assert "STOPPING=1" in story
    assert [message for message in story if message.startswith("STATUS")] == [
        "STATUS=nothing to do",
        "STATUS=1 failed in a row: no answer",
        "STATUS=2 failed in a row: no answer",
        "STATUS=nothing to do",
    ]


def test_pings_flow_during_a_cycle_and_end_when_it_hangs(manager: socket.socket, tmp_path: Path) -> None:
    hand = HandClock()
    pings: dict[str, int] = {}
    limit_seconds = SELDOM.poll_seconds + SELDOM.cycle_limit_seconds

    def count(when: str) -> None:
        hand.wait_for_looks(3)
        heard(manager)
        hand.wait_for_looks(5)
        pings[when] = heard(manager).count("WATCHDOG=1")

    def hangs() -> TickResult:
        count("within the limit")
        hand.seconds += limit_seconds
        count("beyond the limit")
        return OK

    notifier = Notifier(str(tmp_path / "notify"), watchdog_seconds=30)
    Script(hangs).run(SELDOM, notifier=notifier, clock=hand.clock)
    assert pings["within the limit"] > 0
    assert pings["beyond the limit"] == 0


def test_pings_go_on_while_the_action_in_hand_is_finished(manager: socket.socket, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def last() -> TickResult:
        script.stop.set()
        for expected in (b"STOPPING=1", b"WATCHDOG=1"):
            while manager.recv(4096) != expected:
                pass
            seen.append(expected)
        return OK

    script = Script(last)
    assert script.run(SELDOM, notifier=Notifier(str(tmp_path / "notify"), watchdog_seconds=30)) == 0
    assert seen == [b"STOPPING=1", b"WATCHDOG=1"]


# --- a real process -----------------------------------------------------------------------------------------------

PROCESS = """
import sys, threading
from reconciler.daemon.schedule import Daemon
from reconciler.daemon.timetable import TickResult, Timetable

stop = threading.Event()

def run_cycle(cycle_id):
    print("write 1 begun", flush=True)
    sys.stdin.readline()
    print("write 1 finished, stopping:", stop.is_set(), flush=True)
    return TickResult(ok=True, summary="done")

timetable = Timetable(poll_seconds=3600, look_seconds=1)
code = Daemon(run_cycle, timetable=timetable, stop=stop, reload=lambda: timetable).run()
print("exit", code, flush=True)
sys.exit(code)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_action_in_hand_finish(
    number: signal.Signals, manager: socket.socket, tmp_path: Path
) -> None:
    """STOPPING=1 proves that the signal was seen while the cycle still runs; only then may the cycle go on."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "TZ": "Bad/Zone"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "write 1 begun\n"
        process.send_signal(number)
        while manager.recv(4096) != b"STOPPING=1":
            pass
        process.send_signal(number)
        output, errors = process.communicate("go on\n", timeout=PATIENCE_SECONDS)
    assert output == "write 1 finished, stopping: True\nexit 0\n"
    assert errors == ""
    assert process.returncode == 0
