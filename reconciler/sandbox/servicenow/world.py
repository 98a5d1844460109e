"""A ServiceNow instance in memory, put together from its parts, and what stands in it.

Each part can be understood alone: ``tables`` hold rows, ``access`` says what the API may see of them, ``rules`` abort
writes, ``writes`` carry them out and record them, and ``people`` work in forms.
"""

from __future__ import annotations

import threading

from reconciler.sandbox.clock import InstanceClock, SandboxClock
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.servicenow.people import People
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import INCIDENT, TableRow
from reconciler.sandbox.servicenow.tables.tables import Tables
from reconciler.sandbox.servicenow.writing.access import Access
from reconciler.sandbox.servicenow.writing.rules import Rules
from reconciler.sandbox.servicenow.writing.writes import Writes


class ServiceNowWorld:
    """One ServiceNow instance. ``lock`` may be taken by a caller who needs several steps to be one."""

    def __init__(
        self, clock: SandboxClock, faults: FaultPlan, *, switches: Switches | None = None, id_seed: int = 0
    ) -> None:
        """Make an instance; one that is cloned over another needs another ``id_seed``, so that no id comes twice."""
        self.clock = clock
        self.own_clock = InstanceClock(clock)
        self.faults = faults
        self.switches = switches or Switches()
        self.lock = threading.RLock()
        self.tables = Tables(clock, self.switches, self.lock)
        self.access = Access(self.tables, clock, self.switches, self.lock)
        self.rules = Rules(self.switches)
        self.writes = Writes(
            self.tables,
            self.access,
            self.rules,
            shared_clock=clock,
            own_clock=self.own_clock,
            switches=self.switches,
            lock=self.lock,
            id_seed=id_seed,
        )
        self.journal = self.writes.journal
        """every write that was asked for, in order"""
        self.people = People(self.tables, self.writes, self.own_clock, self.switches, self.lock)

    def records(self, table: str = INCIDENT) -> tuple[TableRow, ...]:
        """Return every visible row of a table in the order of creation; an absent field reads as empty text."""
        with self.lock:
            return tuple(self.tables.named(table))

    def record(self, sys_id: str) -> TableRow:
        """Return one task record of whatever table; raise LookupError when there is none."""
        with self.lock:
            return self.tables.record(sys_id)

    def incidents_for(self, case_id: str) -> tuple[TableRow, ...]:
        """Return the task records of all tables that bear a Case's id."""
        with self.lock:
            return tuple(row for place in self.tables.tasks() for row in place.correlated(case_id))

    def incident_for(self, case_id: str) -> TableRow:
        """Return the one record that bears a Case's id; raise LookupError when there is none or several."""
        found = self.incidents_for(case_id)
        if len(found) != 1:
            raise LookupError(f"{len(found)} records bear the Case id {case_id}")
        return found[0]

    def notes(self, sys_id: str) -> tuple[str, ...]:
        """Return the work notes of a record, oldest first."""
        rows = self.records("sys_journal_field")
        return tuple(row["value"] for row in rows if (row["element_id"], row["element"]) == (sys_id, "work_notes"))
