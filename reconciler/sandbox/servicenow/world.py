"""A ServiceNow instance in memory, with the people and jobs that work on it.

People obey the same rules as the API, but for ACLs, and scripts obey none. What the rules refuse a person changes
nothing and raises nothing: it stands in ``journal``, as it would in that person's browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from reconciler.sandbox.servicenow.journal import Actor, Denial
from reconciler.sandbox.servicenow.records import ServiceNowRecords
from reconciler.sandbox.servicenow.schema import INCIDENT, Lifecycle, TableRow
from reconciler.sandbox.servicenow.select import TIME_FORMAT
from reconciler.sandbox.servicenow.table import Table

AGENT = "beth.anglin"
ADMIN = "admin"
USUAL_CLOSE_CODE = {"new": "Solution provided", "old": "Solved (Permanently)"}
COPIED_FIELDS = (
    "short_description",
    "description",
    "correlation_id",
    "correlation_display",
    "impact",
    "urgency",
    "category",
    "assignment_group",
)
"""what a reopening by mail takes over into the new record (``com.snc.incident.clone_fields_on_reopen``)"""


class ServiceNowWorld(ServiceNowRecords):
    """Play one ServiceNow instance: its database, and everybody who uses it beside the API.

    ``by`` is a user_name, and somebody who does not exist yet is hired on the spot; only ``admin`` is an admin. All
    methods of people name a record by its sys_id, on any task table.
    """

    # --- read views for tests -------------------------------------------------------------------------------

    def records(self, table: str = INCIDENT) -> tuple[TableRow, ...]:
        """Give every visible row of a table in the order of creation; an absent field reads as empty text."""
        with self.lock:
            return tuple(self.table(table))

    def record(self, sys_id: str) -> TableRow:
        """Give one task record of whatever table; raise LookupError when there is none."""
        with self.lock:
            row = self._place(sys_id).get(sys_id)
            if row is None:
                raise LookupError(f"no record {sys_id}")
            return row

    def incidents_for(self, case_id: str) -> tuple[TableRow, ...]:
        """Give the task records of all tables that bear a Case's id."""
        with self.lock:
            return tuple(row for place in self.task_tables() for row in place.correlated(case_id))

    def incident_for(self, case_id: str) -> TableRow:
        """Give the one record that bears a Case's id; raise LookupError when there is none or several."""
        found = self.incidents_for(case_id)
        if len(found) != 1:
            raise LookupError(f"{len(found)} records bear the Case id {case_id}")
        return found[0]

    def task_tables(self) -> list[Table]:
        """Give the tables whose records people work on."""
        return [place for place in self.tables() if place.schema.lifecycle is not None]

    def notes(self, sys_id: str) -> tuple[str, ...]:
        """Give the work notes of a record, oldest first."""
        rows = self.records("sys_journal_field")
        return tuple(row["value"] for row in rows if (row["element_id"], row["element"]) == (sys_id, "work_notes"))

    # --- people ---------------------------------------------------------------------------------------------

    def open_incident(self, short_description: str, *, by: str = AGENT, table: str = INCIDENT, **fields: str) -> str:
        """Open a record by hand, one that no program asked for, and give its sys_id; raise Denial when refused."""
        return self.insert(table, {"short_description": short_description, **fields}, self.actor(by))["sys_id"]

    def assign(self, sys_id: str, to: str = AGENT, *, by: str = AGENT) -> None:
        """Give a record to a user; an empty name takes it from whoever has it."""
        self._change(sys_id, {"assigned_to": self.user_id(to) if to else ""}, self.actor(by))

    def progress(self, sys_id: str, *, by: str = AGENT) -> None:
        """Take up work: In Progress."""
        self._enter_state(sys_id, "in_progress", {}, by=by)

    def hold(self, sys_id: str, hold_reason: str = "1", *, by: str = AGENT) -> None:
        """Put a record On Hold."""
        self._enter_state(sys_id, "on_hold", {"hold_reason": hold_reason}, by=by)

    def resolve(
        self, sys_id: str, close_code: str | None = None, close_notes: str = "Done.", *, by: str = AGENT
    ) -> None:
        """Resolve a record; without a close code, with a usual one of this instance."""
        self._enter_state(sys_id, "resolved", self._close_info(close_code, close_notes), by=by)

    def close(self, sys_id: str, *, by: str = ADMIN) -> None:
        """Close a record, filling in the close information if it has none."""
        values: Mapping[str, str] = {}
        with suppress(LookupError):
            if not self.record(sys_id)["close_code"]:
                values = self._close_info(None, "Done.")
        self._enter_state(sys_id, "closed", values, by=by)

    def cancel(self, sys_id: str, *, by: str = AGENT) -> None:
        """Cancel a record."""
        self._enter_state(sys_id, "canceled", {}, by=by)

    def reopen(self, sys_id: str, *, by: str = AGENT) -> None:
        """Bring a record back to In Progress, from wherever it stands."""
        self.progress(sys_id, by=by)

    def back_to_new(self, sys_id: str, *, by: str = AGENT) -> None:
        """Put a record back to New."""
        self._enter_state(sys_id, "new", {}, by=by)

    def edit(self, sys_id: str, *, by: str = AGENT, **fields: str) -> None:
        """Change fields in a form."""
        self._change(sys_id, fields, self.actor(by))

    def note(self, sys_id: str, text: str, *, by: str = AGENT) -> None:
        """Add a work note."""
        self._change(sys_id, {"work_notes": text}, self.actor(by))

    def set_state(self, sys_id: str, state: str, *, by: str = ADMIN, **fields: str) -> None:
        """Write any raw state by a background script: no choice list, no policy and no rule stops it."""
        self._change(sys_id, {"state": state, **fields}, Actor(user_name=by, script=True))

    def silent_edit(self, sys_id: str, *, by: str = ADMIN, **fields: str) -> None:
        """Change fields by a script with ``autoSysFields(false)``: no time, user or count moves."""
        self._change(sys_id, fields, Actor(user_name=by, script=True, silent=True))

    def remove(self, sys_id: str, *, by: str = ADMIN) -> None:
        """Delete a record by hand."""
        with self.lock, suppress(Denial):
            self.delete(self._place(sys_id).schema.name, sys_id, self.actor(by))

    def copy(self, sys_id: str, *, by: str = AGENT) -> None:
        """Make a second record with the same ``correlation_id``, as a reopening by mail may."""
        with self.lock, suppress(Denial, LookupError):
            original = self.record(sys_id)
            values = {name: original[name] for name in COPIED_FIELDS}
            self.insert(self._place(sys_id).schema.name, values, self.actor(by))

    # --- jobs -----------------------------------------------------------------------------------------------

    def auto_close(self) -> int:
        """Run the job "Autoclose Incidents" and say how many records it closed; it signs as an admin."""
        days = self.switches.autoclose_days
        if not days:
            return 0
        basis = "resolved_at" if self.switches.autoclose_basis == "resolved" else "sys_updated_on"
        limit = (self.now() - timedelta(days=days)).strftime(TIME_FORMAT)
        with self.lock:
            due = [row for row in self.table(INCIDENT) if row["state"] == "6" and row[basis] <= limit]
            for row in due:
                self._change(row["sys_id"], {"state": "7"}, self.actor(ADMIN))
        return len(due)

    # --- how they do it -------------------------------------------------------------------------------------

    def actor(self, user_name: str) -> Actor:
        """Give a person who works in forms."""
        return Actor(user_name=user_name, roles=frozenset({"admin" if user_name == ADMIN else "itil"}))

    def set_clock(self, moment: datetime) -> None:
        """Set this instance's clock, which then goes on with the world's."""
        self.skew = moment - self.clock.now()

    def _close_info(self, close_code: str | None, close_notes: str) -> dict[str, str]:
        code = USUAL_CLOSE_CODE[self.switches.close_codes] if close_code is None else close_code
        return {"close_code": code, "close_notes": close_notes}

    def _change(self, sys_id: str, values: Mapping[str, str], actor: Actor) -> None:
        with self.lock, suppress(Denial):
            self.update(self._place(sys_id).schema.name, sys_id, values, actor)

    def _enter_state(self, sys_id: str, word: str, values: Mapping[str, str], *, by: str) -> None:
        """Bring a record into the state that a word means on its table; where it means none, that is refused."""
        schema = self._place(sys_id).schema
        state = str(getattr(schema.lifecycle or Lifecycle(), word))
        if state:
            self._change(sys_id, {"state": state, **values}, self.actor(by))
        else:
            why = f"the table {schema.name} has no state that means {word}"
            self.record_refused(schema.name, sys_id, self.actor(by), why)

    def _place(self, sys_id: str) -> Table:
        """Find the table that holds a record; for one that is nowhere, ``incident``."""
        places = self.task_tables()
        return next((place for place in places if place.get(sys_id) is not None), places[0])
