"""Hold requests: what people asked about a hold, left in the database for the next cycle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reconciler.core.model import Link
from reconciler.store.changes import Notification, put_notifications
from reconciler.store.database.codec import time_from, time_text
from reconciler.store.database.connection import Database
from reconciler.store.links import put_links
from reconciler.store.values import HoldRequest, HoldRequestKind

_PUT = "INSERT INTO hold_requests (case_id, kind, fingerprint, asked_by, asked_at) VALUES (?, ?, ?, ?, ?)"
_ALL = "SELECT seq, case_id, kind, fingerprint, asked_by, asked_at FROM hold_requests ORDER BY seq"


class HoldRequests:
    """Keep hold requests until a cycle has applied them. Safe beside a cycle of another process."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def ask(self, hold_requests: Iterable[HoldRequest]) -> None:
        """Leave hold requests for the next cycle."""
        rows = [
            (one.case_id, one.kind, one.fingerprint, one.asked_by, time_text(one.asked_at)) for one in hold_requests
        ]
        with self._db.transaction() as conn:
            conn.executemany(_PUT, rows)

    def waiting(self) -> tuple[HoldRequest, ...]:
        """Return the hold requests that no cycle has applied yet, in their order."""
        return tuple(
            HoldRequest(**{**row, "kind": HoldRequestKind(row["kind"]), "asked_at": time_from(row["asked_at"])})
            for row in self._db.named(_ALL)
        )

    def apply(self, request: HoldRequest, link: Link, *, cycle_id: str, now: datetime) -> None:
        """Store the link as the request changes it, mark it for planning, note who asked, and delete the request."""
        note = Notification(
            cycle_id=cycle_id,
            source="person",
            case_id=request.case_id,
            sys_id=link.sys_id or None,
            event=f"hold_{request.kind}",
            actor=request.asked_by,
            observed_at=time_text(now),
            source_time=time_text(request.asked_at),
        )
        with self._db.transaction() as conn:
            put_links(conn, [link], now)
            put_notifications(conn, [note])
            conn.execute("DELETE FROM hold_requests WHERE seq = ?", (request.seq,))
