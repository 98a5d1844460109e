"""The daemon's loop: one cycle at a time, the first at once, until a signal. The only user of apscheduler.

* One worker: two cycles never overlap; one that comes due meanwhile waits.
* A cycle never touches the scheduler (``shutdown`` would deadlock), and cannot end the process, since APScheduler
  catches everything: a fatal result stops the main thread's loop instead.
* A signal handler only puts a name into a queue; the running cycle ends at a safe point, when it sees the ``stop``
  event.
* SIGHUP reloads the config beside the running cycle. A closing terminal sends it too, and then means the end.
"""

from __future__ import annotations

import logging
import queue
import signal
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from reconciler.core.errors import ReconcilerError
from reconciler.daemon.clock_watch import Heartbeat, MachineClock, StepDetector, require_plausible
from reconciler.daemon.early import STOPPING, EarlySignals, has_terminal
from reconciler.daemon.notify import Notifier
from reconciler.daemon.reload import Reload, Reloader
from reconciler.daemon.signals import Names, signals_into
from reconciler.daemon.timetable import TickResult, Timetable
from reconciler.telemetry.log import bind_cycle, new_cycle_id

logger = logging.getLogger(__name__)

_JOB_ID = "cycle"
_CLOCK_STEP_SECONDS = 1.0


class Daemon:
    """Run cycles until ``stop`` is set, by SIGTERM, SIGINT, a fatal result, or the caller."""

    def __init__(
        self,
        run_cycle: Callable[[str], TickResult],
        *,
        timetable: Timetable,
        stop: threading.Event,
        reload: Reload,
        notifier: Notifier | None = None,
        clock: MachineClock | None = None,
        early: EarlySignals | None = None,
    ) -> None:
        self._run_cycle = run_cycle
        self._timetable = timetable
        self._stop = stop
        self._notifier = notifier or Notifier.from_environment()
        self._clock = clock or MachineClock()
        self._progress = self._fresh_progress()
        self._reloader = Reloader(reload, self._notifier)
        self._signals: Names = queue.SimpleQueue()
        self._early = early or EarlySignals()
        self._had_terminal = False
        self._idle = threading.Event()
        self._idle.set()
        self._failures_in_a_row = 0
        self._last_counts: Mapping[str, int] | None = None
        self._last_status = "started"
        self._fatal: BaseException | None = None

    def run(self) -> int:
        """Run cycles until told to stop, finish the action in hand, and return the exit code. Main thread only.

        Raises ReconcilerError when the machine's clock cannot be right. A failed cycle is logged and counted, and the
        next one tries again. How long the last cycle takes is up to how soon it looks at ``stop``.
        """
        require_plausible(self._clock)
        scheduler = self._scheduler()
        asked_before = self._early.had_terminal
        self._had_terminal = has_terminal() if asked_before is None else asked_before
        with signals_into(self._signals, (*STOPPING, signal.SIGHUP)):
            if self._is_stopped_early():
                logger.info("daemon stopped")
                return 0
            scheduler.start()
            self._notifier.ready()
            logger.info("daemon started", extra={"poll_seconds": self._timetable.poll_seconds})
            try:
                self._watch(scheduler)
            finally:
                self._finish(scheduler)
        return 0 if self._fatal is None else int(getattr(self._fatal, "exit_code", 1))

    def beat(self) -> None:
        """Note that the running cycle makes progress, so that a long one is not taken to hang. Safe for any thread."""
        self._progress.beat()

    # --- the main thread ------------------------------------------------------------------------------------------

    def _is_stopped_early(self) -> bool:
        """Heed what came while the program loaded: a stop ends it before the first cycle, a reload comes beside it."""
        for name in self._early.names:
            if name == signal.SIGHUP.name:
                self._signals.put(name)
            else:
                logger.info("stopping", extra={"signal": name})
                self._stop.set()
        return self._stop.is_set()

    def _scheduler(self) -> BackgroundScheduler:
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(max_workers=1)})
        scheduler.add_job(
            self._tick,
            self._trigger(),
            id=_JOB_ID,
            next_run_time=datetime.now(UTC),
            # One runs, one waits: APScheduler would drop what comes due beside a cycle in hand, and a cycle that SIGHUP
            # asked for in its last moments would come a whole interval later.
            max_instances=2,
            coalesce=True,
            misfire_grace_time=None,
        )
        return scheduler

    def _trigger(self) -> IntervalTrigger:
        # UTC here too: a trigger of its own would ask the machine for its time zone.
        return IntervalTrigger(seconds=self._timetable.poll_seconds, timezone=UTC)

    def _fresh_progress(self) -> Heartbeat:
        limit_seconds = self._timetable.poll_seconds + self._timetable.cycle_limit_seconds
        return Heartbeat(limit_seconds=limit_seconds, clock=self._clock)

    def _watch(self, scheduler: BackgroundScheduler) -> None:
        steps = StepDetector(self._clock)
        while not self._stop.is_set():
            name = self._wait_for_signal()
            if name == signal.SIGHUP.name and self._had_terminal == has_terminal():
                self._reload(scheduler)
            elif name is not None:
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

    def _reload(self, scheduler: BackgroundScheduler) -> None:
        """Load the config from disk; the next cycle, which starts now, is the first that uses it."""
        timetable = self._reloader.take_up()
        self._say(self._last_status)
        if timetable is not None:
            self._timetable = timetable
            self._progress = self._fresh_progress()
            scheduler.reschedule_job(_JOB_ID, trigger=self._trigger())
            scheduler.modify_job(_JOB_ID, next_run_time=datetime.now(UTC))

    def _repair(self, scheduler: BackgroundScheduler, step_seconds: float) -> None:
        """Run the next cycle now: due times use the wall clock; set back by an hour, no cycle would run for an hour."""
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
        cycle_id = new_cycle_id()
        try:
            with bind_cycle(cycle_id):
                self._attempt(cycle_id)
        finally:
            self._progress.beat()
            self._idle.set()

    def _attempt(self, cycle_id: str) -> None:
        """Run one cycle and note how it ended; a traceback is logged only for a bug of this program."""
        try:
            result, trace = self._run_cycle(cycle_id), None
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
        self._say(f"cannot go on: {error}")
        self._fatal = error
        self._stop.set()

    def _note_success(self, result: TickResult) -> None:
        """Log a success at INFO where it follows a failure or counts otherwise than the last success, else at DEBUG."""
        is_news = self._failures_in_a_row > 0 or result.counts != self._last_counts
        self._failures_in_a_row, self._last_counts = 0, result.counts
        level = logging.INFO if is_news else logging.DEBUG
        logger.log(level, "cycle done", extra={"summary": result.summary, **result.counts})
        self._say(result.summary)

    def _note_failure(self, result: TickResult, trace: Exception | None) -> None:
        self._failures_in_a_row += 1
        facts = {"summary": result.summary, "failures_in_a_row": self._failures_in_a_row, **result.counts}
        logger.error("cycle failed", extra=facts, exc_info=trace)
        self._say(f"{self._failures_in_a_row} failed in a row: {result.summary}")

    def _say(self, status: str) -> None:
        self._last_status = status
        self._notifier.status(self._reloader.add_to(status))
