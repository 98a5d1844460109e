"""A Coralogix team in memory: what people, the system and programs do to Cases.

``ledger`` holds the Cases and is what one looks at. Rules: time comes from the world's clock alone; what the profile
refuses changes nothing; every change that was asked for, refused or not, leaves a journal entry. Safe for several
threads: one lock around each call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import uuid5

from reconciler.core.case_events import CaseEventKind
from reconciler.core.model import Case, Entity, Indicator
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.indicators import complete
from reconciler.sandbox.coralogix.ledger import CaseLedger
from reconciler.sandbox.coralogix.lifecycle import ACTIVE, OVER, PENDING, Profile, Step, target
from reconciler.sandbox.coralogix.records import (
    NAMESPACE,
    PERSON,
    SERVICE_NOW,
    SYSTEM,
    Actor,
    CaseKnobs,
    Change,
    Delivery,
    Event,
    NoSuchCaseError,
    as_actor,
)
from reconciler.sandbox.faults import FaultPlan


class CoralogixWorld:
    """One Coralogix team.

    ``case_id`` is everywhere the UUID or, once there is one, the readable id. ``by`` is an actor or the word for the
    usual one: ``user``, ``system``, ``apiKey``, ``serviceNow``. Every method that changes a Case raises
    NoSuchCaseError, and StepRefusedError where the profile refuses.
    """

    def __init__(
        self,
        clock: SandboxClock,
        faults: FaultPlan,
        *,
        profile: Profile | str = Profile.STRICT,
        knobs: CaseKnobs | None = None,
    ) -> None:
        self.clock = clock
        self.faults = faults
        self.profile = Profile(profile)
        self.ledger = CaseLedger(clock, knobs or CaseKnobs())
        self.lock = self.ledger.lock
        self.journal = self.ledger.journal
        """every change that was asked for, in order"""

    # The steps of the lifecycle

    def create_case(
        self,
        title: str,
        priority: str = "P2",
        labels: Iterable[tuple[str, str]] = (),
        *,
        category: str = "AVAILABILITY",
        activate: bool = True,
        groupings: Iterable[tuple[str, str]] = (),
        impacted_entities: Sequence[Entity] = (),
        indicators: Sequence[Indicator] = (),
        parent_id: str = "",
    ) -> str:
        """Open a Case, at once active or still pending, and return its id."""
        with self.lock:
            now = self.clock.now()
            updated = None if self.ledger.knobs.fresh_update_time_null else now
            case = Case(
                id=self.ledger.new_id(),
                key=self.ledger.new_key() if activate else None,
                title=title,
                status=ACTIVE if activate else PENDING,
                priority=priority,
                priority_system=priority,
                category=category,
                created_at=self.ledger.shown(now),
                updated_at=self.ledger.shown(updated) if updated else None,
                labels=_gather(labels),
                groupings=_gather(groupings),
                impacted_entities=tuple(impacted_entities),
                indicators=tuple(complete(one, now, self.ledger.shown) for one in indicators),
                parent_id=parent_id,
            )
            self.ledger.shelf.add(case, created=now, updated=updated)
            self.ledger.add_event(case.id, SYSTEM, CaseEventKind.CREATED, {"priority": priority})
            self.ledger.note(SYSTEM, "create", case, changed=True)
            return case.id

    def step(self, case_id: str, step: Step, by: Actor | str = PERSON, reason: str = "") -> Case:
        """Take one step of the lifecycle and return the Case as it is afterwards."""
        actor = as_actor(by)
        with self.lock:
            case = self.ledger.find(case_id, actor, step)
            status = target(self.profile, step, case.status)
            if status is None:
                raise self.ledger.refuse(
                    actor, step, case, f"a Case that is {case.status} does not take the step {step}"
                )
            if status == case.status:
                self.ledger.note(actor, step, case, changed=False)
                return case
            return self.ledger.move(case, status, actor, step, reason)

    def ignore(self, case_id: str, step: Step, by: Actor | str, detail: str) -> Case:
        """Record a step that was asked for and accepted without any effect, and return the unchanged Case."""
        actor = as_actor(by)
        with self.lock:
            case = self.ledger.find(case_id, actor, step)
            self.ledger.note(actor, step, case, changed=False, detail=detail)
            return case

    def acknowledge(self, case_id: str, by: Actor | str = PERSON) -> Case:
        """Acknowledge a Case: somebody works on it."""
        return self.step(case_id, Step.ACKNOWLEDGE, by)

    def unacknowledge(self, case_id: str, by: Actor | str = PERSON) -> Case:
        """Undo an acknowledgement: the only step back that a person can take."""
        return self.step(case_id, Step.UNACKNOWLEDGE, by)

    def resolve(self, case_id: str, reason: str = "", by: Actor | str = PERSON) -> Case:
        """Resolve a Case."""
        return self.step(case_id, Step.RESOLVE, by, reason)

    def close(self, case_id: str, by: Actor | str = PERSON) -> Case:
        """Close a Case for good."""
        return self.step(case_id, Step.CLOSE, by)

    def activate(self, case_id: str) -> Case:
        """End the time in which a Case waits for activation; it gets its readable id."""
        return self.step(case_id, Step.ACTIVATE, SYSTEM)

    def recover(self, case_id: str) -> Case:
        """Resolve a Case since its signal went away."""
        return self.step(case_id, Step.RECOVER, SYSTEM)

    def auto_close(self, case_id: str) -> Case:
        """Close a Case that was resolved long ago (a week, unless set otherwise)."""
        return self.step(case_id, Step.AUTO_CLOSE, SYSTEM)

    def reactivate(self, case_id: str) -> Case:
        """Make a resolved Case active again since its signal came back."""
        return self.step(case_id, Step.REACTIVATE, SYSTEM)

    def set_status(self, case_id: str, status: str, by: Actor | str = SYSTEM, reason: str = "") -> Case:
        """Set any status of a Case, also one that no description names, whatever the profile says of that step."""
        actor = as_actor(by)
        with self.lock:
            case = self.ledger.find(case_id, actor, "set_status")
            return self.ledger.move(case, status, actor, "set_status", reason)

    def take_in(self, case: Case) -> None:
        """Take in a Case as it stands elsewhere, with its id, key and times; no event tells of its past."""
        with self.lock:
            self.ledger.shelf.add(case, created=case.created_at, updated=case.updated_at)
            self.ledger.note(SYSTEM, "take_in", case, changed=True)

    # Everything else that can change

    def set_priority(self, case_id: str, priority: str, by: Actor | str = PERSON) -> Case:
        """Override the priority; the system changes its own instead. An empty one clears the override.

        A Case that is over refuses an override.
        """
        actor = as_actor(by)
        with self.lock:
            case = self.ledger.find(case_id, actor, "set_priority")
            if actor.kind == "system":
                system, override = priority, case.priority_override
            else:
                system, override = case.priority_system, priority
                if case.status in OVER:
                    raise self.ledger.refuse(
                        actor, "set_priority", case, f"a Case that is {case.status} keeps its priority"
                    )
            data = {"from": (case.priority_system, case.priority_override), "to": (system, override)}
            fields = {"priority": override or system, "priority_system": system, "priority_override": override}
            return self.ledger.change(case, actor, "set_priority", Change.PRIORITY, fields, data=data)

    def set_title(self, case_id: str, title: str, by: Actor | str = PERSON) -> Case:
        """Change the title of a Case."""
        return self._edit(case_id, Change.TITLE, "title", title, by)

    def set_reason(self, case_id: str, reason: str, by: Actor | str = PERSON) -> Case:
        """Change the resolution reason of a Case."""
        return self._edit(case_id, Change.REASON, "resolution_reason", reason, by)

    def assign(self, case_id: str, user_id: str, by: Actor | str = PERSON) -> Case:
        """Assign a Case to a user's UUID; an empty one unassigns it."""
        return self._edit(case_id, Change.ASSIGNEE, "assignee", user_id, by)

    def breach_kpi(self, case_id: str, kpi: str = "TIME_TO_ACKNOWLEDGE") -> Case:
        """Note that a Case missed one of its targets."""
        with self.lock:
            case = self.ledger.find(case_id, SYSTEM, "breach_kpi")
            fields = {"kpi_breaches": (*case.kpi_breaches, kpi)}
            data = {"kpi": kpi, "priority": case.priority}
            return self.ledger.change(case, SYSTEM, "breach_kpi", Change.KPI, fields, data=data)

    def comment(self, case_id: str, text: str, by: Actor | str = PERSON) -> Event:
        """Write a comment on a Case and return its event."""
        actor = as_actor(by)
        with self.lock:
            case = self.ledger.find(case_id, actor, "comment")
            self.ledger.change(case, actor, "comment", Change.COMMENT, {}, data={"text": text.strip()})
            return self.ledger.events(case.id)[-1]

    def deliver(self, case_id: str, evidence_url: str = "") -> None:
        """Record that the official integration was told of a Case; without a URL it failed."""
        with self.lock:
            case = self.ledger.case(case_id)
            told = self.ledger.add_delivery(case.id, Delivery(time=self.clock.now(), evidence_url=evidence_url))
            if evidence_url:
                request = str(uuid5(NAMESPACE, f"{case.id}/{told}"))
                self.ledger.add_event(case.id, SYSTEM, CaseEventKind.NOTIFIED, {"request": request})
            else:
                self.ledger.add_event(
                    case.id, SYSTEM, CaseEventKind.NOT_NOTIFIED, {"error": "the instance did not answer"}
                )

    def assign_by_email(self, case_id: str, email: str, by: Actor | str = SERVICE_NOW) -> None:
        """Try to assign a Case to somebody whom Coralogix does not know, as an integration may; it leaves an event."""
        with self.lock:
            case = self.ledger.find(case_id, as_actor(by), "assign_by_email")
            self.ledger.add_event(case.id, as_actor(by), CaseEventKind.ASSIGN_FAILED, {"email": email})
            self.ledger.note(as_actor(by), "assign_by_email", case, changed=False, detail="nobody has this address")

    def delete(self, case_id: str) -> None:
        """Remove a Case: from now on it is not found."""
        with self.lock:
            case = self.ledger.find(case_id, SYSTEM, "delete")
            self.ledger.shelf.remove(case.id)
            self.ledger.note(SYSTEM, "delete", case, to_status="", changed=True)

    def hide(self, case_id: str, *, hidden: bool = True) -> None:
        """Hide a Case from programs by an access policy, or show it again."""
        with self.lock:
            case = self.ledger.find(case_id, SYSTEM, "hide" if hidden else "show")
            change = self.ledger.shelf.hidden.add if hidden else self.ledger.shelf.hidden.discard
            change(case.id)
            self.ledger.note(SYSTEM, "hide" if hidden else "show", case, changed=True)

    def edit_comment(self, event_id: str, text: str, by: Actor | str = PERSON) -> Event:
        """Change the words of a comment; raise NoSuchCaseError for any other event."""
        with self.lock:
            event = self._comment(event_id)
            edited = replace(event, data={"text": text.strip()}, edited_at=self.clock.now())
            self.ledger.put_event(event, edited)
            self.ledger.note(as_actor(by), "edit_comment", self.ledger.case(event.case_id), changed=True)
            return edited

    def delete_comment(self, event_id: str, by: Actor | str = PERSON) -> None:
        """Remove a comment; raise NoSuchCaseError for any other event."""
        with self.lock:
            event = self._comment(event_id)
            self.ledger.put_event(event, None)
            self.ledger.note(as_actor(by), "delete_comment", self.ledger.case(event.case_id), changed=True)

    def _edit(self, case_id: str, change: Change, name: str, value: str, by: Actor | str) -> Case:
        actor = as_actor(by)
        with self.lock:
            case = self.ledger.find(case_id, actor, f"set_{change}")
            data = {"from": getattr(case, name), "to": value}
            return self.ledger.change(case, actor, f"set_{change}", change, {name: value}, data=data)

    def _comment(self, event_id: str) -> Event:
        event = self.ledger.event(event_id)
        if event.key is not CaseEventKind.COMMENT:
            raise NoSuchCaseError(event_id)
        return event


def _gather(pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Gather the values of each key, which may repeat."""
    gathered: dict[str, tuple[str, ...]] = {}
    for key, value in pairs:
        gathered[key] = (*gathered.get(key, ()), value)
    return gathered
