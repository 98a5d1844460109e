"""The whole space of decisions: every place of both sides, every memory, every policy."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from reconciler.core.model import Action, ActionKind, Pair, SkipReason, Stage, Verb
from reconciler.core.planning.decide import decide
from reconciler.core.policies.policies import Outbound, Policies
from tests.builders import (
    STATE_OF,
    STATUS_OF,
    a_case,
    a_link,
    an_inbound,
    an_incident,
    an_outbound,
    known,
    looked_up,
    policies,
)

STAGE_OF_STATUS = {status: stage for stage, status in STATUS_OF.items()}
STAGE_OF_STATE = {state: stage for stage, state in STATE_OF.items()} | {"3": Stage.ACKNOWLEDGED, "8": Stage.CLOSED}
AFTER = {Verb.ACKNOWLEDGE: Stage.ACKNOWLEDGED, Verb.RESOLVE: Stage.RESOLVED, Verb.CLOSE: Stage.CLOSED}
SWITCHES = list(itertools.product((False, True), repeat=3))


def outbound(acknowledge: bool, resolve: bool, close: bool) -> Outbound:
    full = an_outbound()
    return replace(
        full,
        acknowledge_on=full.acknowledge_on if acknowledge else frozenset(),
        resolve_on=full.resolve_on if resolve else frozenset(),
        close_on=full.close_on if close else frozenset(),
    )


def pairs(case_stage: Stage, state: str) -> list[Pair]:
    """Every memory that two sides at these places can have; fields are in step already."""
    incident = an_incident(state=state)
    case = a_case(status=STATUS_OF[case_stage])
    made = decide(Pair(link=a_link(), case=case, incident=incident), policies(), known())
    in_step = made.actions[0].written if made.actions else made.link.written
    incident = replace(incident, fields={**in_step, "close_code": "", "close_notes": ""})
    return [
        Pair(
            link=a_link(case_peak=case_peak, incident_peak=incident_peak, written=in_step), case=case, incident=incident
        )
        for case_peak in Stage
        for incident_peak in Stage
        if case_peak >= case_stage and incident_peak >= STAGE_OF_STATE[state]
    ]


SPACE = [
    (pair, switches)
    for case_stage in Stage
    for state in STAGE_OF_STATE
    for pair in pairs(case_stage, state)
    for switches in SWITCHES
]


def carried_out(pair: Pair, actions: tuple[Action, ...]) -> Pair:
    """Give what both services and the link look like when every action took effect."""
    for action in actions:
        if action.kind is ActionKind.ADVANCE_CASE:
            reached = AFTER[action.path[-1]]
            link = replace(pair.link, case_peak=max(reached, pair.link.case_peak or reached))
            pair = replace(pair, link=link, case=replace(pair.case, status=STATUS_OF[reached]))
            continue
        assert pair.incident
        sent = dict(action.fields)
        state = sent.pop("state", pair.incident.state)
        incident = replace(pair.incident, state=state, fields={**pair.incident.fields, **sent}, mod_count=9)
        peak = max(STAGE_OF_STATE[state], pair.link.incident_peak or Stage.OPEN)
        pair = replace(pair, incident=incident, link=replace(pair.link, incident_peak=peak, written=action.written))
    return pair


def test_the_space_is_whole() -> None:
    assert len(SPACE) > 1000
    assert {pair.case.status for pair, _ in SPACE} == set(STATUS_OF.values())
    assert {pair.incident.state for pair, _ in SPACE if pair.incident} == set(STAGE_OF_STATE)


def test_nothing_ever_moves_back_and_a_plan_applied_leaves_an_empty_plan() -> None:
    for pair, switches in SPACE:
        rules = policies(outbound=outbound(*switches))
        decision = decide(pair, rules, known())
        for action in decision.actions:
            check_forward(pair, action)
        assert len(decision.actions) <= 2
        again = decide(carried_out(pair, decision.actions), rules, known())
        assert not again.actions, (pair, switches, decision.actions, again.actions)


def check_forward(pair: Pair, action: Action) -> None:
    assert pair.incident
    if action.kind is ActionKind.ADVANCE_CASE:
        stage, peak = STAGE_OF_STATUS[pair.case.status], pair.link.case_peak
        steps = [stage, *(AFTER[verb] for verb in action.path)]
        assert steps == sorted(set(steps)), "a verb that leads nowhere or back"
        assert Verb.CLOSE not in action.path or Stage.RESOLVED in steps, "closed without being resolved"
    else:
        stage, peak = STAGE_OF_STATE[pair.incident.state], pair.link.incident_peak
        assert pair.incident.state not in ("7", "8"), "a record that is over was written"
        assert action.kind is ActionKind.ADVANCE_INCIDENT
    assert peak is not None
    assert action.from_stage == stage < action.to_stage
    assert action.to_stage > peak, "pushed forward again to where it stood"
    assert not (stage < Stage.RESOLVED <= peak), "reopened, and written"


def test_the_incident_follows_its_case() -> None:
    for pair, switches in SPACE:
        decision = decide(pair, policies(outbound=outbound(*switches)), known())
        moves = [a.to_stage for a in decision.actions if a.kind is ActionKind.ADVANCE_INCIDENT]
        assert pair.incident
        assert pair.link.incident_peak
        stage = STAGE_OF_STATUS[pair.case.status]
        over = pair.incident.state in ("7", "8")
        reopened = STAGE_OF_STATE[pair.incident.state] < Stage.RESOLVED <= pair.link.incident_peak
        expected = [stage] if stage > pair.link.incident_peak and not over and not reopened else []
        assert moves == expected, (pair, moves)


@pytest.mark.parametrize("switches", SWITCHES)
@pytest.mark.parametrize("case_stage", list(Stage))
@pytest.mark.parametrize("state", list(STAGE_OF_STATE))
def test_the_case_follows_what_the_policy_hears(
    case_stage: Stage, state: str, switches: tuple[bool, bool, bool]
) -> None:
    acknowledge, resolve, close = switches
    pair = next(p for p in pairs(case_stage, state) if p.link.agreed == min(case_stage, STAGE_OF_STATE[state]))
    decision = decide(pair, policies(outbound=outbound(*switches)), known())
    moves = [action for action in decision.actions if action.kind is ActionKind.ADVANCE_CASE]
    asked = {
        "1": None,
        "2": Stage.ACKNOWLEDGED if acknowledge else None,
        "3": Stage.ACKNOWLEDGED if acknowledge else None,
        "6": Stage.RESOLVED if resolve else None,
        "7": Stage.CLOSED if close else Stage.RESOLVED if resolve else None,
        "8": Stage.CLOSED if close else None,
    }[state]
    if asked is None or asked <= case_stage:
        assert not moves
    else:
        assert [move.to_stage for move in moves] == [asked]
        assert (moves[0].path[-1] is Verb.CLOSE) == (asked is Stage.CLOSED)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_case_without_a_record_gets_one_where_it_stands(stage: Stage) -> None:
    link = replace(a_link(), sys_id="", number="", connector="", incident_peak=None)
    pair = Pair(link=link, case=a_case(status=STATUS_OF[stage]))
    asked = decide(pair, policies(), known())
    assert [question.name for question in asked.questions] == [pair.case.id]
    assert not asked.actions
    decision = decide(pair, policies(), looked_up())
    assert [(action.kind, action.to_stage) for action in decision.actions] == [(ActionKind.CREATE_INCIDENT, stage)]
    assert decision.actions[0].fields.get("state", "1") == STATE_OF[stage]


def test_a_moved_back_side_is_named() -> None:
    rules = policies()
    reopened = Pair(
        link=a_link(case_peak=Stage.RESOLVED, incident_peak=Stage.RESOLVED),
        case=a_case(status="CLOSED"),
        incident=an_incident(state="2"),
    )
    decision = decide(reopened, rules, known())
    assert (decision.actions, decision.skip and decision.skip.reason) == ((), SkipReason.INCIDENT_REOPENED)
    reactivated = Pair(
        link=a_link(case_peak=Stage.RESOLVED, incident_peak=Stage.RESOLVED),
        case=a_case(status="ACTIVE"),
        incident=an_incident(state="7"),
    )
    decision = decide(reactivated, rules, known())
    assert (decision.actions, decision.skip and decision.skip.reason) == ((), SkipReason.CASE_MOVED_BACK)


def test_a_step_that_is_switched_off_is_left_out() -> None:
    rules: Policies = policies(inbound=an_inbound(on_close=None))
    pair = Pair(link=a_link(), case=a_case(status="CLOSED"), incident=an_incident())
    decision = decide(pair, rules, known())
    assert [(a.to_stage, a.fields["state"]) for a in decision.actions] == [(Stage.RESOLVED, "6")]
