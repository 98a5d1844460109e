"""What the services themselves wrote down about a step: who, when, from what to what, ready to be remembered.

What a pull sees is how a side stands; what a service tells of its own is each step between. The two are kept side by
side, and where they do not agree, that is told, too. Everything here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from reconciler.core.case_events import CaseEvent, CaseEventKind
from reconciler.core.copies import replace
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import case_stage
from reconciler.core.model import Case, Incident, Stage

COMMENT_EDITED = "commentEdited"
"""The event of a comment that was there before with other words."""
COMMENT_DELETED = "commentDeleted"
"""The event of a comment that is not there any more; nobody tells who deleted it, or when."""

NO_KIND = "event"
"""The event of an entry that does not say what happened."""

Known = tuple[str, str, datetime | None]
"""A step that is remembered already: the service's id of it, its event, its time."""


@dataclass(frozen=True, kw_only=True)
class ToldStep:
    """One step as its service wrote it down."""

    id: str
    """the service's own id of the entry"""
    event: str
    """the service's own word: ``statusChanged``; of a record, the field that changed"""
    actor: str
    """empty where the service names nobody"""
    at: datetime | None
    """the service's own time of the step; None where it tells none"""
    from_value: str = ""
    to_value: str = ""
    words: str = ""
    """what a person wrote, or what the service adds; untrusted"""
    stage: Stage | None = None
    """where the side stood behind the step; None where that is not told"""

    @property
    def known(self) -> Known:
        """Return what tells this step from every other."""
        return (self.id, self.event, self.at)


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """In what a service's own account and its snapshot do not agree."""

    field: str
    seen: str
    told: str


# -- Cases -----------------------------------------------------------------------------------------------------------


def told_of_case(
    events: Sequence[CaseEvent], known: frozenset[Known], *, is_whole: bool = True
) -> tuple[ToldStep, ...]:
    """List the steps of a Case that are not known yet, in the order in which they were stored.

    A comment may be edited and deleted: each edit that is seen is a step of its own, and so is that it is gone, unless
    the events are not all there (``is_whole``).
    """
    here = {event.id for event in events}
    gone = {id_ for id_, event, _ in known if event == CaseEventKind.COMMENT and is_whole} - here
    deleted = (ToldStep(id=id_, event=COMMENT_DELETED, actor="", at=None) for id_ in sorted(gone))
    steps = [*(step for event in events for step in _steps(event, known)), *deleted]
    return tuple(step for step in steps if step.known not in known)


def _steps(event: CaseEvent, known: frozenset[Known]) -> Iterator[ToldStep]:
    step = ToldStep(
        id=event.id,
        event=event.kind or NO_KIND,
        actor=event.actor.label,
        at=event.happened_at,
        from_value=event.from_value,
        to_value=event.to_value,
        words=event.words,
        stage=case_stage(event.to_value) if event.kind == CaseEventKind.STATUS else None,
    )
    if event.edited_at is None:
        yield step
        return
    if step.known not in known:
        yield replace(step, words="")  # what it said before it was edited is nowhere any more
    yield replace(step, event=COMMENT_EDITED, at=event.edited_at)


_COMPARED: Sequence[tuple[frozenset[str], str, Callable[[Case], str]]] = (
    (frozenset({CaseEventKind.STATUS}), "status", lambda case: case.status),
    (frozenset({CaseEventKind.PRIORITY}), "priority", lambda case: case.priority),
    (frozenset({CaseEventKind.ASSIGNED, CaseEventKind.UNASSIGNED}), "assignee", lambda case: case.assignee),
)
"""The kinds of events whose last one says how a Case stands, and in what."""


def differences(case: Case, events: Sequence[CaseEvent]) -> tuple[Disagreement, ...]:
    """Say in what the last events of each kind and the Case as it was last seen do not agree."""
    found = []
    for kinds, field, seen in _COMPARED:
        told = next((event.to_value for event in reversed(events) if event.kind in kinds), None)
        if told is not None and told != seen(case):
            found.append(Disagreement(field=field, seen=seen(case), told=told))
    return tuple(found)


# -- records ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RecordChange:
    """One entry of ServiceNow's own audit: one field of one record."""

    id: str
    sys_id: str
    """of the record"""
    field: str
    from_value: str
    to_value: str
    user: str
    """user name, as ServiceNow has it"""
    at: datetime
    """to the second"""


def told_of_record(
    record: Incident, changes: Sequence[RecordChange], place: Callable[[Incident], Stage | None]
) -> tuple[ToldStep, ...]:
    """List the changes of a record as steps, each with the stage behind it, from the record as it was last seen.

    ``place`` gives the stage of a record by the rules in force.
    """
    ordered = sorted(changes, key=lambda change: (change.at, change.id))
    steps = []
    for change in reversed(ordered):
        steps.append(_step(change, place(record) if change.field in _PLACING else None))
        record = _before(record, change)
    return tuple(reversed(steps))


_PLACING = frozenset({"state", "assigned_to"})
"""The fields by which a record is placed on the scale."""


def _before(record: Incident, change: RecordChange) -> Incident:
    if change.field == "state":
        return replace(record, state=change.from_value)
    return replace(record, assigned_to=change.from_value) if change.field == "assigned_to" else record


def _step(change: RecordChange, stage: Stage | None) -> ToldStep:
    return ToldStep(
        id=change.id,
        event=change.field,
        actor=change.user,
        at=change.at,
        from_value=change.from_value,
        to_value=change.to_value,
        stage=stage,
    )
