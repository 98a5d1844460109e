"""Answer what people ask of the store: how things stand, and the whole story of one Case."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from reconciler.core.model import HOLD_REASONS, Case, Skip, SkipReason
from reconciler.store.database.codec import case_from, optional_text, optional_time, time_text
from reconciler.store.database.connection import Database
from reconciler.store.journal import Journal
from reconciler.store.links import Links
from reconciler.store.snapshots import Facts, Snapshots
from reconciler.store.values import Lag, Row, StatusSummary, Story

_LATEST_CASES = "SELECT snapshot FROM cases ORDER BY rowid DESC LIMIT ?"
_ACTIONS_OF = """SELECT a.*, coalesce(c.config_hash, (SELECT r.config_hash FROM running r
    WHERE r.cycle_id = a.cycle_id)) AS config_hash FROM audit_actions a
    LEFT JOIN cycles c ON c.cycle_id = a.cycle_id WHERE a.case_id = ? ORDER BY a.seq"""
_SKIP_OF = """SELECT l.needs_plan, c.case_key, l.skip_reason, l.skip_detail, l.skip_since FROM links l
    JOIN cases c ON c.case_id = l.case_id WHERE l.case_id = ?"""

LAGS_LOOKED_AT = 10_000
"""At most this many changes are looked at, however many a day had."""
# Not counted: what a backfill or a first start takes in, and a write that a change led to which was carried before.
_LAGS = """SELECT CASE n.source WHEN 'coralogix' THEN 'to_servicenow' ELSE 'to_coralogix' END,
        max(0, round((julianday(a.finished_at) - julianday(coalesce(n.source_time, n.observed_at))) * 86400, 3))
    FROM actions a INDEXED BY actions_by_time JOIN notifications n ON n.seq = a.cause_seq
    WHERE a.started_at >= :since AND a.result = 'done'
        AND coalesce(n.source_time, n.observed_at) >= :origin
        AND NOT EXISTS (SELECT 1 FROM actions e
            WHERE e.cause_seq = a.cause_seq AND e.seq < a.seq AND e.result = 'done')
        AND NOT EXISTS (SELECT 1 FROM cycles c WHERE c.cycle_id = a.cycle_id AND c.kind = 'backfill')
    ORDER BY a.started_at DESC, a.seq DESC LIMIT :most"""
# Counting would read every link. No link is ever deleted by itself, so the last number of a row is how many there are.
_LINKS = "SELECT coalesce(max(rowid), 0) FROM links"


class Reports:
    """Answer questions about the database; nothing here changes it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def status_summary(self) -> StatusSummary:
        """Sum up the database as it is now."""
        reasons = Links(self._db).count_skips()
        last = Journal(self._db).last_cycles(1)
        return StatusSummary(
            links=int(self._db.value(_LINKS)),
            open_links=self.open_links(),
            waiting=self._count("links WHERE needs_plan = 1"),
            holds={reason: count for reason, count in reasons.items() if reason in HOLD_REASONS},
            skips={reason: count for reason, count in reasons.items() if reason not in HOLD_REASONS},
            quarantined=self._count("quarantine"),
            unfinished_actions=self._count("actions WHERE result IS NULL"),
            last_cycle=last[0] if last else None,
            cursors=Snapshots(self._db).cursors(),
        )

    def latest_cases(self, most: int) -> list[Case]:
        """Return the Cases that were first seen most recently, the newest first."""
        return [case_from(text) for (text,) in self._db.read(_LATEST_CASES, (most,))]

    def holds(self) -> tuple[Row, ...]:
        """Return the links that wait for a person as rows of ``audit_holds``, the longest wait first."""
        return self._db.named("SELECT * FROM audit_holds ORDER BY since, case_id")

    def lags(self, *, since: datetime) -> tuple[Lag, ...]:
        """Return the lag of each change carried by an action begun ``since``, the newest first, 10,000 at most.

        Changes from before the first start, what a backfill takes in, and further writes for one change are not
        counted.
        """
        bounds = {"since": time_text(since), "most": LAGS_LOOKED_AT}
        origin = Facts(self._db).origin() or since
        rows = self._db.read(_LAGS, bounds | {"origin": time_text(origin)})
        return tuple(Lag(direction=way, seconds=seconds) for way, seconds in rows)

    def open_links(self) -> int:
        """Count the links whose two sides are not both closed."""
        return self._count("links WHERE is_open = 1")

    def oldest_hold(self) -> datetime | None:
        """Return since when the oldest hold stands."""
        return optional_time(self._db.value("SELECT min(since) FROM audit_holds"))

    def table_names(self) -> tuple[str, ...]:
        """List the tables (not the views), which may change between versions."""
        return tuple(name for (name,) in self._db.read("SELECT name FROM sqlite_master WHERE type = 'table'"))

    def view(
        self, name: str, columns: Iterable[str], *, time: str, since: datetime | None, until: datetime | None
    ) -> Iterator[tuple[Any, ...]]:
        """Stream columns of a view, of the rows whose ``time`` (SQL) lies in a window, in the database's own order."""
        bounds = {"since": optional_text(since), "until": optional_text(until)}
        conditions = [f"{time} >= :since"] if since else []
        conditions += [f"{time} < :until"] if until else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        # The names are our own catalogue's.
        return self._db.stream(f"SELECT {', '.join(columns)} FROM {name}{where}", bounds)  # noqa: S608

    def holds_since(self, after: str) -> tuple[Row, ...]:
        """Return the rows of ``audit_holds`` that began after a time, as the database writes it, the oldest first."""
        return self._db.named("SELECT * FROM audit_holds WHERE since > ? ORDER BY since, case_id", (after,))

    def holds_of(self, case_ids: Sequence[str]) -> tuple[Row, ...]:
        """Return the rows of ``audit_holds`` of these Cases, the longest wait first; those of no hold are left out."""
        sql = "SELECT h.* FROM json_each(?) j CROSS JOIN audit_holds h ON h.case_id = j.value ORDER BY since, case_id"
        return self._db.named(sql, (json.dumps(case_ids),))

    def _count(self, what: str) -> int:
        return int(self._db.value(f"SELECT count(*) FROM {what}"))  # noqa: S608 - called with our own constants

    def story(self, case_id: str) -> Story | None:
        """Return all that is known of one Case, None where it is not known."""
        pair = Links(self._db).pair(case_id)
        if pair is None:
            return None
        needs_plan, case_key, reason, detail, since = self._db.read(_SKIP_OF, (case_id,))[0]
        skip = None
        if reason is not None:
            skip = Skip(case_id=case_id, case_key=case_key, reason=SkipReason(reason), detail=detail)
        actions = self._db.named(_ACTIONS_OF, (case_id,))
        return Story(
            pair=pair,
            skip=skip,
            skip_since=optional_time(since),
            needs_plan=bool(needs_plan),
            notifications=self._db.named(
                "SELECT * FROM audit_notifications WHERE case_id = ? ORDER BY seq", (case_id,)
            ),
            actions=actions,
            values=self._db.named("SELECT * FROM audit_values WHERE case_id = ? ORDER BY action_seq", (case_id,)),
            requests=self._requests_of(int(row["seq"]) for row in actions),
        )

    def _requests_of(self, actions: Iterable[int]) -> tuple[Row, ...]:
        """Return the requests of some actions; numbers in the statement let SQLite look in each part of the view."""
        listed = ", ".join(map(str, actions))
        if not listed:
            return ()
        return self._db.named(f"SELECT * FROM audit_http WHERE action_seq IN ({listed}) ORDER BY seq")  # noqa: S608 - numbers
