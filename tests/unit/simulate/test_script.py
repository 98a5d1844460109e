"""The script of a simulation: how a Case entered, and what happened to it when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from reconciler.core.case_events import CaseActor, CaseEvent, CaseEventKind
from reconciler.simulate.history import CaseHistory
from reconciler.simulate.script import CaseAppears, ScriptedEvent, script_of
from tests.builders import CASE_ID, NOW, a_case

SINCE = NOW - timedelta(days=1)


def an_event(at: datetime, kind: str, before: str = "", after: str = "", **more: Any) -> CaseEvent:
    return CaseEvent(
        id=str(UUID(int=int(at.timestamp()))),
        case_id=CASE_ID,
        kind=kind,
        actor=CaseActor(kind="user", id="somebody"),
        happened_at=at,
        stored_at=at,
        from_value=before,
        to_value=after,
        **more,
    )


def minute(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def test_a_case_enters_as_it_was_when_it_was_opened() -> None:
    case = a_case(
        title="renamed",
        status="RESOLVED",
        priority="P1",
        priority_override="P1",
        assignee="u-2",
        created_at=minute(0),
        updated_at=minute(4),
        acknowledged_at=minute(2),
        resolved_at=minute(4),
        resolved_by="cxUser",
        resolution_reason="restarted",
    )
    events = (
        an_event(minute(0), CaseEventKind.CREATED, after="P3"),
        an_event(minute(1), CaseEventKind.TITLE, "first", "renamed"),
        an_event(minute(2), CaseEventKind.STATUS, "ACTIVE", "ACKNOWLEDGED"),
        an_event(minute(2), CaseEventKind.ASSIGNED, "", "u-2"),
        an_event(minute(3), CaseEventKind.PRIORITY, "P3", "P1"),
        an_event(minute(4), CaseEventKind.STATUS, "ACKNOWLEDGED", "RESOLVED"),
    )
    entrance, *turns = script_of([CaseHistory(case=case, events=events)], SINCE)
    assert isinstance(entrance, CaseAppears)
    first = entrance.case
    assert entrance.at == first.created_at == first.updated_at == minute(0)
    assert (first.title, first.status, first.priority, first.assignee) == ("first", "ACTIVE", "P3", "")
    assert (first.acknowledged_at, first.resolved_at, first.resolved_by, first.resolution_reason) == (
        None,
        None,
        "",
        "",
    )
    assert (first.priority_system, first.priority_override) == ("P3", "")
    assert [(turn.at, turn.kind, turn.value, turn.reason) for turn in turns if isinstance(turn, ScriptedEvent)] == [
        (minute(1), "titleChangedEvent", "renamed", ""),
        (minute(2), "statusChanged", "ACKNOWLEDGED", ""),
        (minute(2), "assigned", "u-2", ""),
        (minute(3), "priorityDetailsChanged", "P1", ""),
        (minute(4), "statusChanged", "RESOLVED", "restarted"),
    ]


def test_a_case_from_before_the_window_enters_at_its_beginning_as_it_stood_then() -> None:
    opened, acknowledged = SINCE - timedelta(hours=5), SINCE - timedelta(hours=2)
    case = a_case(status="CLOSED", created_at=opened, updated_at=minute(1), acknowledged_at=acknowledged)
    events = (
        an_event(acknowledged, CaseEventKind.STATUS, "ACTIVE", "ACKNOWLEDGED"),
        an_event(minute(0), CaseEventKind.STATUS, "ACKNOWLEDGED", "RESOLVED"),
        an_event(minute(1), CaseEventKind.STATUS, "RESOLVED", "CLOSED"),
    )
    entrance, *turns = script_of([CaseHistory(case=case, events=events)], SINCE)
    assert isinstance(entrance, CaseAppears)
    assert (entrance.at, entrance.case.status) == (SINCE, "ACKNOWLEDGED")
    assert (entrance.case.created_at, entrance.case.updated_at) == (opened, acknowledged)
    assert entrance.case.acknowledged_at == acknowledged
    assert [turn.at for turn in turns] == [minute(0), minute(1)]


def test_a_case_to_which_nothing_happened_enters_as_it_is() -> None:
    case = a_case(created_at=minute(0), updated_at=None)
    (entrance,) = script_of([CaseHistory(case=case)], SINCE)
    assert isinstance(entrance, CaseAppears)
    assert (entrance.at, entrance.case.updated_at, entrance.case.status) == (minute(0), None, "ACTIVE")


def test_what_changes_nothing_is_not_played_and_a_comment_is() -> None:
    case = a_case(created_at=minute(0))
    events = (
        an_event(minute(1), CaseEventKind.NOTIFIED),
        an_event(minute(2), CaseEventKind.COMMENT, words="on it"),
        an_event(minute(3), "somethingNew"),
    )
    _, *turns = script_of([CaseHistory(case=case, events=events)], SINCE)
    assert [(turn.kind, turn.value) for turn in turns if isinstance(turn, ScriptedEvent)] == [("comment", "on it")]


def test_an_event_that_does_not_tell_what_was_before_leaves_it_as_it_is() -> None:
    case = a_case(title="now", created_at=minute(0))
    events = (an_event(minute(1), CaseEventKind.TITLE, "", "now"),)
    entrance, _ = script_of([CaseHistory(case=case, events=events)], SINCE)
    assert isinstance(entrance, CaseAppears)
    assert entrance.case.title == "now"


def test_all_cases_are_played_in_the_order_of_time() -> None:
    other = "00000000-0000-4000-8000-000000000001"
    first = CaseHistory(
        case=a_case(status="CLOSED", created_at=minute(0)),
        events=(an_event(minute(5), CaseEventKind.STATUS, "ACTIVE", "CLOSED"),),
    )
    second = CaseHistory(case=a_case(id=other, created_at=minute(5)))
    script = script_of([first, second], SINCE)
    assert [(scene.at, type(scene)) for scene in script] == [
        (minute(0), CaseAppears),
        (minute(5), CaseAppears),
        (minute(5), ScriptedEvent),
    ]
