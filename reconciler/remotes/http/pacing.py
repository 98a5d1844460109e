"""How fast and how long: the clock that the HTTP room is handed, and a token bucket of our own.

Nothing here reads the real time unless the defaults are used, so tests never wait.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Tell the local wall clock, aware and UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class ClientClock:
    """Hold the three faces of time that a client needs."""

    now: Callable[[], datetime] = utc_now
    """wall clock, for records only"""
    monotonic: Callable[[], float] = time.monotonic
    """seconds, for deadlines and budgets"""
    sleep: Callable[[float], object] | None = None
    """waits so many seconds; None: waits on the stop event, which ends every wait at once"""


class TokenBucket:
    """Let through a burst, then a steady number of requests a second. Safe for several threads."""

    def __init__(
        self,
        *,
        per_second: float,
        burst: int,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._monotonic = monotonic
        self._sleep = sleep
        self._tokens = float(burst)
        self._filled_at = monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Take one token, after waiting for it where there is none."""
        wait_seconds = self._reserve()
        if wait_seconds > 0:
            self._sleep(wait_seconds)

    def _reserve(self) -> float:
        """Count one token as taken, in advance where needed, and give the seconds until it is there."""
        with self._lock:
            now = self._monotonic()
            gained = (now - self._filled_at) * self._per_second
            self._filled_at = now
            self._tokens = min(self._burst, self._tokens + gained) - 1.0
            return max(0.0, -self._tokens / self._per_second)
