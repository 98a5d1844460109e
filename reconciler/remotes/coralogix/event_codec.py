"""Event JSON of the Cases API v5 -> our CaseEvent.

Strict in id and storing time, without which an event is useless. Everything else is optional; kinds and actors that are
newer than this program keep their own word.
Source: ``case_events_service.openapi.json`` of coralogix/coralogix-management-sdk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from reconciler.core.case_events import CaseActor, CaseEvent, CaseEventKind
from reconciler.core.errors import Malformed
from reconciler.core.model import JsonObject
from reconciler.remotes.coralogix.codec import Moment, Object, Text

NAMES = ("name", "username", "displayName", "userEmail", "receiverName")
"""the members that may hold an actor's name, the best first"""
IDS = ("id", "slackUserId", "teamsUserId", "pagerDutyUserId")
EVENT_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\Z")


class _Event(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)

    id: Text = Field(default="", alias="eventId")
    stored_at: Moment = Field(default=None, alias="createTime")
    happened_at: Moment = Field(default=None, alias="eventTime")
    edited_at: Moment = Field(default=None, alias="updateTime")
    data: Annotated[dict[str, Any], Object] = Field(default={}, alias="eventData")
    actor: Annotated[dict[str, Any], Object] = {}


class _Told(NamedTuple):
    """What the data of an event says."""

    before: str = ""
    after: str = ""
    words: str = ""


def event_from_json(raw: object, case_id: str) -> CaseEvent:
    """Read one event of a Case; raise Malformed when its id or the time of its storing cannot be understood."""
    seen = _Event.model_validate(raw if isinstance(raw, dict) else {})
    event_id = seen.id.lower()
    if not EVENT_ID.fullmatch(event_id) or seen.stored_at is None:
        words = f"an event of the Case {case_id} cannot be understood: eventId or createTime missing or not readable"
        raise Malformed(words, record_id=case_id, raw=raw)
    kind, data = _one_of(seen.data)
    told = _TELLERS.get(kind, _nothing)(data)
    return CaseEvent(
        id=event_id,
        case_id=case_id,
        kind=kind,
        actor=_actor(seen.actor),
        happened_at=seen.happened_at or seen.stored_at,
        stored_at=seen.stored_at,
        edited_at=seen.edited_at,
        from_value=told.before,
        to_value=told.after,
        words=told.words,
    )


def _one_of(members: JsonObject) -> tuple[str, JsonObject]:
    """Return the one member of a choice; nothing where there is none."""
    given = ((name, value) for name, value in members.items() if isinstance(value, dict))
    return next(given, ("", {}))


def _actor(members: JsonObject) -> CaseActor:
    kind, data = _one_of(members)
    return CaseActor(kind=kind, id=_first(data, IDS), name=_first(data, NAMES))


def _first(data: JsonObject, names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(data, name))), "")


def _text(data: JsonObject, name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _short(data: JsonObject, name: str) -> str:
    """Return an enum word without its prefix: ``CASE_STATUS_ACTIVE`` is ``ACTIVE``."""
    return re.sub(r"^(CASE_STATUS|CASE_PRIORITY|KPI_TYPE)_", "", _text(data, name))


def _change(data: JsonObject) -> _Told:
    return _Told(_text(data, "from"), _text(data, "to"))


def _assignment(data: JsonObject) -> _Told:
    return _Told(_text(data, "previousAssigneeUserId"), _text(data, "assigneeUserId"))


def _priorities(data: JsonObject) -> _Told:
    """Return the effective priority before and after, and in words which part of it changed."""
    before, after = data.get("from"), data.get("to")
    old, new = (side if isinstance(side, dict) else {} for side in (before, after))
    moved = [
        f"{part} {_short(old, part) or 'none'} to {_short(new, part) or 'none'}"
        for part in ("system", "override")
        if _short(old, part) != _short(new, part)
    ]
    return _Told(_effective(old), _effective(new), ", ".join(moved))


def _effective(side: JsonObject) -> str:
    return _short(side, "override") or _short(side, "system")


def _failed_assignment(data: JsonObject) -> _Told:
    _, problem = _one_of(data)
    return _Told(after=_text(problem, "unknownAssigneeEmail"))


def _nothing(_: JsonObject) -> _Told:
    return _Told()


_TELLERS: Mapping[str, Callable[[JsonObject], _Told]] = {
    CaseEventKind.CREATED: lambda data: _Told(after=_short(data, "priority")),
    CaseEventKind.STATUS: lambda data: _Told(_short(data, "oldStatus"), _short(data, "newStatus")),
    CaseEventKind.ASSIGNED: _assignment,
    CaseEventKind.UNASSIGNED: _assignment,
    CaseEventKind.ASSIGN_FAILED: _failed_assignment,
    CaseEventKind.PRIORITY: _priorities,
    CaseEventKind.TITLE: _change,
    CaseEventKind.REASON: _change,
    CaseEventKind.COMMENT: lambda data: _Told(words=_text(data, "unsafeText")),
    CaseEventKind.KPI: lambda data: _Told(after=_short(data, "kpiType"), words=_text(data, "threshold")),
    CaseEventKind.NOTIFIED: lambda data: _Told(words=_text(data, "notificationRequestId")),
    CaseEventKind.NOT_NOTIFIED: lambda data: _Told(words=_text(data, "error")),
}
"""What is read from the data of each kind of event."""
