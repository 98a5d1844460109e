"""The clock of the HTTP clients, and a token bucket.

Only the defaults read the real time, so tests never wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from reconciler.core.frozen import dataclass


def utc_now() -> datetime:
    """Return the local wall clock, aware and UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ClientClock:
    """The clocks that a client needs."""

    now: Callable[[], datetime] = utc_now
    """wall clock, for records only"""
    monotonic: Callable[[], float] = time.monotonic
    """seconds, for deadlines and budgets"""
    sleep: Callable[[float], object] | None = None
    """waits so many seconds; None: waits on the stop event, which ends every wait at once"""


HALVINGS = 6
"""The slowest pace is this many halvings below the ceiling."""
RISE_AFTER_SECONDS, RISE_BY = 10.0, 1.25
"""After this long without a complaint the pace rises by this factor: from slowest to ceiling in three minutes."""


class Pace:
    """A token bucket: a burst, then a rate that adapts to the service. Safe for several threads.

    The pace begins at its ceiling, is halved by each complaint, and rises again by itself.
    """

    def __init__(
        self,
        *,
        ceiling: float,
        burst: int,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._ceiling = ceiling
        self._per_second = ceiling
        self._burst = float(burst)
        self._monotonic = monotonic
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = self._changed_at = monotonic()
        self._lock = threading.Lock()

    @property
    def slowed_to(self) -> float:
        """Return the pace as it is now; 0 at the ceiling."""
        with self._lock:
            self._rise(self._monotonic())
            return self._per_second if self._per_second < self._ceiling else 0.0

    def take(self) -> None:
        """Take one token, after waiting for it where there is none."""
        wait_seconds = self._reserve()
        if wait_seconds > 0:
            self._sleep(wait_seconds)

    def slow_down(self) -> None:
        """Halve the pace and drop the saved burst."""
        with self._lock:
            self._rise(self._monotonic())
            self._per_second = max(self._per_second / 2, self._ceiling / 2**HALVINGS)
            self._changed_at = self._monotonic()
            self._tokens = min(self._tokens, 0.0)

    def resume(self, per_second: float) -> None:
        """Go on with a stored pace, no faster than the ceiling; 0 means none was stored."""
        if 0 < per_second < self._ceiling:
            with self._lock:
                self._per_second = max(per_second, self._ceiling / 2**HALVINGS)
                self._changed_at = self._monotonic()

    def _rise(self, now: float) -> None:
        steps = int((now - self._changed_at) / RISE_AFTER_SECONDS)
        if steps > 0 or now < self._changed_at:
            self._changed_at = now
            self._per_second = min(self._ceiling, self._per_second * RISE_BY ** min(steps, 100))

    def _reserve(self) -> float:
        """Take one token, in advance if needed, and return the seconds until it is available."""
        with self._lock:
            now = self._monotonic()
            self._rise(now)
            gained = (now - self._filled_at) * self._per_second
            self._filled_at = now
            self._tokens = min(self._burst, self._tokens + gained) - 1.0
            return max(0.0, -self._tokens / self._per_second)
