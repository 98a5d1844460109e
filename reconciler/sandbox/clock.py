"""The clocks of a sandbox: one that is set by hand and that both services share, and one that may differ from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class SandboxClock:
    """A clock that is set by hand, or that follows the real one from a given offset."""

    def __init__(self, start: datetime | None = None, *, follow_real_time: bool = False) -> None:
        self._follow = follow_real_time
        self._now = start or datetime.now(UTC)
        self._offset = self._now - datetime.now(UTC)

    def now(self) -> datetime:
        """Return the time of this world, aware and UTC."""
        return datetime.now(UTC) + self._offset if self._follow else self._now

    def advance(self, **units: float) -> datetime:
        """Move the clock by ``timedelta(**units)``, which may be negative, and tell the new time."""
        step = timedelta(**units)
        self._now += step
        self._offset += step
        return self.now()


class InstanceClock:
    """The clock of one service, which may be ahead of the shared clock, or behind it, by ``skew``."""

    def __init__(self, shared: SandboxClock) -> None:
        self._shared = shared
        self.skew = timedelta()

    def now(self) -> datetime:
        """Return the time as this service has it, aware and UTC."""
        return self._shared.now() + self.skew

    def set(self, moment: datetime) -> None:
        """Set this clock; it then goes on with the shared one."""
        self.skew = moment - self._shared.now()
