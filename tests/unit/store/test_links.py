"""Links: what is planned, what rests, what was decided, and how a person finds one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import StoreError
from reconciler.core.model import HOLD_REASONS, Hold, Link, Skip, SkipReason, Stage, System
from reconciler.store.store import Store
from reconciler.store.values import Decided, Pulled, Restored
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_link, an_incident
from tests.store_helpers import JUDGE, LATER, case_id, decide_on, empty_store, remember

HOLD = Hold(detail="Data policy", since=NOW, next_retry_at=LATER, attempts=1, fingerprint="b")


@pytest.fixture
def store() -> Iterator[Store]:
    with empty_store() as opened:
        remember(opened, a_case(), an_incident())
        decide_on(opened, Decided(link=a_link(), needs_plan=False))
        yield opened


def skip(reason: SkipReason, detail: str | None = None) -> Skip:
    return Skip(case_id=CASE_ID, case_key="CASE-123", reason=reason, detail=detail)


def planned(store: Store, now: datetime = NOW) -> list[str]:
    return [pair.link.case_id for pair in store.links.pairs_to_plan(now)]


def link_row(store: Store) -> dict[str, Any]:
    [row] = store.database.named("SELECT * FROM audit_links")
    return row


def test_a_settled_link_rests_and_is_as_it_was_decided(store: Store) -> None:
    assert planned(store) == []
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert pair.link == replace(a_link(), case_low=Stage.OPEN, first_seen_at=NOW)
    assert pair.incident == an_incident()
    assert pair.others == ()


def test_a_held_link_is_planned_when_its_time_comes(store: Store) -> None:
    decide_on(store, Decided(link=a_link(hold=HOLD), needs_plan=False, skip=skip(SkipReason.REJECTED)))
    assert planned(store, LATER - timedelta(microseconds=1)) == []
    assert planned(store, LATER) == [CASE_ID]
    decide_on(store, Decided(link=a_link(), needs_plan=False))
    assert planned(store, LATER) == []


def test_an_unsettled_link_is_always_planned(store: Store) -> None:
    decide_on(store, Decided(link=a_link(create_in_doubt_since=NOW), needs_plan=False, skip=skip(SkipReason.SETTLING)))
    assert planned(store) == [CASE_ID]


def test_a_link_can_be_marked(store: Store) -> None:
    decide_on(store, Decided(link=a_link(), needs_plan=True))
    assert planned(store) == [CASE_ID]
    decide_on(store, Decided(link=a_link(), needs_plan=False))
    store.links.plan_again([CASE_ID])
    assert planned(store) == [CASE_ID]


def test_what_each_cycle_reads_never_walks_all_links(store: Store) -> None:
    remember(store, *(a_case(id=case_id(number)) for number in range(2000)))
    store.database.connection.execute("UPDATE links SET needs_plan = 0")
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    store.database.connection.set_progress_handler(count, 100)
    reads = (
        lambda: store.links.pairs_to_plan(NOW),
        store.links.standing_skips,
        store.snapshots.cursors,
        store.journal.unfinished_actions,
    )
    for read in reads:
        read()
    remember(store, a_case())
    store.database.connection.set_progress_handler(None, 0)
    assert steps < 20, "a quiet cycle's reads took thousands of SQLite's steps"


def test_skips_are_counted_anew_only_after_decisions_were_stored(store: Store) -> None:
    def kept(reason: SkipReason) -> Mapping[str, int]:
        decide_on(store, Decided(link=a_link(), needs_plan=False, skip=skip(reason)))
        return store.links.count_skips()

    assert kept(SkipReason.NOT_ROUTED) == {"not_routed": 1}
    assert kept(SkipReason.UNKNOWN_STATE) == {"unknown_state": 1}
    asked: list[str] = []
    store.database.connection.set_trace_callback(asked.append)
    assert store.links.count_skips() == {"unknown_state": 1}
    assert asked == []


def test_skips_are_counted_anew_after_a_rebuild(store: Store) -> None:
    decide_on(store, Decided(link=a_link(), needs_plan=False, skip=skip(SkipReason.NOT_ROUTED)))
    assert store.links.count_skips() == {"not_routed": 1}
    nothing = Restored(cases=(), incidents=(), links=(), facts={}, origin=NOW)
    store.snapshots.restore(nothing, stage_rules=JUDGE, cycle_id="c2", now=LATER)
    assert store.links.count_skips() == {}


def test_skip_since_is_kept_while_the_reason_stays(store: Store) -> None:
    for minute, (reason, detail) in enumerate(
        [
            (SkipReason.INCIDENT_REOPENED, "one"),
            (SkipReason.INCIDENT_REOPENED, "two"),
            (SkipReason.UNKNOWN_STATE, "three"),
        ]
    ):
        at = NOW + timedelta(minutes=minute)
        store.links.keep_decisions([Decided(link=a_link(), needs_plan=False, skip=skip(reason, detail))], at)
        story = store.reports.story(CASE_ID)
        assert story is not None
        assert story.skip == skip(reason, detail)
        assert story.skip_since == (at if detail != "two" else NOW)
    store.links.update_links([a_link(number="INC9")], LATER)
    assert store.links.standing_skips() == (skip(SkipReason.UNKNOWN_STATE, "three"),)
    decide_on(store, Decided(link=a_link(), needs_plan=False))
    assert store.links.standing_skips() == ()
    story = store.reports.story(CASE_ID)
    assert story is not None
    assert (story.skip, story.skip_since) == (None, None)


def test_updated_at_moves_only_with_a_change(store: Store) -> None:
    before = link_row(store)["updated_at"]
    store.links.keep_decisions([Decided(link=a_link(), needs_plan=True)], LATER)
    assert link_row(store)["updated_at"] == before
    store.links.keep_decisions([Decided(link=a_link(route="other"), needs_plan=False)], LATER)
    assert link_row(store)["updated_at"] == "2026-03-01T12:01:00.000000Z"


def test_a_decision_on_an_unknown_case_stores_nothing(store: Store) -> None:
    stranger = Decided(link=Link(case_id=case_id(1)), needs_plan=False)
    with pytest.raises(StoreError, match="never remembered"):
        store.links.keep_decisions([Decided(link=a_link(route="other"), needs_plan=False), stranger], NOW)
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert pair.link.route == "everything"


@pytest.mark.parametrize(
    ("status", "state", "is_open"),
    [("ACTIVE", "1", True), ("CLOSED", "6", True), ("RESOLVED", "7", True), ("CLOSED", "7", False), ("ODD", "7", True)],
)
def test_open_links_are_those_not_closed_on_both_sides(store: Store, status: str, state: str, is_open: bool) -> None:
    remember(store, a_case(status=status, updated_at=NOW), an_incident(state=state, updated_at=NOW))
    assert [link.case_id for link in store.links.open_links()] == [CASE_ID] * is_open
    assert [(place.case_id, place.case_peak == Stage.CLOSED) for place in store.links.open_places()] == (
        [(CASE_ID, status == "CLOSED")] * is_open
    )
    assert len(list(store.links.all_pairs(open_only=True))) == int(is_open)
    assert len(list(store.links.all_pairs(open_only=False))) == 1


def test_a_closed_case_without_a_record_is_at_rest(store: Store) -> None:
    remember(store, a_case(id=case_id(1), status="CLOSED"))
    assert case_id(1) not in {link.case_id for link in store.links.open_links()}


def test_all_pairs_stream_in_order(store: Store) -> None:
    remember(store, *(a_case(id=case_id(number)) for number in reversed(range(1100))))
    found = [pair.case.id for pair in store.links.all_pairs(open_only=False)]
    assert found == [*(case_id(number) for number in range(1100)), CASE_ID]


def test_the_view_shows_words(store: Store) -> None:
    row = link_row(store)
    assert row == {
        "case_id": CASE_ID,
        "case_key": "CASE-123",
        "case_status": "ACTIVE",
        "connector": "main",
        "target_table": "incident",
        "sys_id": SYS_ID,
        "number": "INC0010001",
        "incident_state": "1",
        "case_stage": "open",
        "incident_stage": None,
        "agreed_stage": "open",
        "hold_reason": None,
        "hold_detail": None,
        "created_at": "2026-03-01T12:00:00.000000Z",
        "updated_at": "2026-03-01T12:00:00.000000Z",
        "out_of_step_since": "2026-03-01T12:00:00.000000Z",
    }


@pytest.mark.parametrize("reason", list(SkipReason))
def test_every_reason_is_in_the_links_and_only_holds_in_the_holds(store: Store, reason: SkipReason) -> None:
    decide_on(store, Decided(link=a_link(), needs_plan=False, skip=skip(reason, "why")))
    assert (link_row(store)["hold_reason"], link_row(store)["hold_detail"]) == (reason.value, "why")
    holds = store.database.named("SELECT * FROM audit_holds")
    assert [row["reason"] for row in holds] == [reason.value] * (reason in HOLD_REASONS)
    summary = store.reports.status_summary()
    assert dict(summary.holds) == ({reason.value: 1} if reason in HOLD_REASONS else {})
    assert dict(summary.skips) == ({} if reason in HOLD_REASONS else {reason.value: 1})


def test_a_rejected_link_waits_since_its_first_rejection(store: Store) -> None:
    hold = replace(HOLD, since=NOW - timedelta(hours=1))
    decide_on(store, Decided(link=a_link(hold=hold), needs_plan=False, skip=skip(SkipReason.REJECTED, "no")))
    [row] = store.database.named("SELECT * FROM audit_holds")
    assert row == {
        "case_id": CASE_ID,
        "case_key": "CASE-123",
        "number": "INC0010001",
        "reason": "rejected",
        "detail": "no",
        "since": "2026-03-01T11:00:00.000000Z",
        "next_retry_at": "2026-03-01T12:01:00.000000Z",
    }


def test_settling_keeps_a_peak_that_is_given(store: Store) -> None:
    decide_on(store, Decided(link=a_link(case_peak=Stage.RESOLVED), needs_plan=False))
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert pair.link.case_peak is Stage.RESOLVED


def test_the_number_of_links_is_that_of_their_rows_whatever_became_of_them(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db", now=NOW) as store:
        for count in (1, 2, 3):
            remember(store, *(a_case(id=case_id(number)) for number in range(count)))
            remember(store, a_case(id=case_id(0), title=f"changed {count}"))
            store.maintenance.compact()
            assert store.reports.status_summary().links == count
        assert store.database.value("SELECT count(*) FROM links") == 3


@pytest.mark.parametrize("place", ["cases", "incidents"])
@pytest.mark.parametrize("damaged", ['{"id": 5', "null", '{"key": {}}'])
def test_a_damaged_snapshot_is_told_leaves_out_its_own_case_and_is_replaced_by_the_next_reading(
    store: Store, place: str, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    case, other = a_case(), a_case(id=case_id(2))
    record = an_incident()
    remember(store, case, other, record)
    store.links.update_links([a_link()], NOW)
    with store.database.transaction() as conn:
        conn.execute(f"UPDATE {place} SET snapshot = ? WHERE case_id = ?", (damaged, CASE_ID))  # noqa: S608
    assert [pair.case.id for pair in store.links.all_pairs(open_only=False)] == [case_id(2)]
    assert "a snapshot is damaged and is left out until it is read again" in caplog.messages
    for _ in range(2):
        store.links.quarantine_damaged(NOW)
    [row] = store.database.named("SELECT system, record_key, message, raw FROM quarantine")
    named = {"cases": ("coralogix", CASE_ID), "incidents": ("servicenow", record.sys_id)}[place]
    assert (row["system"], row["record_key"]) == named
    assert "damaged" in row["message"]
    assert json.loads(row["raw"]) == damaged
    remember(store, case)
    read = Pulled(system=System.SERVICENOW, incidents=(record,))
    store.snapshots.remember(read, stage_rules=JUDGE, cycle_id="c2", now=NOW)
    assert store.reports.status_summary().quarantined == 0
    assert len(list(store.links.all_pairs(open_only=False))) == 2


def test_a_damaged_link_is_named_with_what_to_do(store: Store) -> None:
    remember(store, a_case())
    with store.database.transaction() as conn:
        conn.execute("UPDATE links SET written = '[1'")
    with pytest.raises(StoreError, match=rf"the link of Case {CASE_ID} is damaged .* state rebuild"):
        list(store.links.all_pairs(open_only=False))
