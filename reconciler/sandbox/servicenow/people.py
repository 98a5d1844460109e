"""The people and jobs that work on an instance, in forms and by scripts.

People obey the same rules as the API, but for ACLs, and scripts obey none. What the rules refuse a person changes
nothing and raises nothing: it stands in the journal, as it would in that person's browser.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from reconciler.sandbox.clock import InstanceClock
from reconciler.sandbox.servicenow.journal import Actor, Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import INCIDENT, Lifecycle, raw_time
from reconciler.sandbox.servicenow.tables.tables import Tables
from reconciler.sandbox.servicenow.writing.writes import Writes

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


class People:
    """Act on the records of one instance. ``lock`` is that of the whole instance.

    ``by`` is a user_name, and somebody who does not exist yet is hired on the spot; only ``admin`` is an admin. A
    record is named by its sys_id, on any task table.
    """

    def __init__(
        self, tables: Tables, writes: Writes, clock: InstanceClock, switches: Switches, lock: threading.RLock
    ) -> None:
        self._tables = tables
        self._writes = writes
        self._clock = clock
        self._switches = switches
        self._lock = lock

    def open_incident(self, short_description: str, *, by: str = AGENT, table: str = INCIDENT, **fields: str) -> str:
        """Open a record by hand, one that no program asked for, and return its sys_id; raise Denial when refused."""
        return self._writes.insert(table, {"short_description": short_description, **fields}, self.actor(by))["sys_id"]

    def assign(self, sys_id: str, to: str = AGENT, *, by: str = AGENT) -> None:
        """Assign a record to a user; an empty name unassigns it."""
        self._change(sys_id, {"assigned_to": self._tables.user_id(to) if to else ""}, self.actor(by))

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
            if not self._tables.record(sys_id)["close_code"]:
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
        with self._lock, suppress(Denial):
            self._writes.delete(self._tables.table_of(sys_id).schema.name, sys_id, self.actor(by))

    def copy(self, sys_id: str, *, by: str = AGENT) -> None:
        """Make a second record with the same ``correlation_id``, as a reopening by mail may."""
        with self._lock, suppress(Denial, LookupError):
            original = self._tables.record(sys_id)
            values = {name: original[name] for name in COPIED_FIELDS}
            self._writes.insert(self._tables.table_of(sys_id).schema.name, values, self.actor(by))

    # --- jobs -----------------------------------------------------------------------------------------------

    def auto_close(self) -> int:
        """Run the job "Autoclose Incidents" and say how many records it closed; it signs as an admin."""
        days = self._switches.autoclose_days
        if not days:
            return 0
        basis = "resolved_at" if self._switches.autoclose_basis == "resolved" else "sys_updated_on"
        limit = raw_time(self._clock.now() - timedelta(days=days))
        with self._lock:
            due = [row for row in self._tables.named(INCIDENT) if row["state"] == "6" and row[basis] <= limit]
            for row in due:
                self._change(row["sys_id"], {"state": "7"}, self.actor(ADMIN))
        return len(due)

    # --- how they do it -------------------------------------------------------------------------------------

    def actor(self, user_name: str) -> Actor:
        """Return a person who works in forms."""
        return Actor(user_name=user_name, roles=frozenset({"admin" if user_name == ADMIN else "itil"}))

    def _close_info(self, close_code: str | None, close_notes: str) -> dict[str, str]:
        code = USUAL_CLOSE_CODE[self._switches.close_codes] if close_code is None else close_code
        return {"close_code": code, "close_notes": close_notes}

    def _change(self, sys_id: str, values: Mapping[str, str], actor: Actor) -> None:
        with self._lock, suppress(Denial):
            self._writes.update(self._tables.table_of(sys_id).schema.name, sys_id, values, actor)

    def _enter_state(self, sys_id: str, word: str, values: Mapping[str, str], *, by: str) -> None:
        """Bring a record into the state that a word means on its table; where it means none, that is refused."""
        schema = self._tables.table_of(sys_id).schema
        state = str(getattr(schema.lifecycle or Lifecycle(), word))
        if state:
            self._change(sys_id, {"state": state, **values}, self.actor(by))
        else:
            why = f"the table {schema.name} has no state that means {word}"
            self._writes.enter_refused(schema.name, sys_id, self.actor(by), why)
