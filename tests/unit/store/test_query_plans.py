"""No statement that a cycle or a command that only looks runs reads a whole table that grows."""
# ruff: noqa: S608 - the names that are put into SQL here are the tests' own

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model import HttpRecord, Outcome, Result, System
from reconciler.store.database.triggers import CHAINED
from reconciler.store.maintenance import Retention
from reconciler.store.store import Store
from reconciler.store.values import CycleCounts
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_link, an_incident
from tests.store_helpers import JUDGE, LATER, an_action, begin_action, case_id, empty_store, finish_action, remember

GROWS = {*CHAINED, "ledger"}
SMALL = {
    "links_to_plan",
    "links_unsettled",
    "links_to_retry",
    "links_open",
    "links_skipped",
    "links_incident_absent",
    "links_case_absent",
    "actions_unfinished",
}
"""Indexes over the few links and actions that are not at rest, which may be read whole."""
ALIASES_IN_VIEWS = {"h": "http", "v": "written_values", "n": "notifications"}
"""What a plan calls the tables of a view that it could not take apart."""
SENT = HttpRecord(
    system=System.CORALOGIX,
    method="GET",
    path="/",
    status=200,
    duration_ms=1,
    request_id=None,
    attempt=1,
    sent_at=NOW,
)


def a_quiet_cycle(store: Store) -> None:
    for cycle_id in ("q1", "q2"):
        store.journal.begin_cycle(cycle_id, kind="cycle", now=NOW, config_hash="h", program_version="1")
        assert store.journal.unfinished_actions() == ()
        store.hold_requests.waiting()
        store.links.tables_in_use()
        store.snapshots.cursors()
        remember(store, a_case(), an_incident(), cycle_id=cycle_id)
        store.links.pairs_to_plan(NOW)
        store.links.count_skips()
        store.links.held()
        store.journal.config_hash()
        store.journal.finish_cycle(cycle_id, result="done", counts=CycleCounts(), requests=[SENT], now=NOW)


def a_cycle_with_news(store: Store) -> None:
    store.journal.begin_cycle("n", kind="cycle", now=NOW, config_hash="h", program_version="1")
    remember(store, a_case(status="RESOLVED", updated_at=LATER), cycle_id="n")
    action = an_action()
    seq = begin_action(store, action, cycle_id="n", now=NOW)
    record = an_incident(state="6", mod_count=1, updated_at=LATER)
    finish_action(store, seq, Outcome(action=action, result=Result.DONE, incident=record), now=LATER, requests=[SENT])
    store.links.update_links([a_link()], NOW)
    store.links.plan_again([CASE_ID])
    store.journal.finish_cycle("n", result="done", counts=CycleCounts(done=1), requests=[SENT], now=LATER)


def a_look(store: Store) -> None:
    begin_action(store, an_action(), cycle_id="n", now=NOW)
    for ref in (CASE_ID, "CASE-123", "INC0010001", SYS_ID, CASE_ID[:6], SYS_ID[:6], "main/INC0010001"):
        assert CASE_ID in [found.case_id for found in store.finder.find(ref)]
        assert store.finder.completions(ref, most=5)
    assert store.reports.story(CASE_ID) is not None
    store.reports.holds()
    store.reports.holds_of([CASE_ID])
    store.reports.lags(since=NOW)
    store.journal.last_whole_reads(NOW)
    assert store.reports.status_summary().links == 1
    store.journal.last_cycles(1)
    store.links.standing_skips()


def an_auditors_look_up(store: Store) -> None:
    for sql in (
        "SELECT * FROM audit_links WHERE number = 'INC0010001'",
        f"SELECT * FROM audit_links WHERE case_id = '{CASE_ID}'",
        f"SELECT * FROM audit_links WHERE sys_id = '{SYS_ID}'",
        "SELECT * FROM audit_links WHERE case_key = 'CASE-123'",
        f"SELECT * FROM audit_notifications WHERE case_id = '{CASE_ID}'",
        "SELECT * FROM audit_notifications WHERE cycle_id = 'n'",
        "SELECT * FROM audit_notifications WHERE observed_at > '2026-03-02'",
        "SELECT * FROM audit_actions WHERE cycle_id = 'n'",
        "SELECT * FROM audit_actions WHERE started_at > '2026-03-02'",
        "SELECT * FROM audit_http WHERE cycle_id = 'n'",
        "SELECT * FROM audit_http WHERE sent_at > '2026-03-02'",
        "SELECT * FROM audit_cycles WHERE cycle_id = 'n'",
        "SELECT * FROM audit_cycles WHERE started_at > '2026-03-02'",
        "SELECT * FROM audit_values WHERE action_seq = 1",
        f"SELECT * FROM audit_values WHERE case_id = '{CASE_ID}'",
    ):
        store.database.read(sql)


def a_night(store: Store) -> None:
    a_cycle_with_news(store)
    later = NOW + timedelta(days=1)
    for before in (None, later):
        store.journal.record_requests([SENT, SENT], "n")
        retention = Retention(requests_before=later, history_before=before)
        assert store.maintenance.count_old(retention)["http"]
        assert store.maintenance.prune(retention, now=later)["http"]


@pytest.mark.parametrize("run", [a_quiet_cycle, a_cycle_with_news, a_look, an_auditors_look_up, a_night])
def test_no_table_that_grows_is_read_whole(run: Callable[[Store], None]) -> None:
    with empty_store() as store:
        remember(store, a_case(), an_incident())
        store.links.update_links([a_link(), replace(a_link(case_id=case_id(2)), connector="b")], NOW)
        store.snapshots.restage_all(JUDGE, NOW)
        seen: list[str] = []
        store.database.connection.set_trace_callback(seen.append)
        run(store)
        store.database.connection.set_trace_callback(None)
        wanted = {sql for sql in seen if sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH"))}
        assert wanted
        assert {sql: found for sql in wanted if (found := scans(store, sql))} == {}


def scans(store: Store, sql: str) -> list[str]:
    """List the steps of a statement's plan that read a whole table, or a whole index that grows."""
    try:
        plan = store.database.connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    except Exception:  # noqa: BLE001 - a trigger's statement, which names OLD and NEW
        return []
    return [row[3] for row in plan if is_scan(row[3], sql)]


def is_scan(step: str, sql: str) -> bool:
    found = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
    if found is None or found[2] in SMALL:
        return False
    alias = re.search(rf"\b(\w+) (?:AS )?{found[1]}\b", sql)
    names = {found[1], alias[1] if alias else "", ALIASES_IN_VIEWS.get(found[1], "")}
    stops_soon = re.search(r"ORDER BY (?:\w\.)?seq DESC LIMIT", sql)
    stops_at_the_first = found[2] == "links_by_table" and "ORDER BY connector, table_name LIMIT 1)" in sql
    return bool(names & GROWS) and not stops_soon and not stops_at_the_first
