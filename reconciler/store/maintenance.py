"""Care of the database: what people ask about holds, a memory restored from the services, pruning, backups.

A person may ask while a cycle runs. A cycle settles whole links, so a change made beside it could be lost: it is
left here as a request, and the next cycle does it before it reads anything.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from reconciler.core.errors import StoreError
from reconciler.core.model import Case, Incident, Link
from reconciler.store.connection import Connected, check, connect, guarded
from reconciler.store.ingest import Ingest, restage
from reconciler.store.links import put_link
from reconciler.store.rows import time_from, time_text
from reconciler.store.values import Row, StageRules
from reconciler.store.views import HOLDS_SQL

ROWS_PER_STEP = 5000
"""Pruning deletes this many rows in one transaction, so that a cycle beside it never waits long."""

_RESTORED_TABLES = ("wishes", "links", "cases", "incidents", "cursors", "facts", "quarantine")
"""What a rebuild replaces, in an order that foreign keys allow; the journal is evidence and stays."""
_PUT_WISH = "INSERT INTO wishes (case_id, kind, basis, asked_by, asked_at) VALUES (?, ?, ?, ?, ?)"
_NOTE_WISH = """INSERT INTO notifications
    (cycle_id, source, case_id, sys_id, event, actor, observed_at, source_time)
    SELECT ?, 'person', case_id, nullif(sys_id, ''), ?, ?, ?, ? FROM links WHERE case_id = ?"""
_PUT_FACT = "INSERT OR REPLACE INTO facts (key, value) VALUES (?, ?)"
_FORGET = "DELETE FROM incidents WHERE sys_id = ? AND table_name = ? AND connector = ?"
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


class HoldRequestKind(StrEnum):
    """Name what a person may ask about a hold."""

    RETRY = "retry"
    """try again at once"""
    IGNORE = "ignore"
    """leave the link alone until either side changes"""


@dataclass(frozen=True, kw_only=True)
class HoldRequest:
    """Hold what a person asked about one link."""

    case_id: str
    kind: HoldRequestKind
    fingerprint: str
    """what both sides looked like when it was asked"""
    asked_by: str
    asked_at: datetime
    seq: int = 0
    """the order in which hold_requests are done; 0 before the store has it"""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Hold a whole memory, read from the services."""

    cases: tuple[Case, ...]
    incidents: tuple[Incident, ...]
    links: tuple[Link, ...]
    facts: Mapping[str, str]
    origin: datetime


class Maintenance(Connected):
    """Keep the database in order; each method is one transaction unless it says otherwise."""

    # -- what people ask -------------------------------------------------------------------------------------------

    def holds(self) -> tuple[Row, ...]:
        """Give the links that wait for a person as rows of ``audit_holds``, the longest wait first."""
        return self._named("SELECT * FROM audit_holds ORDER BY since, case_id")

    def ask(self, hold_requests: Iterable[HoldRequest]) -> None:
        """Leave hold_requests for the next cycle. Safe beside a cycle of another process."""
        rows = [(w.case_id, w.kind, w.fingerprint, w.asked_by, time_text(w.asked_at)) for w in hold_requests]
        with self._transaction() as conn:
            conn.executemany(_PUT_WISH, rows)

    def hold_requests(self) -> tuple[HoldRequest, ...]:
        """Give the hold_requests that no cycle has done yet, in their order."""
        rows = self._read("SELECT seq, case_id, kind, basis, asked_by, asked_at FROM wishes ORDER BY seq")
        return tuple(
            HoldRequest(
                seq=seq,
                case_id=case_id,
                kind=HoldRequestKind(kind),
                fingerprint=basis,
                asked_by=asked_by,
                asked_at=time_from(asked_at),
            )
            for seq, case_id, kind, basis, asked_by, asked_at in rows
        )

    def grant(self, request: HoldRequest, link: Link, *, cycle_id: str, now: datetime) -> None:
        """Store a link as a request makes it, mark it for planning, note who asked, and forget the request."""
        event, asked_at, at = f"hold_{request.kind}", time_text(request.asked_at), time_text(now)
        with self._transaction() as conn:
            put_link(conn, link, now)
            conn.execute(_NOTE_WISH, (cycle_id, event, request.asked_by, at, asked_at, request.case_id))
            conn.execute("DELETE FROM wishes WHERE seq = ?", (request.seq,))

    def forget_records(self, records: Sequence[Incident]) -> None:
        """Forget records that are gone, so that no decision counts them; the journal keeps their story."""
        with self._transaction() as conn:
            conn.executemany(_FORGET, [(each.sys_id, each.table, each.connector) for each in records])

    # -- a memory restored -----------------------------------------------------------------------------------------

    def restore(self, restored: Restored, *, stage_rules: StageRules, cycle_id: str, now: datetime) -> None:
        """Replace everything that is remembered, but for the journal: all of it or, on any error, nothing.

        Every link is marked for planning. No cursor is left, so that the next pull looks back as far as a first one.
        """
        with self._transaction() as conn:
            for table in _RESTORED_TABLES:
                conn.execute(f"DELETE FROM {table}")  # noqa: S608 - our own constants
            facts = {**restored.facts, "origin": time_text(restored.origin)}
            conn.executemany(_PUT_FACT, sorted(facts.items()))
            fold = Ingest(conn=conn, stage_rules=stage_rules, cycle_id=cycle_id, now=now)
            fold.cases(restored.cases)
            fold.incidents(restored.incidents)
            for link in restored.links:
                put_link(conn, link, now)
            restage(conn, stage_rules, [link.case_id for link in restored.links])

    # -- old rows --------------------------------------------------------------------------------------------------

    def prune(self, before: datetime) -> Mapping[str, int]:
        """Delete journal rows older than ``before`` that no open link needs; give the number for each table.

        Links, snapshots, unfinished actions and the last cycle always stay. Many short transactions: what was deleted
        when it is interrupted stays deleted, and a second call goes on.
        """
        counts = {table: self._prune_table(table, time_text(before)) for table in _PRUNED}
        if any(counts.values()):
            with self._transaction() as conn:
                conn.execute(
                    "INSERT OR REPLACE INTO facts (key, value) VALUES ('pruned_before', ?)", (time_text(before),)
                )
        return counts

    def _prune_table(self, table: str, before: str) -> int:
        step = f"""DELETE FROM {table} WHERE seq IN
            (SELECT seq FROM {table} WHERE {_PRUNED[table]} LIMIT :rows)"""  # noqa: S608 - our own constants
        total = 0
        while True:
            with self._transaction() as conn:
                gone = conn.execute(step, {"before": before, "rows": ROWS_PER_STEP}).rowcount
            total += gone
            if gone < ROWS_PER_STEP:
                return total

    def compact(self) -> None:
        """Give freed space back to the disk; only for a caller that holds the lock, since nobody can write then."""
        with guarded(self._path):
            self._conn.execute("VACUUM")
            self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


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
