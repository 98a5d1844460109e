"""What a service's own account becomes: each step once, and where it does not agree with what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.core.case_events import CaseActor, CaseEvent, CaseEventKind
from reconciler.core.model import Stage
from reconciler.core.told import (
    COMMENT_DELETED,
    COMMENT_EDITED,
    RecordChange,
    differences,
    told_of_case,
    told_of_record,
)
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_link, an_incident, policies

NOTHING = frozenset[tuple[str, str, datetime | None]]()


def event(number: int, kind: str, before: str = "", after: str = "", **more: object) -> CaseEvent:
    at = NOW + timedelta(seconds=number)
    values: dict[str, object] = {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "case_id": CASE_ID,
        "kind": kind,
        "actor": CaseActor(kind="user", id="beth"),
        "happened_at": at,
        "stored_at": at,
        "from_value": before,
        "to_value": after,
    }
    return CaseEvent(**values | more)  # type: ignore[arg-type]


STATUS = event(1, CaseEventKind.STATUS, "ACTIVE", "ACKNOWLEDGED")


def test_a_step_has_its_stage_where_it_tells_one() -> None:
    steps = told_of_case([STATUS, event(2, CaseEventKind.TITLE, "a", "b")], NOTHING)
    assert [(step.event, step.stage, step.actor) for step in steps] == [
        ("statusChanged", Stage.ACKNOWLEDGED, "user:beth"),
        ("titleChangedEvent", None, "user:beth"),
    ]


def test_what_is_known_is_no_news_and_an_event_without_a_kind_has_a_word() -> None:
    [step] = told_of_case([STATUS], NOTHING)
    assert told_of_case([STATUS], frozenset({step.known})) == ()
    assert [one.event for one in told_of_case([event(3, "")], NOTHING)] == ["event"]


def test_each_edit_of_a_comment_is_a_step_and_so_is_its_end() -> None:
    comment = event(5, CaseEventKind.COMMENT, words="looking")
    known = frozenset(step.known for step in told_of_case([comment], NOTHING))
    edited = replace(comment, words="found", edited_at=NOW + timedelta(seconds=9))
    [step] = told_of_case([edited], known)
    assert (step.event, step.words, step.at) == (COMMENT_EDITED, "found", NOW + timedelta(seconds=9))
    [gone] = told_of_case([STATUS], known | {told_of_case([STATUS], NOTHING)[0].known})
    assert (gone.event, gone.id, gone.at) == (COMMENT_DELETED, comment.id, None)
    assert told_of_case([], known, is_whole=False) == (), "an event that was not understood may be this one"
    assert told_of_case([], known | {gone.known}) == ()


def test_the_last_event_of_each_kind_is_held_to_the_snapshot() -> None:
    back = event(2, CaseEventKind.STATUS, "ACKNOWLEDGED", "ACTIVE")
    assert differences(a_case(), [STATUS, back]) == ()
    [found] = differences(a_case(), [back, STATUS])
    assert (found.field, found.seen, found.told) == ("status", "ACTIVE", "ACKNOWLEDGED")


def test_what_no_event_tells_is_no_difference() -> None:
    assert differences(a_case(status="RESOLVED", assignee="beth"), [event(1, CaseEventKind.CREATED, "", "P5")]) == ()
    gone = event(1, CaseEventKind.UNASSIGNED, "beth", "")
    assert [one.field for one in differences(a_case(assignee="beth"), [gone])] == ["assignee"]
    assert [one.field for one in differences(a_case(), [event(1, CaseEventKind.PRIORITY, "P2", "P1")])] == ["priority"]


def change(number: int, field: str, before: str, after: str) -> RecordChange:
    at = NOW + timedelta(seconds=number)
    return RecordChange(
        id=f"{number:032x}", sys_id=SYS_ID, field=field, from_value=before, to_value=after, user="beth", at=at
    )


def test_each_change_of_a_record_is_placed_by_what_the_record_was_then() -> None:
    rules, link = policies(), a_link()
    record = an_incident(state="6", assigned_to="beth")
    changes = [
        change(4, "state", "1", "6"),
        change(3, "short_description", "a", "b"),
        change(2, "assigned_to", "", "beth"),
    ]
    steps = told_of_record(record, changes, lambda one: rules.incident_stage(link, one))
    assert [(step.event, step.stage) for step in steps] == [
        ("assigned_to", Stage.ACKNOWLEDGED),
        ("short_description", None),
        ("state", Stage.RESOLVED),
    ]
