"""Single decisions, each with the life that it comes from; the whole space is walked in test_planner_space."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.identity import fingerprint, record_id
from reconciler.core.model import Absence, ActionKind, Entity, Hold, Indicator, Pair, SkipReason, Stage, Verb
from reconciler.core.planning.decide import FIRST_RETRY, LAST_RETRY, decide, next_hold, plan
from reconciler.core.planning.known import SETTLE_AFTER
from reconciler.core.planning.plan import over_limits, plan_document
from reconciler.core.planning.standing import asked_of_case
from reconciler.core.policies.policies import Limits
from tests.builders import (
    CASE_ID,
    NOW,
    OWNER,
    a_case,
    a_link,
    a_route,
    an_inbound,
    an_incident,
    an_outbound,
    an_unlinked,
    compiled,
    condition,
    known,
    looked_up,
    policies,
)


def reason(pair: Pair, **facts: object) -> SkipReason | None:
    skip = decide(pair, policies(), known(**facts)).skip
    return skip.reason if skip else None


# -- which Cases get a record ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (a_case(created_at=NOW - timedelta(hours=20)), None),
        (a_case(created_at=NOW - timedelta(hours=26)), SkipReason.BEFORE_ORIGIN),
        (a_case(status="RESOLVED", created_at=NOW - timedelta(minutes=30)), None),
        (a_case(status="RESOLVED", created_at=NOW - timedelta(hours=2)), SkipReason.BEFORE_ORIGIN),
        (a_case(status="CLOSED", created_at=NOW - timedelta(hours=2)), SkipReason.BEFORE_ORIGIN),
        (a_case(status="PENDING_ACTIVATION"), SkipReason.PENDING_ACTIVATION),
        (a_case(status="SNOOZED"), SkipReason.UNKNOWN_STATE),
    ],
)
def test_a_case_is_admitted_by_age_and_status(case: object, expected: SkipReason | None) -> None:
    assert reason(an_unlinked(case)) is expected  # type: ignore[arg-type]


def test_a_backfill_takes_older_cases_in_and_over_ones_only_when_asked() -> None:
    old = an_unlinked(a_case(created_at=NOW - timedelta(days=20)))
    over = an_unlinked(a_case(status="RESOLVED", created_at=NOW - timedelta(days=20)))
    since = NOW - timedelta(days=30)
    assert reason(old, since=since) is None
    assert reason(over, since=since) is SkipReason.BEFORE_ORIGIN
    assert reason(over, since=since, include_resolved=True) is None
    assert reason(old, since=NOW - timedelta(days=10)) is SkipReason.BEFORE_ORIGIN


def test_a_case_that_was_admitted_stays_admitted() -> None:
    seen_open = decide(an_unlinked(), policies(), known())
    later = Pair(link=seen_open.link, case=a_case(status="CLOSED", created_at=NOW - timedelta(days=2)))
    assert decide(later, policies(), looked_up()).actions[0].kind is ActionKind.CREATE_INCIDENT


def test_a_case_that_was_never_active_gets_no_record() -> None:
    pair = an_unlinked(a_case(status="RESOLVED", key=None))
    assert reason(replace(pair, link=replace(pair.link, was_active=False))) is SkipReason.PENDING_ACTIVATION


def test_a_case_that_no_route_takes_is_skipped() -> None:
    rules = policies(routes=(a_route(when=condition('case.priority == "P1"')),))
    decision = decide(an_unlinked(), rules, known())
    assert decision.skip is not None
    assert decision.skip.reason is SkipReason.NOT_ROUTED
    narrowed = policies(inbound=an_inbound(create_when=condition('case.category == "SECURITY"')))
    assert decide(an_unlinked(), narrowed, known()).skip


# -- one record for each Case ----------------------------------------------------------------------------------


def test_the_record_id_is_computed() -> None:
    create = decide(an_unlinked(), policies(), looked_up()).actions[0]
    assert create.fields["sys_id"] == record_id(OWNER, CASE_ID) == create.sys_id
    assert (create.fields["correlation_id"], create.fields["correlation_display"]) == (CASE_ID, OWNER)
    assert record_id(OWNER, CASE_ID, 2) != record_id(OWNER, CASE_ID)
    assert record_id(OWNER, CASE_ID) == "".join(record_id(OWNER, CASE_ID))
    assert len(record_id(OWNER, CASE_ID)) == 32


def test_a_record_that_bears_our_key_is_adopted_and_brought_forward() -> None:
    pair = an_unlinked(a_case(status="ACKNOWLEDGED"))
    decision = decide(pair, policies(), looked_up(an_incident()))
    assert [action.kind for action in decision.actions] == [ActionKind.ADOPT_INCIDENT, ActionKind.ADVANCE_INCIDENT]
    assert not decision.link.sys_id, "the link is only bound when the adoption is carried out"


def test_an_adopted_record_that_was_reopened_is_left_alone() -> None:
    pair = an_unlinked(a_case(status="RESOLVED"))
    decision = decide(pair, policies(), looked_up(an_incident(state="2", reopen_count=1)))
    assert [action.kind for action in decision.actions] == [ActionKind.ADOPT_INCIDENT]
    assert decision.skip is not None
    assert decision.skip.reason is SkipReason.INCIDENT_REOPENED


def test_two_records_with_one_key_are_both_named_and_not_written() -> None:
    one, two = an_incident(), an_incident(sys_id="f" * 32, number="INC0010002")
    for decision in (
        decide(an_unlinked(), policies(), looked_up(one, two)),
        decide(Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=one, others=(two,)), policies(), known()),
    ):
        assert not decision.actions
        assert decision.skip is not None
        assert decision.skip.reason is SkipReason.DUPLICATE_INCIDENTS
        assert "INC0010001" in str(decision.skip.detail)
        assert "INC0010002" in str(decision.skip.detail)


def test_a_create_whose_outcome_is_unknown_settles_where_ids_are_not_honoured() -> None:
    pair = an_unlinked()
    pair = replace(pair, link=replace(pair.link, create_in_doubt_since=NOW - timedelta(seconds=60)))
    where = {("main", CASE_ID): ()}
    unsure = known(records=where, ids_not_honoured=frozenset({"main"}))
    waiting = decide(pair, policies(), unsure)
    assert waiting.skip is not None
    assert waiting.skip.reason is SkipReason.SETTLING
    assert decide(pair, policies(), replace(unsure, now=NOW + SETTLE_AFTER)).actions
    assert decide(pair, policies(), known(records=where)).actions, "a computed id makes the repeat safe at once"


# -- holds -----------------------------------------------------------------------------------------------------


def held(pair: Pair, **changes: object) -> Pair:
    hold = replace(next_hold(None, detail="no", fingerprint=fingerprint(pair), now=NOW), **changes)  # type: ignore[arg-type]
    return replace(pair, link=replace(pair.link, hold=hold))


def test_what_was_rejected_waits_for_its_time_or_for_a_change() -> None:
    pair = Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident())
    assert reason(held(pair)) is SkipReason.REJECTED
    assert reason(held(pair, next_retry_at=NOW)) is None
    moved = replace(held(pair), incident=an_incident(mod_count=1))
    assert reason(moved) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"groupings": {"service": ("payments",)}},
        {"kpi_breaches": ("TIME_TO_ACKNOWLEDGE",)},
        {"impacted_entities": (Entity(kind="service", name="payments-api"),)},
        {"priority_override": "P1"},
        {"indicators": (Indicator(kind="alert", id="1", name="CPU"),)},
        {"resolved_by": "cxUser"},
    ],
)
def test_a_change_of_whatever_a_template_may_read_ends_a_hold(changes: dict[str, object]) -> None:
    pair = held(Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident()))
    assert reason(replace(pair, case=replace(pair.case, **changes))) is None  # type: ignore[arg-type]


def test_a_time_that_moves_by_itself_ends_no_hold() -> None:
    pair = held(Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident()))
    later = replace(pair.case, updated_at=NOW, url="https://acme.example/1")
    assert reason(replace(pair, case=later)) is SkipReason.REJECTED


@pytest.mark.parametrize(("minutes", "is_ours"), [(-1, True), (-10, False)])
def test_a_case_that_was_acknowledged_since_it_is_known_is_not_acknowledged_again(minutes: int, is_ours: bool) -> None:
    """The Case bears that time even where this database, restored from a backup, never saw it acknowledged."""
    case = a_case(acknowledged_at=NOW + timedelta(minutes=minutes))
    pair = Pair(link=a_link(), case=case, incident=an_incident(state="2"))
    decision = decide(pair, policies(), known())
    assert bool(decision.actions) is not is_ours
    assert (decision.skip is not None and decision.skip.reason is SkipReason.CASE_MOVED_BACK) is is_ours


def test_each_rejection_in_a_row_waits_longer_up_to_a_day() -> None:
    hold: Hold | None = None
    waits = []
    for _ in range(8):
        hold = next_hold(hold, detail="no", fingerprint="b", now=NOW)
        waits.append(hold.next_retry_at - NOW)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_RETRY, LAST_RETRY)
    assert hold is not None
    assert (hold.attempts, hold.since) == (8, NOW)


def test_an_ignored_link_is_left_alone_until_either_side_changes() -> None:
    pair = Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident())
    ignored = replace(pair, link=replace(pair.link, ignored_fingerprint=fingerprint(pair)))
    assert decide(ignored, policies(), known()) == replace(decide(ignored, policies(), known()), actions=(), skip=None)
    assert decide(replace(ignored, incident=an_incident(mod_count=1)), policies(), known()).actions


@pytest.mark.parametrize(("times", "expected"), [(1, SkipReason.SETTLING), (2, SkipReason.INCIDENT_MISSING)])
def test_a_404_is_believed_the_second_time(times: int, expected: SkipReason) -> None:
    absence = Absence(first_at=NOW, last_at=NOW, times=times)
    pair = Pair(link=a_link(incident_absence=absence), case=a_case(status="CLOSED"), incident=an_incident())
    decision = decide(pair, policies(), known())
    assert not decision.actions
    assert decision.skip is not None
    assert decision.skip.reason is expected


def test_a_name_that_nobody_bears_is_a_hold_unless_there_is_a_default() -> None:
    rules = policies(inbound=an_inbound(on_create=compiled({"assignment_group": "Payments"})))
    asked = decide(an_unlinked(), rules, looked_up())
    assert [(q.table, q.name) for q in asked.questions] == [("sys_user_group", "Payments")]
    unknown = replace(looked_up(), references={("main", "sys_user_group", "Payments"): ""})
    decision = decide(an_unlinked(), rules, unknown)
    assert decision.skip is not None
    assert decision.skip.reason is SkipReason.REJECTED
    assert "Payments" in str(decision.skip.detail)
    assert decision.link.hold is not None
    found = replace(looked_up(), references={("main", "sys_user_group", "Payments"): "a" * 32})
    assert decide(an_unlinked(), rules, found).actions[0].fields["assignment_group"] == "a" * 32


# -- the details of what is asked and sent ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "close_on", "expected"),
    [
        ({"new"}, {"closed", "canceled"}, None),
        ({"new", "assigned"}, {"closed", "canceled"}, Stage.ACKNOWLEDGED),
        ({"closed"}, {"canceled"}, Stage.RESOLVED),
        ({"canceled"}, {"closed"}, None),
        ({"canceled"}, set(), None),
        ({"canceled"}, {"closed", "canceled"}, Stage.CLOSED),
        ({"11"}, {"11"}, Stage.CLOSED),
    ],
)
def test_a_word_asks_for_the_step_of_its_own_list(words: set[str], close_on: set[str], expected: Stage | None) -> None:
    assert asked_of_case(frozenset(words), replace(an_outbound(), close_on=frozenset(close_on))) is expected


def test_a_one_way_route_asks_nothing_of_the_case() -> None:
    pair = Pair(link=a_link(outbound=""), case=a_case(), incident=an_incident(state="7"))
    assert not decide(pair, policies(), known()).actions


def test_an_outbound_condition_narrows_what_is_asked() -> None:
    rules = policies(outbound=an_outbound(when=condition('case.priority == "P1"', roots=("incident", "case"))))
    pair = Pair(link=a_link(), case=a_case(), incident=an_incident(state="6"))
    assert not decide(pair, rules, known()).actions
    assert decide(replace(pair, case=a_case(priority="P1")), rules, known()).actions


def test_a_record_is_resolved_with_close_info_that_nobody_wrote_before() -> None:
    pair = Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident(fields={"close_notes": "mine"}))
    fields = decide(pair, policies(), known()).actions[0].fields
    assert (fields["state"], fields["close_code"]) == ("6", "Solution provided")
    assert "close_notes" not in fields


def test_a_reason_longer_than_the_service_takes_is_cut_with_a_mark() -> None:
    incident = an_incident(state="6", fields={"close_code": "Solution provided", "close_notes": "x" * 2000})
    action = decide(Pair(link=a_link(), case=a_case(), incident=incident), policies(), known()).actions[0]
    assert action.path == (Verb.RESOLVE,)
    assert len(action.fields["reason"]) <= 500
    assert "x" * 2000 in str(action.detail), "the full text is kept for the audit"


# -- plans -----------------------------------------------------------------------------------------------------


def test_a_plan_is_refused_by_its_numbers() -> None:
    pairs = [an_unlinked(a_case(id=f"3f166e9f-3c88-4af2-b52e-{n:012d}")) for n in range(3)]
    answers = known(records={("main", pair.case.id): () for pair in pairs})
    made = plan(pairs, policies(), answers, policy_hash="p")
    assert over_limits(made, Limits(max_creates_per_cycle=3)) == ()
    (words,) = over_limits(made, Limits(max_creates_per_cycle=2))
    assert "needs 3" in words
    assert "allows 2" in words
    assert plan_document(made)["counts"]["create_incident"] == 3


def test_closing_what_is_resolved_is_not_limited() -> None:
    pair = Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident(state="7"))
    made = plan([pair], policies(), known(), policy_hash="p")
    assert [action.path for action in made.actions] == [(Verb.CLOSE,)]
    assert over_limits(made, Limits(max_case_resolves_per_cycle=0)) == ()


def test_the_hash_names_what_is_done_and_what_it_was_decided_from() -> None:
    pair = Pair(link=a_link(), case=a_case(status="RESOLVED"), incident=an_incident())

    def hash_of(one: Pair, policy_hash: str = "p") -> str:
        return plan([one], policies(), known(), policy_hash=policy_hash).hash()

    assert hash_of(pair) == hash_of(pair)
    assert hash_of(pair) != hash_of(replace(pair, incident=an_incident(mod_count=7)))
    assert hash_of(pair) != hash_of(replace(pair, case=a_case(status="CLOSED")))
    assert hash_of(pair) != hash_of(pair, "q")


# -- a config that forgot something ----------------------------------------------------------------------------


@pytest.mark.parametrize("forgotten", [{"inbound": "old"}, {"connector": "old"}])
def test_a_link_whose_policy_or_connector_is_gone_from_the_config_is_left_alone(forgotten: dict[str, str]) -> None:
    pair = Pair(link=a_link(**forgotten), case=a_case(status="RESOLVED"), incident=an_incident())
    decision = decide(pair, policies(connectors=frozenset({"main"})), known())
    assert not decision.actions
    assert decision.skip is not None
    assert decision.skip.reason is SkipReason.NOT_ROUTED
