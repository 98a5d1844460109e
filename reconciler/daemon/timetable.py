"""The values that the daemon exchanges with its caller: intervals, and the result of each cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.frozen import dataclass


@dataclass(frozen=True, kw_only=True)
class TickResult:
    """How one cycle ended."""

    ok: bool
    summary: str
    """one line for the log and for ``systemctl status``"""
    counts: Mapping[str, int] = field(default_factory=dict)
    """what makes a cycle news when it differs from the one before: planned, done, failed, held"""
    fatal: BaseException | None = None
    """set when no later cycle can go better (a damaged database): the daemon ends with this error's exit code"""


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """The daemon's intervals."""

    poll_seconds: float
    cycle_limit_seconds: float = 900.0
    """after this long without progress a cycle counts as hanging: the watchdog is no longer pinged"""
    look_seconds: float = 1.0
    """how often the main thread looks at the clock and pings"""
