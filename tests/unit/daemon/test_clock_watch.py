"""What the daemon reads from its clocks: on clocks that stand still until moved."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reconciler.core.errors import ReconcilerError
from reconciler.daemon.clock_watch import Heartbeat, MachineClock, StepDetector, require_plausible


class HandClock:
    """Two clocks that move together, and apart when the wall clock is set."""

    def __init__(self, start: str = "2026-11-23T12:00:00+00:00") -> None:
        self.wall = datetime.fromisoformat(start)
        self.seconds = 1000.0
        self.clock = MachineClock(now=lambda: self.wall, monotonic=lambda: self.seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.set_wall(seconds)

    def set_wall(self, by_seconds: float) -> None:
        self.wall += timedelta(seconds=by_seconds)


def test_a_step_is_seen_once_and_passing_time_is_none() -> None:
    hand = HandClock()
    steps = StepDetector(hand.clock)
    hand.advance(5000)
    assert steps.step_seconds() == pytest.approx(0)
    hand.set_wall(-3600)
    assert steps.step_seconds() == pytest.approx(-3600)
    assert steps.step_seconds() == pytest.approx(0)


def test_progress_ends_when_nothing_comes_or_goes() -> None:
    hand = HandClock()
    progress = Heartbeat(limit_seconds=60, clock=hand.clock)
    hand.advance(59)
    assert progress.alive()
    hand.advance(1)
    assert not progress.alive()
    progress.beat()
    assert progress.alive()


def test_a_clock_that_cannot_be_right_is_refused_with_what_to_do() -> None:
    with pytest.raises(ReconcilerError, match=r"says 1970-01-01T00:00:07.*synchronised") as refused:
        require_plausible(HandClock("1970-01-01T00:00:07+00:00").clock)
    assert refused.value.exit_code == 1
    require_plausible(HandClock().clock)
