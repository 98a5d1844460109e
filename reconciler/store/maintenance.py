"""Maintain the database: prune, compact, back up."""
# ruff: noqa: S608 - the words that are put into SQL here are our own constants

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from reconciler.core.errors import StoreError
from reconciler.core.frozen import dataclass
from reconciler.store.database.codec import optional_text, time_text
from reconciler.store.database.connection import Database, check_pages, connect, connect_to, guarded, sqlite3
from reconciler.store.database.triggers import seal_hash, sealing
from reconciler.store.database.views import HOLDS_SQL
from reconciler.store.snapshots import PRUNED_BEFORE, PUT_FACT

TAKEN = "is there already; name another file"
ROWS_PER_STEP = 2000
"""So many rows of an age are looked at in one transaction, so that a cycle beside it never waits long."""

_AT_REST = f"""NOT EXISTS (SELECT 1 FROM links l WHERE l.case_id = {{case_id}}
        AND (l.is_open = 1 OR l.skip_reason IN ({HOLDS_SQL})))"""
_LAST = "SELECT coalesce({column}, 0) FROM {table} WHERE seq = (SELECT max(seq) FROM {table})"
"""The last row of a table always stays: SQLite would reuse its number, and the chain identifies a row by it."""
_TIMES: Mapping[str, str] = {
    "actions": "started_at",
    "http": "sent_at",
    "notifications": "observed_at",
    "cycles": "started_at",
}
"""Table -> the time by which its old rows are found, in the order in which they go: a row before what it leads to."""
_WITH_AN_ACTION = ("http", "written_values")
_COUNTED = ("http", "written_values", "actions", "notifications", "cycles")
_AGED = """SELECT seq, {time} FROM {table} WHERE {time} >= :reached AND ({time}, seq) > (:reached, :seq)
    AND {time} < :before ORDER BY {time}, seq LIMIT :most"""
# CROSS JOIN: SQLite keeps to this order, where it may else go through a whole table for a handful of its rows.
_MAY_GO: Mapping[str, str] = {
    "actions": f"""SELECT a.seq FROM json_each(:some) j CROSS JOIN actions a ON a.seq = j.value
        WHERE a.finished_at < :before
        AND a.seq NOT IN ({_LAST.format(column="action_seq", table="http")})
        AND a.seq NOT IN ({_LAST.format(column="action_seq", table="written_values")})
        AND {_AT_REST.format(case_id="a.case_id")}""",
    "http": f"""SELECT h.seq FROM json_each(:some) j CROSS JOIN http h ON h.seq = j.value
        LEFT JOIN actions a ON a.seq = h.action_seq
        WHERE h.action_seq IS NULL OR (a.result IS NOT NULL AND {_AT_REST.format(case_id="a.case_id")})""",
    "notifications": f"""SELECT n.seq FROM json_each(:some) j CROSS JOIN notifications n ON n.seq = j.value
        WHERE {_AT_REST.format(case_id="n.case_id")}
        AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.cause_seq = n.seq AND a.seq NOT IN temp.gone_actions)""",
    "cycles": """SELECT c.seq FROM json_each(:some) j CROSS JOIN cycles c ON c.seq = j.value
        WHERE coalesce(c.last_at, c.started_at) < :before
        AND c.repeat_hash IS NULL
        AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.cycle_id = c.cycle_id AND a.seq NOT IN temp.gone_actions)
        AND NOT EXISTS
            (SELECT 1 FROM notifications n WHERE n.cycle_id = c.cycle_id AND n.seq NOT IN temp.gone_notifications)
        AND NOT EXISTS (SELECT 1 FROM http h WHERE h.cycle_id = c.cycle_id AND h.seq NOT IN temp.gone_http)""",
}
"""Table -> which of some of its rows may be deleted. What only would be deleted stands in ``temp.gone_*``."""
_GO_WITH = "SELECT seq FROM {table} WHERE action_seq IN (SELECT value FROM json_each(:some)) ORDER BY seq"
_LAST_ENTRIES = """SELECT l.key, l.row_hash, max(l.seq) FROM json_each(?) j
    CROSS JOIN ledger l ON l.table_name = ? AND l.key = j.value GROUP BY l.key ORDER BY l.key"""
_PUT_SEAL = """INSERT INTO seals (table_name, rows, first_key, last_key, hash, pruned_before, at)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Before which times rows are old; None keeps them for ever."""

    requests_before: datetime | None
    history_before: datetime | None
    """actions, notifications and cycles"""


@dataclass(frozen=True, kw_only=True)
class _Step:
    """Some rows of one table that are old enough, and what old means there."""

    table: str
    keys: Sequence[int]
    before: str


class Maintenance:
    """Delete old rows, give space back, look for damage."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def count_old(self, retention: Retention) -> Mapping[str, int]:
        """Count for each table the rows that ``prune`` would delete; changes nothing."""
        with guarded(self._db.path):
            self._note_none_as_gone()
            for step in self._steps(retention):
                for table, keys in self._may_go(step):
                    put = f"INSERT OR IGNORE INTO temp.gone_{table} SELECT value FROM json_each(?)"
                    self._db.connection.execute(put, (json.dumps(keys),))
            return {table: self._db.value(f"SELECT count(*) FROM temp.gone_{table}") for table in _COUNTED}

    def prune(
        self, retention: Retention, *, now: datetime, should_stop: Callable[[], bool] = lambda: False
    ) -> Mapping[str, int]:
        """Delete old rows that no open link needs, and seal what was deleted; return the number for each table.

        Links, snapshots, unfinished actions and the last cycles always stay. Many short transactions, in each of which
        some rows are found and deleted: what was deleted when it is interrupted, or stopped between two of them, stays
        deleted, and a second call goes on.
        """
        counts = dict.fromkeys(_COUNTED, 0)
        with guarded(self._db.path):
            self._note_none_as_gone()
        for step in self._steps(retention):
            if should_stop():
                break
            with sealing(self._db.connection), self._db.transaction() as conn:
                for table, keys in self._may_go(step):
                    counts[table] += _delete_sealed(conn, table, keys, step.before, time_text(now))
                if step.table == "notifications" and counts["notifications"]:
                    conn.execute(PUT_FACT, (PRUNED_BEFORE, step.before))
        return counts

    def _note_none_as_gone(self) -> None:
        for table in _COUNTED:
            self._db.connection.execute(f"DROP TABLE IF EXISTS temp.gone_{table}")
            self._db.connection.execute(f"CREATE TEMP TABLE gone_{table} (seq INTEGER PRIMARY KEY)")

    def _steps(self, retention: Retention) -> Iterator[_Step]:
        """Go through the old rows of each table, the oldest first and some at a time."""
        for table, time in _TIMES.items():
            kept_from = retention.requests_before if table == "http" else retention.history_before
            before = optional_text(kept_from) or ""  # no time is before an empty text, so all is kept
            place = {"reached": "", "seq": 0, "before": before, "most": ROWS_PER_STEP}
            while found := self._db.read(_AGED.format(table=table, time=time), place):
                place["seq"], place["reached"] = found[-1]
                yield _Step(table=table, keys=sorted(seq for seq, _ in found), before=before)

    def _may_go(self, step: _Step) -> Iterator[tuple[str, Sequence[int]]]:
        """Name what may be deleted of these rows, and before it what goes with it, all but the last row of a table."""
        last = self._db.value(f"SELECT max(seq) FROM {step.table}")
        keys = [key for key in self._keys(_MAY_GO[step.table], step.keys, step.before) if key != last]
        for table in _WITH_AN_ACTION if step.table == "actions" else ():
            yield table, self._keys(_GO_WITH.format(table=table), keys, step.before)
        yield step.table, keys

    def _keys(self, sql: str, some: Sequence[int], before: str) -> Sequence[int]:
        return [key for (key,) in self._db.read(sql, {"some": json.dumps(some), "before": before})]

    def check(self) -> None:
        """Read every page; raise StoreError when the database is damaged."""
        with guarded(self._db.path):
            check_pages(self._db.connection, self._db.path)

    def compact(self) -> None:
        """Return freed space to the disk; only for a caller that holds the lock, since VACUUM blocks every writer."""
        with guarded(self._db.path):
            self._db.connection.execute("PRAGMA temp_store = FILE")  # a whole copy is made there
            self._db.connection.execute("VACUUM")
            self._db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _delete_sealed(conn: sqlite3.Connection, table: str, keys: Sequence[int], before: str, now: str) -> int:
    """Seal rows, mark their entries in the chain with the seal, and delete them."""
    if not keys:
        return 0
    wanted = json.dumps(keys)
    found = conn.execute(_LAST_ENTRIES, (wanted, table)).fetchall()
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
        try:
            # In one step: a copy in steps starts again with every write of another process.
            live.backup(copy, pages=-1)
            # One file that can be read from a place where nothing may be written.
            copy.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname == "SQLITE_FULL":  # the copy's disk: the database is only read
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise
        check_pages(copy, str(source))
