"""The contract of CaseClient for one Case: reading it, the verbs, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from reconciler.core.errors import AuthFailed, Missing, Rejected
from reconciler.core.lifecycle import verbs
from reconciler.core.model import Entity, Indicator, Stage, Verb
from reconciler.remotes.ports import CaseClient, CaseOrder
from reconciler.sandbox.coralogix.lifecycle import STATUSES, Profile, Step, target
from reconciler.sandbox.coralogix.records import person
from reconciler.sandbox.coralogix.world import CoralogixWorld
from tests.contract.case_support import VERBS, ids
from tests.contract.stage import START, CaseStage, OpenCases, Theatre, new_cases

UNKNOWN = str(UUID(int=0xABCDEF))
BY_ID: dict[str, Callable[[CaseClient, str], object]] = {
    "get": lambda client, case_id: client.get_case(case_id),
    "deep link": lambda client, case_id: client.deep_link(case_id),
    **{verb.value: act for verb, act in VERBS.items()},
}
ODD_IDS = ["", " ", "nonsense", "case-1", "CASE-", "../cases", UNKNOWN.upper(), f"{UNKNOWN}\n"]


# --- one Case ------------------------------------------------------------------------------------------------


def rich(world: CoralogixWorld) -> str:
    """Make a Case that has everything that a Case can have."""
    indicators = [
        Indicator(kind="alert", id=UNKNOWN, state="NO_DATA", priority="P1", labels={"host": "a"}),
        Indicator(kind="alert", id=UNKNOWN, name="an alert has none"),
        Indicator(kind="generic", id=UNKNOWN, resolved_at=world.clock.now(), labels={"k": "v"}),
        Indicator(kind="generic", id=UNKNOWN, name="ext", state="RESOLVED", triggered_at=START),
        Indicator(kind="prometheus", id="f1", name="Down", resolved_at=world.clock.now(), labels={"job": "x"}),
        Indicator(kind="prometheus", id="f2", triggered_at=START - timedelta(hours=1)),
    ]
    parent = world.create_case("parent")
    made = world.create_case(
        "rich «täst» \U0001f525",
        "P3",
        [("routing.team", "sre"), ("routing.team", "web"), ("env", "prod")],
        category="SECURITY",
        groupings=[("service", "pay")],
        impacted_entities=[Entity(kind="service", name="api", detail="go"), Entity(kind="database", name="orders")],
        indicators=indicators,
        parent_id=parent,
    )
    world.assign(made, person("ada").id)
    world.set_priority(made, "P1")
    world.set_priority(made, "P2", by="system")
    world.breach_kpi(made)
    world.set_reason(made, "told before it was resolved")
    return made


@pytest.mark.parametrize("digits", [0, 3, 9])
def test_everything_that_the_world_holds_is_read(digits: int, open_cases: OpenCases) -> None:
    stage = open_cases(fractional_digits=digits, extra_fields=True)
    made = rich(stage.world)
    assert stage.client.get_case(made) == stage.world.ledger.case(made)
    for step in ("acknowledge", "resolve", "reactivate", "resolve", "close"):
        stage.world.clock.advance(seconds=1.25)
        stage.world.step(made, Step(step), "system" if step == "reactivate" else "user", "because")
        assert stage.client.get_case(made) == stage.world.ledger.case(made)
    assert made in ids(stage.client.list_cases(order=CaseOrder.UPDATED))
    assert stage.client.list_cases(order=CaseOrder.UPDATED).cases[0] == stage.world.ledger.case(made)


def test_a_key_finds_the_case_too(cases: CaseStage) -> None:
    made = cases.world.create_case("one")
    assert cases.client.get_case("CASE-1") == cases.world.ledger.case(made)
    assert cases.client.deep_link("CASE-1") == cases.client.deep_link(made) == cases.world.ledger.console_url(made)
    assert cases.client.acknowledge("CASE-1").id == made


@pytest.mark.parametrize("operation", BY_ID)
def test_a_case_that_is_not_there_is_missing(operation: str, cases: CaseStage) -> None:
    hidden, deleted = cases.world.create_case("hidden"), cases.world.create_case("deleted")
    cases.world.hide(hidden)
    cases.world.delete(deleted)
    for case_id in (UNKNOWN, "CASE-99", hidden, deleted):
        with pytest.raises(Missing) as caught:
            BY_ID[operation](cases.client, case_id)
        assert (type(caught.value), caught.value.status) == (Missing, 404)


@pytest.mark.parametrize("operation", BY_ID)
@pytest.mark.parametrize("case_id", ODD_IDS)
def test_an_odd_id_is_refused_before_anything_is_sent(operation: str, case_id: str, cases: CaseStage) -> None:
    with pytest.raises(Rejected) as caught:
        BY_ID[operation](cases.client, case_id)
    assert type(caught.value) is Rejected
    assert cases.requests.total() == 0


# --- the verbs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("verb", Verb)
def test_a_verb_is_taken_or_rejected_as_the_profile_says(
    verb: Verb, status: str, profile: Profile, open_cases: OpenCases
) -> None:
    stage = open_cases(profile=profile)
    made = stage.world.create_case("one")
    stage.world.set_status(made, status)
    stage.world.clock.advance(seconds=1)
    before, written = stage.world.ledger.case(made), len(stage.world.journal)
    expected = target(profile, Step(verb.value), status)
    if expected is None:
        with pytest.raises(Rejected) as caught:
            VERBS[verb](stage.client, made)
        assert (type(caught.value), caught.value.status) == (Rejected, 400)
        assert stage.world.ledger.case(made) == before
    else:
        after = VERBS[verb](stage.client, made)
        assert after.status == expected
        assert after == stage.world.ledger.case(made) == stage.client.get_case(made)
        assert (after == before) == (expected == status)
    assert stage.requests[f"cases.{verb}"] == 1
    assert [entry.actor for entry in stage.world.journal[written:]] == ["apiKey"]


@pytest.mark.parametrize("profile", Profile)
def test_the_planned_path_reaches_every_later_stage(profile: Profile, open_cases: OpenCases) -> None:
    for start, goal in ((start, goal) for start in Stage for goal in Stage if goal > start):
        stage = open_cases(profile=profile)
        made = stage.world.create_case("one")
        for verb in verbs(Stage.OPEN, start):
            VERBS[verb](stage.client, made)
        for verb in verbs(start, goal):
            reached = VERBS[verb](stage.client, made)
        assert reached.status == goal.name


@pytest.mark.parametrize(
    ("reason", "kept"), [("", ""), ("x" * 500, "x" * 500), ("  fixed \n", "fixed"), ("é\u2028☃", "é\u2028☃")]
)
def test_a_resolve_carries_its_reason(reason: str, kept: str, cases: CaseStage) -> None:
    made = cases.world.create_case("one")
    resolved = cases.client.resolve(made, reason)
    assert (resolved.resolution_reason, resolved.resolved_by, resolved.resolved_at) == (kept, "apiKey", START)


def test_a_reason_that_is_too_long_is_refused_before_anything_is_sent(cases: CaseStage) -> None:
    made = cases.world.create_case("one")
    with pytest.raises(Rejected, match="500"):
        cases.client.resolve(made, "x" * 501)
    assert cases.requests.total() == 0
    assert cases.world.ledger.case(made).status == "ACTIVE"


def test_reading_changes_nothing(cases: CaseStage) -> None:
    made = cases.world.create_case("one")
    before = list(cases.world.journal)
    cases.client.list_cases(order=CaseOrder.UPDATED)
    cases.client.get_case(made)
    cases.client.deep_link(made)
    assert cases.world.journal == before
    assert dict(cases.requests) == {"cases.list": 1, "cases.get": 1, "cases.deep_links": 1}


# --- what only a wire has ------------------------------------------------------------------------------------


def test_a_wrong_key_is_a_failed_login(theatre: Theatre) -> None:
    stage = theatre.cases(new_cases(), key="wrong")
    made = stage.world.create_case("one")
    with pytest.raises(AuthFailed):
        stage.client.list_cases(order=CaseOrder.UPDATED)
    for act in BY_ID.values():
        with pytest.raises(AuthFailed):
            act(stage.client, made)
    assert stage.world.ledger.case(made).status == "ACTIVE"
