"""Backfills that a person handed to the daemon: what was asked for, how far it has come, what came of each part.

A row is deleted by the command that waits for it; who asked what is a row of ``people``. Until then its parts hold the
values that were sent, unless the config hides them.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject
from reconciler.store.database.codec import time_from, time_text
from reconciler.store.database.connection import Database

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_FOR = timedelta(days=1)
"""How long a backfill is kept whose command never took it away."""
_COLUMNS = "seq, asked, progress, state, asked_at, seen_at"
_OPEN = f"SELECT {_COLUMNS} FROM backfills WHERE state IN ('waiting', 'running', 'stopping') ORDER BY seq"  # noqa: S608


class BackfillState(StrEnum):
    """Where a backfill stands."""

    WAITING = "waiting"
    """no part of it was begun"""
    RUNNING = "running"
    STOPPING = "stopping"
    """its command asked for no further part"""
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True)
class HandedBackfill:
    """One backfill that was handed over."""

    seq: int
    asked: JsonObject
    progress: JsonObject
    state: BackfillState
    asked_at: datetime
    seen_at: datetime
    """when its command last said that it waits"""


class Backfills:
    """Hand backfills from one process to the other. Safe beside a cycle of another process."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def hand_over(self, asked: JsonObject, progress: JsonObject, now: datetime) -> int:
        """Leave a backfill for the daemon, and return its number."""
        self._forget_old(now)
        row = (json.dumps(asked), json.dumps(progress), BackfillState.WAITING, time_text(now), time_text(now))
        with self._db.transaction() as conn:
            sql = "INSERT INTO backfills (asked, progress, state, asked_at, seen_at) VALUES (?, ?, ?, ?, ?)"
            return int(conn.execute(sql, row).lastrowid or 0)

    def _forget_old(self, now: datetime) -> None:
        """Delete what a killed command left behind."""
        rows = self._db.read(
            "SELECT seq FROM backfills WHERE state = 'ended' AND seen_at < ?", (time_text(now - KEPT_FOR),)
        )
        for (seq,) in rows:
            self.take_away(seq)

    def first_open(self) -> HandedBackfill | None:
        """Return the oldest backfill that is not over."""
        rows = self._db.read(f"{_OPEN} LIMIT 1")
        return _handed(rows[0]) if rows else None

    def get(self, seq: int) -> HandedBackfill | None:
        """Return one backfill; None once it was deleted."""
        rows = self._db.read(f"SELECT {_COLUMNS} FROM backfills WHERE seq = ?", (seq,))  # noqa: S608 - our own constants
        return _handed(rows[0]) if rows else None

    def came(self, seq: int, progress: JsonObject, document: JsonObject | None, *, is_over: bool) -> None:
        """Note how far a backfill has come, with the document of the part that just ended; a request to stop stays."""
        state = "'ended'" if is_over else "CASE state WHEN 'waiting' THEN 'running' ELSE state END"
        with self._db.transaction() as conn:
            sql = f"UPDATE backfills SET progress = ?, state = {state} WHERE seq = ?"  # noqa: S608 - our own words
            conn.execute(sql, (json.dumps(progress), seq))
            if document is not None:
                # Its command may have deleted it meanwhile.
                sql = "INSERT INTO backfill_parts (backfill_seq, document) SELECT seq, ? FROM backfills WHERE seq = ?"
                conn.execute(sql, (json.dumps(document), seq))

    def wait(self, seq: int, now: datetime) -> None:
        """Record that the command still waits."""
        with self._db.transaction() as conn:
            conn.execute("UPDATE backfills SET seen_at = ? WHERE seq = ?", (time_text(now), seq))

    def stop(self, seq: int) -> None:
        """Request that no further part is run."""
        with self._db.transaction() as conn:
            conn.execute("UPDATE backfills SET state = 'stopping' WHERE seq = ? AND state <> 'ended'", (seq,))

    def parts(self, seq: int) -> Sequence[JsonObject]:
        """Return the documents of the parts that ended, in their order."""
        rows = self._db.read("SELECT document FROM backfill_parts WHERE backfill_seq = ? ORDER BY seq", (seq,))
        return [json.loads(text) for (text,) in rows]

    def take_away(self, seq: int) -> None:
        """Delete a backfill and its parts."""
        with self._db.transaction() as conn:
            conn.execute("DELETE FROM backfill_parts WHERE backfill_seq = ?", (seq,))
            conn.execute("DELETE FROM backfills WHERE seq = ?", (seq,))


def _handed(row: Sequence[Any]) -> HandedBackfill:
    seq, asked, progress, state, asked_at, seen_at = row
    return HandedBackfill(
        seq=seq,
        asked=json.loads(asked),
        progress=json.loads(progress),
        state=BackfillState(state),
        asked_at=time_from(asked_at),
        seen_at=time_from(seen_at),
    )
