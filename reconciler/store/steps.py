"""What the services themselves wrote down about what changed: what is still to be read of it, and what was read.

A Case or record that is seen to change is due in the transaction that remembers the change, so that a kill forgets
none. What is read becomes notifications: each entry once, by the service's own id of it, however often it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.core.model import Case, Incident, Link, SkipReason, System
from reconciler.core.text import cut
from reconciler.core.told import Disagreement, Known, ToldStep
from reconciler.store.codec import Columns, case_from, incident_from, optional_text, optional_time, time_text
from reconciler.store.connection import Database
from reconciler.store.ingest import SHOWN_CHARACTERS
from reconciler.store.links import links_of_records

if TYPE_CHECKING:
    from reconciler.store.connection import sqlite3

DIFFERS = "differs"
"""The event of a Case whose own events do not say what its snapshot shows: ``from_value`` is what was seen."""
NOT_READ = "not_read"
"""The event of a Case or record whose own account could not be read in all tries; ``words`` say why."""
MOST_TRIES = 10
"""The last of them falls some 17 hours behind the first."""
FIRST_WAIT = timedelta(minutes=1)

_DUE = """SELECT source, connector, table_name, id, tries, doubt FROM steps_due
    WHERE source = ? AND connector = ? AND next_at <= ? ORDER BY since, id LIMIT ?"""
_NEVER_OURS = f"""DELETE FROM steps_due WHERE source = '{System.CORALOGIX}' AND is_new = 1 AND EXISTS
    (SELECT 1 FROM links l WHERE l.case_id = steps_due.id AND l.skip_reason = '{SkipReason.BEFORE_ORIGIN}')"""  # noqa: S608 - our own words
_SAME = "source = ? AND connector = ? AND table_name = ? AND id = ?"
_DONE = f"DELETE FROM steps_due WHERE {_SAME}"  # noqa: S608 - our own constant
_DOUBTED = f"UPDATE steps_due SET doubt = ? WHERE {_SAME}"  # noqa: S608 - our own constant
_WAITS = f"UPDATE steps_due SET tries = ?, next_at = ? WHERE {_SAME}"  # noqa: S608 - our own constant
_KNOWN = """SELECT event_id, event, source_time FROM notifications
    WHERE case_id = ? AND source = ? AND event_id IS NOT NULL"""
_PUT = """INSERT OR IGNORE INTO notifications (cycle_id, source, case_id, sys_id, event, from_value, to_value, actor,
    observed_at, source_time, stage, words, event_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_LAST_DIFFERENCE = """SELECT from_value, to_value FROM notifications
    WHERE case_id = ? AND event = ? AND field = ? ORDER BY seq DESC LIMIT 1"""
_PUT_DIFFERENCE = """INSERT INTO notifications (cycle_id, source, case_id, event, field, from_value, to_value,
    observed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_PUT_NOT_READ = """INSERT INTO notifications (cycle_id, source, case_id, sys_id, event, observed_at, words)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, kw_only=True)
class Due:
    """Name what is to be read of one Case or record."""

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
        """Give what tells it from every other."""
        return (self.source, self.connector, self.table, self.id)


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Hold what was read of one Case or record."""

    due: Due
    case_id: str
    sys_id: str = ""
    told: Sequence[ToldStep] = ()
    differences: Sequence[Disagreement] = ()


class Steps:
    """Remember which steps are to be read, and what their services wrote down about them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, source: System, now: datetime, limit: int, *, connector: str = "") -> tuple[Due, ...]:
        """Give what is to be read now, the longest wait first."""
        rows = self._db.named(_DUE, (source, connector, time_text(now), limit))
        return tuple(_due(row) for row in rows)

    def leave_out_what_was_never_ours(self) -> None:
        """Forget Cases that were over, or too old, when they were first seen."""
        if self._db.value("SELECT 1 FROM steps_due WHERE is_new = 1 LIMIT 1") is not None:
            with self._db.transaction() as conn:
                conn.execute(_NEVER_OURS)

    def case(self, case_id: str) -> Case | None:
        """Give a Case as it was last seen; None where it is forgotten."""
        text = self._db.value("SELECT snapshot FROM cases WHERE case_id = ?", (case_id,))
        return None if text is None else case_from(str(text))

    def record(self, due: Due) -> tuple[Incident, Link] | None:
        """Give a record as it was last seen, with its link; None where it is forgotten or nobody's."""
        text = self._db.value(
            "SELECT snapshot FROM incidents WHERE sys_id = ? AND table_name = ? AND connector = ?",
            (due.id, due.table, due.connector),
        )
        if text is None:
            return None
        record = incident_from(str(text))
        links = [link for found in links_of_records(self._db.connection, [record]).values() for link in found]
        return (record, links[0]) if links else None

    def known(self, case_id: str, source: System) -> frozenset[Known]:
        """Give the steps of a Case, or of its records, that are remembered already."""
        rows = self._db.read(_KNOWN, (case_id, source))
        return frozenset((id_, event, optional_time(at)) for id_, event, at in rows)

    def keep(self, answers: Sequence[Answered], *, cycle_id: str, now: datetime) -> int:
        """Write down what was read, all or none, and give the number of steps that are new.

        What does not agree is written down where it did not agree before, either: a Case may change between the look
        at it and the reading of its events, and then the next pull sees that.
        """
        before = self._pruned_before()
        with self._db.transaction() as conn:
            return sum(_keep(conn, one, cycle_id, time_text(now), before) for one in answers)

    def put_off(self, due: Due, why: str, *, case_id: str, cycle_id: str, now: datetime) -> None:
        """Try again later, each time after twice as long; after the last try write down that it was not read."""
        tries = due.tries + 1
        with self._db.transaction() as conn:
            if tries < MOST_TRIES:
                conn.execute(_WAITS, (tries, time_text(now + FIRST_WAIT * 2**due.tries), *due.place))
                return
            sys_id = due.id if due.source is System.SERVICENOW else None
            words = cut(why, SHOWN_CHARACTERS)
            conn.execute(_PUT_NOT_READ, (cycle_id, due.source, case_id, sys_id, NOT_READ, time_text(now), words))
            conn.execute(_DONE, due.place)

    def forget(self, dues: Sequence[Due]) -> None:
        """Forget what cannot be read any more."""
        with self._db.transaction() as conn:
            conn.executemany(_DONE, [due.place for due in dues])

    def _pruned_before(self) -> str:
        return str(self._db.value("SELECT value FROM facts WHERE key = 'pruned_before'") or "")


def _due(row: Columns) -> Due:
    return Due(
        source=System(row["source"]),
        connector=row["connector"],
        table=row["table_name"],
        id=row["id"],
        tries=row["tries"],
        doubt=row["doubt"],
    )


def _keep(conn: sqlite3.Connection, one: Answered, cycle_id: str, now: str, pruned_before: str) -> int:
    kept = 0
    for step in one.told:
        if not _was_pruned(conn, one.case_id, step, pruned_before):
            kept += conn.execute(_PUT, _row(one, step, cycle_id, now)).rowcount
    doubt = ", ".join(sorted(f"{each.field} {each.seen} {each.told}" for each in one.differences))
    if doubt and doubt != one.due.doubt:
        conn.execute(_DOUBTED, (doubt, *one.due.place))
        return kept
    for each in one.differences:
        what = (one.case_id, DIFFERS, each.field)
        if conn.execute(_LAST_DIFFERENCE, what).fetchone() != (each.seen, each.told):
            conn.execute(_PUT_DIFFERENCE, (cycle_id, one.due.source, *what, each.seen, each.told, now))
    conn.execute(_DONE, one.due.place)
    return kept


def _was_pruned(conn: sqlite3.Connection, case_id: str, step: ToldStep, pruned_before: str) -> bool:
    """Say whether a step was in time, and has been deleted since by the retention that is asked for."""
    if not pruned_before or step.at is None or time_text(step.at) >= pruned_before:
        return False
    first = conn.execute("SELECT first_seen_at FROM links WHERE case_id = ?", (case_id,)).fetchone()
    return first is not None and first[0] is not None and first[0] < pruned_before


def _row(one: Answered, step: ToldStep, cycle_id: str, now: str) -> tuple[str | int | None, ...]:
    values = (step.from_value, step.to_value)
    return (
        cycle_id,
        one.due.source,
        one.case_id or None,
        one.sys_id or None,
        step.event,
        *(cut(value, SHOWN_CHARACTERS) or None for value in values),
        step.actor or None,
        now,
        optional_text(step.at),
        step.stage,
        cut(step.words, SHOWN_CHARACTERS) or None,
        step.id,
    )
