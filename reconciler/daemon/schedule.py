"""The daemon's loop: one cycle at a time, the first at once, until a signal. The only user of apscheduler.

* One job, one worker: two cycles never overlap. What a cycle looks at is its own affair.
* A cycle never touches the scheduler (``shutdown`` would deadlock), and cannot end the process, since APScheduler
  catches everything: a fatal result stops the main thread's loop instead.
* Signals only leave a word; the cycle in hand ends at its own safe point, asked by the ``stop`` event.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from reconciler.core.errors import ReconcilerError
from reconciler.daemon.clock_watch import Heartbeat, MachineClock, StepDetector, require_plausible
from reconciler.daemon.notify import Notifier

logger = logging.getLogger(__name__)

_JOB_ID = "cycle"
_CLOCK_STEP_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class TickResult:
    """Say how one cycle ended, as far as the daemon must know."""

    ok: bool
    summary: str
    """one line for the log and for ``systemctl status``"""
    fatal: BaseException | None = None
    """set when no later cycle can go better (a damaged database): the daemon ends with this error's exit code"""


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """Say when what is done."""

    poll_seconds: float
    cycle_limit_seconds: float = 900.0
    """a cycle that does not get on for longer is taken to hang: the watchdog is no longer pinged"""
    look_seconds: float = 1.0
    """how often the main thread looks at the clock and pings"""


class Daemon:
    """Run cycles until ``stop`` is set, by SIGTERM, SIGINT, a fatal result, or the caller."""

    def __init__(
        self,
        run_cycle: Callable[[], TickResult],
        *,
        timetable: Timetable,
        stop: threading.Event,
        notifier: Notifier | None = None,
        clock: MachineClock | None = None,
    ) -> None:
        self._run_cycle = run_cycle
        self._timetable = timetable
        self._stop = stop
        self._notifier = notifier or Notifier.from_environment()
        self._clock = clock or MachineClock()
        self._progress = Heartbeat(
            limit_seconds=timetable.poll_seconds + timetable.cycle_limit_seconds, clock=self._clock
        )
        # Not the event itself: its lock is not reentrant, and a handler interrupts the very thread that waits on it.
        self._signals: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._idle = threading.Event()
        self._idle.set()
        self._failures_in_a_row = 0
        self._last_summary = ""
        self._fatal: BaseException | None = None

    def run(self) -> int:
        """Keep time until the end, finish the action in hand, and give the exit code. Main thread only.

        Raises ReconcilerError when the machine's clock cannot be right. A failed cycle is logged and counted, and the
        next one tries again. How long the last cycle takes is up to how soon it looks at ``stop``.
        """
        require_plausible(self._clock)
        scheduler = self._scheduler()
        with _signals_into(self._signals):
            scheduler.start()
            self._notifier.ready()
            logger.info("daemon started", extra={"poll_seconds": self._timetable.poll_seconds})
            try:
                self._watch(scheduler)
            finally:
                self._finish(scheduler)
        return 0 if self._fatal is None else int(getattr(self._fatal, "exit_code", 1))

    def beat(self) -> None:
        """Take note that the cycle in hand gets on, so that a long one is not taken to hang. Safe for any thread."""
        self._progress.beat()

    # --- the main thread ------------------------------------------------------------------------------------------

    def _scheduler(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(max_workers=1)})
        scheduler.add_job(
            self._tick,
            # UTC here too: a trigger of its own would ask the machine for its time zone.
            IntervalTrigger(seconds=self._timetable.poll_seconds, timezone=UTC),
            id=_JOB_ID,
            next_run_time=datetime.now(UTC),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
        return scheduler

    def _watch(self, scheduler: BackgroundScheduler) -> None:
        steps = StepDetector(self._clock)
        while not self._stop.is_set():
            name = self._wait_for_signal()
            if name is not None:
                logger.info("stopping", extra={"signal": name})
                self._stop.set()
            elif abs(step := steps.step_seconds()) > _CLOCK_STEP_SECONDS:
                self._repair(scheduler, step)
            self._ping()

    def _finish(self, scheduler: BackgroundScheduler) -> None:
        self._stop.set()
        self._notifier.stopping()
        while not self._idle.wait(self._look_seconds):
            self._ping()
        scheduler.shutdown(wait=True)
        logger.info("daemon stopped")

    def _wait_for_signal(self) -> str | None:
        try:
            return self._signals.get(timeout=self._look_seconds)
        except queue.Empty:
            return None

    def _repair(self, scheduler: BackgroundScheduler, step_seconds: float) -> None:
        """Run the next cycle now: due times are on the wall clock, and one set back by an hour is an hour's silence."""
        logger.warning("the clock was set", extra={"step_seconds": round(step_seconds, 1)})
        scheduler.modify_job(_JOB_ID, next_run_time=datetime.now(UTC))

    def _ping(self) -> None:
        if self._progress.alive():
            self._notifier.watchdog()

    @property
    def _look_seconds(self) -> float:
        watchdog_seconds = self._notifier.watchdog_seconds
        look_seconds = self._timetable.look_seconds
        return look_seconds if watchdog_seconds is None else min(look_seconds, watchdog_seconds / 2)

    # --- the worker thread ----------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self._stop.is_set():
            return
        self._idle.clear()
        self._progress.beat()
        try:
            self._attempt()
        finally:
            self._progress.beat()
            self._idle.set()

    def _attempt(self) -> None:
        """Run one cycle and note how it ended; a traceback is kept only where the error is this program's own."""
        try:
            result, trace = self._run_cycle(), None
        except ReconcilerError as error:
            result, trace = TickResult(ok=False, summary=str(error)), None
        except Exception as error:  # noqa: BLE001 - whatever it is, the next cycle tries again
            result, trace = TickResult(ok=False, summary=f"{type(error).__name__}: {error}"), error
        if result.fatal is not None:
            self._end(result.fatal)
        elif result.ok:
            self._note_success(result)
        else:
            self._note_failure(result, trace)

    def _end(self, error: BaseException) -> None:
        logger.critical("cannot go on", extra={"error": error})
        self._notifier.status(f"cannot go on: {error}")
        self._fatal = error
        self._stop.set()

    def _note_success(self, result: TickResult) -> None:
        """Log what is news; a quiet cycle like the one before it is not."""
        news = self._failures_in_a_row > 0 or result.summary != self._last_summary
        self._failures_in_a_row, self._last_summary = 0, result.summary
        level = logging.INFO if news else logging.DEBUG
        logger.log(level, "cycle done", extra={"summary": result.summary})
        self._notifier.status(result.summary)

    def _note_failure(self, result: TickResult, trace: Exception | None) -> None:
        self._failures_in_a_row += 1
        facts = {"summary": result.summary, "failures_in_a_row": self._failures_in_a_row}
        logger.error("cycle failed", extra=facts, exc_info=trace)
        self._notifier.status(f"{self._failures_in_a_row} failed in a row: {result.summary}")


@contextmanager
def _signals_into(names: queue.SimpleQueue[str]) -> Iterator[None]:
    """Put the name of each SIGTERM and SIGINT into a queue, whose ``put`` is made for signal handlers."""

    def leave_word(number: int, _frame: FrameType | None) -> None:
        names.put(signal.Signals(number).name)

    before = {each: signal.signal(each, leave_word) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
