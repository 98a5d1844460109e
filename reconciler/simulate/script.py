"""Turn histories into a script: when each Case appears, as it was then, and what happens to it when.

What the events do not tell is taken as it is now: labels, indicators, and whatever never changed in the window. A Case
that was opened before the window appears at its beginning, as it was then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.case_events import CaseActor, CaseEvent, CaseEventKind
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case
from reconciler.simulate.history import CaseHistory

UNRESOLVED: Mapping[str, Any] = {"resolved_at": None, "resolved_by": "", "resolution_reason": ""}
NOT_YET: Mapping[str, Mapping[str, Any]] = {
    "PENDING_ACTIVATION": {"acknowledged_at": None, **UNRESOLVED},
    "ACTIVE": {"acknowledged_at": None, **UNRESOLVED},
    "ACKNOWLEDGED": UNRESOLVED,
}
"""status -> what a Case with it does not have yet"""
FIELDS: Mapping[str, str] = {
    CaseEventKind.STATUS: "status",
    CaseEventKind.PRIORITY: "priority",
    CaseEventKind.TITLE: "title",
    CaseEventKind.REASON: "resolution_reason",
    CaseEventKind.ASSIGNED: "assignee",
    CaseEventKind.UNASSIGNED: "assignee",
}
"""kind of event -> the field of a Case that it changes; a comment changes none"""


@dataclass(frozen=True, kw_only=True)
class CaseAppears:
    """A Case appears at a time, looking like this."""

    at: datetime
    case: Case


@dataclass(frozen=True, kw_only=True)
class ScriptedEvent:
    """One thing happens to a Case."""

    at: datetime
    case_id: str
    kind: str
    """a CaseEventKind that FIELDS knows, or COMMENT"""
    value: str
    actor: CaseActor
    reason: str = ""
    """why, of a step to RESOLVED: as the Case has it now"""


Scene = CaseAppears | ScriptedEvent


def script_of(histories: Iterable[CaseHistory], since: datetime) -> tuple[Scene, ...]:
    """Write the script of many Cases, in the order of time; a Case comes before what happens to it."""
    scenes = [scene for history in histories for scene in _scenes(history, since)]
    return tuple(sorted(scenes, key=lambda scene: (scene.at, isinstance(scene, ScriptedEvent))))


def _scenes(history: CaseHistory, since: datetime) -> list[Scene]:
    enters_at = max(history.case.created_at, since)
    # Events at the moment of creation are part of how the Case appears: it has no earlier state.
    later = [event for event in history.events if event.stored_at > enters_at]
    before = [event.stored_at for event in history.events if event.stored_at <= enters_at and _changes(event)]
    entrance = CaseAppears(at=enters_at, case=_as_it_was(history.case, later, max(before, default=None)))
    turns = [_turn(event, history.case) for event in later if _changes(event) or event.kind == CaseEventKind.COMMENT]
    return [entrance, *turns]


def _changes(event: CaseEvent) -> bool:
    return event.kind in FIELDS


def _as_it_was(case: Case, later: list[CaseEvent], changed_at: datetime | None) -> Case:
    """Undo what happened later, newest first."""
    for event in reversed(later):
        if _changes(event) and (event.from_value or FIELDS[event.kind] == "assignee"):
            undone: dict[str, Any] = {FIELDS[event.kind]: event.from_value}
            case = replace(case, **undone)
    updated_at = changed_at or (case.created_at if later or case.updated_at else None)
    case = replace(case, updated_at=updated_at, priority_system=case.priority, priority_override="")
    return replace(case, **NOT_YET.get(case.status, {}))


def _turn(event: CaseEvent, case: Case) -> ScriptedEvent:
    is_resolved = event.kind == CaseEventKind.STATUS and event.to_value == "RESOLVED"
    return ScriptedEvent(
        at=event.stored_at,
        case_id=case.id,
        kind=event.kind,
        value=event.words if event.kind == CaseEventKind.COMMENT else event.to_value,
        actor=event.actor,
        reason=case.resolution_reason if is_resolved else "",
    )
