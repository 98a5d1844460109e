"""How far back a listing has to be read: to what is new each time, behind the cursor now and then.

A change can become visible with a time older than what was read before, so a listing is read again from the
overlap behind its cursor. That is a *deep* reading. Where the overlap holds more than a page, a deep reading is
due only every half overlap, and a *shallow* one, down to the last head, serves between: a row stamped ``s`` that a
deep reading did not show was not visible yet, so ``s`` is later than that reading's head less the overlap, which is
where the next deep reading ends.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from reconciler.core.frozen import dataclass
from reconciler.remotes.ports import Position
from reconciler.store.values import Cursor


@dataclass(frozen=True, kw_only=True)
class Window:
    """How far back a pull looks."""

    overlap: timedelta
    first_lookback: timedelta
    origin: datetime | None
    """None on the first start: the service's own clock then tells"""
    now: datetime
    """the local clock: only how long ago a deep reading was is read from it"""
    since: datetime | None = None
    short_rows: int = 100
    """an overlap of so many rows costs nothing to speak of, and is read each time"""

    def first_floor(self, server_time: datetime | None) -> datetime:
        """Return the oldest time that the first start looks at."""
        return (self.origin or server_time or self.now) - self.first_lookback - self.overlap


@dataclass(frozen=True, kw_only=True)
class Reach:
    """What is remembered of a listing beside its head: what was read in depth, and where it stopped unfinished."""

    deep_head: datetime
    deep_at: datetime
    deep_rows: int
    last_id: str = ""
    """the last row at the head, where rows are read in their order"""
    unfinished: bool = False

    @classmethod
    def of(cls, cursor: Cursor | None) -> Reach | None:
        """Read what a cursor remembers; None where nothing was read yet."""
        if cursor is None or not cursor.resume:
            return None
        saved = json.loads(cursor.resume)
        return cls(
            deep_head=datetime.fromisoformat(saved["deep_head"]),
            deep_at=datetime.fromisoformat(saved["deep_at"]),
            deep_rows=saved["deep_rows"],
            last_id=saved["last_id"],
            unfinished=saved["unfinished"],
        )

    def text(self) -> str:
        """Write it into the cursor."""
        times = {"deep_head": self.deep_head.isoformat(), "deep_at": self.deep_at.isoformat()}
        rest = {"deep_rows": self.deep_rows, "last_id": self.last_id, "unfinished": self.unfinished}
        return json.dumps(times | rest, sort_keys=True)

    def is_deep_due(self, window: Window) -> bool:
        """Return whether the overlap is read again this time; where it is short, always."""
        waited = window.now - self.deep_at
        return self.deep_rows <= window.short_rows or waited < timedelta(0) or waited >= window.overlap / 2


def is_unfinished(cursor: Cursor) -> bool:
    """Return whether a listing stopped in the middle and goes on in the next cycle."""
    reach = Reach.of(cursor)
    return reach is not None and reach.unfinished


def deep_floor(cursor: Cursor | None, window: Window, server_time: datetime | None) -> datetime:
    """Return the oldest time that a deep reading has to see."""
    reach = Reach.of(cursor)
    floor = reach.deep_head - window.overlap if reach else window.first_floor(server_time)
    return min(floor, window.since) if window.since else floor


def shallow_floor(cursor: Cursor | None, window: Window) -> datetime | None:
    """Return the time down to which this reading may be shallow; None where it has to be deep."""
    reach = Reach.of(cursor)
    if cursor is None or reach is None or window.since or reach.is_deep_due(window):
        return None
    return cursor.time


def reads_much(cursor: Cursor | None, window: Window, page_rows: int) -> bool:
    """Return whether more than a page is to be expected: at the start, in a long overlap, and after a pause."""
    reach = Reach.of(cursor)
    if reach is None or window.since or window.now - reach.deep_at > window.overlap:
        return True
    return reach.deep_rows > page_rows and shallow_floor(cursor, window) is None


def resume_position(cursor: Cursor | None, window: Window) -> Position | None:
    """Return the position behind which an ordered listing goes on; None where it is read in depth."""
    reach = Reach.of(cursor)
    if cursor is None or cursor.time is None or reach is None or window.since:
        return None
    if reach.unfinished or not reach.is_deep_due(window):
        return Position(updated_at=cursor.time, sys_id=reach.last_id)
    return None
