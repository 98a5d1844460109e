"""Two checks on time: was the wall clock set, and do cycles still make progress.

Intervals are measured on the monotonic clock. The wall clock is read only because APScheduler's due times depend on it,
and to check that it is plausible.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from reconciler.core.errors import ReconcilerError
from reconciler.core.frozen import dataclass

EARLIEST_PLAUSIBLE = datetime(2026, 1, 1, tzinfo=UTC)
"""older than this program; a machine without a battery clock starts long before it"""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class MachineClock:
    """The two clocks of the machine, which tests can replace."""

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic


def require_plausible(clock: MachineClock) -> None:
    """Raise ReconcilerError when the wall clock cannot be right.

    When it was then set, APScheduler would list every run missed since: from 1970 that is more than memory holds.
    """
    now = clock.now()
    if now < EARLIEST_PLAUSIBLE:
        raise ReconcilerError(
            f"the clock of this machine says {now.isoformat(timespec='seconds')}, which cannot be right. "
            "Set it, or wait until it is synchronised, and start again."
        )


class StepDetector:
    """Detect that the wall clock was set, by comparing it with the monotonic clock."""

    def __init__(self, clock: MachineClock) -> None:
        self._clock = clock
        self._offset_seconds = self._read()

    def step_seconds(self) -> float:
        """Return by how much the wall clock was set since the last call; backwards is negative."""
        before, self._offset_seconds = self._offset_seconds, self._read()
        return self._offset_seconds - before

    def _read(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class Heartbeat:
    """Detect a daemon that hangs. Two threads share it; its only state is one float, so it needs no lock."""

    def __init__(self, *, limit_seconds: float, clock: MachineClock) -> None:
        self._limit_seconds = limit_seconds
        self._clock = clock
        self._last = clock.monotonic()

    def beat(self) -> None:
        """Note that a cycle has just started, made progress, or ended."""
        self._last = self._clock.monotonic()

    def alive(self) -> bool:
        """Return whether the last beat is younger than the limit."""
        return self._clock.monotonic() - self._last < self._limit_seconds
