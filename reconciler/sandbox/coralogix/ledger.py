"""What a Coralogix world holds: its Cases, and a record of each change as one event and one journal entry.

A refusal, and a call for a Case that is not there, leave a journal entry and nothing else. Who may change what, and
to what, is for ``world`` to say.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid5

from reconciler.core.case_events import CaseEventKind
from reconciler.core.model import Case
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.lifecycle import ACKNOWLEDGED, ACTIVE, RESOLVED
from reconciler.sandbox.coralogix.records import (
    NAMESPACE,
    Actor,
    CaseKnobs,
    Change,
    Delivery,
    Event,
    JournalEntry,
    NoSuchCaseError,
    StepRefusedError,
)
from reconciler.sandbox.coralogix.shelf import CaseShelf, Listing, ListQuery

RESOLVERS: Mapping[str, str] = {"user": "cxUser"}
"""kind of actor -> its word in ``resolvedBy``, where that is another"""


class CaseLedger:
    """Cases, events, deliveries and the journal of one team. Safe for several threads."""

    def __init__(self, clock: SandboxClock, knobs: CaseKnobs) -> None:
        self.clock = clock
        self.knobs = knobs
        self.lock = threading.RLock()
        self.journal: list[JournalEntry] = []
        """every mutation that reached this world, in order"""
        self.shelf = CaseShelf(knobs)
        self._events: defaultdict[str, list[Event]] = defaultdict(list)
        self._deliveries: defaultdict[str, list[Delivery]] = defaultdict(list)
        self._next_key_number = 1
        self._ids_made = 0

    def use(self, knobs: CaseKnobs) -> None:
        """Go on with other knobs. The order of what is there stays as it was."""
        with self.lock:
            self.knobs = self.shelf.knobs = knobs

    def case(self, case_id: str) -> Case:
        """Return a Case as it is, hidden or not; raise NoSuchCaseError."""
        with self.lock:
            return self.shelf.row(case_id).case

    def visible_case(self, case_id: str) -> Case:
        """Return a Case as a program's key sees it: a hidden one raises NoSuchCaseError."""
        with self.lock:
            case = self.shelf.row(case_id).case
            if case.id in self.shelf.hidden:
                raise NoSuchCaseError(case_id)
            return case

    def cases(self) -> list[Case]:
        """Return every Case in the order of creation, hidden ones too."""
        with self.lock:
            return self.shelf.cases()

    def visible_cases(self) -> list[Case]:
        """Return every Case that a program's key sees, in the order of creation."""
        with self.lock:
            return [case for case in self.shelf.cases() if case.id not in self.shelf.hidden]

    def list_cases(self, query: ListQuery, *, stale: bool = False) -> Listing:
        """Return one page as a program's key sees it; ``stale`` shows an older world. Raises BadTokenError."""
        lag_seconds = self.knobs.stale_list_seconds if stale else self.knobs.list_lag_seconds
        with self.lock:
            now = self.clock.now()
            as_of = now - timedelta(seconds=lag_seconds) if lag_seconds else None
            return self.shelf.page(query, now=now, as_of=as_of)

    def events(self, case_id: str) -> list[Event]:
        """Return all events of a Case, oldest first; raise NoSuchCaseError."""
        with self.lock:
            return list(self._events[self.shelf.row(case_id).case.id])

    def event(self, event_id: str) -> Event:
        """Find one event by its id; raise NoSuchCaseError."""
        with self.lock:
            for events in self._events.values():
                for event in events:
                    if event.id == event_id.lower():
                        return event
        raise NoSuchCaseError(event_id)

    def deliveries(self, case_id: str) -> list[Delivery]:
        """Return what the official integration was told of a Case; nothing for an unknown one."""
        with self.lock:
            try:
                return list(self._deliveries[self.shelf.row(case_id).case.id])
            except NoSuchCaseError:
                return []

    def console_url(self, case_id: str) -> str:
        """Return the address of a Case in the console; its form is made up, as the real one is not documented."""
        return f"https://sandbox.app.coralogix.example/#/cases/{case_id}"

    def find(self, case_id: str, actor: Actor, verb: str) -> Case:
        """Find the Case that an actor may change; a program (``apiKey``) does not find a hidden one.

        One that is not there leaves a journal entry, and raises NoSuchCaseError.
        """
        try:
            return self.visible_case(case_id) if actor.kind == "apiKey" else self.case(case_id)
        except NoSuchCaseError:
            self._write_journal(actor, verb, case_id, "", "", accepted=False, changed=False, detail="no such Case")
            raise

    def move(self, case: Case, status: str, actor: Actor, verb: str, reason: str) -> Case:
        """Change the status of a Case, with the times and the key that go with it."""
        now = self.shown(self.clock.now())
        fields: dict[str, Any] = {"status": status}
        if status == ACTIVE:  # of a Case that comes back, nothing of its earlier end is left
            fields |= {"acknowledged_at": None, "resolved_at": None, "resolved_by": "", "resolution_reason": ""}
            fields |= {"key": case.key or self.new_key()}
            if case.status == RESOLVED:
                fields["reactivated_at"] = now
        elif status == ACKNOWLEDGED:
            fields["acknowledged_at"] = now
        elif status == RESOLVED:
            resolver = RESOLVERS.get(actor.kind, actor.kind)
            fields |= {"resolved_at": now, "resolved_by": resolver, "resolution_reason": reason.strip()}
        data = {"from": case.status, "to": status}
        return self.change(case, actor, verb, Change.STATUS, fields, data=data)

    def change(
        self,
        case: Case,
        actor: Actor,
        verb: str,
        change: Change,
        fields: Mapping[str, Any],
        *,
        data: Mapping[str, Any],
    ) -> Case:
        """Make one change and record it; fields that are so already make it a change of nothing."""
        if fields and all(getattr(case, name) == value for name, value in fields.items()):
            self.note(actor, verb, case, changed=False)
            return case
        now = self.clock.now()
        updated = now if change in self.knobs.moves_update_time else self.shelf.row(case.id).updated
        changed = replace(case, updated_at=self.shown(updated) if updated else None, **fields)
        self.shelf.put(changed, at=now, updated=updated)
        self.add_event(case.id, actor, _event_key(change, data), data)
        self.note(actor, verb, case, to_status=changed.status, changed=True)
        return changed

    def add_event(self, case_id: str, actor: Actor, key: CaseEventKind | None, data: Mapping[str, Any]) -> None:
        """Add one event, now; without a key, none."""
        if key is not None:
            event = Event(id=self.new_id(), case_id=case_id, actor=actor, time=self.clock.now(), key=key, data=data)
            self._events[case_id].append(event)

    def put_event(self, event: Event, edited: Event | None) -> None:
        """Replace one event by its edited form; with None, remove it."""
        events = self._events[event.case_id]
        place = events.index(event)
        events[place : place + 1] = [edited] if edited else []

    def add_delivery(self, case_id: str, delivery: Delivery) -> int:
        """Add what the official integration was told of a Case, and count how often it was told by now."""
        self._deliveries[case_id].append(delivery)
        return len(self._deliveries[case_id])

    def refuse(self, actor: Actor, verb: str, case: Case, why: str) -> StepRefusedError:
        """Record a refusal and return the error to raise."""
        self._write_journal(actor, verb, case.id, case.status, case.status, accepted=False, changed=False, detail=why)
        return StepRefusedError(why)

    def note(
        self, actor: Actor, verb: str, case: Case, *, changed: bool, to_status: str | None = None, detail: str = ""
    ) -> None:
        """Record a mutation that was accepted; without another status it kept the one it had."""
        after = case.status if to_status is None else to_status
        self._write_journal(actor, verb, case.id, case.status, after, accepted=True, changed=changed, detail=detail)

    def _write_journal(
        self,
        actor: Actor,
        verb: str,
        case_id: str,
        before: str,
        after: str,
        *,
        accepted: bool,
        changed: bool,
        detail: str,
    ) -> None:
        entry = JournalEntry(
            time=self.clock.now(),
            actor=actor.kind,
            verb=str(verb),
            case_id=case_id,
            from_status=before,
            to_status=after,
            accepted=accepted,
            changed=changed,
            detail=detail,
        )
        self.journal.append(entry)

    def shown(self, moment: datetime) -> datetime:
        """Cut a time to the digits that this world shows."""
        match self.knobs.fractional_digits:
            case 0:
                return moment.replace(microsecond=0)
            case 3:
                return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            case _:
                return moment

    def new_id(self) -> str:
        """Make the next UUID of this world."""
        self._ids_made += 1
        return str(uuid5(NAMESPACE, f"{self.knobs.seed}/{self._ids_made}"))

    def new_key(self) -> str:
        """Make the next readable id."""
        number = self._next_key_number
        self._next_key_number += 1
        return f"CASE-{number}"


EVENT_KEYS: Mapping[Change, CaseEventKind] = {
    Change.STATUS: CaseEventKind.STATUS,
    Change.PRIORITY: CaseEventKind.PRIORITY,
    Change.ASSIGNEE: CaseEventKind.ASSIGNED,
    Change.TITLE: CaseEventKind.TITLE,
    Change.REASON: CaseEventKind.REASON,
    Change.COMMENT: CaseEventKind.COMMENT,
    Change.KPI: CaseEventKind.KPI,
}
"""A change of an indicator has no event of its own."""


def _event_key(change: Change, data: Mapping[str, Any]) -> CaseEventKind | None:
    if change is Change.ASSIGNEE and not data["to"]:
        return CaseEventKind.UNASSIGNED
    return EVENT_KEYS.get(change)
