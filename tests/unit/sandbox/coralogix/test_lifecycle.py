"""The lifecycle of the sandbox's Cases, walked step by step from every status in both profiles."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.lifecycle import (
    ACKNOWLEDGED,
    ACTIVE,
    CLOSED,
    LENIENT,
    PENDING,
    RESOLVED,
    STATUSES,
    STRICT,
    Profile,
    Step,
    target,
)
from reconciler.sandbox.coralogix.records import API_KEY, SYSTEM, StepRefusedError
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ORDER = {PENDING: 0, ACTIVE: 1, ACKNOWLEDGED: 2, RESOLVED: 3, CLOSED: 4}

# Written from the diagram of the docs and the table of the skill, apart from the code.
STRICT_EDGES = {
    (PENDING, Step.ACTIVATE, ACTIVE),
    (PENDING, Step.RECOVER, RESOLVED),
    (ACTIVE, Step.ACKNOWLEDGE, ACKNOWLEDGED),
    (ACTIVE, Step.RESOLVE, RESOLVED),
    (ACTIVE, Step.RECOVER, RESOLVED),
    (ACKNOWLEDGED, Step.UNACKNOWLEDGE, ACTIVE),
    (ACKNOWLEDGED, Step.RESOLVE, RESOLVED),
    (ACKNOWLEDGED, Step.RECOVER, RESOLVED),
    (RESOLVED, Step.CLOSE, CLOSED),
    (RESOLVED, Step.AUTO_CLOSE, CLOSED),
    (RESOLVED, Step.REACTIVATE, ACTIVE),
}
LENIENT_EDGES = STRICT_EDGES | {
    (ACTIVE, Step.CLOSE, CLOSED),
    (ACKNOWLEDGED, Step.CLOSE, CLOSED),
    (ACKNOWLEDGED, Step.ACKNOWLEDGE, ACKNOWLEDGED),
    (ACTIVE, Step.UNACKNOWLEDGE, ACTIVE),
    (RESOLVED, Step.RESOLVE, RESOLVED),
    (CLOSED, Step.CLOSE, CLOSED),
}
EDGES = {Profile.STRICT: STRICT_EDGES, Profile.LENIENT: LENIENT_EDGES}


def world(profile: Profile) -> CoralogixWorld:
    return CoralogixWorld(SandboxClock(START), FaultPlan(), profile=profile)


def case_in(made: CoralogixWorld, status: str) -> str:
    case_id = made.create_case("CPU is high", activate=False)
    if status != PENDING:
        made.activate(case_id)
    if status == ACKNOWLEDGED:
        made.acknowledge(case_id)
    if status in {RESOLVED, CLOSED}:
        made.resolve(case_id, "done")
    if status == CLOSED:
        made.close(case_id)
    return case_id


def test_the_tables_hold_every_step() -> None:
    assert set(STRICT) == set(LENIENT) == set(Step)


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("status", [*STATUSES, "SOMETHING_NEW"])
@pytest.mark.parametrize("step", Step)
def test_every_step_from_every_status(profile: Profile, status: str, step: Step) -> None:
    expected = next((to for start, by, to in EDGES[profile] if (start, by) == (status, step)), None)
    assert target(profile, step, status) == expected


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("step", Step)
def test_the_world_follows_its_table(profile: Profile, status: str, step: Step) -> None:
    made = world(profile)
    case_id = case_in(made, status)
    before, events = made.ledger.case(case_id), made.ledger.events(case_id)
    made.clock.advance(seconds=5)
    expected = target(profile, step, status)
    if expected is None:
        with pytest.raises(StepRefusedError, match=status):
            made.step(case_id, step, API_KEY)
        assert (made.ledger.case(case_id), made.ledger.events(case_id)) == (before, events)
    elif expected == status:
        assert made.step(case_id, step, API_KEY) == before
        assert made.ledger.events(case_id) == events
    else:
        after = made.step(case_id, step, API_KEY)
        assert after == made.ledger.case(case_id)
        assert (after.status, after.updated_at) == (expected, made.clock.now())
        assert len(made.ledger.events(case_id)) == len(events) + 1
    entry = made.journal[-1]
    assert (entry.actor, entry.verb, entry.case_id, entry.from_status) == ("apiKey", step, case_id, status)
    assert entry.accepted == (expected is not None)
    assert entry.changed == (expected not in {None, status})
    assert entry.to_status == (expected or status)


@pytest.mark.parametrize("profile", Profile)
def test_only_the_system_leads_back_across_resolved(profile: Profile) -> None:
    back = {step for start, step, to in EDGES[profile] if ORDER[to] < ORDER[start] and ORDER[start] >= ORDER[RESOLVED]}
    assert back == {Step.REACTIVATE}
    assert not [step for step in Step if target(profile, step, CLOSED) not in {None, CLOSED}]


def test_a_key_comes_with_activation_and_counts_up() -> None:
    made = world(Profile.STRICT)
    waiting = made.create_case("one", activate=False)
    second = made.create_case("two")
    assert made.ledger.case(waiting).key is None
    made.activate(waiting)
    assert (made.ledger.case(second).key, made.ledger.case(waiting).key) == ("CASE-1", "CASE-2")
    assert made.ledger.case("CASE-2").id == waiting
    never = made.create_case("three", activate=False)
    assert made.recover(never).key is None


def test_times_and_resolution_follow_the_status() -> None:
    made = world(Profile.STRICT)
    case_id = made.create_case("one")
    made.clock.advance(minutes=1)
    assert made.acknowledge(case_id).acknowledged_at == made.clock.now()
    assert made.unacknowledge(case_id).acknowledged_at is None
    resolved = made.resolve(case_id, " fixed ")
    assert (resolved.resolved_at, resolved.resolved_by, resolved.resolution_reason) == (
        made.clock.now(),
        "cxUser",
        "fixed",
    )
    made.clock.advance(minutes=1)
    back = made.reactivate(case_id)
    assert (back.status, back.reactivated_at, back.resolved_at, back.resolved_by) == (
        ACTIVE,
        made.clock.now(),
        None,
        "",
    )
    assert back.key == "CASE-1"


@pytest.mark.parametrize(
    ("by", "word"), [("user", "cxUser"), ("apiKey", "apiKey"), ("serviceNow", "serviceNow"), (SYSTEM, "system")]
)
def test_who_resolved_is_told(by: str, word: str) -> None:
    made = world(Profile.STRICT)
    case_id = made.create_case("one")
    assert made.resolve(case_id, by=by).resolved_by == word
    assert made.ledger.events(case_id)[-1].actor.kind == made.journal[-1].actor


def test_any_status_can_be_given_and_then_takes_no_step() -> None:
    made = world(Profile.LENIENT)
    case_id = made.create_case("one")
    assert made.set_status(case_id, "SOMETHING_NEW").status == "SOMETHING_NEW"
    for step in Step:
        with pytest.raises(StepRefusedError):
            made.step(case_id, step)
