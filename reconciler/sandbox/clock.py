"""The settable clock of a sandbox world: nothing in it moves unless told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SandboxClock:
    """A clock that is set by hand, or that follows the real one from a given offset."""

    def __init__(self, start: datetime | None = None, *, follow_real_time: bool = False) -> None:
        self._follow = follow_real_time
        self._now = start or datetime.now(UTC)
        self._offset = self._now - datetime.now(UTC)

    def now(self) -> datetime:
        """Tell the time of this world, aware and UTC."""
        return datetime.now(UTC) + self._offset if self._follow else self._now

    def advance(self, **units: float) -> datetime:
        """Move the clock by ``timedelta(**units)``, which may be negative, and tell the new time."""
        step = timedelta(**units)
        self._now += step
        self._offset += step
        return self.now()
