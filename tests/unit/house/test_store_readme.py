"""The page for whoever reads the database: it names what exists, nothing else, and its queries run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.audit.catalogue import AuditQuestion, View, questions, views
from reconciler.store.store import Store
from reconciler.store.values import CycleCounts, Decided
from tests.builders import NOW, a_case, a_link, an_incident
from tests.store_helpers import an_action, begin_action, decide_on, empty_store, remember, unguarded

PAGE = (Path(__file__).parents[3] / "state" / "README.md").read_text(encoding="utf-8")
CONTRACT = {
    "audit_links": "case_id, case_key, case_status, connector, target_table, sys_id, number, incident_state, "
    "case_stage, incident_stage, agreed_stage, hold_reason, hold_detail, created_at, updated_at, out_of_step_since",
    "audit_notifications": "seq, cycle_id, source, case_id, sys_id, event, from_value, to_value, actor, observed_at, "
    "source_time, words, event_id",
    "audit_actions": "seq, cycle_id, key, kind, case_id, connector, sys_id, from_stage, to_stage, result, detail, "
    "attempts, started_at, finished_at, cause_seq",
    "audit_cycles": "cycle_id, kind, started_at, finished_at, result, pulled_cases, pulled_incidents, planned, done, "
    "failed, refused_because, config_hash, program_version, repeated, last_at, last_cycle_id, "
    "mode",
    "audit_http": "seq, cycle_id, action_seq, system, method, path, status, duration_ms, request_id, attempt, "
    "sent_at, repeated, last_at, outcome",
    "audit_holds": "case_id, case_key, number, reason, detail, since, next_retry_at",
    "audit_values": "action_seq, case_id, sys_id, field, old_value, new_value, kept_value",
    "audit_steps": "case_id, case_key, number, case_opened_at, case_acknowledged_at, case_resolved_at, case_closed_at, "
    "incident_created_at, incident_acknowledged_at, incident_resolved_at, incident_closed_at",
    "audit_lag": "action_seq, case_id, direction, changed_at, written_at, lag_seconds",
    "audit_people": "seq, at, what, os_user, host, arguments, detail",
    "audit_configs": "config_hash, first_used_at, last_used_at, text",
    "audit_gaps": "side, from_at, to_at, seconds, reason",
    "audit_pruned": "seq, at, evidence, rows, first_key, last_key, pruned_before, hash",
}


@pytest.fixture
def store() -> Iterator[Store]:
    with empty_store() as opened:
        remember(opened, a_case(), an_incident())
        decide_on(opened, Decided(link=a_link(), needs_plan=False))
        begin_action(opened, an_action(), cycle_id="c1", now=NOW)
        opened.journal.begin_cycle("c1", kind="cycle", now=NOW, config_hash="h", program_version="1")
        opened.journal.finish_cycle("c1", result="failed", counts=CycleCounts(failed=1), now=NOW)
        yield opened


def columns(store: Store, name: str) -> list[str]:
    """List the columns of a table or view, the computed ones too."""
    return [row[1] for row in store.database.read(f"PRAGMA table_xinfo({name})")]


def documented() -> dict[str, list[str]]:
    """Read the page: each heading of the third level names a table or view, the rows below it the columns."""
    sections = re.split(r"^### `(\w+)`$", PAGE, flags=re.MULTILINE)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for name, text in pairs}


@pytest.mark.parametrize("view", CONTRACT)
def test_the_views_are_the_contracts(store: Store, view: str) -> None:
    assert columns(store, view) == CONTRACT[view].split(", ")


def test_the_page_names_every_table_view_and_column_and_nothing_else(store: Store) -> None:
    names = store.database.read(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    )
    assert documented() == {name: columns(store, name) for (name,) in names}


def test_the_catalogue_has_every_view_with_its_columns(store: Store) -> None:
    made = store.database.read("SELECT name FROM sqlite_master WHERE type = 'view'")
    assert {name: list(view.columns) for name, view in views().items()} == {
        name: columns(store, name) for (name,) in made
    }


@pytest.mark.parametrize("view", views().values(), ids=views())
def test_a_view_is_described_in_terms_of_its_own_columns(store: Store, view: View) -> None:
    assert {*view.facets, *view.units} <= view.columns.keys()
    store.database.read(f"SELECT {view.time} FROM {view.name}")  # noqa: S608 - our own catalogue


def test_there_are_twenty_questions_and_more() -> None:
    assert len({question.name for question in questions()}) == len(questions()) >= 20


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.name)
def test_every_question_needs_just_the_parameters_that_it_names(store: Store, question: AuditQuestion) -> None:
    store.database.connection.execute("PRAGMA query_only = ON")
    store.database.read(question.sql, dict.fromkeys(question.parameters, "CASE-1"))
    assert set(re.findall(r":([a-z_]+)", question.sql)) == set(question.parameters)


def test_the_queries_that_should_find_nothing_can_find_something(store: Store) -> None:
    backwards, twice = (
        next(each.sql for each in questions() if each.name == name) for name in ("step_back", "two_records")
    )
    assert store.database.read(backwards) == []
    assert store.database.read(twice) == []
    with unguarded(store) as conn:
        conn.execute("UPDATE actions SET from_stage = 4")
    assert len(store.database.read(backwards)) == 1
    begin_action(store, an_action(sys_id="f" * 32), cycle_id="c1", now=NOW)
    with unguarded(store) as conn:
        conn.execute("UPDATE actions SET kind = 'create_incident', result = 'done'")
    assert len(store.database.read(twice)) == 1
