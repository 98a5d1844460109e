"""Notifications: one row for each change that was seen, told by a service, or asked for by a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.model import Case, Incident
from reconciler.core.text import cut
from reconciler.store.database.codec import json_text

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

RECONCILER = "reconciler"
"""The actor of a change that this program made itself."""
FIRST_SEEN = "first_seen"
"""The event of a Case or record that was not known before; ``to_value`` is its status or state."""
TOUCHED = "updated"
"""The event of a change in nothing that is read: a Case's update time, or a record's ``sys_mod_count``, moved."""
SHOWN_CHARACTERS = 500
"""How much of a changed value is kept in a notification; the snapshot has all of it."""

_CASE_TIMES = ("created_at", "updated_at", "acknowledged_at", "resolved_at", "reactivated_at")
_CASE_EVENTS = ("status", *sorted({each.name for each in fields(Case)} - {"status", "id", "url", *_CASE_TIMES}))
_INCIDENT_EVENTS = ("state", "number", "assigned_to", "correlation_id", "correlation_display", "reopen_count")


class Notification(NamedTuple):
    """One row of ``notifications``: a change that was seen, told by a service, or asked for by a person."""

    cycle_id: str
    source: str
    case_id: str | None
    event: str
    observed_at: str
    sys_id: str | None = None
    field: str = ""
    from_value: str | None = None
    to_value: str | None = None
    actor: str | None = None
    source_time: str | None = None
    stage: int | None = None
    words: str | None = None
    event_id: str | None = None
    """the service's own id of the change; a second notification with the same id, event and time is left out"""


_PUT_NOTIFICATION = f"""INSERT INTO notifications ({", ".join(Notification._fields)})
    VALUES ({", ".join("?" * len(Notification._fields))})
    ON CONFLICT (event_id, event, source_time) WHERE event_id IS NOT NULL DO NOTHING"""  # noqa: S608 - the names of our own columns
_LAST_VALUES = """SELECT from_value, to_value FROM notifications
    WHERE case_id = ? AND event = ? AND field = ? ORDER BY seq DESC LIMIT 1"""


def put_notifications(conn: sqlite3.Connection, notifications: Sequence[Notification]) -> int:
    """Add notifications and return the number of those that are new."""
    return conn.executemany(_PUT_NOTIFICATION, notifications).rowcount if notifications else 0


def put_if_new(conn: sqlite3.Connection, notification: Notification) -> None:
    """Add a notification, unless the last one of its Case, event and field has the same values."""
    last = conn.execute(_LAST_VALUES, (notification.case_id, notification.event, notification.field)).fetchone()
    if last != (notification.from_value, notification.to_value):
        put_notifications(conn, [notification])


# -- what changed between two snapshots ------------------------------------------------------------------------------


class Change(NamedTuple):
    """One change between two snapshots, with both values as text."""

    event: str
    before: str | None
    after: str | None


def case_changes(before: Case | None, after: Case) -> Iterator[Change]:
    """List what changed on a Case, its status first."""
    if before is None:
        yield Change(FIRST_SEEN, None, after.status)
        return
    changed = False
    for name in _CASE_EVENTS:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changed = True
            yield Change(name, _shown(old), _shown(new))
    if not changed and before.updated_at != after.updated_at:
        yield Change(TOUCHED, _shown(before.updated_at), _shown(after.updated_at))


def incident_changes(before: Incident | None, after: Incident) -> Iterator[Change]:
    """List what changed on a record, its state first; a field that was not read before is no change."""
    if before is None:
        yield Change(FIRST_SEEN, None, after.state)
        return
    changed = False
    for name, old, new in _incident_values(before, after):
        if old != new:
            changed = True
            yield Change(name, _shown(old), _shown(new))
    if not changed and (before.updated_at, before.mod_count) != (after.updated_at, after.mod_count):
        yield Change(TOUCHED, _shown(before.mod_count), _shown(after.mod_count))


def _incident_values(before: Incident, after: Incident) -> Iterator[tuple[str, object, object]]:
    for name in _INCIDENT_EVENTS:
        yield name, getattr(before, name), getattr(after, name)
    for name in sorted(before.fields.keys() & after.fields.keys()):
        yield name, before.fields[name], after.fields[name]


def _shown(value: object) -> str | None:
    """Write a value for a notification, cut with a mark; None for a value that is missing."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else json_text(value).strip('"')
    return cut(text, SHOWN_CHARACTERS)
