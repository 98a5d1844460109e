"""The services' own history of what changed: what is still to be read of it, and what was read.

A Case or record that is seen to change is queued in the transaction that stores the change, so that a kill loses none.
What is read becomes notifications: each entry once, by the service's own id of it, however often it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from reconciler.core.frozen import dataclass
from reconciler.core.model import Case, Incident, Link, SkipReason, System
from reconciler.core.text import cut
from reconciler.core.told import Disagreement, Known, ToldStep
from reconciler.store.changes import SHOWN_CHARACTERS, Notification, put_if_new, put_notifications
from reconciler.store.database.codec import case_from, incident_from, optional_text, optional_time, time_text
from reconciler.store.database.connection import Database
from reconciler.store.links import RECORD_SNAPSHOT, links_of_records
from reconciler.store.snapshots import PRUNED_BEFORE, Facts

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

DIFFERS = "differs"
"""The event of a Case whose own events do not say what its snapshot shows: ``from_value`` is what was seen."""
NOT_READ = "not_read"
"""The event of a Case or record whose own account could not be read in all tries; ``words`` say why."""
MOST_TRIES = 10
"""The last of them comes eight and a half hours after the first: each wait is twice the one before."""
FIRST_WAIT = timedelta(minutes=1)

_DUE = """SELECT source, connector, table_name AS "table", id, tries, doubt FROM steps_due
    WHERE source = ? AND connector = ? AND next_at <= ? AND since <= ? ORDER BY since, id LIMIT ?"""
_ALWAYS = "9"
"""later than any time that is stored"""
_NEVER_OURS = f"""DELETE FROM steps_due WHERE source = '{System.CORALOGIX}' AND is_new = 1 AND EXISTS
    (SELECT 1 FROM links l WHERE l.case_id = steps_due.id AND l.skip_reason = '{SkipReason.BEFORE_ORIGIN}')"""  # noqa: S608 - our own words
_SAME = "source = ? AND connector = ? AND table_name = ? AND id = ?"
_DONE = f"DELETE FROM steps_due WHERE {_SAME}"  # noqa: S608 - our own constant
_DOUBTED = f"UPDATE steps_due SET doubt = ? WHERE {_SAME}"  # noqa: S608 - our own constant
_WAITS = f"UPDATE steps_due SET tries = ?, next_at = ? WHERE {_SAME}"  # noqa: S608 - our own constant
_KNOWN = """SELECT event_id, event, source_time FROM notifications
    WHERE case_id = ? AND source = ? AND event_id IS NOT NULL"""


@dataclass(frozen=True, kw_only=True)
class Due:
    """One Case or record whose history is to be read."""

    source: System
    connector: str = ""
    """empty for a Case"""
    table: str = ""
    id: str
    tries: int = 0
    doubt: str = ""
    """what did not agree when it was read last"""

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Return what tells it from every other."""
        return (self.source, self.connector, self.table, self.id)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What was read of one Case or record."""

    due: Due
    case_id: str
    sys_id: str = ""
    told: Sequence[ToldStep] = ()
    differences: Sequence[Disagreement] = ()


class Steps:
    """Remember which steps are to be read, and what their services wrote down about them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(
        self, source: System, now: datetime, limit: int, *, connector: str = "", since: datetime | None = None
    ) -> tuple[Due, ...]:
        """Return what is to be read now, the longest waiting first; with ``since`` only what has waited since then."""
        rows = self._db.named(_DUE, (source, connector, time_text(now), optional_text(since) or _ALWAYS, limit))
        return tuple(_due(row) for row in rows)

    def drop_never_ours(self) -> None:
        """Take Cases off the queue that were over, or too old, when they were first seen."""
        if self._db.value("SELECT 1 FROM steps_due WHERE is_new = 1 LIMIT 1") is not None:
            with self._db.transaction() as conn:
                conn.execute(_NEVER_OURS)

    def case(self, case_id: str) -> Case | None:
        """Return a Case as it was last seen; None where it is forgotten."""
        text = self._db.value("SELECT snapshot FROM cases WHERE case_id = ?", (case_id,))
        return None if text is None else case_from(str(text))

    def record(self, due: Due) -> tuple[Incident, Link] | None:
        """Return a record as it was last seen, with its link; None where it is forgotten or nobody's."""
        text = self._db.value(RECORD_SNAPSHOT, (due.id, due.table, due.connector))
        if text is None:
            return None
        record = incident_from(str(text))
        links = [link for found in links_of_records(self._db.connection, [record]).values() for link in found]
        return (record, links[0]) if links else None

    def known(self, case_id: str, source: System) -> frozenset[Known]:
        """Return the steps of a Case, or of its records, that are remembered already."""
        rows = self._db.read(_KNOWN, (case_id, source))
        return frozenset((id_, event, optional_time(at)) for id_, event, at in rows)

    def keep(self, answers: Sequence[Answered], *, cycle_id: str, now: datetime) -> int:
        """Store what was read, all or nothing, and return the number of steps that are new.

        A disagreement is stored only when it is seen twice: a Case may change between the pull and the reading of its
        events, and then the next pull sees that.
        """
        before = Facts(self._db).get(PRUNED_BEFORE) or ""
        with self._db.transaction() as conn:
            return sum(_keep(conn, one, cycle_id, time_text(now), before) for one in answers)

    def put_off(self, due: Due, why: str, *, case_id: str, cycle_id: str, now: datetime) -> None:
        """Try again later, waiting twice as long each time; after the last try store that it was not read."""
        tries = due.tries + 1
        with self._db.transaction() as conn:
            if tries < MOST_TRIES:
                conn.execute(_WAITS, (tries, time_text(now + FIRST_WAIT * 2**due.tries), *due.place))
                return
            not_read = Notification(
                cycle_id=cycle_id,
                source=due.source,
                case_id=case_id,
                sys_id=due.id if due.source is System.SERVICENOW else None,
                event=NOT_READ,
                observed_at=time_text(now),
                words=cut(why, SHOWN_CHARACTERS),
            )
            put_notifications(conn, [not_read])
            conn.execute(_DONE, due.place)

    def forget(self, dues: Sequence[Due]) -> None:
        """Take off the queue what can no longer be read."""
        with self._db.transaction() as conn:
            conn.executemany(_DONE, [due.place for due in dues])


def _due(row: Mapping[str, Any]) -> Due:
    return Due(**{**row, "source": System(row["source"])})


def _keep(conn: sqlite3.Connection, one: Answered, cycle_id: str, now: str, pruned_before: str) -> int:
    kept = 0
    for step in one.told:
        if not _was_pruned(conn, one.case_id, step, pruned_before):
            kept += put_notifications(conn, [_notification(one, step, cycle_id, now)])
    doubt = ", ".join(sorted(f"{each.field} {each.seen} {each.told}" for each in one.differences))
    if doubt and doubt != one.due.doubt:
        conn.execute(_DOUBTED, (doubt, *one.due.place))
        return kept
    for each in one.differences:
        difference = Notification(
            cycle_id=cycle_id,
            source=one.due.source,
            case_id=one.case_id,
            event=DIFFERS,
            field=each.field,
            from_value=each.seen,
            to_value=each.told,
            observed_at=now,
        )
        put_if_new(conn, difference)
    conn.execute(_DONE, one.due.place)
    return kept


def _was_pruned(conn: sqlite3.Connection, case_id: str, step: ToldStep, pruned_before: str) -> bool:
    """Return whether a step was stored once and has since been pruned."""
    if not pruned_before or step.at is None or time_text(step.at) >= pruned_before:
        return False
    first = conn.execute("SELECT first_seen_at FROM links WHERE case_id = ?", (case_id,)).fetchone()
    return first is not None and first[0] is not None and first[0] < pruned_before


def _notification(one: Answered, step: ToldStep, cycle_id: str, now: str) -> Notification:
    return Notification(
        cycle_id=cycle_id,
        source=one.due.source,
        case_id=one.case_id or None,
        sys_id=one.sys_id or None,
        event=step.event,
        from_value=cut(step.from_value, SHOWN_CHARACTERS) or None,
        to_value=cut(step.to_value, SHOWN_CHARACTERS) or None,
        actor=step.actor or None,
        observed_at=now,
        source_time=optional_text(step.at),
        stage=step.stage,
        words=cut(step.words, SHOWN_CHARACTERS) or None,
        event_id=step.id,
    )
