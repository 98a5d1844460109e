"""Turn a cycle into metrics: its report, the state of both sides, and counts that cost the same at any size."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from reconciler import __version__
from reconciler.core.model import HOLD_REASONS, HttpRecord
from reconciler.engine.context import Context
from reconciler.engine.report import CycleReport, CycleResult
from reconciler.telemetry import metrics as m
from reconciler.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class Measuring:
    """Keep the metrics of this process, and write them to the text file of the config in force, if it has one.

    Counters go on from a ``textfile`` that is there already.
    """

    def __init__(self, textfile: Path | None) -> None:
        self.metrics = Metrics()
        self.metrics.set(m.BUILD_INFO, 1, __version__, platform.python_version())
        self._last_failure = ""
        self.textfile = textfile
        if textfile is not None:
            with suppress(OSError):
                self._resume(textfile.read_text(encoding="utf-8", errors="replace"))

    def _resume(self, text: str) -> None:
        try:
            self.metrics.resume(text)
        except ValueError as error:
            log.warning("a text file of metrics cannot be read, so counting begins anew", extra={"because": error})

    def request(self, side: str, record: HttpRecord) -> None:
        """Count one request; safe for any thread."""
        measure_request(self.metrics, side, record)

    def cycle(self, report: CycleReport, context: Context, limits: Mapping[str, float]) -> None:
        """Measure a cycle; ``limits`` has the pace that the config allows to each side."""
        measure_cycle(self.metrics, report, context)
        measure_sides(self.metrics, context, limits, report.finished_at)

    def failure(self, now: datetime) -> None:
        """Count a cycle that ended without a report, and write the text file."""
        measure_failure(self.metrics, now)
        self.write()

    def reads(self, read_at: Mapping[str, datetime | None], *, objective_seconds: float) -> None:
        """Set when each side was last read whole, and the lag that is aimed at."""
        self.metrics.set_all(m.LAST_READ, {name: at.timestamp() if at else 0 for name, at in read_at.items()})
        self.metrics.set(m.LAG_OBJECTIVE, objective_seconds)

    def write(self) -> None:
        """Write the text file; log a failure once, until it is over."""
        if self.textfile is None:
            return
        failure = ""
        try:
            self.metrics.write(self.textfile)
        except OSError as error:
            failure = f"{self.textfile}: {error.strerror}"
        if failure not in ("", self._last_failure):
            log.warning("the text file of the metrics cannot be written", extra={"because": failure})
        self._last_failure = failure


def measure_request(metrics: Metrics, side: str, record: HttpRecord) -> None:
    """Count one request."""
    status = "none" if record.status is None else str(record.status)
    metrics.count(m.REQUESTS, side, record.method, status)
    metrics.observe(m.REQUEST_DURATION, record.duration_ms / 1000, side)


def measure_cycle(metrics: Metrics, report: CycleReport, context: Context) -> None:
    """Count a cycle and what it did, and set the gauges."""
    _measure_end(metrics, report.result, report.finished_at)
    metrics.observe(m.CYCLE_DURATION, (report.finished_at - report.started_at).total_seconds())
    metrics.set(m.BRAKE, report.result is CycleResult.REFUSED)
    for outcome in report.outcomes:
        metrics.count(m.ACTIONS, outcome.action.kind.value, outcome.result.value)
    if report.outcomes:
        for lag in context.store.reports.lags(since=report.started_at):
            metrics.observe(m.LAG, lag.seconds, lag.direction)
    _measure_store(metrics, report, context)


def measure_failure(metrics: Metrics, now: datetime) -> None:
    """Count a cycle that ended without a report."""
    _measure_end(metrics, CycleResult.FAILED, now)


def measure_sides(metrics: Metrics, context: Context, limits: Mapping[str, float], now: datetime) -> None:
    """Set the pace and pauses of each side; ``limits`` has the pace that the config allows."""
    # A reload may have taken a connector out of the config while the cycle ran.
    states = {name: side.state for name, side in context.sides().items() if name in limits}
    silent = {name: state.silent_until for name, state in states.items()}
    metrics.set_all(m.PACE, {name: state.requests_per_second or limits[name] for name, state in states.items()})
    metrics.set_all(m.PACE_LIMIT, limits)
    metrics.set_all(m.PAUSED_UNTIL, {name: at.timestamp() if at and at > now else 0 for name, at in silent.items()})


def _measure_end(metrics: Metrics, result: CycleResult, at: datetime) -> None:
    metrics.count(m.CYCLES, result.value)
    metrics.set(m.LAST_CYCLE, at.timestamp(), result.value)
    went_well = result in (CycleResult.DONE, CycleResult.STOPPED)
    metrics.set(m.FAILED_IN_A_ROW, 0 if went_well else metrics.get(m.FAILED_IN_A_ROW) + 1)


def _measure_store(metrics: Metrics, report: CycleReport, context: Context) -> None:
    store = context.store
    metrics.set(m.OPEN_LINKS, store.reports.open_links())
    metrics.set(m.DATABASE_BYTES, store.size_bytes())
    metrics.set(m.CHAIN_SEQ, store.ledger.head()[0])
    metrics.set_all(m.HOLDS, {reason.value: report.holds.get(reason.value, 0) for reason in HOLD_REASONS})
    oldest = store.reports.oldest_hold() if report.held else None
    if oldest is None:
        metrics.clear(m.OLDEST_HOLD)
    else:
        metrics.set(m.OLDEST_HOLD, oldest.timestamp())
