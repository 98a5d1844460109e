"""Remembering: one transaction, one row for each change, peaks that only rise, nothing older over newer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.errors import Malformed, StoreError
from reconciler.core.model import Absence, Case, FieldNote, Incident, Link, Stage, System
from reconciler.store.store import Store
from reconciler.store.values import Cursor, Pulled, SideCounts
from tests.builders import CASE_ID, NOW, SYS_ID, a_case, a_link, an_incident
from tests.store_helpers import JUDGE, LATER, case_id, empty_store, remember

WITH_ADDRESS = a_case(url="https://example.test/case")


@pytest.fixture
def store() -> Any:
    with empty_store() as opened:
        yield opened


def events(store: Store) -> list[tuple[Any, ...]]:
    return store.database.read(
        "SELECT source, event, from_value, to_value, actor FROM audit_notifications ORDER BY seq"
    )


def pair_link(store: Store, wanted: str = CASE_ID) -> Link:
    pair = store.links.pair(wanted)
    assert pair is not None
    return pair.link


# -- one transaction -------------------------------------------------------------------------------------------


def test_rows_and_cursors_move_together_or_not_at_all(store: Store) -> None:
    cursor = Cursor(name="cases", time=NOW, resume='{"page": 2}')
    remember(store, a_case(), cursors=(cursor,))
    assert store.snapshots.cursors() == {"cases": cursor}
    naive = an_incident(updated_at=datetime(2026, 3, 1))  # noqa: DTZ001 - a value that cannot be stored
    moved = replace(cursor, time=LATER, resume="")
    with pytest.raises(ValueError, match="without a zone"):
        remember(store, a_case(status="CLOSED", updated_at=LATER), naive, cursors=(moved,))
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert (pair.case, pair.link.case_peak) == (a_case(), Stage.OPEN)
    assert store.snapshots.cursors() == {"cases": cursor}
    assert len(events(store)) == 1


def test_what_is_seen_again_changes_nothing(store: Store) -> None:
    remember(store, a_case(), an_incident())
    store.database.connection.execute("UPDATE links SET needs_plan = 0")
    counts = remember(store, a_case(), an_incident())
    assert (counts.cases, counts.incidents) == (SideCounts(seen=1), SideCounts(seen=1))
    assert counts.notifications == 0
    assert store.links.pairs_to_plan(NOW) == []


# -- what is new -----------------------------------------------------------------------------------------------


def test_a_new_case_gets_a_link_that_is_planned(store: Store) -> None:
    counts = remember(store, a_case())
    assert counts.cases == SideCounts(seen=1, new=1)
    [pair] = store.links.pairs_to_plan(NOW)
    assert pair.link == Link(
        case_id=CASE_ID, case_peak=Stage.OPEN, case_low=Stage.OPEN, was_active=True, first_seen_at=NOW
    )
    assert (pair.case, pair.incident, pair.others) == (a_case(), None, ())


@pytest.mark.parametrize(
    ("changes", "active"),
    [
        ({"status": "ACTIVE", "key": None}, True),
        ({"status": "ACKNOWLEDGED", "key": None}, True),
        ({"status": "PENDING_ACTIVATION", "key": None}, False),
        ({"status": "RESOLVED", "key": None}, False),
        ({"status": "CLOSED", "key": "CASE-1"}, True),
        ({"status": "CLOSED", "key": None, "acknowledged_at": NOW}, True),
    ],
)
def test_signs_of_activity(store: Store, changes: dict[str, Any], active: bool) -> None:
    remember(store, a_case(**changes))
    assert pair_link(store).was_active is active


def test_was_active_is_never_forgotten(store: Store) -> None:
    remember(store, a_case(key=None))
    remember(store, a_case(key=None, status="RESOLVED", updated_at=LATER))
    assert pair_link(store).was_active


def test_a_record_that_bears_the_key_is_among_the_others(store: Store) -> None:
    remember(store, an_incident(correlation_id=CASE_ID.upper()))
    remember(store, a_case())
    store.database.connection.execute("UPDATE links SET needs_plan = 0")
    twin = an_incident(sys_id="f" * 32, number="INC2")
    remember(store, twin)
    [pair] = store.links.pairs_to_plan(NOW)
    assert pair.incident is None
    assert [other.sys_id for other in pair.others] == [SYS_ID, "f" * 32]
    assert store.links.known_records([CASE_ID, case_id(9)]) == {CASE_ID: pair.others}


def test_a_record_that_loses_the_key_wakes_the_case(store: Store) -> None:
    remember(store, a_case(), an_incident())
    store.database.connection.execute("UPDATE links SET needs_plan = 0")
    remember(store, an_incident(correlation_id="", updated_at=NOW, mod_count=1))
    [pair] = store.links.pairs_to_plan(NOW)
    assert pair.others == ()


# -- peaks -----------------------------------------------------------------------------------------------------


def linked(store: Store) -> None:
    remember(store, a_case())
    store.links.update_links([replace(a_link(), incident_peak=None)], NOW)
    remember(store, an_incident())


def test_peaks_rise_and_never_fall(store: Store) -> None:
    linked(store)
    assert pair_link(store).agreed is Stage.OPEN
    steps = [("ACKNOWLEDGED", "6"), ("ACTIVE", "2"), ("NEWS", "77")]
    for count, (status, state) in enumerate(steps, start=1):
        at = NOW + timedelta(seconds=count)
        remember(store, a_case(status=status, updated_at=at), an_incident(state=state, updated_at=at, mod_count=count))
    link = pair_link(store)
    assert (link.case_peak, link.incident_peak) == (Stage.ACKNOWLEDGED, Stage.RESOLVED)
    row = store.database.named(
        "SELECT case_stage, incident_stage, agreed_stage, case_status, incident_state FROM audit_links"
    )
    assert row == (
        {
            "case_stage": None,
            "incident_stage": None,
            "agreed_stage": "acknowledged",
            "case_status": "NEWS",
            "incident_state": "77",
        },
    )


def test_a_linked_record_without_the_key_still_moves_its_link(store: Store) -> None:
    linked(store)
    stranger = an_incident(correlation_id="", mod_count=1)
    remember(store, stranger)
    store.database.connection.execute("UPDATE links SET needs_plan = 0")
    remember(store, replace(stranger, state="6", number="INC2", mod_count=2))
    [pair] = store.links.pairs_to_plan(NOW)
    assert (pair.link.incident_peak, pair.link.number) == (Stage.RESOLVED, "INC2")
    assert store.database.value("SELECT case_id FROM audit_notifications ORDER BY seq DESC LIMIT 1") == CASE_ID


def test_two_sights_in_one_pull_both_count(store: Store) -> None:
    newer = a_case(status="ACTIVE", updated_at=NOW + timedelta(seconds=2))
    older = a_case(status="ACKNOWLEDGED", updated_at=NOW + timedelta(seconds=1))
    remember(store, newer, older)
    assert pair_link(store).case_peak is Stage.ACKNOWLEDGED
    assert [event[1:4] for event in events(store)] == [
        ("first_seen", None, "ACKNOWLEDGED"),
        ("status", "ACKNOWLEDGED", "ACTIVE"),
    ]


def test_the_stage_is_the_judges(store: Store) -> None:
    linked(store)
    remember(store, an_incident(assigned_to="u1", updated_at=NOW, mod_count=1))
    assert pair_link(store).incident_peak is Stage.ACKNOWLEDGED


def test_judging_again_restages_and_plans_everything(store: Store) -> None:
    linked(store)
    store.database.connection.execute("UPDATE links SET needs_plan = 0, incident_stage = NULL, incident_peak = NULL")
    assert store.snapshots.restage_all(JUDGE, NOW) == 1
    [pair] = store.links.pairs_to_plan(NOW)
    assert pair.link.incident_peak is Stage.OPEN


# -- older and newer -------------------------------------------------------------------------------------------


def test_an_older_case_never_overwrites_a_newer_one(store: Store) -> None:
    newer = a_case(status="RESOLVED", updated_at=LATER)
    remember(store, newer)
    assert remember(store, a_case(updated_at=NOW)).cases == SideCounts(seen=1, stale=1)
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert pair.case == newer
    assert remember(store, a_case(updated_at=None)).cases.changed == 1


@pytest.mark.parametrize(
    ("seconds", "mod_count", "taken"),
    [(-1, 5, False), (0, 4, False), (-1, 9, True), (0, 5, True), (0, 6, True), (1, 0, True)],
)
def test_an_older_record_never_overwrites_a_newer_one(store: Store, seconds: int, mod_count: int, taken: bool) -> None:
    remember(store, an_incident(updated_at=NOW, mod_count=5))
    seen = an_incident(state="2", updated_at=NOW + timedelta(seconds=seconds), mod_count=mod_count)
    counts = remember(store, seen)
    assert (counts.incidents.changed, counts.incidents.stale) == (int(taken), int(not taken))


@pytest.mark.parametrize("of", ["updated_at", "created_at"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_time_far_ahead_makes_no_record_newer(store: Store, of: str, is_known: bool) -> None:
    """Neither a last change in 2099, nor a record that seems to have been made anew then."""
    odd, sound = {of: datetime(2099, 1, 1, tzinfo=UTC)}, {of: NOW}
    remember(store, an_incident(mod_count=5, **(odd if is_known else sound)))
    counts = remember(store, an_incident(state="2", mod_count=4, **(sound if is_known else odd)))
    assert (counts.incidents.changed, counts.incidents.stale) == (0, 1)


@pytest.mark.parametrize(("state", "peak"), [("7", Stage.CLOSED), ("2", Stage.RESOLVED)])
def test_an_older_record_tells_how_far_it_once_came(store: Store, state: str, peak: Stage) -> None:
    linked(store)
    remember(store, an_incident(state="6", updated_at=LATER, mod_count=2))
    remember(store, an_incident(state=state, updated_at=NOW, mod_count=1))
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert pair.incident is not None
    assert (pair.incident.state, pair.link.incident_peak) == ("6", peak)


def test_a_known_address_outlives_a_listing_without_it(store: Store) -> None:
    remember(store, WITH_ADDRESS)
    assert remember(store, replace(WITH_ADDRESS, url="")).cases == SideCounts(seen=1)
    remember(store, replace(WITH_ADDRESS, url="", title="New"))
    pair = store.links.pair(CASE_ID)
    assert pair is not None
    assert (pair.case.title, pair.case.url) == ("New", WITH_ADDRESS.url)


# -- notifications ---------------------------------------------------------------------------------------------


def test_one_row_for_each_change_in_order(store: Store) -> None:
    remember(store, a_case(), an_incident())
    resolved = a_case(status="RESOLVED", resolved_by="ann", title="t" * 600, updated_at=LATER)
    worked = an_incident(state="2", assigned_to="bob", updated_by="bob", mod_count=1, fields={"x": "new to us"})
    remember(store, resolved, worked, cycle_id="c2")
    assert events(store) == [
        ("coralogix", "first_seen", None, "ACTIVE", None),
        ("servicenow", "first_seen", None, "1", "coralogix.sync"),
        ("coralogix", "status", "ACTIVE", "RESOLVED", "ann"),
        ("coralogix", "resolved_by", None, "ann", None),
        ("coralogix", "title", "Payments are slow", "t" * 499 + "…", None),
        ("servicenow", "state", "1", "2", "bob"),
        ("servicenow", "assigned_to", None, "bob", "bob"),
    ]


@pytest.mark.parametrize(
    ("state", "mod_count", "actor"),
    [("1", 0, "coralogix.sync"), ("1", 3, "ann"), ("2", 3, None), ("6", 3, "beth"), ("7", 3, "carl"), ("8", 3, "carl")],
)
def test_who_opened_a_record_is_not_who_brought_it_where_it_is_first_seen(
    store: Store, state: str, mod_count: int, actor: str | None
) -> None:
    people = {"opened_by": "ann", "resolved_by": "beth", "closed_by": "carl"}
    remember(store, an_incident(state=state, mod_count=mod_count, **people))
    assert events(store) == [("servicenow", "first_seen", None, state, actor)]


def test_a_change_in_nothing_that_is_read_is_one_row(store: Store) -> None:
    remember(store, a_case(updated_at=NOW), an_incident())
    remember(store, a_case(updated_at=LATER), an_incident(mod_count=1))
    assert events(store)[2:] == [
        ("coralogix", "updated", "2026-03-01T12:00:00.000000Z", "2026-03-01T12:01:00.000000Z", None),
        ("servicenow", "updated", "0", "1", "coralogix.sync"),
    ]


def test_a_kept_field_is_noted_once_for_each_finding(store: Store) -> None:
    linked(store)
    first = FieldNote(case_id=CASE_ID, name="urgency", ours="1", theirs="3")
    for note in (first, first, replace(first, theirs="2"), first):
        store.snapshots.note_fields([note], "c1", NOW)
    rows = store.database.read(
        "SELECT sys_id, from_value, to_value FROM audit_notifications WHERE event = 'field_kept'"
    )
    assert rows == [(SYS_ID, "urgency=1", f"urgency={theirs}") for theirs in "323"]


# -- absence, quarantine, small things -------------------------------------------------------------------------


def test_what_is_seen_is_no_longer_absent(store: Store) -> None:
    linked(store)
    absence = Absence(first_at=NOW, last_at=NOW, times=1)
    store.links.update_links([replace(pair_link(store), incident_absence=absence, case_absence=absence)], NOW)
    assert pair_link(store).case_absence == absence
    remember(store, a_case())
    assert (pair_link(store).case_absence, pair_link(store).incident_absence) == (None, absence)
    remember(store, an_incident())
    assert pair_link(store).incident_absence is None


def test_what_cannot_be_understood_is_kept_counted_and_released(store: Store) -> None:
    nameless = Malformed("no id", raw={"a": object})
    named = Malformed("status is a number", record_id=CASE_ID, raw={"id": CASE_ID, "status": 7})
    for _ in range(2):
        assert remember(store, malformed=(named, nameless)).malformed == 2
    rows = store.database.read("SELECT record_key, message, raw, times FROM quarantine ORDER BY message DESC")
    assert rows[0] == (CASE_ID, "status is a number", f'{{"id": "{CASE_ID}", "status": 7}}', 2)
    assert rows[1][0].startswith("sha256:")
    assert store.reports.status_summary().quarantined == 2
    remember(store, a_case())
    assert store.reports.status_summary().quarantined == 1


def test_the_quarantine_is_bounded(store: Store) -> None:
    many = tuple(Malformed("bad", record_id=str(number), raw=None) for number in range(1100))
    remember(store, malformed=many)
    assert store.reports.status_summary().quarantined == 1000


def test_small_things_are_remembered(store: Store) -> None:
    assert (store.facts.origin(), store.facts.get("x")) == (None, None)
    store.facts.set_origin(NOW)
    store.facts.set_origin(LATER)
    store.facts.put("x", "1")
    store.facts.put("x", "2")
    store.facts.remember_references("main", "sys_user_group", {"Ops": "1" * 32}, NOW)
    store.facts.remember_references("main", "sys_user_group", {"Ops": "2" * 32, "Dev": ""}, NOW)
    assert store.facts.origin() == NOW
    assert store.facts.origin().tzinfo is UTC  # type: ignore[union-attr]
    assert store.facts.get("x") == "2"
    assert store.facts.references("main", "sys_user_group") == {"Dev": "", "Ops": "2" * 32}
    assert store.facts.references("other", "sys_user_group") == {}


def test_many_rows_take_few_statements(store: Store) -> None:
    seen: list[Case | Incident] = []
    for number in range(1200):
        seen += [a_case(id=case_id(number)), an_incident(sys_id=f"{number:032x}", correlation_id=case_id(number))]
    statements: list[str] = []
    store.database.connection.set_trace_callback(
        lambda sql: statements.append(sql) if sql.startswith("SELECT") else None
    )
    counts = remember(store, *seen)
    assert (counts.cases.new, counts.incidents.new, counts.notifications) == (1200, 1200, 2400)
    assert len(statements) < 20


def test_a_failure_of_sqlite_is_a_store_error(store: Store) -> None:
    store.database.connection.execute("DROP VIEW audit_links")
    store.database.connection.execute("PRAGMA foreign_keys = OFF")
    store.database.connection.execute("DROP TABLE cases")
    with pytest.raises(StoreError, match="no such table"):
        store.snapshots.remember(
            Pulled(system=System.CORALOGIX, cases=(a_case(),)), stage_rules=JUDGE, cycle_id="c", now=NOW
        )
    assert not store.database.connection.in_transaction
