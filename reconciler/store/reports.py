"""What people ask of the store: how things stand, and the whole story of one Case."""

from __future__ import annotations

from reconciler.core.model import HOLD_REASONS, Skip, SkipReason
from reconciler.store.codec import optional_time
from reconciler.store.connection import Database
from reconciler.store.journal import Journal
from reconciler.store.links import Links
from reconciler.store.snapshots import Snapshots
from reconciler.store.values import Row, StatusSummary, Story

_SKIP_OF = """SELECT l.needs_plan, c.case_key, l.skip_reason, l.skip_detail, l.skip_since FROM links l
    JOIN cases c ON c.case_id = l.case_id WHERE l.case_id = ?"""


class Reports:
    """Sum up and tell; nothing here changes anything."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def status_summary(self) -> StatusSummary:
        """Sum up the database as it is now."""
        reasons = Links(self._db).count_skips()
        last = Journal(self._db).last_cycles(1)
        return StatusSummary(
            links=self._count("links"),
            open_links=self._count("links WHERE is_open = 1"),
            waiting=self._count("links WHERE needs_plan = 1"),
            holds={reason: count for reason, count in reasons.items() if reason in HOLD_REASONS},
            skips={reason: count for reason, count in reasons.items() if reason not in HOLD_REASONS},
            quarantined=self._count("quarantine"),
            unfinished_actions=self._count("actions WHERE result IS NULL"),
            last_cycle=last[0] if last else None,
            cursors=Snapshots(self._db).cursors(),
        )

    def holds(self) -> tuple[Row, ...]:
        """Give the links that wait for a person as rows of ``audit_holds``, the longest wait first."""
        return self._db.named("SELECT * FROM audit_holds ORDER BY since, case_id")

    def _count(self, what: str) -> int:
        return int(self._db.value(f"SELECT count(*) FROM {what}"))  # noqa: S608 - called with our own constants

    def story(self, case_id: str) -> Story | None:
        """Tell all that is known of one Case, None where it is not known."""
        pair = Links(self._db).pair(case_id)
        if pair is None:
            return None
        needs_plan, case_key, reason, detail, since = self._db.read(_SKIP_OF, (case_id,))[0]
        skip = None
        if reason is not None:
            skip = Skip(case_id=case_id, case_key=case_key, reason=SkipReason(reason), detail=detail)
        return Story(
            pair=pair,
            skip=skip,
            skip_since=optional_time(since),
            needs_plan=bool(needs_plan),
            notifications=self._db.named(
                "SELECT * FROM audit_notifications WHERE case_id = ? ORDER BY seq", (case_id,)
            ),
            actions=self._db.named("SELECT * FROM audit_actions WHERE case_id = ? ORDER BY seq", (case_id,)),
            requests=self._db.named(
                """SELECT h.* FROM audit_actions a JOIN audit_http h ON h.action_seq = a.seq
                WHERE a.case_id = ? ORDER BY h.seq""",
                (case_id,),
            ),
        )
