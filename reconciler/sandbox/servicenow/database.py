"""The tables of a ServiceNow instance: its shape, its clock, what its API may see, and when a row becomes visible.

Nothing here checks a write; that is for ``servicenow_records``, which builds on this. Safe for several threads.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.servicenow.incident import Rule
from reconciler.sandbox.servicenow.journal import Denial, Write
from reconciler.sandbox.servicenow.query import Query
from reconciler.sandbox.servicenow.schema import PLAIN_TABLES, Schema, TableRow, incident_schema
from reconciler.sandbox.servicenow.seed import choice_rows, seed_rows, user_row
from reconciler.sandbox.servicenow.select import TIME_FORMAT, QueryRules, select
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.table import Table

Choices = Mapping[tuple[str, str], Mapping[str, str]]
"""(table, field) -> value -> label"""
FIRST_NUMBER = 10001
NO_RECORD = ("No Record found", "Record doesn't exist or ACL restricts the record retrieval")


@dataclass(frozen=True, kw_only=True)
class _Late:
    """A row whose transaction has not been committed yet."""

    visible_at: datetime
    table: Table
    row: TableRow


class ServiceNowDatabase:
    """Hold the tables of one instance. ``lock`` may be held by a caller who needs several steps to be one."""

    def __init__(self, clock: SandboxClock, faults: FaultPlan, *, switches: Switches | None = None) -> None:
        self.clock = clock
        self.faults = faults
        self.switches = switches or Switches()
        self.lock = threading.RLock()
        self.journal: list[Write] = []
        self.skew = timedelta()
        """how far this instance's clock is ahead of the true one"""
        self.list_lag = timedelta(seconds=30)
        """how old a listing is that a ``STALE_LIST`` fault strikes"""
        seeds = seed_rows(self.switches)
        schemas = (incident_schema(self.switches.close_codes), *PLAIN_TABLES)
        self._tables = {one.name: Table(one, seeds.get(one.name, ())) for one in schemas}
        self._rules: list[Rule] = []
        self._choices: tuple[int, Choices] = (-1, {})
        self._hidden: set[str] = set()
        self._unreadable: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        self._unwritable: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        self._counters: Counter[str] = Counter()
        self._random = random.Random(0)  # noqa: S311 - ids that a replayed schedule gets again
        self._late: list[_Late] = []
        self._delays: list[timedelta] = []

    def now(self) -> datetime:
        """Tell the time by this instance's own clock."""
        return self.clock.now() + self.skew

    def stamp(self) -> str:
        """Give the instance's time as a raw value: UTC, to the second."""
        return self.now().astimezone(UTC).strftime(TIME_FORMAT)

    # --- shaping the instance -------------------------------------------------------------------------------

    def register(self, schema: Schema) -> None:
        """Add a table, or replace an empty one, with its choices."""
        with self.lock:
            self._tables[schema.name] = Table(schema)
            for row in choice_rows(schema):
                self._tables["sys_choice"].put(row, self.clock.now())

    def add_rule(
        self,
        name: str,
        predicate: Callable[[TableRow, TableRow], bool],
        *,
        labels: tuple[str, ...] = (),
        message: str = "",
        table: str = "incident",
    ) -> None:
        """Abort each write for which ``predicate(before, after)`` is true with 403.

        With ``labels`` it speaks as a data policy that misses these fields, else as a business rule; ``message``
        replaces the business rule's words. Scripts are not bound by it.
        """
        self._rules.append(Rule(name=name, forbids=predicate, labels=labels, message=message, table=table))

    def hide(self, sys_id: str) -> None:
        """Hide one record from the API by an ACL; people still see it."""
        self._hidden.add(sys_id.lower())

    def show(self, sys_id: str) -> None:
        """Take back ``hide``."""
        self._hidden.discard(sys_id.lower())

    def protect(self, table: str, *, unreadable: tuple[str, ...] = (), unwritable: tuple[str, ...] = ()) -> None:
        """Take from the API the right to read or write these fields of a table, in place of earlier ones."""
        self._unreadable[table] = frozenset(unreadable)
        self._unwritable[table] = frozenset(unwritable)

    def delay_commit(self, seconds: float) -> None:
        """Make the next write visible only after some seconds; its row bears the time at which it was asked for.

        The writer is answered at once. A second write to the same record waits for the first, as a row lock
        would make it: the first becomes visible then.
        """
        self._delays.append(timedelta(seconds=seconds))

    # --- reading --------------------------------------------------------------------------------------------

    def table(self, name: str) -> Table:
        """Give one table with everything that is committed by now; raise Denial for an unknown name."""
        if self._late:
            self._commit_due()
        found = self._tables.get(name)
        if found is None:
            raise Denial(400, f"Invalid table {name}")
        return found

    def tables(self) -> tuple[Table, ...]:
        """Give every table."""
        if self._late:
            self._commit_due()
        return tuple(self._tables.values())

    def choices(self, table: str, field: str) -> Mapping[str, str]:
        """Give value -> label of a choice list as ``sys_choice`` has it now; empty where a field has none."""
        with self.lock:
            rows = self._tables["sys_choice"]
            if self._choices[0] != rows.version:
                self._choices = (rows.version, _by_field(rows))
            return self._choices[1].get((table, field), {})

    def fetch(self, table: str, sys_id: str) -> TableRow:
        """Read one record as the API does; raise Denial 404 when it is missing or hidden."""
        with self.lock:
            row = self.table(table).get(sys_id)
            if row is None or not self.can_see(table, row):
                raise Denial(404, *NO_RECORD)
            return row

    def can_see(self, table: str, row: TableRow) -> bool:
        """Say whether the API's user may read a row."""
        closed = {"sys_journal_field": self.switches.journal_acl, "sys_audit": self.switches.audit_acl}
        if closed.get(table) == "on":
            return False
        return not self._hidden or row["sys_id"].lower() not in self._hidden

    def unreadable(self, table: str) -> frozenset[str]:
        """Give the fields of a table that the API's user may not read."""
        return self._unreadable[table]

    def search(self, table: str, query: Query, *, stale: bool = False) -> tuple[TableRow, ...]:
        """Give every row that matches, hidden ones included; ``stale`` shows the table as it was a lag ago."""
        with self.lock:
            place = self.listing(table, stale=stale)
            return tuple(select(place, query, self.reading(table)))

    def listing(self, table: str, *, stale: bool = False) -> Table:
        """Give the table that a listing reads; raise Denial for one that its user may not."""
        if table == "sys_audit" and self.switches.audit_acl == "refuse":
            raise Denial(403, "User Not Authorized", "Failed API level ACL Validation")
        place = self.table(table)
        return place.as_of(self.clock.now() - self.list_lag) if stale else place

    def reading(self, table: str) -> QueryRules:
        """Say how the API's user reads queries over a table."""
        switches = self.switches
        return QueryRules(
            schema=self._tables[table].schema,
            unreadable=self._unreadable[table],
            case_sensitive=switches.case_sensitive == "yes",
            no_rows_when_invalid=switches.invalid_query == "no_rows",
            literal_zone=switches.user_zone if switches.literal_tz == "user" else timedelta(),
        )

    def user_id(self, user_name: str) -> str:
        """Give the sys_id of a user, who is hired on the spot where nobody has that name."""
        with self.lock:
            users = self.table("sys_user")
            for row in users:
                if row["user_name"] == user_name:
                    return row["sys_id"]
            hired = user_row(user_name, user_name.replace(".", " ").title(), len(users))
            users.put(hired, self.clock.now())
            return hired["sys_id"]

    def _next_number(self, prefix: str) -> str:
        number = FIRST_NUMBER + self._counters[prefix]
        self._counters[prefix] += 1
        return f"{prefix}{number:07d}"

    def _put(self, place: Table, row: TableRow) -> None:
        if self._delays:
            visible_at = self.clock.now() + self._delays.pop(0)
            self._late.append(_Late(visible_at=visible_at, table=place, row=row))
        else:
            place.put(row, self.clock.now())

    def _commit_due(self, sys_id: str = "") -> None:
        """Make visible what is due, and what a second write to the same record waits for."""
        now = self.clock.now()
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
