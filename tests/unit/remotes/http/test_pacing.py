"""The pace of requests: a burst, a ceiling, halved by complaints, rising again by itself."""

from __future__ import annotations

import pytest

from reconciler.remotes.http.outcomes import Operation
from reconciler.remotes.http.pacing import HALVINGS, RISE_AFTER_SECONDS, Pace
from tests.unit.remotes.scripted import FakeTime, as_json, talking


def paced(time: FakeTime, ceiling: float = 100, burst: int = 1) -> Pace:
    return Pace(ceiling=ceiling, burst=burst, monotonic=lambda: time.seconds, sleep=time.sleep)


def test_a_burst_goes_through_and_what_follows_is_paced() -> None:
    time = FakeTime()
    pace = paced(time, ceiling=10, burst=3)
    for _ in range(5):
        pace.take()
    assert time.slept == pytest.approx([0.1, 0.1])
    time.seconds += 1000
    for _ in range(3):
        pace.take()
    assert len(time.slept) == 2


def test_requests_are_paced() -> None:
    with talking(*[as_json({})] * 4, requests_per_second=2, burst=2) as it:
        for _ in range(4):
            it.http.request(Operation.READ, "GET", "/x")
    assert it.time.slept == pytest.approx([0.5, 0.5])


def test_each_complaint_halves_it_and_a_floor_remains() -> None:
    time = FakeTime()
    pace = paced(time)
    seen = []
    for _ in range(HALVINGS + 2):
        pace.slow_down()
        seen.append(pace.slowed_to)
    assert seen == pytest.approx([50, 25, 12.5, 6.25, 3.125, 1.5625, 1.5625, 1.5625])


def test_a_complaint_takes_back_the_burst_that_was_saved_up() -> None:
    time = FakeTime()
    pace = paced(time, burst=20)
    pace.slow_down()
    pace.take()
    assert time.slept == pytest.approx([0.02])


def test_it_rises_slowly_and_no_higher_than_its_ceiling() -> None:
    time = FakeTime()
    pace = paced(time)
    pace.slow_down()
    time.seconds += RISE_AFTER_SECONDS - 1
    assert pace.slowed_to == 50
    time.seconds += 1
    assert pace.slowed_to == 62.5
    time.seconds += 1000
    assert pace.slowed_to == 0
    pace.slow_down()
    assert pace.slowed_to == 50


def test_a_remembered_pace_is_gone_on_with() -> None:
    for remembered, now in ((25, 25), (0, 0), (1000, 0), (0.001, 100 / 2**HALVINGS)):
        pace = paced(FakeTime())
        pace.resume(remembered)
        assert pace.slowed_to == now
