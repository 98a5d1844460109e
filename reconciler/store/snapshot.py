"""Cases and Incidents as JSON text and back, and the changes between two of them.

A snapshot's text is canonical: the same values always give the same text, so that text equality means "nothing
changed". A snapshot of another version of the program may have keys that this one does not know; they are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple

from reconciler.core.model import Case, Entity, Incident, Indicator
from reconciler.core.text import cut
from reconciler.store.rows import json_text, time_from

FIRST_SEEN = "first_seen"
"""The event of a Case or record that was not known before; ``to_value`` is its status or state."""
TOUCHED = "updated"
"""The event of a change in nothing that is read: a Case's update time, or a record's ``sys_mod_count``, moved."""
SHOWN_CHARACTERS = 500
"""How much of a changed value is kept in a notification; the snapshot has all of it."""

_CASE_TIMES = ("created_at", "updated_at", "acknowledged_at", "resolved_at", "reactivated_at")
_CASE_FIELDS = frozenset(each.name for each in fields(Case))
_CASE_EVENTS = tuple(sorted(_CASE_FIELDS - {"id", "url", *_CASE_TIMES}, key=lambda name: (name != "status", name)))
_INCIDENT_FIELDS = frozenset(each.name for each in fields(Incident))
_INCIDENT_EVENTS = ("state", "number", "assigned_to", "correlation_id", "correlation_display", "reopen_count")
_ACTIVE_STATUSES = frozenset({"ACTIVE", "ACKNOWLEDGED"})


class Change(NamedTuple):
    """Name one change between two snapshots, with both values as text."""

    event: str
    before: str | None
    after: str | None


def case_from(text: str) -> Case:
    """Read a Case that ``json_text`` wrote."""
    raw: dict[str, Any] = json.loads(text)
    known = {name: value for name, value in raw.items() if name in _CASE_FIELDS}
    for name in _CASE_TIMES:
        known[name] = _time(raw.get(name))
    for name in ("labels", "groupings"):
        known[name] = {key: tuple(values) for key, values in raw.get(name, {}).items()}
    known["impacted_entities"] = tuple(Entity(**entity) for entity in raw.get("impacted_entities", ()))
    known["indicators"] = tuple(_indicator(indicator) for indicator in raw.get("indicators", ()))
    known["kpi_breaches"] = tuple(raw.get("kpi_breaches", ()))
    return Case(**known)


def incident_from(text: str) -> Incident:
    """Read an Incident that ``json_text`` wrote."""
    raw: dict[str, Any] = json.loads(text)
    known = {name: value for name, value in raw.items() if name in _INCIDENT_FIELDS}
    known["created_at"] = time_from(raw["created_at"])
    known["updated_at"] = time_from(raw["updated_at"])
    return Incident(**known)


def _indicator(raw: dict[str, Any]) -> Indicator:
    times = {name: _time(raw.get(name)) for name in ("triggered_at", "resolved_at")}
    return Indicator(**{**raw, **times})


def _time(text: str | None) -> datetime | None:
    return None if text is None else time_from(text)


def case_is_older(case: Case, known: Case) -> bool:
    """Say whether a Case was read before the remembered one; False where either time is unknown."""
    if case.updated_at is None or known.updated_at is None:
        return False
    return case.updated_at < known.updated_at


def incident_is_older(incident: Incident, known: Incident) -> bool:
    """Say whether a record was read before the remembered one.

    Neither its time nor its ``sys_mod_count`` may be ahead, since a clock that was set back moves the one alone; and a
    record that was deleted and made again is another one, whatever both say.
    """
    ahead = incident.updated_at > known.updated_at or incident.mod_count > known.mod_count
    same = incident.updated_at == known.updated_at and incident.mod_count == known.mod_count
    made_again = incident.created_at != known.created_at
    return not ahead and not same and not made_again


def shows_activity(case: Case) -> bool:
    """Say whether a Case is, or bears a sign of having been, active.

    A Case has a key only once it was active (Coralogix Cases API v5), and only an active one is acknowledged. A Case
    may be resolved without ever having been active, so ``RESOLVED`` alone is no sign.
    """
    return case.status in _ACTIVE_STATUSES or case.key is not None or case.acknowledged_at is not None


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
