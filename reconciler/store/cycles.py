"""Write the rows of cycles, inside a transaction that the caller holds; quiet cycles only raise a counter.

A cycle in which nothing happened is counted on the row of an earlier one of the same kind, if only quiet cycles came in
between: a year in which nothing happens is a few rows. The cycle that was begun last stands in ``running``.
"""

# ruff: noqa: S608 - the words that are put into SQL here are our own constants

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from reconciler.core.frozen import dataclass
from reconciler.core.model import HttpRecord
from reconciler.store.database.codec import Columns, time_from, time_text
from reconciler.store.database.connection import rows_by_name
from reconciler.store.database.triggers import NOT_REPEATED, columns_of, repeat_hash, row_hash
from reconciler.store.database.views import GAP_SECONDS, LATEST
from reconciler.store.values import CycleCounts

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

OBSERVE = "observe"
"""The mode of a cycle that sends nothing; one that acts has none."""
KILLED = "the program ended before the cycle did"

_LAST = f"SELECT * FROM cycles ORDER BY seq DESC LIMIT {LATEST}"
_BEGIN = """INSERT OR REPLACE INTO running (one, cycle_id, kind, started_at, config_hash, program_version, mode)
    VALUES (1, ?, ?, ?, ?, ?, ?)"""
_PUT = """INSERT INTO cycles (cycle_id, kind, started_at, finished_at, result, pulled_cases, pulled_incidents, planned,
    done, failed, refused_because, config_hash, program_version, sides, mode)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_COUNT = "UPDATE cycles SET repeated = ?, last_at = ?, last_cycle_id = ?, repeat_hash = ? WHERE seq = ?"
_CLOSE = f"UPDATE cycles SET repeat_hash = NULL WHERE repeat_hash IS NOT NULL AND seq IN (SELECT seq FROM ({_LAST}))"
_REQUESTS = """SELECT system, method, path, status, attempt FROM http
    WHERE cycle_id = ? AND action_seq IS NULL ORDER BY seq"""

Request = tuple[Any, ...]
"""What quiet cycles are compared by of a request, as ``_REQUESTS`` reads it."""


@dataclass(frozen=True, kw_only=True)
class EndedCycle:
    """How the running cycle ended."""

    running: Columns
    result: str
    counts: CycleCounts
    sides: str
    """the sides that were read whole, as JSON"""
    refused_because: str | None
    ended_at: str


def begin(conn: sqlite3.Connection, row: Sequence[str | None]) -> None:
    """Remember the cycle that runs from now on: id, kind, time, config hash, version, mode."""
    conn.execute(_BEGIN, row)


def begun(conn: sqlite3.Connection) -> Columns | None:
    """Return the cycle that was begun last, unless it has ended."""
    rows = rows_by_name(conn, "SELECT * FROM running")
    if not rows:
        return None
    ended = {name for row in rows_by_name(conn, _LAST) for name in (row["cycle_id"], row["last_cycle_id"])}
    return None if rows[0]["cycle_id"] in ended else rows[0]


def end_killed(conn: sqlite3.Connection, now: datetime) -> None:
    """Write the row of a cycle that never ended: its process was killed."""
    running = begun(conn)
    if running is not None:
        put_cycle(
            conn,
            EndedCycle(
                running=running,
                result="failed",
                counts=CycleCounts(),
                sides="[]",
                refused_because=KILLED,
                ended_at=time_text(now),
            ),
        )


def put_cycle(conn: sqlite3.Connection, ended: EndedCycle) -> None:
    """Write a cycle's own row. Unless nothing happened in it, the counters of the rows before it are closed."""
    run, counts = ended.running, ended.counts
    numbers = (counts.pulled_cases, counts.pulled_incidents, counts.planned, counts.done, counts.failed)
    if not is_quiet(conn, ended):
        # Clearing the hash makes the trigger chain the row, and refuse later changes of its counter.
        conn.execute(_CLOSE)
    first = (run["cycle_id"], run["kind"], run["started_at"], ended.ended_at, ended.result)
    last = (ended.refused_because, run["config_hash"], run["program_version"], ended.sides, run["mode"])
    conn.execute(_PUT, (*first, *numbers, *last))


def is_quiet(conn: sqlite3.Connection, ended: EndedCycle) -> bool:
    """Return whether nothing happened in a cycle: nothing planned, no change seen, no failure."""
    last = {"cycle_id": ended.running["cycle_id"], "result": ended.result, "refused_because": ended.refused_because}
    return _was_quiet(conn, vars(ended.counts) | last)


def _was_quiet(conn: sqlite3.Connection, row: Columns) -> bool:
    is_well = row["result"] == "done" and row["refused_because"] is None
    return is_well and not (row["planned"] or row["done"] or row["failed"] or _saw(conn, row["cycle_id"]))


def _saw(conn: sqlite3.Connection, cycle_id: str) -> bool:
    return bool(
        conn.execute("SELECT 1 FROM notifications WHERE cycle_id = ? LIMIT 1", (cycle_id,)).fetchone()
        or conn.execute(
            "SELECT 1 FROM http WHERE cycle_id = ? AND action_seq IS NOT NULL LIMIT 1", (cycle_id,)
        ).fetchone()
    )


def find_twin(conn: sqlite3.Connection, ended: EndedCycle, requests: Iterable[HttpRecord]) -> sqlite3.Row | None:
    """Find the row of a quiet cycle to whose counter another quiet one, with these requests, adds."""
    asked = [(one.system, one.method, one.path, one.status, one.attempt) for one in requests]
    rows = rows_by_name(conn, _LAST)
    last_time = max((row["last_at"] or row["finished_at"] for row in rows), default="")
    if not rows or _is_gap(last_time, ended.running["started_at"]):
        return None
    for row in rows:
        if not _was_quiet(conn, row):
            return None
        if row["kind"] == ended.running["kind"]:
            return row if _alike(row, ended) and _asked(conn, row) == asked else None
    return None


def _is_gap(since: str, until: str) -> bool:
    return time_from(until) - time_from(since) > timedelta(seconds=GAP_SECONDS)


def _alike(row: Columns, ended: EndedCycle) -> bool:
    run, counts = ended.running, ended.counts
    same_run = all(row[name] == run[name] for name in ("config_hash", "program_version", "mode"))
    read = (counts.pulled_cases, counts.pulled_incidents, ended.sides)
    return same_run and (row["pulled_cases"], row["pulled_incidents"], row["sides"]) == read


def _asked(conn: sqlite3.Connection, row: Columns) -> list[Request]:
    return conn.execute(_REQUESTS, (row["cycle_id"],)).fetchall()


def count_again(conn: sqlite3.Connection, row: sqlite3.Row, cycle_id: str, at: str) -> None:
    """Add one to a row's counter, bound to the row as it was before it was counted."""
    columns = columns_of(conn, "cycles")
    before = row_hash(",".join(columns), *({name: row[name] for name in columns} | NOT_REPEATED).values())
    repeated = row["repeated"] + 1
    conn.execute(_COUNT, (repeated, at, cycle_id, repeat_hash(before, repeated, at, cycle_id), row["seq"]))
