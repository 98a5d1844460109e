"""How far back a listing is read: shallow between deep readings, and never so that something is lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from reconciler.engine.reading.window import (
    Reach,
    Window,
    deep_floor,
    is_unfinished,
    reads_much,
    resume_position,
    shallow_floor,
)
from reconciler.store.values import Cursor
from tests.builders import NOW

OVERLAP = timedelta(seconds=600)
HEAD = NOW - timedelta(hours=1)


def window(now: datetime = NOW, **more: object) -> Window:
    values = {"overlap": OVERLAP, "first_lookback": timedelta(hours=24), "origin": NOW, "now": now}
    return Window(**(values | more))  # type: ignore[arg-type]


def cursor(*, deep_ago: float = 0, rows: int = 101, unfinished: bool = False) -> Cursor:
    deep_at = NOW - timedelta(seconds=deep_ago)
    reach = Reach(deep_head=HEAD, deep_at=deep_at, deep_rows=rows, last_id="a" * 32, unfinished=unfinished)
    return Cursor(name="c", time=HEAD + timedelta(minutes=5), resume=reach.text())


def test_the_first_reading_is_deep_and_looks_back_by_the_first_lookback() -> None:
    assert deep_floor(None, window(), None) == NOW - timedelta(hours=24) - OVERLAP
    assert shallow_floor(None, window()) is None
    assert resume_position(None, window()) is None


def test_the_first_start_goes_by_the_clock_of_the_service() -> None:
    theirs = NOW - timedelta(days=3)
    assert window(origin=None).first_floor(theirs) == theirs - timedelta(hours=24) - OVERLAP


def test_a_deep_reading_ends_behind_the_head_of_the_one_before() -> None:
    assert deep_floor(cursor(), window(), None) == HEAD - OVERLAP


@pytest.mark.parametrize(
    ("deep_ago", "rows", "expected"),
    [(0, 100, False), (600, 100, False), (601, 100, True), (0, 101, False), (300, 101, True)],
)
def test_large_pages_are_for_long_overlaps_and_behind_pauses(deep_ago: float, rows: int, *, expected: bool) -> None:
    assert reads_much(cursor(deep_ago=deep_ago, rows=rows), window(), 100) is expected


def test_large_pages_are_for_the_first_reading_and_for_a_backfill() -> None:
    assert reads_much(None, window(), 100)
    assert reads_much(cursor(rows=1), window(since=HEAD), 100)


def test_a_backfill_is_deep_and_goes_back_as_far_as_it_is_asked() -> None:
    since = HEAD - timedelta(days=9)
    assert deep_floor(cursor(), window(since=since), None) == since
    assert shallow_floor(cursor(), window(since=since)) is None
    assert resume_position(cursor(unfinished=True), window(since=since)) is None


@pytest.mark.parametrize(
    ("deep_ago", "rows", "is_shallow"),
    [(0, 101, True), (299, 101, True), (300, 101, False), (0, 100, False), (-5, 101, False)],
)
def test_a_long_overlap_is_read_again_every_half_overlap(deep_ago: float, rows: int, is_shallow: bool) -> None:
    one = cursor(deep_ago=deep_ago, rows=rows)
    assert (shallow_floor(one, window()) is not None) == is_shallow
    assert (resume_position(one, window()) is not None) == is_shallow


def test_an_unfinished_listing_goes_on_where_it_stopped() -> None:
    one = cursor(deep_ago=9999, unfinished=True)
    position = resume_position(one, window())
    assert position is not None
    assert (position.updated_at, position.sys_id) == (one.time, "a" * 32)
    assert is_unfinished(one)
    assert not is_unfinished(cursor())
