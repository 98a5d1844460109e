"""The chain: whatever is changed, removed, added or moved behind the program's back is found."""
# ruff: noqa: S608 - the tables and columns that are put into SQL here are those of the schema

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest

from reconciler.audit.chain import PROBLEMS_SHOWN, Verified, verify
from reconciler.cli.showing.evidence import broken_words
from reconciler.core.errors import StoreError
from reconciler.core.model import HttpRecord, Outcome, Result, System
from reconciler.store import maintenance
from reconciler.store.database.connection import IN_MEMORY, Database, configure, connect
from reconciler.store.database.triggers import CHAINED, NOT_CHAINED, Kind
from reconciler.store.maintenance import Retention
from reconciler.store.store import Store
from reconciler.store.values import CycleCounts, Decided, OperatorAction
from tests.builders import NOW, a_case, a_link, an_incident
from tests.store_helpers import LATER, an_action, begin_action, case_id, empty_store, finish_action, remember, unguarded

SENT = HttpRecord(
    system=System.SERVICENOW,
    method="GET",
    path="/api/now/table/incident",
    status=200,
    duration_ms=3,
    request_id="r",
    attempt=1,
    sent_at=NOW,
    body="{}",
)
LEFT_OUT = {("links", "needs_plan")}
"""Columns that say nothing of what is shown; every other one is bound."""


def quiet_cycle(store: Store, number: int) -> None:
    at = NOW + timedelta(minutes=number)
    store.journal.begin_cycle(f"quiet {number}", kind="cycle", now=at, config_hash="h", program_version="1")
    store.journal.finish_cycle(
        f"quiet {number}", result="done", counts=CycleCounts(), sides=["coralogix"], requests=[SENT], now=at
    )


@cache
def written() -> sqlite3.Connection:
    """Write at least two rows of everything."""
    store = empty_store()
    store.journal.note_config("h", "owner = 1", NOW)
    store.journal.note_config("i", "owner = 2", NOW)
    for number in (1, 2):
        deed = OperatorAction(what="prune", os_user="me", host="here", arguments="state prune", detail=f"no {number}")
        store.journal.note_person(deed, NOW)
        name, cycle_id = case_id(number), f"c{number}"
        record = an_incident(sys_id=f"{number:032d}", correlation_id=name, number=f"INC{number}")
        store.journal.begin_cycle(cycle_id, kind="cycle", now=NOW, config_hash="h", program_version="1")
        remember(store, a_case(id=name), record, cycle_id=cycle_id)
        store.links.update_links([replace(a_link(case_id=name, sys_id=record.sys_id), written={"a": "b"})], NOW)
        action = an_action(case_id=name, sys_id=record.sys_id)
        seq = begin_action(store, action, cycle_id=cycle_id, now=NOW)
        resolved = replace(record, state="6", mod_count=1, updated_at=LATER)
        finish_action(
            store, seq, Outcome(action=action, result=Result.DONE, incident=resolved), now=LATER, requests=[SENT]
        )
        store.journal.finish_cycle(cycle_id, result="done", counts=CycleCounts(done=1), requests=[SENT], now=LATER)
    store.journal.record_requests([replace(SENT, sent_at=NOW - timedelta(days=90))] * 2, "c1")
    for number in (1, 2, 3):
        quiet_cycle(store, number)
    prune_in_two_steps(store)
    return store.database.connection


def prune_in_two_steps(store: Store) -> None:
    """Prune old requests so that there are two seals."""
    rows = maintenance.ROWS_PER_STEP
    maintenance.ROWS_PER_STEP = 1
    cut = NOW - timedelta(days=30)
    assert store.maintenance.prune(Retention(requests_before=cut, history_before=None), now=NOW)["http"] == 2
    maintenance.ROWS_PER_STEP = rows


@contextmanager
def a_copy() -> Iterator[Store]:
    connection = connect(IN_MEMORY)
    written().backup(connection)
    configure(connection)
    with Store(Database(connection, IN_MEMORY)) as store:
        yield store


def tampered(change: Callable[[sqlite3.Connection], object]) -> Verified:
    with a_copy() as store:
        with unguarded(store) as conn:
            conn.execute("PRAGMA foreign_keys = OFF")
            change(conn)
        return verify(store.ledger)


def columns(table: str) -> list[str]:
    return [row[1] for row in written().execute(f"PRAGMA table_info({table})")]


def test_what_was_written_is_whole() -> None:
    with a_copy() as store:
        found = verify(store.ledger)
        assert found.broken == ()
        assert found.is_whole
        assert (found.since, found.pruned) == ("1970-01-01T00:00:00.000000Z", 2)
        assert found.entries == found.head_seq > found.rows > 20


def test_every_table_is_bound_or_says_why_not() -> None:
    """Walk the schema, so that a new table cannot be forgotten."""
    tables = {name for (name,) in written().execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {name for name in tables if not name.startswith("sqlite_")} == CHAINED.keys() | NOT_CHAINED.keys()
    assert not CHAINED.keys() & NOT_CHAINED.keys()
    assert {
        name: written().execute(f"SELECT count(*) > 1 FROM {name}").fetchone()[0] for name in CHAINED
    } == dict.fromkeys(CHAINED, 1)


@pytest.mark.parametrize("table", CHAINED)
def test_each_column_that_is_changed_is_found(table: str) -> None:
    last = f"rowid = (SELECT max(rowid) FROM {table})"
    for column in columns(table):
        if (table, column) not in LEFT_OUT:
            [(value,)] = written().execute(f"SELECT {column} FROM {table} WHERE {last}")
            change = (f"UPDATE {table} SET {column} = ? WHERE {last}", (another(table, column, value),))
            found = tampered(lambda conn, change=change: conn.execute(*change))  # type: ignore[misc]
            assert any(one.table == table for one in found.broken), f"{table}.{column}"


def another(table: str, column: str, value: object) -> object:
    """Give another value that the column may have."""
    [(kind,)] = written().execute("SELECT type FROM pragma_table_info(?) WHERE name = ?", (table, column))
    if kind == "TEXT":
        return json.dumps({"other": value})
    return bytes(32) if kind == "BLOB" else 1000


@pytest.mark.parametrize("table", CHAINED)
def test_a_row_that_is_removed_is_found_and_named(table: str) -> None:
    found = tampered(lambda conn: conn.execute(f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})"))
    assert not found.is_whole
    assert table in {"seals", *(one.table for one in found.broken)}


@pytest.mark.parametrize("table", sorted(CHAINED.keys() - {"seals"}))
def test_a_table_that_is_dropped_is_found(table: str) -> None:
    with a_copy() as store:
        store.database.connection.execute("PRAGMA foreign_keys = OFF")
        store.database.connection.execute(f"DROP TABLE {table}")
        found = verify(store.ledger)
    assert any(one.table == table and "is gone" in one.words for one in found.broken)


@pytest.mark.parametrize("table", CHAINED)
def test_a_row_that_is_added_is_found(table: str) -> None:
    key = CHAINED[table].key[0]
    new = "1000" if key == "seq" else f"{key} || 'x'"
    names = [name for name in columns(table) if name != key]
    unique = ", ".join(f"{name} || 'x'" if name in {"cycle_id", "case_id"} else name for name in names)
    sql = f"INSERT INTO {table} ({key}, {', '.join(names)}) SELECT {new}, {unique} FROM {table} LIMIT 1"
    found = tampered(lambda conn: conn.execute(sql))
    assert any(one.table == table for one in found.broken)


@pytest.mark.parametrize("table", [name for name, one in CHAINED.items() if one.key == ("seq",)])
def test_two_rows_that_are_swapped_are_found(table: str) -> None:
    def swap(conn: sqlite3.Connection) -> None:
        first, second = (row[0] for row in conn.execute(f"SELECT seq FROM {table} ORDER BY seq LIMIT 2").fetchall())
        for old, new in ((first, -1), (second, first), (-1, second)):
            conn.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (new, old))

    assert not tampered(swap).is_whole


@pytest.mark.parametrize("column", ["seq", "table_name", "key", "row_hash", "chain", "seal"])
def test_an_entry_that_is_changed_is_found(column: str) -> None:
    new = {"seq": "seq + 1", "table_name": "'cases'", "key": "'x'", "seal": "1"}.get(column, "zeroblob(32)")
    last = "(SELECT max(seq) FROM ledger)"
    assert not tampered(lambda conn: conn.execute(f"UPDATE ledger SET {column} = {new} WHERE seq = {last}")).is_whole


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)",
        "DELETE FROM ledger WHERE seq = 5",
        "UPDATE ledger_head SET chain = zeroblob(32)",
        "UPDATE ledger_head SET seq = seq - 1",
        "DELETE FROM ledger_head",
        "INSERT INTO ledger SELECT seq + 1000, table_name, key, row_hash, chain, seal FROM ledger LIMIT 1",
    ],
)
def test_a_chain_that_is_cut_or_bent_is_found(sql: str) -> None:
    assert not tampered(lambda conn: conn.execute(sql)).is_whole


def test_the_first_problems_are_listed_and_all_of_them_counted() -> None:
    found = tampered(lambda conn: conn.execute("UPDATE ledger SET row_hash = zeroblob(32)"))
    assert len(found.broken) == PROBLEMS_SHOWN < found.entries <= found.problems
    assert f", and {found.problems - 1} more." in broken_words(found, "x.db")


def test_a_trigger_that_is_dropped_or_added_is_found() -> None:
    for sql in ("DROP TRIGGER http_stays", "CREATE TRIGGER x AFTER INSERT ON facts BEGIN SELECT 1; END"):
        with a_copy() as store:
            store.database.connection.execute(sql)
            assert "trigger" in verify(store.ledger).broken[0].words


def test_an_older_head_lies_in_the_chain_until_the_file_is_put_back() -> None:
    with a_copy() as store:
        old = store.ledger.head()[1].hex()
        quiet_cycle(store, 4)
        remember(store, a_case(id=case_id(9)))
        new = store.ledger.head()[1].hex()
        assert verify(store.ledger, head=old).finds_head
        assert verify(store.ledger, head=new).is_whole
    with a_copy() as put_back:
        assert verify(put_back.ledger, head=new).finds_head is False
        assert not verify(put_back.ledger, head=new).is_whole


@pytest.mark.parametrize("table", [name for name, one in CHAINED.items() if one.kind is not Kind.PRESENT])
def test_the_program_itself_may_neither_change_nor_delete_evidence(table: str) -> None:
    with a_copy() as store:
        conn = store.database.connection
        column = "field" if table == "written_values" else columns(table)[1]
        for sql in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column} || 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="is evidence"):
                conn.execute(sql)
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            conn.execute("UPDATE ledger SET seq = seq + 1")
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            conn.execute("DELETE FROM ledger")


def test_another_program_cannot_write_evidence() -> None:
    connection = sqlite3.connect(":memory:")
    written().backup(connection)
    with pytest.raises(sqlite3.OperationalError, match="no such function"):
        connection.execute("INSERT INTO people (at, what, os_user, host, arguments) VALUES ('', '', '', '', '')")
    connection.close()


# -- quiet cycles --------------------------------------------------------------------------------------------------


def test_a_quiet_cycle_like_the_one_before_adds_to_its_counter() -> None:
    with a_copy() as store:
        before = [store.database.value(f"SELECT count(*) FROM {name}") for name in ("cycles", "http", "ledger")]
        for number in (4, 5):
            quiet_cycle(store, number)
        assert [store.database.value(f"SELECT count(*) FROM {name}") for name in ("cycles", "http", "ledger")] == before
        [row] = store.journal.last_cycles(1)
        assert (row["cycle_id"], row["repeated"], row["last_cycle_id"]) == ("quiet 1", 4, "quiet 5")
        assert row["last_at"] == "2026-03-01T12:05:00.000000Z"
        [sent] = store.database.named("SELECT * FROM audit_http WHERE cycle_id = 'quiet 1'")
        assert (sent["repeated"], sent["last_at"]) == (4, row["last_at"])
        assert verify(store.ledger).is_whole


def test_news_end_a_counter_and_chain_it() -> None:
    with a_copy() as store:
        store.journal.begin_cycle("news", kind="cycle", now=LATER, config_hash="h", program_version="1")
        remember(store, a_case(id=case_id(8)), cycle_id="news")
        store.journal.finish_cycle("news", result="done", counts=CycleCounts(), now=LATER)
        quiet_cycle(store, 6)
        assert [row["cycle_id"] for row in store.journal.last_cycles(3)] == ["quiet 6", "news", "quiet 1"]
        assert verify(store.ledger).is_whole
        with unguarded(store) as conn:
            conn.execute("UPDATE cycles SET repeated = 99 WHERE cycle_id = 'quiet 1'")
        assert verify(store.ledger).broken[0].words == "is not as it was written"


@pytest.mark.parametrize(
    "change",
    [
        {"result": "failed"},
        {"counts": CycleCounts(pulled_cases=1)},
        {"sides": ["main"]},
        {"requests": [replace(SENT, status=503)]},
        {"requests": [SENT, SENT]},
        {"refused_because": "no"},
        {"now": NOW + timedelta(minutes=3)},
    ],
)
def test_a_cycle_that_is_not_like_the_one_before_has_its_own_row(change: dict[str, object]) -> None:
    at = NOW + timedelta(minutes=3 if "now" not in change else 14)
    with a_copy() as store:
        store.journal.begin_cycle("other", kind="cycle", now=at, config_hash="h", program_version="1")
        usual = {"result": "done", "counts": CycleCounts(), "sides": ["coralogix"], "requests": [SENT], "now": at}
        store.journal.finish_cycle("other", **(usual | change))  # type: ignore[arg-type]
        assert store.journal.last_cycles(1)[0]["cycle_id"] == "other"


def test_a_killed_cycle_after_a_counter_is_seen() -> None:
    with a_copy() as store:
        store.journal.begin_cycle("killed", kind="cycle", now=LATER, config_hash="h", program_version="1")
        assert store.database.value("SELECT result FROM audit_cycles WHERE cycle_id = 'killed'") is None
        store.journal.begin_cycle("next", kind="cycle", now=LATER, config_hash="h", program_version="1")
        assert store.database.value("SELECT result FROM audit_cycles WHERE cycle_id = 'killed'") == "failed"


# -- pruning -------------------------------------------------------------------------------------------------------


def test_a_seal_that_covers_more_than_it_took_is_found() -> None:
    def hide(conn: sqlite3.Connection) -> None:
        conn.execute("UPDATE ledger SET seal = 1 WHERE table_name = 'http' AND key = 1")
        conn.execute("DELETE FROM http WHERE seq = 1")

    assert not tampered(hide).is_whole


def test_a_failure_in_the_middle_leaves_neither_row_nor_entry() -> None:
    with a_copy() as store:
        head = store.ledger.head()
        with pytest.raises(StoreError, match="never remembered"):
            store.links.keep_decisions(
                [Decided(link=a_link(case_id=name), needs_plan=False) for name in (case_id(1), "x")], NOW
            )
        assert store.ledger.head() == head
        assert verify(store.ledger).is_whole
