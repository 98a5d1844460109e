"""What the API's user may see of an instance, and how its queries are read.

People are not bound by any of it: an ACL of the sandbox is for programs.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.servicenow.journal import Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.query import Query
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.tables.select import QueryRules, select
from reconciler.sandbox.servicenow.tables.table import Table
from reconciler.sandbox.servicenow.tables.tables import Tables

NO_RECORD = ("No Record found", "Record doesn't exist or ACL restricts the record retrieval")


class Access:
    """Read the tables of one instance as its API does. ``lock`` is that of the whole instance."""

    def __init__(self, tables: Tables, clock: SandboxClock, switches: Switches, lock: threading.RLock) -> None:
        self._tables = tables
        self._clock = clock
        self._switches = switches
        self._lock = lock
        self.list_lag = timedelta(seconds=30)
        """how old a listing is that a ``STALE_LIST`` fault strikes"""
        self._hidden: set[str] = set()
        self._unreadable: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
        self._unwritable: defaultdict[str, frozenset[str]] = defaultdict(frozenset)

    # --- what is allowed ------------------------------------------------------------------------------------

    def hide(self, sys_id: str) -> None:
        """Hide one record from the API by an ACL; people still see it."""
        self._hidden.add(sys_id.lower())

    def show(self, sys_id: str) -> None:
        """Take back ``hide``."""
        self._hidden.discard(sys_id.lower())

    def show_all(self) -> None:
        """Take back every ``hide``."""
        self._hidden.clear()

    def protect(self, table: str, *, unreadable: tuple[str, ...] = (), unwritable: tuple[str, ...] = ()) -> None:
        """Take from the API the right to read or write these fields of a table, in place of earlier ones."""
        self._unreadable[table] = frozenset(unreadable)
        self._unwritable[table] = frozenset(unwritable)

    def can_see(self, table: str, row: TableRow) -> bool:
        """Return whether the API's user may read a row."""
        closed = {"sys_journal_field": self._switches.journal_acl, "sys_audit": self._switches.audit_acl}
        if closed.get(table) == "on":
            return False
        return not self._hidden or row["sys_id"].lower() not in self._hidden

    def unreadable(self, table: str) -> frozenset[str]:
        """Return the fields of a table that the API's user may not read."""
        return self._unreadable[table]

    def unwritable(self, table: str) -> frozenset[str]:
        """Return the fields of a table that the API's user may not write."""
        return self._unwritable[table]

    # --- reading --------------------------------------------------------------------------------------------

    def fetch(self, table: str, sys_id: str) -> TableRow:
        """Read one record; raise Denial 404 when it is missing or hidden."""
        with self._lock:
            row = self._tables.named(table).get(sys_id)
            if row is None or not self.can_see(table, row):
                raise Denial(404, *NO_RECORD)
            return row

    def search(self, table: str, query: Query) -> tuple[TableRow, ...]:
        """Return every row that matches, hidden ones included: an ACL is applied after a page is cut."""
        with self._lock:
            return tuple(select(self.listing(table), query, self.query_rules(table)))

    def listing(self, table: str, *, stale: bool = False) -> Table:
        """Return the table that a listing reads; ``stale`` shows it as it was ``list_lag`` ago.

        Raises Denial for a table that the API's user may not read.
        """
        if table == "sys_audit" and self._switches.audit_acl == "refuse":
            raise Denial(403, "User Not Authorized", "Failed API level ACL Validation")
        place = self._tables.named(table)
        return place.as_of(self._clock.now() - self.list_lag) if stale else place

    def query_rules(self, table: str) -> QueryRules:
        """Say how queries over a table are read for the API's user."""
        switches = self._switches
        return QueryRules(
            schema=self._tables.named(table).schema,
            unreadable=self._unreadable[table],
            case_sensitive=switches.case_sensitive == "yes",
            no_rows_when_invalid=switches.invalid_query == "no_rows",
            literal_zone=switches.user_zone if switches.literal_tz == "user" else timedelta(),
        )
