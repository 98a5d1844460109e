"""What comes next for a link, why nothing does, and by which rule of the config an action was done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.identity import fingerprint
from reconciler.core.model import HOLD_REASONS, ActionKind, Pair, SkipReason, Stage
from reconciler.core.planning.preview.outlook import PASSES, outlook, rule_of
from reconciler.core.policies.existing import Existing
from reconciler.core.policies.policies import Policies
from reconciler.core.words import in_words, level
from tests.builders import (
    STATE_OF,
    STATUS_OF,
    a_case,
    a_link,
    an_inbound,
    an_incident,
    an_outbound,
    an_unlinked,
    condition,
    known,
    policies,
)

OPEN, ACKNOWLEDGED, RESOLVED, CLOSED = Stage


def a_pair(case: Stage, record: Stage, **link: Stage | str) -> Pair:
    """Give a pair that stands so, with nothing left to send but the step itself."""
    return Pair(
        link=a_link(**{"case_peak": case, "incident_peak": record, **link}),
        case=a_case(status=STATUS_OF[case]),
        incident=an_incident(state=STATE_OF[record]),
    )


ONE_STEP = policies(inbound=an_inbound(fields={}))


def because(pair: Pair, rules: Policies = ONE_STEP) -> str:
    ahead = outlook(pair, rules, known())
    assert ahead.actions == ()
    assert ahead.until
    return "; ".join(ahead.because)


def test_every_reason_says_what_ends_it() -> None:
    assert PASSES.keys() == set(SkipReason) - HOLD_REASONS


def test_what_the_next_cycle_would_do_is_named() -> None:
    ahead = outlook(a_pair(RESOLVED, OPEN), ONE_STEP, known())
    assert [(action.kind, action.to_stage) for action in ahead.actions] == [(ActionKind.ADVANCE_INCIDENT, RESOLVED)]
    assert ahead.because == ()


@pytest.mark.parametrize("stage", Stage)
def test_a_create_is_named_where_another_record_may_stand_for_the_case(stage: Stage) -> None:
    rules = policies(inbound=an_inbound(existing=Existing.compile("short_descriptionLIKE{{ case.key }}")))
    ahead = outlook(an_unlinked(a_case(status=STATUS_OF[stage])), rules, known(include_resolved=True))
    assert [action.kind for action in ahead.actions] == [ActionKind.CREATE_INCIDENT]


@pytest.mark.parametrize("stage", Stage)
def test_two_sides_that_stand_together_rest(stage: Stage) -> None:
    assert because(a_pair(stage, stage)) == f"both sides stand at {stage.word}"


def test_a_link_that_is_over_says_that_nothing_will_change_it() -> None:
    ahead = outlook(a_pair(CLOSED, CLOSED), ONE_STEP, known())
    assert ahead.until == ("nothing: both sides are closed",)


def test_a_step_that_is_off_is_named() -> None:
    rules = policies(inbound=an_inbound(fields={}, on_close=None))
    words = because(a_pair(CLOSED, RESOLVED), rules)
    assert words == (
        "the Case stands at closed, INC0010001 (main/incident) at resolved; "
        "[inbound.default] on_close is off, so a Case that is closed asks nothing"
    )


def test_a_word_that_nobody_listens_to_is_named() -> None:
    rules = policies(inbound=an_inbound(fields={}), outbound=an_outbound(resolve_on=frozenset()))
    words = because(a_pair(ACKNOWLEDGED, RESOLVED), rules)
    assert words.endswith("[outbound.default] resolve_on holds none of the record's words: 6, resolved")


def test_a_one_way_route_is_named() -> None:
    assert because(a_pair(OPEN, RESOLVED, outbound="")).endswith(
        "route everything is one-way: nothing comes back to the Case"
    )


def test_a_condition_that_does_not_hold_is_named() -> None:
    never = an_outbound(when=condition("false", roots=("case", "incident")))
    words = because(a_pair(OPEN, RESOLVED), policies(inbound=an_inbound(fields={}), outbound=never))
    assert "when of [outbound.default] does not hold: " in words


def test_what_a_person_said_to_leave_alone_says_how_that_ends() -> None:
    pair = a_pair(RESOLVED, OPEN)
    ignored = replace(pair, link=replace(pair.link, ignored_fingerprint=fingerprint(pair)))
    assert "holds ignore" in because(ignored)


def test_a_skip_that_passes_says_what_ends_it() -> None:
    case = a_case(status="PENDING_ACTIVATION", key=None)
    pending = replace(an_unlinked(case), link=replace(an_unlinked(case).link, was_active=False))
    ahead = outlook(pending, ONE_STEP, known())
    assert ahead.skip is not None
    assert (ahead.skip.reason, ahead.until) == (SkipReason.PENDING_ACTIVATION, ("Coralogix activates the Case",))


@pytest.mark.parametrize(
    ("kind", "stage", "rule"),
    [
        (ActionKind.CREATE_INCIDENT, OPEN, "route everything, [inbound.default]"),
        (ActionKind.CREATE_INCIDENT, RESOLVED, "route everything, [inbound.default] on_resolve"),
        (ActionKind.ADVANCE_INCIDENT, CLOSED, "[inbound.default] on_close"),
        (ActionKind.UPDATE_INCIDENT, OPEN, "[inbound.default.fields]"),
        (ActionKind.ADVANCE_CASE, ACKNOWLEDGED, "[outbound.default] acknowledge_on"),
        (ActionKind.ADD_WORK_NOTE, OPEN, "[inbound.default] on_reactivate"),
        (ActionKind.ADOPT_INCIDENT, OPEN, "the mark and the Case's key on the record"),
    ],
)
def test_each_kind_of_action_names_its_rule(kind: ActionKind, stage: Stage, rule: str) -> None:
    assert rule_of(kind, stage, a_link()) == rule


@pytest.mark.parametrize("kind", ActionKind)
@pytest.mark.parametrize("stage", Stage)
def test_no_action_is_without_a_rule(kind: ActionKind, stage: Stage) -> None:
    assert rule_of(kind, stage, a_link())


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [("impact", "1", "1 - High"), ("priority", "5", "5 - Planning"), ("impact", "9", "9"), ("state", "1", "1")],
)
def test_levels_have_their_labels(field: str, value: str, shown: str) -> None:
    assert level(field, value) == shown


@pytest.mark.parametrize(
    ("word", "shown"), [("in_progress", "In Progress"), ("PENDING_ACTIVATION", "Pending Activation")]
)
def test_words_are_shown_as_forms_do(word: str, shown: str) -> None:
    assert in_words(word) == shown
