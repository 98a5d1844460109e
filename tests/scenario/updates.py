"""Histories of records as updates in time: read from an audit of an instance, in that instance's own words.

Rules of this file: an instance's word that nothing explains stays a raw value that nothing explains; an update shows
how a record stood, so that two neighbours tell what a person changed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

STATES = {"New": "1", "Active": "2", "Resolved": "6", "Closed": "7", "Canceled": "8"}
HOLD_REASONS = {"Awaiting User Info": "1", "Awaiting Problem": "3", "Awaiting Vendor": "4", "Awaiting Evidence": "5"}
CLOSE_CODES = ("Known error", "Resolved by caller", "Resolved by change", "Solution provided", "User error")
WITH_CLOSE_CODE = frozenset({"6", "7"})
NO_STATE = "-100"
"""what a history that lost its state is given: no choice list has it"""


@dataclass(frozen=True, kw_only=True)
class Update:
    """Show how a record stood after one update; ``values`` are raw."""

    number: str
    at: datetime
    by: str
    values: Mapping[str, str]


def raw_state(word: str) -> str:
    """Give the raw state for an instance's word."""
    if word.startswith("Awaiting "):
        return "3"
    return STATES.get(word, word or NO_STATE)


def update_of(row: Mapping[str, str]) -> Update:
    """Read one row of an audit; its close code is the one that the record got in the end."""
    state = raw_state(row["incident_state"])
    values = {
        "state": state,
        "assigned_to": _reference(row["assigned_to"]),
        "assignment_group": _reference(row["assignment_group"]),
        "impact": row["impact"][:1],
        "urgency": row["urgency"][:1],
    }
    if state == "3":
        values["hold_reason"] = HOLD_REASONS.get(row["incident_state"], "1")
    if state in WITH_CLOSE_CODE:
        values["close_code"] = _close_code(row["closed_code"])
        values["close_notes"] = "Done."
    at = datetime.strptime(row["sys_updated_at"], "%d-%m-%Y %H:%M").replace(tzinfo=UTC)
    return Update(number=row["number"], at=at, by=row["sys_updated_by"], values=values)


def _reference(name: str) -> str:
    return uuid5(NAMESPACE_OID, name).hex if name else ""


def _close_code(word: str) -> str:
    """Give a code of our own instance for each of theirs, for only listed ones are kept."""
    return CLOSE_CODES[sum(word.encode()) % len(CLOSE_CODES)]


def read_updates(path: Path) -> list[Update]:
    """Read all updates of a file, merged into one course of time."""
    with path.open(encoding="utf-8", newline="") as file:
        return in_time(update_of(row) for row in csv.DictReader(file))


def in_time(updates: Iterable[Update]) -> list[Update]:
    """Order updates by time; those of one record stay in their own order, whatever their clocks said."""
    latest: dict[str, datetime] = {}
    timed: list[tuple[datetime, Update]] = []
    for update in updates:
        latest[update.number] = max(update.at, latest.get(update.number, update.at))
        timed.append((latest[update.number], update))
    return [update for _, update in sorted(timed, key=lambda one: one[0])]


def every_nth(updates: Iterable[Update], step: int, first: int = 0) -> list[Update]:
    """Keep the updates of every nth record, counted from the first in the order in which they first appear."""
    ordered = list(updates)
    kept = set(list(dict.fromkeys(update.number for update in ordered))[first::step])
    return [update for update in ordered if update.number in kept]
