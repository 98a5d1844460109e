"""Rows of a world -> our Incident, as the real client reads them.

A field that the table does not have, or that an ACL hides, is absent; without one of the needed fields a row is
Malformed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from reconciler.core.errors import Malformed
from reconciler.core.model import Incident, JsonObject
from reconciler.remotes.ports import Position
from reconciler.sandbox.servicenow.database import ServiceNowDatabase
from reconciler.sandbox.servicenow.schema import JOURNALS, TableRow
from reconciler.sandbox.servicenow.select import TIME_FORMAT

NEEDED = frozenset(
    {
        "sys_id",
        "number",
        "state",
        "assigned_to",
        "correlation_id",
        "correlation_display",
        "sys_created_on",
        "sys_updated_on",
        "sys_updated_by",
        "sys_mod_count",
    }
)
"""without any of these the client makes no Incident of a row"""
OWN_PLACE = NEEDED | {"reopen_count"}
"""what an Incident has a place for beside ``fields``"""
ALWAYS_READ = ("close_code", "close_notes")


class IncidentReader:
    """Make Incidents of one connector from rows of one world."""

    def __init__(self, world: ServiceNowDatabase, *, connector: str, extra_fields: tuple[str, ...]) -> None:
        self.connector = connector
        self._world = world
        self._extra = tuple(name for name in (*ALWAYS_READ, *extra_fields) if name not in OWN_PLACE)

    def incident(self, table: str, row: TableRow, *, also: Iterable[str] = ()) -> Incident:
        """Read one row and, beside the usual fields, ``also``; raise Malformed where needed fields are hidden."""
        unreadable = self._world.unreadable(table)
        if not row or unreadable & NEEDED:
            words = f"a record of {table} came without {', '.join(sorted(unreadable & NEEDED)) or 'any field'}"
            raise Malformed(words, record_id=row["sys_id"] or None, raw=dict(row))
        further = (*self._extra, *(name for name in also if name not in OWN_PLACE))
        return Incident(
            connector=self.connector,
            table=table,
            sys_id=row["sys_id"],
            number=row["number"],
            state=row["state"],
            assigned_to=row["assigned_to"],
            correlation_id=row["correlation_id"],
            correlation_display=row["correlation_display"],
            created_at=read_time(row["sys_created_on"]),
            updated_at=read_time(row["sys_updated_on"]),
            updated_by=row["sys_updated_by"],
            mod_count=int(row["sys_mod_count"] or "0"),
            reopen_count=0 if "reopen_count" in unreadable else int(row["reopen_count"] or "0"),
            fields=self.raw(table, row, further),
        )

    def split(self, table: str, rows: Iterable[TableRow]) -> tuple[list[Incident], list[Malformed]]:
        """Read rows, those that cannot be understood apart."""
        incidents: list[Incident] = []
        malformed: list[Malformed] = []
        for row in rows:
            try:
                incidents.append(self.incident(table, row))
            except Malformed as error:
                malformed.append(error)
        return incidents, malformed

    def raw(self, table: str, row: TableRow, fields: Sequence[str]) -> JsonObject:
        """Give raw values of those fields that there are; journals read as empty text, a hidden row as nothing."""
        if not row:
            return {}
        names, hidden = self._world.table(table).schema.names, self._world.unreadable(table)
        readable = (name for name in fields if name in names and name not in hidden)
        return {name: "" if name in JOURNALS else row[name] for name in readable}


def position_of(row: TableRow) -> Position:
    """Give the place of a row in a listing by change."""
    return Position(updated_at=read_time(row["sys_updated_on"]), sys_id=row["sys_id"])


def raw_time(moment: datetime) -> str:
    """Write a time as a raw value."""
    return moment.astimezone(UTC).strftime(TIME_FORMAT)


@lru_cache(maxsize=65536)
def read_time(text: str) -> datetime:
    """Read a raw time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
