"""All tables of an instance, by name: what is committed in them by now, and what is looked up in them by everybody.

Nothing here checks a write (``writes`` does) and nothing is hidden from anybody (``access`` does that).
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from reconciler.core.frozen import dataclass
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.servicenow.journal import Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import PLAIN_TABLES, Schema, TableRow, incident_schema
from reconciler.sandbox.servicenow.tables.seed import choice_rows, seed_rows, user_row
from reconciler.sandbox.servicenow.tables.table import Table

Choices = Mapping[tuple[str, str], Mapping[str, str]]
"""(table, field) -> value -> label"""
FIRST_NUMBER = 10001


@dataclass(frozen=True, kw_only=True)
class _Late:
    """A row whose transaction has not been committed yet."""

    visible_at: datetime
    table: Table
    row: TableRow


class Tables:
    """The tables of one instance. ``lock`` is that of the whole instance; each call takes it for itself.

    A row becomes visible by the shared clock, whatever the instance's own clock says.
    """

    def __init__(self, clock: SandboxClock, switches: Switches, lock: threading.RLock) -> None:
        self._clock = clock
        self._lock = lock
        seeds = seed_rows(switches)
        schemas = (incident_schema(switches.close_codes), *PLAIN_TABLES)
        self._tables = {one.name: Table(one, seeds.get(one.name, ())) for one in schemas}
        self._choices: tuple[int, Choices] = (-1, {})
        self._counters: Counter[str] = Counter()
        self._late: list[_Late] = []
        self._delays: list[timedelta] = []

    def register(self, schema: Schema) -> None:
        """Add a table, or replace an empty one, with its choices."""
        with self._lock:
            self._tables[schema.name] = Table(schema)
            for row in choice_rows(schema):
                self._tables["sys_choice"].put(row, self._clock.now())

    def named(self, name: str) -> Table:
        """Return one table with everything that is committed by now; raise Denial for an unknown name."""
        with self._lock:
            self.commit_due()
            found = self._tables.get(name)
            if found is None:
                raise Denial(400, f"Invalid table {name}")
            return found

    def tasks(self) -> list[Table]:
        """Return the tables whose records people work on."""
        with self._lock:
            self.commit_due()
            return [table for table in self._tables.values() if table.schema.lifecycle is not None]

    def table_of(self, sys_id: str) -> Table:
        """Find the task table that holds a record; for one that is nowhere, ``incident``."""
        places = self.tasks()
        return next((place for place in places if place.get(sys_id) is not None), places[0])

    def record(self, sys_id: str) -> TableRow:
        """Return one task record of whatever table; raise LookupError when there is none."""
        row = self.table_of(sys_id).get(sys_id)
        if row is None:
            raise LookupError(f"no record {sys_id}")
        return row

    def choices(self, table: str, field: str) -> Mapping[str, str]:
        """Return value -> label of a choice list as ``sys_choice`` has it now; empty where a field has none."""
        with self._lock:
            rows = self._tables["sys_choice"]
            if self._choices[0] != rows.version:
                self._choices = (rows.version, _by_field(rows))
            return self._choices[1].get((table, field), {})

    def user_id(self, user_name: str) -> str:
        """Return the sys_id of a user, who is hired on the spot where nobody has that name."""
        with self._lock:
            users = self.named("sys_user")
            for row in users:
                if row["user_name"] == user_name:
                    return row["sys_id"]
            hired = user_row(user_name, user_name.replace(".", " ").title(), len(users))
            users.put(hired, self._clock.now())
            return hired["sys_id"]

    def next_number(self, prefix: str) -> str:
        """Return the next record number of a table, by its prefix; none is given twice."""
        number = FIRST_NUMBER + self._counters[prefix]
        self._counters[prefix] += 1
        return f"{prefix}{number:07d}"

    def put(self, table: Table, row: TableRow) -> None:
        """Store a row, at once or as late as ``delay_commit`` says."""
        if self._delays:
            visible_at = self._clock.now() + self._delays.pop(0)
            self._late.append(_Late(visible_at=visible_at, table=table, row=row))
        else:
            table.put(row, self._clock.now())

    def delay_commit(self, seconds: float) -> None:
        """Make the next write visible only after some seconds; its row bears the time at which it was asked for.

        The writer is answered at once. A second write to the same record waits for the first, as a row lock
        would make it: the first becomes visible then.
        """
        self._delays.append(timedelta(seconds=seconds))

    def commit_at_once(self) -> None:
        """Take back every ``delay_commit`` that no write has used up."""
        self._delays.clear()

    def commit_due(self, sys_id: str = "") -> None:
        """Make visible what is due, and what a second write to the record ``sys_id`` waits for."""
        if not self._late:
            return
        now = self._clock.now()
        due = [one for one in self._late if one.visible_at <= now or one.row["sys_id"] == sys_id]
        for one in due:
            one.table.put(one.row, now)
            self._late.remove(one)


def _by_field(rows: Iterable[TableRow]) -> Choices:
    found: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        if row["inactive"] != "true":
            found[row["name"], row["element"]][row["value"]] = row["label"]
    return found
