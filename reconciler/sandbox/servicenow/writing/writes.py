"""Writing to the tables of an instance: what is taken, what that brings about, who is asked, and what is recorded.

Everything that writes, the API and people alike, comes through ``insert``, ``update`` and ``delete``; each is
entered in the journal, refused ones too. A refusal is raised as ``Denial``.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from functools import partial

from reconciler.core.frozen import dataclass
from reconciler.sandbox.clock import InstanceClock, SandboxClock
from reconciler.sandbox.servicenow.journal import Actor, Denial, Operation, Write
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import JOURNALS, SYSTEM_FIELDS, Schema, TableRow, raw_time
from reconciler.sandbox.servicenow.tables.table import Table
from reconciler.sandbox.servicenow.tables.tables import Tables
from reconciler.sandbox.servicenow.writing.access import NO_RECORD, Access
from reconciler.sandbox.servicenow.writing.effects import raw_values, taken_values, with_effects
from reconciler.sandbox.servicenow.writing.rules import Rules

ID_LENGTH = 32


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """A write as it was asked for."""

    operation: Operation
    table: str
    sys_id: str
    asked: Mapping[str, str]


class Writes:
    """Write to the tables of one instance, as somebody. ``lock`` is that of the whole instance."""

    def __init__(
        self,
        tables: Tables,
        access: Access,
        rules: Rules,
        *,
        shared_clock: SandboxClock,
        own_clock: InstanceClock,
        switches: Switches,
        lock: threading.RLock,
        id_seed: int,
    ) -> None:
        self._tables = tables
        self._access = access
        self._rules = rules
        self._shared_clock = shared_clock
        self._own_clock = own_clock
        self._switches = switches
        self._lock = lock
        self.journal: list[Write] = []
        self._random = random.Random(id_seed)  # noqa: S311 - ids that a replayed schedule gets again

    def insert(self, table: str, asked: Mapping[str, object], actor: Actor) -> TableRow:
        """Create one record and return it as it is stored; raise Denial when it is refused."""
        with self._lock:
            values = raw_values(asked)
            attempt = _Attempt(operation=Operation.INSERT, table=table, sys_id=values.get("sys_id", ""), asked=values)
            try:
                place = self._tables.named(table)
                taken = self._taken(place.schema, values, actor)
                row = self._new_row(place.schema, taken, attempt.sys_id, actor)
                self._rules.check(place.schema, TableRow(), row, actor)
                self._check_unique(place, row)
            except Denial as denial:
                self._enter(attempt, actor, refusal=str(denial))
                raise
            return self._commit(place, attempt, actor, before=TableRow(), after=row, notes=_notes(taken))

    def update(self, table: str, sys_id: str, asked: Mapping[str, object], actor: Actor) -> TableRow:
        """Change fields of one record and return it as it is afterwards; raise Denial when it is refused."""
        with self._lock:
            attempt = _Attempt(operation=Operation.UPDATE, table=table, sys_id=sys_id, asked=raw_values(asked))
            before: TableRow | None = None
            try:
                place = self._tables.named(table)
                before = self._target(place, sys_id, actor)
                values = self._taken(place.schema, attempt.asked, actor)
                after = with_effects(
                    place.schema, before, values, user_id=self._tables.user_id(actor.user_name), now=self._stamp()
                )
                if after != before:
                    self._rules.check(place.schema, before, after, actor)
            except Denial as denial:
                self._enter(attempt, actor, before=before, refusal=str(denial))
                raise
            return self._commit(place, attempt, actor, before=before, after=after, notes=_notes(values))

    def delete(self, table: str, sys_id: str, actor: Actor) -> None:
        """Delete one record and leave a line in ``sys_audit_delete``; raise Denial when it is refused."""
        with self._lock:
            attempt = _Attempt(operation=Operation.DELETE, table=table, sys_id=sys_id, asked={})
            try:
                place = self._tables.named(table)
                before = self._target(place, sys_id, actor)
            except Denial as denial:
                self._enter(attempt, actor, refusal=str(denial))
                raise
            place.remove(sys_id, self._shared_clock.now())
            self._add_plain("sys_audit_delete", actor, tablename=table, documentkey=before["sys_id"])
            self._enter(attempt, actor, before=before, after=TableRow())

    def enter_refused(self, table: str, sys_id: str, actor: Actor, why: str) -> None:
        """Enter an update that was refused before it was made."""
        with self._lock:
            attempt = _Attempt(operation=Operation.UPDATE, table=table, sys_id=sys_id, asked={})
            self._enter(attempt, actor, before=self._tables.named(table).get(sys_id), refusal=why)

    def enter_lost(self, operation: Operation, table: str, sys_id: str, asked: Mapping[str, str], why: str) -> None:
        """Enter a write of the API's that was asked for and never arrived."""
        with self._lock:
            attempt = _Attempt(operation=operation, table=table, sys_id=sys_id, asked=asked)
            before = self._tables.named(table).get(sys_id)
            self._enter(attempt, Actor(user_name="", via_api=True), before=before, refusal=why)

    def _new_row(self, schema: Schema, taken: Mapping[str, str], chosen_id: str, actor: Actor) -> TableRow:
        now = self._stamp()
        user_id = self._tables.user_id(actor.user_name)
        values = {**schema.defaults, **taken, "sys_id": self._new_id(chosen_id, actor)}
        if self._switches.correlation_on_post == "strip" and actor.via_api:
            values["correlation_id"] = ""
        if schema.prefix and not values.get("number"):
            values["number"] = self._tables.next_number(schema.prefix)
        if schema.lifecycle:
            values = {"opened_by": user_id, "opened_at": now, **values}
        values |= {"sys_created_on": now, "sys_created_by": actor.user_name}
        values |= {"sys_updated_on": now, "sys_updated_by": actor.user_name, "sys_mod_count": "0"}
        return with_effects(schema, TableRow(), values, user_id=user_id, now=now)

    def _new_id(self, chosen: str, actor: Actor) -> str:
        honoured = not actor.via_api or self._switches.sys_id_on_post == "honour"
        if honoured and len(chosen) == ID_LENGTH and chosen.isalnum():
            return chosen
        return f"{self._random.getrandbits(128):032x}"

    def _taken(self, schema: Schema, asked: Mapping[str, str], actor: Actor) -> dict[str, str]:
        return taken_values(
            schema,
            asked,
            self._switches,
            choices=partial(self._tables.choices, schema.name),
            unwritable=self._access.unwritable(schema.name),
            actor=actor,
        )

    def _target(self, place: Table, sys_id: str, actor: Actor) -> TableRow:
        self._tables.commit_due(sys_id)
        row = place.get(sys_id)
        if row is None or (actor.via_api and not self._access.can_see(place.schema.name, row)):
            raise Denial(404, *NO_RECORD)
        return row

    def _check_unique(self, place: Table, row: TableRow) -> None:
        self._tables.commit_due(row["sys_id"])
        if place.get(row["sys_id"]) is not None:
            raise Denial(403, "Operation Failed", f"Error during insert of {place.schema.name} ({row['number']})")

    def _commit(
        self,
        place: Table,
        attempt: _Attempt,
        actor: Actor,
        *,
        before: TableRow,
        after: TableRow,
        notes: Mapping[str, str],
    ) -> TableRow:
        stored = after if not before else self._touched(before, after, noted=bool(notes), actor=actor)
        if stored is not before:
            self._tables.put(place, stored)
            self._audit(place.schema, before, stored, actor)
        for element, text in notes.items():
            self._add_plain(
                "sys_journal_field",
                actor,
                element_id=stored["sys_id"],
                element=element,
                name=place.schema.name,
                value=text,
            )
        self._enter(attempt, actor, before=before, after=stored, noted=bool(notes))
        return stored

    def _touched(self, before: TableRow, after: TableRow, *, noted: bool, actor: Actor) -> TableRow:
        """Return the row with its system fields moved, or the old row where nothing moves."""
        changed = after != before
        bumps = changed or (noted and self._switches.note_bumps == "yes")
        bumps = bumps or (not noted and self._switches.noop_bumps == "yes")
        if actor.silent or not bumps:
            return after if changed else before
        count = int(before["sys_mod_count"] or "0") + 1
        stored = TableRow(after)
        stored.update(sys_updated_on=self._stamp(), sys_updated_by=actor.user_name, sys_mod_count=str(count))
        return stored

    def _stamp(self) -> str:
        return raw_time(self._own_clock.now())

    def _audit(self, schema: Schema, before: TableRow, after: TableRow, actor: Actor) -> None:
        """Leave a line in ``sys_audit`` for each field of a task that an update changed."""
        if not before or schema.lifecycle is None:
            return
        place, now = self._tables.named("sys_audit"), self._stamp()
        for name, value in _difference(before, after).items():
            row = TableRow(tablename=schema.name, documentkey=after["sys_id"], fieldname=name, user=actor.user_name)
            row.update(oldvalue=before[name], newvalue=value, record_checkpoint=after["sys_mod_count"])
            row.update(sys_id=f"a0d17{len(place):027x}", sys_created_on=now, sys_created_by=actor.user_name)
            place.put(row, self._shared_clock.now())

    def _add_plain(self, table: str, actor: Actor, **values: str) -> None:
        now = self._stamp()
        row = TableRow(values, sys_id=f"{self._random.getrandbits(128):032x}", sys_created_on=now, sys_updated_on=now)
        row.update(sys_created_by=actor.user_name, sys_updated_by=actor.user_name, sys_mod_count="0")
        self._tables.named(table).put(row, self._shared_clock.now())

    def _enter(
        self,
        attempt: _Attempt,
        actor: Actor,
        *,
        before: TableRow | None = None,
        after: TableRow | None = None,
        noted: bool = False,
        refusal: str = "",
    ) -> None:
        old = before if before is not None else TableRow()
        new = after if after is not None else old
        asked_key = attempt.asked.get("correlation_id", "")
        self.journal.append(
            Write(
                at=self._own_clock.now(),
                actor=actor.user_name,
                via_api=actor.via_api,
                operation=attempt.operation,
                table=attempt.table,
                sys_id=new["sys_id"] or attempt.sys_id,
                correlation_id=new["correlation_id"] or old["correlation_id"] or asked_key,
                state_before=old["state"],
                state_after=new["state"],
                asked=attempt.asked,
                changed=_difference(old, new),
                noted=noted,
                accepted=not refusal,
                refusal=refusal,
            )
        )


def _difference(before: TableRow, after: TableRow) -> dict[str, str]:
    names = (before.keys() | after.keys()) - set(SYSTEM_FIELDS)
    return {name: after[name] for name in names if after[name] != before[name]}


def _notes(values: Mapping[str, str]) -> dict[str, str]:
    """Return the journal inputs among the values of a write."""
    return {name: values[name] for name in JOURNALS & values.keys() if values[name]}
