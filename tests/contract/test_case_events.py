"""CaseEventClient against a Coralogix world over HTTP: every step of a Case is an event with its own person.

Requests and answers are held against the official description like all others of the suite.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.case_events import ActorKind, CaseEvent, CaseEventKind
from reconciler.core.errors import AuthFailed, Missing, Rejected, Transient
from reconciler.core.model import System
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import bearer_login
from reconciler.sandbox.both import API_KEY
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.records import API_KEY as KEY_ACTOR
from reconciler.sandbox.coralogix.records import PERSON, SERVICE_NOW, Actor, person
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.http.wire import Request, Response
from tests.contract.stage import Theatre, new_cases


class EventStage:
    """Hold a Coralogix world and a client of its events."""

    def __init__(self, theatre: Theatre, *, key: str = API_KEY, **knobs: object) -> None:
        self.world: CoralogixWorld = new_cases(**knobs)  # type: ignore[arg-type]
        self.face = CoralogixFace(self.world, API_KEY)
        theatre.desk.faces[System.CORALOGIX] = self.face
        self.client = CoralogixEventClient(theatre.service(System.CORALOGIX, bearer_login(key)))

    def told(self, case_id: str) -> list[tuple[str, str, str, str]]:
        """Give kind, actor, from and to of every event."""
        events = self.client.events(case_id).events
        return [(event.kind, event.actor.kind, event.from_value, event.to_value) for event in events]


@pytest.fixture
def stage(theatre: Theatre) -> EventStage:
    return EventStage(theatre)


def test_every_step_has_its_event_with_its_own_person(stage: EventStage) -> None:
    world = stage.world
    made = world.create_case("one", "P3", activate=False)
    world.activate(made)
    world.acknowledge(made, by=person("beth"))
    world.resolve(made, "done", by=KEY_ACTOR)
    world.reactivate(made)
    world.resolve(made, by=SERVICE_NOW)
    world.close(made)
    status = CaseEventKind.STATUS
    assert stage.told(made) == [
        (CaseEventKind.CREATED, ActorKind.SYSTEM, "", "P3"),
        (status, ActorKind.SYSTEM, "PENDING_ACTIVATION", "ACTIVE"),
        (status, ActorKind.USER, "ACTIVE", "ACKNOWLEDGED"),
        (status, ActorKind.API_KEY, "ACKNOWLEDGED", "RESOLVED"),
        (status, ActorKind.SYSTEM, "RESOLVED", "ACTIVE"),
        (status, ActorKind.SERVICENOW, "ACTIVE", "RESOLVED"),
        (status, ActorKind.USER, "RESOLVED", "CLOSED"),
    ]


def test_everything_else_that_changes_has_one_too(stage: EventStage) -> None:
    world = stage.world
    made = world.create_case("one", "P2")
    world.set_title(made, "another")
    world.set_priority(made, "P1")
    world.set_priority(made, "P4", by="system")
    world.assign(made, PERSON.id)
    world.assign(made, "")
    world.assign_by_email(made, "nobody@example.com")
    world.resolve(made, "done")
    world.set_reason(made, "on second thoughts")
    world.breach_kpi(made)
    world.deliver(made, "https://example.com/record")
    world.deliver(made)
    assert [(kind, before, after) for kind, _, before, after in stage.told(made)][1:] == [
        (CaseEventKind.TITLE, "one", "another"),
        (CaseEventKind.PRIORITY, "P2", "P1"),
        (CaseEventKind.PRIORITY, "P1", "P1"),
        (CaseEventKind.ASSIGNED, "", PERSON.id),
        (CaseEventKind.UNASSIGNED, PERSON.id, ""),
        (CaseEventKind.ASSIGN_FAILED, "", "nobody@example.com"),
        (CaseEventKind.STATUS, "ACTIVE", "RESOLVED"),
        (CaseEventKind.REASON, "done", "on second thoughts"),
        (CaseEventKind.KPI, "", "TIME_TO_ACKNOWLEDGE"),
        (CaseEventKind.NOTIFIED, "", ""),
        (CaseEventKind.NOT_NOTIFIED, "", ""),
    ]
    words = [event.words for event in stage.client.events(made).events]
    assert words[2:4] == ["override none to P1", "system P2 to P4"]
    assert words[-1] == "the instance did not answer"


def only(stage: EventStage, case_id: str) -> CaseEvent:
    """Give the last event of a Case."""
    return stage.client.events(case_id).events[-1]


def test_times_are_those_of_each_step_and_not_of_the_reading(stage: EventStage) -> None:
    made = stage.world.create_case("one")
    times = [stage.world.clock.now()]
    for act in (stage.world.acknowledge, stage.world.resolve):
        times.append(stage.world.clock.advance(seconds=7))
        act(made)
    stage.world.clock.advance(hours=1)
    events = stage.client.events(made).events
    assert [event.happened_at for event in events] == times
    assert [event.stored_at for event in events] == times


def test_the_key_and_the_uuid_lead_to_the_same_events(stage: EventStage) -> None:
    made = stage.world.create_case("one")
    by_key, by_id = only(stage, "CASE-1"), only(stage, made)
    assert by_id.case_id == made
    assert replace(by_key, case_id=made) == by_id


@pytest.mark.parametrize(
    ("actor", "label"),
    [
        (Actor(kind="system"), "system"),
        (PERSON, f"user:{PERSON.id}"),
        (KEY_ACTOR, "apiKey:Sandbox key"),
        (SERVICE_NOW, "serviceNow:integration.user"),
        (Actor(kind="slack", id="U1", name="Beth"), "slack:Beth"),
        (Actor(kind="microsoftTeams", id="29:1", name="Beth"), "microsoftTeams:Beth"),
        (Actor(kind="pagerDuty", id="P1", name="Beth"), "pagerDuty:Beth"),
        (Actor(kind="prometheusAlertManager", name="main-0"), "prometheusAlertManager:main-0"),
    ],
    ids=lambda value: value.kind if isinstance(value, Actor) else "",
)
def test_each_actor_is_named_by_the_best_word_there_is(stage: EventStage, actor: Actor, label: str) -> None:
    made = stage.world.create_case("one")
    stage.world.set_title(made, "another", by=actor)
    assert only(stage, made).actor.label == label


def test_a_comment_may_be_edited_and_deleted(stage: EventStage) -> None:
    made = stage.world.create_case("one")
    comment = stage.world.comment(made, "looking", by=person("beth"))
    assert only(stage, made).words == "looking"
    edited_at = stage.world.clock.advance(seconds=5)
    stage.world.edit_comment(comment.id, "found")
    event = only(stage, made)
    assert (event.id, event.words, event.edited_at) == (comment.id, "found", edited_at)
    assert event.stored_at == edited_at - timedelta(seconds=5)
    stage.world.delete_comment(comment.id)
    assert only(stage, made).kind == CaseEventKind.CREATED


def test_what_cannot_be_read_is_said(stage: EventStage, theatre: Theatre) -> None:
    with pytest.raises(Missing):
        stage.client.events("CASE-9")
    with pytest.raises(Rejected, match="no Case id"):
        stage.client.events("../cases")
    hidden = stage.world.create_case("one")
    stage.world.hide(hidden)
    with pytest.raises(Missing):
        stage.client.events(hidden)
    with pytest.raises(AuthFailed):
        EventStage(theatre, key="wrong").client.events(hidden)


def test_a_read_is_asked_again_and_a_fault_that_stays_is_transient(stage: EventStage) -> None:
    made = stage.world.create_case("one")
    stage.world.faults.add(Fault(FaultKind.ERROR_500, "cases.events"))
    assert only(stage, made).kind == CaseEventKind.CREATED
    stage.world.faults.add(Fault(FaultKind.ERROR_IN_200, "cases.events", times=None))
    with pytest.raises(Transient):
        stage.client.events(made)


def test_the_future_is_read_leniently(theatre: Theatre) -> None:
    stage = EventStage(theatre, extra_fields=True, null_optionals=True, fractional_digits=9)
    theatre.desk.answers_are_described = False
    made = stage.world.create_case("one")
    assert [event.kind for event in stage.client.events(made).events] == [CaseEventKind.CREATED]


class Saying:
    """Answer everything with one document."""

    def __init__(self, document: object) -> None:
        self.document = document

    def answer(self, request: Request) -> Response:
        return Response.json(200, self.document)


EVENT_ID = "EF51D3D9-a301-496b-aa7d-9a6e519ba0d5"
STORED = "2025-09-22T10:30:00.123456789Z"


def read(theatre: Theatre, *events: object) -> tuple[tuple[CaseEvent, ...], int]:
    """Give what the client makes of events as they stand, and how many it puts aside."""
    stage = EventStage(theatre)
    theatre.desk.answers_are_described = False
    theatre.desk.faces[System.CORALOGIX] = Saying({"events": list(events)})
    answer = stage.client.events("CASE-1")
    return answer.events, len(answer.malformed)


def test_a_new_kind_and_a_new_actor_keep_their_words(theatre: Theatre) -> None:
    raw = {"eventId": EVENT_ID, "createTime": STORED, "eventData": {"merged": {"into": "x"}}, "actor": {"olly": {}}}
    (event,), aside = read(theatre, raw)
    assert (event.id, event.kind, event.actor.label, aside) == (EVENT_ID.lower(), "merged", "olly", 0)
    assert event.happened_at == event.stored_at
    assert event.stored_at.microsecond == 123456


def test_events_are_put_in_order_and_broken_ones_aside(theatre: Theatre) -> None:
    late: dict[str, object] = {
        "eventId": EVENT_ID,
        "createTime": "2025-09-22T10:30:00.5Z",
        "eventData": None,
        "actor": [],
    }
    early = {"eventId": EVENT_ID.lower(), "createTime": "2025-09-22T10:30:00Z"}
    broken = [{**late, "eventId": "x"}, {**late, "createTime": "never"}, None, 7]
    events, aside = read(theatre, late, early, *broken)
    assert [event.stored_at.microsecond for event in events] == [0, 500000]
    assert aside == len(broken)


def test_what_happened_earlier_than_it_was_stored_keeps_both_times(theatre: Theatre) -> None:
    raw = {"eventId": EVENT_ID, "createTime": "2025-09-22T10:30:00Z", "eventTime": "2025-09-22T10:29:45Z"}
    (event,), _ = read(theatre, raw)
    assert event.stored_at - event.happened_at == timedelta(seconds=15)


@pytest.mark.parametrize("document", [{}, {"events": {}}, {"events": "none"}])
def test_an_answer_without_its_events_is_an_error(theatre: Theatre, document: object) -> None:
    stage = EventStage(theatre)
    theatre.desk.answers_are_described = False
    theatre.desk.faces[System.CORALOGIX] = Saying(document)
    with pytest.raises(Transient):
        stage.client.events("CASE-1")
