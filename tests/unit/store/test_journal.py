"""The journal: committed before the write, finished in one step, and honest about what was cut off."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import StoreError
from reconciler.core.model import (
    ActionKind,
    Hold,
    HttpRecord,
    Outcome,
    Result,
    Skip,
    SkipReason,
    Stage,
    System,
    Verb,
)
from reconciler.store.store import Store
from reconciler.store.values import Adoption, CycleCounts, Decided, FinishedAction, UnfinishedAction
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_link, an_incident
from tests.store_helpers import JUDGE, LATER, an_action, begin_action, decide_on, empty_store, finish_action, remember

REQUEST = HttpRecord(
    system=System.SERVICENOW,
    method="PATCH",
    path="/api/now/table/incident/x",
    status=200,
    duration_ms=12,
    request_id="r1",
    attempt=1,
    sent_at=NOW,
)


@pytest.fixture
def store() -> Iterator[Store]:
    with empty_store() as opened:
        remember(opened, a_case(), an_incident())
        decide_on(opened, Decided(link=a_link(), needs_plan=False))
        yield opened


def actions(store: Store) -> tuple[dict[str, Any], ...]:
    return store.database.named("SELECT * FROM audit_actions ORDER BY seq")


@pytest.mark.parametrize("hides_values", [False, True])
def test_an_action_is_in_the_journal_before_its_write(tmp_path: Path, hides_values: bool) -> None:
    path = tmp_path / "x.db"
    action = an_action(path=(Verb.RESOLVE, Verb.CLOSE))
    store = Store.open(path, now=NOW)
    remember(store, a_case())
    decide_on(store, Decided(link=a_link(), needs_plan=False))
    [seq] = store.journal.begin_actions([action], cycle_id="c1", now=LATER, hides_values=hides_values)
    with Store.copy_of(path) as after_a_crash:
        begun = after_a_crash.journal.unfinished_actions()
        planned = after_a_crash.links.pairs_to_plan(NOW)
    store.close()
    assert begun == (
        UnfinishedAction(
            seq=seq,
            cycle_id="c1",
            started_at=LATER,
            action=replace(action, fields={}) if hides_values else action,
            field_names=frozenset(action.fields),
        ),
    )
    assert [pair.case.id for pair in planned] == [CASE_ID]


def test_an_unfinished_action_can_be_closed_as_unknown(store: Store) -> None:
    begin_action(store, an_action(), cycle_id="c1", now=NOW)
    [begun] = store.journal.unfinished_actions()
    link = a_link(create_in_doubt_since=begun.started_at)
    outcome = Outcome(action=begun.action, result=Result.UNKNOWN, detail="cut off", link=link)
    finish_action(store, begun.seq, outcome, now=LATER)
    assert store.journal.unfinished_actions() == ()
    assert [(row["result"], row["detail"]) for row in actions(store)] == [("unknown", "cut off")]
    assert store.links.pairs_to_plan(NOW)[0].link.create_in_doubt_since == NOW


@pytest.mark.parametrize(("sys_id", "stage"), [(SYS_ID, 2), ("", None)])
def test_a_link_is_placed_by_the_record_that_was_seen_with_it_if_that_is_its_own(
    sys_id: str, stage: int | None
) -> None:
    with empty_store() as store:
        seen = an_incident(state="2")
        remember(store, a_case(), seen)
        decide_on(store, Decided(link=a_link(sys_id="", number="", incident_peak=None), needs_plan=True))
        action = an_action(kind=ActionKind.ADOPT_INCIDENT, fields={})
        seq = begin_action(store, action, cycle_id="c1", now=NOW)
        link = a_link(sys_id=sys_id, incident_peak=None)
        written = store.ledger.head()[0]
        finish_action(store, seq, Outcome(action=action, result=Result.DONE, incident=seen, link=link), now=LATER)
        stages = store.database.read("SELECT incident_stage, incident_peak FROM links")
        entries = store.database.read("SELECT table_name FROM ledger WHERE seq > ? ORDER BY seq", [written])
    assert stages == [(stage, stage)]
    assert entries == [("actions",), ("links",)], "the link is stored once"


def test_finishing_stores_everything_at_once(store: Store) -> None:
    action = an_action()
    seq = begin_action(store, action, cycle_id="c1", now=NOW)
    after = an_incident(
        state="6", assigned_to="bob", updated_at=LATER, mod_count=1, updated_by="us", fields={"close_notes": "x"}
    )
    outcome = Outcome(action=action, result=Result.DONE, incident=after, link=a_link(written={"close_notes": "x"}))
    finish_action(store, seq, outcome, now=LATER, requests=[REQUEST])
    story = store.reports.story(CASE_ID)
    assert story is not None
    assert story.pair.incident == after
    assert story.pair.link.incident_peak is Stage.RESOLVED
    assert story.pair.link.written == {"close_notes": "x"}
    assert story.needs_plan
    [row] = story.actions
    assert {name: row[name] for name in ("cycle_id", "result", "from_stage", "to_stage", "attempts")} == {
        "cycle_id": "c1",
        "result": "done",
        "from_stage": "open",
        "to_stage": "resolved",
        "attempts": 1,
    }
    assert [(row["action_seq"], row["path"], row["cycle_id"]) for row in story.requests] == [(seq, REQUEST.path, "c1")]
    assert [(row["event"], row["to_value"], row["actor"]) for row in story.notifications[2:]] == [
        ("state", "6", "reconciler"),
        ("assigned_to", "bob", "us"),
    ]


def test_what_was_done_already_is_not_ours(store: Store) -> None:
    action = an_action(kind=ActionKind.ADVANCE_CASE, path=(Verb.RESOLVE,))
    for result, actor in ((Result.ALREADY, "ann"), (Result.DONE, "reconciler")):
        seq = begin_action(store, action, cycle_id="c1", now=NOW)
        status = "RESOLVED" if result is Result.ALREADY else "CLOSED"
        case = a_case(status=status, resolved_by="ann", updated_at=LATER)
        finish_action(store, seq, Outcome(action=action, result=result, case=case), now=LATER)
        [last] = store.database.read("SELECT actor FROM audit_notifications WHERE to_value = ?", (status,))
        assert last == (actor,)


@pytest.mark.parametrize(
    ("kind", "actor"), [(ActionKind.ADD_WORK_NOTE, "reconciler"), (ActionKind.ADOPT_INCIDENT, "coralogix.sync")]
)
def test_a_note_of_ours_is_ours_and_what_is_adopted_is_not(store: Store, kind: ActionKind, actor: str) -> None:
    seq = begin_action(store, an_action(kind=kind, fields={"work_notes": "open again"}), cycle_id="c1", now=NOW)
    after = an_incident(updated_at=LATER, mod_count=1, updated_by="coralogix.sync")
    finish_action(store, seq, Outcome(action=an_action(kind=kind), result=Result.DONE, incident=after), now=LATER)
    assert store.database.value("SELECT actor FROM audit_notifications WHERE event = 'updated'") == actor


def test_adopting_a_known_record_sets_its_stage_and_peak(store: Store) -> None:
    decide_on(store, Decided(link=a_link(sys_id="", number="", incident_peak=None), needs_plan=False))
    action = an_action(kind=ActionKind.ADOPT_INCIDENT)
    seq = begin_action(store, action, cycle_id="c1", now=NOW)
    link = a_link(incident_peak=None)
    finish_action(store, seq, Outcome(action=action, result=Result.DONE, link=link), now=NOW)
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert (pair.link.incident_peak, pair.incident) == (Stage.OPEN, an_incident())
    assert store.database.value("SELECT incident_stage FROM audit_links") == "open"


def adopt(store: Store, outcome: Outcome, skip: Skip | None = None) -> None:
    decided = Decided(link=a_link(sys_id="", number="", incident_peak=None), needs_plan=True, skip=skip)
    adoption = Adoption(decided=decided, outcome=outcome)
    store.journal.record_adoptions([adoption], cycle_id="c1", stage_rules=JUDGE, now=LATER)


def test_an_adoption_is_one_row_with_its_outcome_and_binds_the_link() -> None:
    action = an_action(kind=ActionKind.ADOPT_INCIDENT, fields={})
    seen = an_incident(state="6", mod_count=3, updated_by="a.person")
    skip = Skip(case_id=CASE_ID, case_key="CASE-123", reason=SkipReason.INCIDENT_REOPENED, detail="was reopened")
    with empty_store() as store:
        remember(store, a_case(), seen)
        before = len(list(store.ledger.entries()))
        bound = a_link(incident_peak=Stage.RESOLVED)
        adopt(store, Outcome(action=action, result=Result.DONE, incident=seen, link=bound), skip)
        [row] = actions(store)
        assert (row["result"], row["started_at"]) == ("done", row["finished_at"])
        [shown] = store.database.named("SELECT incident_stage, skip_reason, needs_plan FROM links")
        assert shown == {"incident_stage": Stage.RESOLVED, "skip_reason": "incident_reopened", "needs_plan": 1}
        pair = store.links.pair(CASE_ID)
        assert pair is not None
        assert pair.incident == seen
        assert (pair.link.sys_id, pair.link.number, pair.link.incident_peak) == (SYS_ID, bound.number, Stage.RESOLVED)
        assert store.links.count_skips() == {"incident_reopened": 1}
        written = [entry.table for entry in store.ledger.entries()][before:]
        assert written == ["actions", "links"]
        assert store.database.value("SELECT count(*) FROM audit_notifications WHERE actor = 'reconciler'") == 0


def test_an_adoption_that_was_refused_holds_the_link() -> None:
    action = an_action(kind=ActionKind.ADOPT_INCIDENT, fields={})
    hold = Hold(detail="lost its mark", since=NOW, next_retry_at=LATER, attempts=1, fingerprint="abc")
    held = a_link(sys_id="", number="", incident_peak=None, hold=hold)
    with empty_store() as store:
        remember(store, a_case(), an_incident())
        adopt(store, Outcome(action=action, result=Result.REJECTED, detail="lost its mark", link=held))
        assert [(row["result"], row["detail"]) for row in actions(store)] == [("rejected", "lost its mark")]
        pair = store.links.pair(CASE_ID)
        assert pair is not None
        assert (pair.link.sys_id, pair.link.hold) == ("", hold)


def test_an_adoption_that_is_not_understood_stores_what_was_decided() -> None:
    action = an_action(kind=ActionKind.ADOPT_INCIDENT, fields={})
    with empty_store() as store:
        remember(store, a_case())
        adopt(store, Outcome(action=action, result=Result.UNKNOWN, detail="a fault of this program"))
        pair = store.links.pair(CASE_ID)
        assert pair is not None
        assert (pair.link.route, pair.link.sys_id) == (a_link().route, "")


def test_the_journal_names_the_record_that_was_made(store: Store) -> None:
    action = an_action(kind=ActionKind.CREATE_INCIDENT, number=None, from_stage=None, to_stage=Stage.OPEN)
    seq = begin_action(store, action, cycle_id="c1", now=NOW)
    made = an_incident(sys_id="e" * 32, number="INC7", updated_by="us")
    finish_action(store, seq, Outcome(action=action, result=Result.DONE, incident=made), now=NOW)
    [row] = actions(store)
    assert (row["sys_id"], row["from_stage"]) == ("e" * 32, None)
    assert store.database.value("SELECT actor FROM audit_notifications WHERE sys_id = ?", ("e" * 32,)) == "reconciler"


def test_a_finish_that_fails_leaves_the_action_open(store: Store) -> None:
    seq = begin_action(store, an_action(), cycle_id="c1", now=NOW)
    naive = replace(REQUEST, sent_at=NOW.replace(tzinfo=None))
    after = an_incident(state="6", updated_at=LATER)
    outcome = Outcome(action=an_action(), result=Result.DONE, incident=after, link=a_link(route="new"))
    with pytest.raises(ValueError, match="without a zone"):
        finish_action(store, seq, outcome, now=NOW, requests=[REQUEST, naive])
    story = store.reports.story(CASE_ID)
    assert story is not None
    assert (story.pair.incident, story.pair.link.route, story.requests) == (an_incident(), "everything", ())
    assert [begun.seq for begun in store.journal.unfinished_actions()] == [seq]


def test_an_action_is_finished_once(store: Store) -> None:
    outcome = Outcome(action=an_action(), result=Result.DONE)
    with pytest.raises(StoreError, match="action 7 was not begun"):
        finish_action(store, 7, outcome, now=NOW)
    seq = begin_action(store, an_action(), cycle_id="c1", now=NOW)
    finish_action(store, seq, outcome, now=NOW)
    with pytest.raises(StoreError, match="finished already"):
        finish_action(store, seq, outcome, now=NOW)


def test_attempts_are_counted_by_what_would_be_done(store: Store) -> None:
    same = an_action(fingerprint="other basis", detail="other words", number=None)
    for action in (an_action(), same, an_action(fields={"state": "7"}), an_action()):
        begin_action(store, action, cycle_id="c1", now=NOW)
    rows = actions(store)
    assert [row["attempts"] for row in rows] == [1, 2, 1, 3]
    assert rows[0]["key"] == rows[1]["key"] == rows[3]["key"] != rows[2]["key"]


def test_what_is_written_is_kept_with_what_was_there_and_what_was_made_of_it(store: Store) -> None:
    remember(store, an_incident(state="2", fields={"close_notes": "before"}))
    seq = begin_action(store, an_action(), cycle_id="c1", now=NOW)
    after = an_incident(state="6", fields={"close_notes": "cut"}, mod_count=1, updated_at=LATER)
    finish_action(store, seq, Outcome(action=an_action(), result=Result.DONE, incident=after), now=LATER)
    assert store.database.read("SELECT field, old_value, new_value, kept_value FROM audit_values") == [
        ("close_notes", "before", "s3cret words", "cut"),
        ("state", "2", "6", "6"),
    ]


def test_no_value_is_stored_where_hashes_are_asked_for(store: Store) -> None:
    [seq] = store.journal.begin_actions([an_action()], cycle_id="c1", now=NOW, hides_values=True)
    outcome = Outcome(action=an_action(), result=Result.REJECTED)
    store.journal.finish_actions(
        [FinishedAction(seq=seq, outcome=outcome)], stage_rules=JUDGE, now=NOW, hides_values=True
    )
    assert "s3cret" not in "\n".join(map(repr, store.database.read("SELECT * FROM actions, written_values")))
    [value] = store.database.read("SELECT new_value FROM audit_values WHERE field = 'state'")
    assert value == (f"sha256:{hashlib.sha256(b'6').hexdigest()}",)


def test_an_action_names_the_change_that_caused_it(store: Store) -> None:
    remember(store, a_case(), an_incident())
    remember(store, a_case(status="RESOLVED", updated_at=LATER))
    begin_action(store, an_action(), cycle_id="c1", now=LATER)
    [cause] = store.database.read(
        "SELECT n.source, n.event, n.to_value FROM audit_actions a JOIN audit_notifications n ON n.seq = a.cause_seq"
    )
    assert cause == ("coralogix", "status", "RESOLVED")


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (ActionKind.ADVANCE_CASE, ("servicenow", "state", "6")),
        (ActionKind.ADVANCE_INCIDENT, ("coralogix", "status", "RESOLVED")),
        (ActionKind.UPDATE_INCIDENT, ("coralogix", "resolved_by", "ann")),
    ],
)
def test_a_step_names_what_moved_the_other_side_and_not_what_came_with_it(
    store: Store, kind: ActionKind, wanted: tuple[str, str, str]
) -> None:
    remember(store, a_case(), an_incident(fields={"close_notes": ""}))
    resolved = a_case(status="RESOLVED", resolved_by="ann", updated_at=LATER)
    remember(store, resolved, an_incident(state="6", fields={"close_notes": "Done."}, mod_count=1, updated_at=LATER))
    begin_action(store, an_action(kind=kind), cycle_id="c1", now=LATER)
    [cause] = store.database.read(
        "SELECT n.source, n.event, n.to_value FROM audit_actions a JOIN audit_notifications n ON n.seq = a.cause_seq"
    )
    assert cause == wanted
    last = store.database.value(
        "SELECT event FROM audit_notifications WHERE source = ? ORDER BY seq DESC", (wanted[0],)
    )
    assert (last == wanted[1]) is (kind is ActionKind.UPDATE_INCIDENT), "else nothing came with it"


def test_cycles_are_begun_and_finished(store: Store) -> None:
    assert store.journal.config_hash() is None
    counts = CycleCounts(pulled_cases=1, pulled_incidents=2, planned=3, done=4, failed=5)
    store.journal.begin_cycle("c1", kind="cycle", now=NOW, config_hash="hash-c1", program_version="1.0")
    store.journal.finish_cycle("c1", result="refused", counts=counts, refused_because="too much", now=LATER)
    store.journal.begin_cycle("c2", kind="cycle", now=NOW, config_hash="hash-c2", program_version="1.0")
    newest, first = store.journal.last_cycles(5)
    assert (newest["cycle_id"], newest["finished_at"], newest["result"]) == ("c2", None, None)
    assert first == {
        "cycle_id": "c1",
        "kind": "cycle",
        "started_at": "2026-03-01T12:00:00.000000Z",
        "finished_at": "2026-03-01T12:01:00.000000Z",
        "result": "refused",
        "pulled_cases": 1,
        "pulled_incidents": 2,
        "planned": 3,
        "done": 4,
        "failed": 5,
        "refused_because": "too much",
        "config_hash": "hash-c1",
        "program_version": "1.0",
        "repeated": 0,
        "last_at": None,
        "last_cycle_id": None,
        "mode": "act",
    }
    assert store.journal.config_hash() == "hash-c2"
    assert store.reports.status_summary().last_cycle == newest
    assert len(store.journal.last_cycles(1)) == 1


def test_a_cycle_is_begun_once_and_before_it_is_finished(store: Store) -> None:
    with pytest.raises(StoreError, match="c9 was not begun"):
        store.journal.finish_cycle("c9", result="done", counts=CycleCounts(), now=NOW)
    store.journal.begin_cycle("c1", kind="cycle", now=NOW, config_hash="", program_version="1")
    store.journal.finish_cycle("c1", result="done", counts=CycleCounts(), now=NOW)
    with pytest.raises(StoreError, match="finished already"):
        store.journal.finish_cycle("c1", result="done", counts=CycleCounts(), now=NOW)
    with pytest.raises(StoreError, match="was begun before"):
        store.journal.begin_cycle("c1", kind="cycle", now=NOW, config_hash="", program_version="1")


def test_requests_of_a_pull_belong_to_no_action(store: Store) -> None:
    store.journal.record_requests([REQUEST, replace(REQUEST, status=None, attempt=2)], "c1")
    store.journal.record_requests([], "c1")
    rows = store.database.read("SELECT cycle_id, action_seq, status, attempt FROM audit_http ORDER BY seq")
    assert rows == [("c1", None, 200, 1), ("c1", None, None, 2)]


def test_another_thread_may_use_the_store(store: Store) -> None:
    seqs: list[int] = []
    thread = threading.Thread(target=lambda: seqs.append(begin_action(store, an_action(), cycle_id="c1", now=NOW)))
    thread.start()
    thread.join()
    assert [begun.seq for begun in store.journal.unfinished_actions()] == seqs
    assert store.links.pair(CASE_ID) is not None
    assert store.journal.unfinished_actions()[0].action.sys_id == SYS_ID


def test_status_sums_up(store: Store) -> None:
    begin_action(store, an_action(), cycle_id="c1", now=NOW)
    summary = store.reports.status_summary()
    assert (summary.links, summary.open_links, summary.waiting, summary.unfinished_actions) == (1, 1, 1, 1)
    assert (summary.quarantined, summary.last_cycle, dict(summary.cursors)) == (0, None, {})


def test_a_cycle_that_was_killed_is_ended_by_the_next(store: Store) -> None:
    for cycle_id in ("killed", "next"):
        store.journal.begin_cycle(cycle_id, kind="cycle", now=NOW, config_hash="h", program_version="1")
    running, killed = store.journal.last_cycles(2)
    assert (running["cycle_id"], running["result"]) == ("next", None)
    assert (killed["cycle_id"], killed["result"]) == ("killed", "failed")
    assert "ended" in str(killed["refused_because"])


def test_a_read_that_a_clock_ahead_noted_does_not_count_once_it_is_set_back(store: Store) -> None:
    for cycle_id, now in (("right", NOW), ("ahead", NOW + timedelta(days=400))):
        store.journal.begin_cycle(cycle_id, kind="cycle", now=now, config_hash="h", program_version="1")
        store.journal.finish_cycle(cycle_id, result="done", counts=CycleCounts(done=1), sides=["main"], now=now)
    assert store.journal.last_whole_reads(NOW + timedelta(days=400)) == {"main": NOW + timedelta(days=400)}
    assert store.journal.last_whole_reads(NOW + timedelta(seconds=9)) == {"main": NOW}
