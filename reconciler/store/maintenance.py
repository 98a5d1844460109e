"""Maintain the database: prune, compact, back up."""
# ruff: noqa: S608 - the words that are put into SQL here are our own constants

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import StoreError
from reconciler.store.database.codec import optional_text, time_text
from reconciler.store.database.connection import Database, check_pages, connect, connect_to, guarded
from reconciler.store.database.triggers import seal_hash, sealing
from reconciler.store.database.views import HOLDS_SQL
from reconciler.store.snapshots import PRUNED_BEFORE, Facts

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

TAKEN = "is there already; name another file"
ROWS_PER_STEP = 5000
"""Pruning deletes this many rows in one transaction, so that a cycle beside it never waits long."""

_AT_REST = f"""NOT EXISTS (SELECT 1 FROM links l WHERE l.case_id = {{case_id}}
        AND (l.is_open = 1 OR l.skip_reason IN ({HOLDS_SQL})))"""
_LAST = "SELECT coalesce({column}, 0) FROM {table} WHERE seq = (SELECT max(seq) FROM {table})"
"""The last row of a table always stays: SQLite would reuse its number, and the chain identifies a row by it."""
_OLD: Mapping[str, str] = {
    "actions": f"""SELECT a.seq FROM actions a WHERE a.started_at < :history AND a.finished_at < :history
        AND a.seq NOT IN ({_LAST.format(column="action_seq", table="http")})
        AND a.seq NOT IN ({_LAST.format(column="action_seq", table="written_values")})
        AND {_AT_REST.format(case_id="a.case_id")}""",
    "written_values": "SELECT v.seq FROM temp.old_actions o JOIN written_values v ON v.action_seq = o.seq",
    "http": f"""SELECT h.seq FROM temp.old_actions o JOIN http h ON h.action_seq = o.seq
        UNION SELECT h.seq FROM http h LEFT JOIN actions a ON a.seq = h.action_seq WHERE h.sent_at < :requests
            AND (h.action_seq IS NULL OR (a.result IS NOT NULL AND {_AT_REST.format(case_id="a.case_id")}))""",
    "notifications": f"""SELECT n.seq FROM notifications n WHERE n.observed_at < :history
        AND {_AT_REST.format(case_id="n.case_id")}
        AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.cause_seq = n.seq AND a.seq NOT IN temp.old_actions)""",
    "cycles": """SELECT c.seq FROM cycles c WHERE c.started_at < :history
        AND coalesce(c.last_at, c.started_at) < :history
        AND c.repeat_hash IS NULL
        AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.cycle_id = c.cycle_id AND a.seq NOT IN temp.old_actions)
        AND NOT EXISTS
            (SELECT 1 FROM notifications n WHERE n.cycle_id = c.cycle_id AND n.seq NOT IN temp.old_notifications)
        AND NOT EXISTS (SELECT 1 FROM http h WHERE h.cycle_id = c.cycle_id AND h.seq NOT IN temp.old_http)""",
}
"""Table -> its rows that may be deleted, in dependency order; a request goes with or before its action."""
_ORDER = ("http", "written_values", "actions", "notifications", "cycles")
"""The order in which foreign keys allow deletion."""
_NEXT = "SELECT seq FROM temp.old_{table} WHERE seq > ? ORDER BY seq LIMIT ?"
_PUT_SEAL = """INSERT INTO seals (table_name, rows, first_key, last_key, hash, pruned_before, at)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Before which times rows are old; None keeps them for ever."""

    requests_before: datetime | None
    history_before: datetime | None
    """actions, notifications and cycles"""


class Maintenance:
    """Delete old rows, give space back, look for damage."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def count_old(self, retention: Retention) -> Mapping[str, int]:
        """Count for each table the rows that ``prune`` would delete; changes nothing."""
        with guarded(self._db.path):
            self._find_old(retention)
            return {table: self._db.value(f"SELECT count(*) FROM temp.old_{table}") for table in _ORDER}

    def prune(self, retention: Retention, *, now: datetime) -> Mapping[str, int]:
        """Delete old rows that no open link needs, and seal what was deleted; return the number for each table.

        Links, snapshots, unfinished actions and the last cycles always stay. Many short transactions: what was deleted
        when it is interrupted stays deleted, and a second call goes on.
        """
        with guarded(self._db.path):
            self._find_old(retention)
        counts = {table: self._prune_table(table, retention, now) for table in _ORDER}
        if any(counts.values()) and retention.history_before is not None:
            Facts(self._db).put(PRUNED_BEFORE, time_text(retention.history_before))
        return counts

    def _find_old(self, retention: Retention) -> None:
        """List the rows that may be deleted in temporary tables, so that each old row is examined once."""
        times = {
            "requests": optional_text(retention.requests_before) or "",
            "history": optional_text(retention.history_before) or "",
        }
        for table, sql in _OLD.items():
            self._db.connection.execute(f"DROP TABLE IF EXISTS temp.old_{table}")
            self._db.connection.execute(f"CREATE TEMP TABLE old_{table} (seq INTEGER PRIMARY KEY)")
            self._db.connection.execute(f"INSERT OR IGNORE INTO temp.old_{table} {sql}", times)
            last = _LAST.format(column="seq", table=table)
            self._db.connection.execute(f"DELETE FROM temp.old_{table} WHERE seq IN ({last})")

    def _prune_table(self, table: str, retention: Retention, now: datetime) -> int:
        total, last = 0, 0
        before = retention.requests_before if table == "http" else retention.history_before
        while True:
            keys = [key for (key,) in self._db.read(_NEXT.format(table=table), (last, ROWS_PER_STEP))]
            if not keys:
                return total
            with sealing(self._db.connection), self._db.transaction() as conn:
                total += _delete_sealed(conn, table, keys, optional_text(before) or "", time_text(now))
            last = keys[-1]

    def check(self) -> None:
        """Read every page; raise StoreError when the database is damaged."""
        with guarded(self._db.path):
            check_pages(self._db.connection, self._db.path)

    def compact(self) -> None:
        """Return freed space to the disk; only for a caller that holds the lock, since VACUUM blocks every writer."""
        with guarded(self._db.path):
            self._db.connection.execute("VACUUM")
            self._db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _delete_sealed(conn: sqlite3.Connection, table: str, keys: Sequence[int], before: str, now: str) -> int:
    """Seal rows, mark their entries in the chain with the seal, and delete them."""
    wanted = json.dumps(keys)
    found = conn.execute(
        """SELECT l.key, l.row_hash, max(l.seq) FROM json_each(?) j
        JOIN ledger l ON l.table_name = ? AND l.key = j.value GROUP BY l.key ORDER BY l.key""",
        (wanted, table),
    ).fetchall()
    took = seal_hash([row[1] for row in found])
    seal = conn.execute(_PUT_SEAL, (table, len(found), keys[0], keys[-1], took, before, now)).lastrowid
    conn.execute(
        "UPDATE ledger SET seal = ? WHERE table_name = ? AND key IN (SELECT value FROM json_each(?))",
        (seal, table, wanted),
    )
    return conn.execute(f"DELETE FROM {table} WHERE seq IN (SELECT value FROM json_each(?))", (wanted,)).rowcount


# -- copies ----------------------------------------------------------------------------------------------------------


def back_up(source: Path, target: Path) -> int:
    """Copy a database, live or not, into one whole file that only its owner may read, and return its bytes.

    The copy is checked before it gets its name. Raises StoreError when there is no database, when ``target`` exists
    or cannot be made, or when the copy is damaged; then no file of that name is left.
    """
    if not source.is_file():
        raise StoreError(f"{source}: there is no database to back up")
    if target.exists():
        raise StoreError(f"{target}: {TAKEN}")
    try:
        with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".backup-") as folder:
            twin = Path(folder, target.name)
            twin.touch(mode=0o600)
            _copy(source, twin)
            with twin.open("rb") as file:
                os.fsync(file.fileno())
            # A link, unlike a rename, never replaces a file that somebody made in the meantime.
            target.hardlink_to(twin)
            return target.stat().st_size
    except FileExistsError as error:
        raise StoreError(f"{target}: {TAKEN}") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be made: {error.strerror}; choose another place for the backup") from error


def _copy(source: Path, twin: Path) -> None:
    with guarded(str(source)), closing(connect_to(source, "mode=rw")) as live, closing(connect(str(twin))) as copy:
        # In one step: a copy in steps starts again with every write of another process.
        live.backup(copy, pages=-1)
        # One file that can be read from a place where nothing may be written.
        copy.execute("PRAGMA journal_mode = DELETE")
        check_pages(copy, str(source))
