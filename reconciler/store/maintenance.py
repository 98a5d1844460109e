"""Care of the database: pruning, compacting, backups."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from reconciler.core.errors import StoreError
from reconciler.store.codec import time_text
from reconciler.store.connection import Database, check, connect, guarded
from reconciler.store.views import HOLDS_SQL

ROWS_PER_STEP = 5000
"""Pruning deletes this many rows in one transaction, so that a cycle beside it never waits long."""

_AT_REST = f"""NOT EXISTS (SELECT 1 FROM links l WHERE l.case_id = {{case_id}}
        AND (l.is_open = 1 OR l.skip_reason IN ({HOLDS_SQL})))"""  # noqa: S608 - our own constants
_OLD_ACTIONS = f"""result IS NOT NULL AND finished_at < :before
    AND {_AT_REST.format(case_id="actions.case_id")}"""
_PRUNED: Mapping[str, str] = {
    "http": f"""(action_seq IS NULL AND sent_at < :before)
        OR action_seq IN (SELECT seq FROM actions WHERE {_OLD_ACTIONS})""",  # noqa: S608 - our own constants
    "actions": _OLD_ACTIONS,
    "notifications": f"observed_at < :before AND {_AT_REST.format(case_id='notifications.case_id')}",
    "cycles": """started_at < :before AND seq < (SELECT max(seq) FROM cycles)
        AND cycle_id NOT IN (SELECT cycle_id FROM actions)
        AND cycle_id NOT IN (SELECT cycle_id FROM notifications)
        AND cycle_id NOT IN (SELECT cycle_id FROM http)""",
}
"""Table -> what of it may go, in an order that foreign keys allow: a request goes with or before its action."""


class Maintenance:
    """Keep the database small."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def prune(self, before: datetime) -> Mapping[str, int]:
        """Delete journal rows older than ``before`` that no open link needs; give the number for each table.

        Links, snapshots, unfinished actions and the last cycle always stay. Many short transactions: what was deleted
        when it is interrupted stays deleted, and a second call goes on.
        """
        counts = {table: self._prune_table(table, time_text(before)) for table in _PRUNED}
        if any(counts.values()):
            with self._db.transaction() as conn:
                conn.execute(
                    "INSERT OR REPLACE INTO facts (key, value) VALUES ('pruned_before', ?)", (time_text(before),)
                )
        return counts

    def _prune_table(self, table: str, before: str) -> int:
        step = f"""DELETE FROM {table} WHERE seq IN
            (SELECT seq FROM {table} WHERE {_PRUNED[table]} LIMIT :rows)"""  # noqa: S608 - our own constants
        total = 0
        while True:
            with self._db.transaction() as conn:
                gone = conn.execute(step, {"before": before, "rows": ROWS_PER_STEP}).rowcount
            total += gone
            if gone < ROWS_PER_STEP:
                return total

    def compact(self) -> None:
        """Give freed space back to the disk; only for a caller that holds the lock, since nobody can write then."""
        with guarded(self._db.path):
            self._db.connection.execute("VACUUM")
            self._db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# -- copies ----------------------------------------------------------------------------------------------------------


def back_up(source: Path, target: Path) -> int:
    """Copy a database, live or not, into one whole file that only its owner may read, and give its bytes.

    The copy is checked before it gets its name. Raises StoreError when there is no database, when ``target`` exists
    or cannot be made, or when the copy is damaged; then no file of that name is left.
    """
    if not source.is_file():
        raise StoreError(f"{source}: there is no database to back up")
    if target.exists():
        raise StoreError(f"{target}: is there already; name another file")
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
        raise StoreError(f"{target}: is there already; name another file") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be made: {error.strerror}; choose another place for the backup") from error


def _copy(source: Path, twin: Path) -> None:
    uri = f"file:{quote(str(source.absolute()))}?mode=rw"
    with guarded(str(source)), closing(connect(uri, uri=True)) as live, closing(connect(str(twin))) as copy:
        # In one step: a copy in steps starts again with every write of another process.
        live.backup(copy, pages=-1)
        # One file that can be read from a place where nothing may be written.
        copy.execute("PRAGMA journal_mode = DELETE")
        check(copy, str(source))
