"""Opening: schema from nothing, what is refused, and what a person reads when it is."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database

from reconciler.audit.chain import verify
from reconciler.core.errors import StoreError
from reconciler.store.database import connection, migrations, version
from reconciler.store.database.codec import json_text, snapshot_text, time_text
from reconciler.store.store import Store
from reconciler.store.values import HoldRequestKind, SideCounts
from tests.builders import CASE_ID, NOW, a_case
from tests.store_helpers import case_id, remember


def made(path: Path) -> Path:
    """Make a database with one Case in it."""
    with Store.open(path, now=NOW) as store:
        remember(store, a_case())
    return path


def raw(path: Path, sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Run one statement on a file, past the store."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        return conn.execute(sql, values).fetchall()


def refuse_to_open(path: Path, words: str) -> None:
    """Check that neither a store nor a copy of one is opened, and in which words."""
    with pytest.raises(StoreError, match=words):
        Store.open(path, now=NOW)
    with pytest.raises(StoreError, match=words):
        Store.copy_of(path)


def test_folder_and_file_are_made(tmp_path: Path) -> None:
    path = made(tmp_path / "a" / "b" / "reconciler.db")
    assert raw(path, "SELECT count(*) FROM cases") == [(1,)]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_no_other_user_reads_the_file_or_what_stands_beside_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Store.open(tmp_path / "x.db", now=NOW) as store:
            remember(store, a_case())
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["x.db", "x.db-wal", "x.db-shm"], 0o640 & ~umask)


def test_every_table_is_strict(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db")
    tables = raw(path, "SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    assert len(tables) > 10
    assert {name for name, strict in tables if not strict} == set()
    with closing(sqlite3.connect(path)) as conn, pytest.raises(sqlite3.IntegrityError, match="cannot store TEXT"):
        conn.execute("INSERT INTO quarantine VALUES ('a', 'b', 'c', 'd', 'one', 'e', 'f')")


def test_the_connection_is_as_safe_as_it_gets(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db", now=NOW) as store:
        values = {
            name: store.database.value(f"PRAGMA {name}") for name in ("journal_mode", "synchronous", "foreign_keys")
        }
        assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
        assert store.database.value("PRAGMA busy_timeout") == 5000


def test_no_file_is_written_beside_it_for_each_row_but_one_for_a_whole_copy(tmp_path: Path) -> None:
    memory, file = 2, 1
    with Store.open(tmp_path / "x.db", now=NOW) as store:
        assert store.database.value("PRAGMA temp_store") == memory
        store.maintenance.compact()
        assert store.database.value("PRAGMA temp_store") == file


def test_migrations_are_recorded_once_with_the_time_given(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db")
    made(path)
    assert raw(path, "SELECT name, applied_at FROM _sqlite_migrations") == [
        ("first_tables", "2026-03-01T12:00:00.000000Z"),
        ("lowest_stages", "2026-03-01T12:00:00.000000Z"),
        ("one_word_for_one_thing", "2026-03-01T12:00:00.000000Z"),
        ("evidence", "2026-03-01T12:00:00.000000Z"),
        ("what_became_of_our_writes", "2026-03-01T12:00:00.000000Z"),
        ("earlier_records", "2026-03-01T12:00:00.000000Z"),
        ("mode_of_cycles", "2026-03-01T12:00:00.000000Z"),
        ("steps_as_told", "2026-03-01T12:00:00.000000Z"),
        ("records_by_other_means", "2026-03-01T12:00:00.000000Z"),
        ("backfills_handed_over", "2026-03-01T12:00:00.000000Z"),
    ]
    assert raw(path, "PRAGMA user_version") == [(version.SCHEMA_VERSION,)]


def test_schema_version_counts_the_steps() -> None:
    assert len(migrations.steps.pending(Database(memory=True))) == version.SCHEMA_VERSION


def old_database(path: Path, *, before: str) -> Path:
    """Make a database as a version had it that did not know a step yet."""
    with closing(sqlite3.connect(path)) as old:
        migrations.steps.apply(Database(old, execute_plugins=False, strict=True), stop_before=before)
        old.execute(f"PRAGMA application_id = {version.APPLICATION_ID}")
        old.execute(f"PRAGMA user_version = {len(migrations.steps.applied(Database(old)))}")
        old.commit()
    return path


def test_a_database_of_an_older_version_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    path = old_database(tmp_path / "x.db", before="one_word_for_one_thing")
    with Store.open(path, now=NOW):
        pass
    with Store.open(path, now=NOW):
        pass
    [copy] = tmp_path.glob("x.db.before-migration-*")
    assert copy.name == "x.db.before-migration-20260301T120000.000000Z"
    assert raw(copy, "PRAGMA user_version") == [(2,)]
    assert raw(copy, "SELECT count(*) FROM wishes") == [(0,)], "the table that the step renames"
    assert raw(path, "PRAGMA user_version") == [(version.SCHEMA_VERSION,)]


def test_without_its_copy_nothing_is_migrated(tmp_path: Path) -> None:
    path = old_database(tmp_path / "x.db", before="one_word_for_one_thing")
    (tmp_path / "x.db.before-migration-20260301T120000.000000Z").touch()
    with pytest.raises(StoreError, match="is there already"):
        Store.open(path, now=NOW)
    assert raw(path, "PRAGMA user_version") == [(2,)]


def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    made(tmp_path / "x.db")
    assert list(tmp_path.glob("*before*")) == []


def test_a_database_of_an_older_version_keeps_what_it_knew(tmp_path: Path) -> None:
    path = old_database(tmp_path / "x.db", before="one_word_for_one_thing")
    raw(
        path,
        "INSERT INTO cases (case_id, case_key, status, updated_at, snapshot, changed_at) VALUES (?, ?, ?, ?, ?, ?)",
        (CASE_ID, "CASE-123", "ACTIVE", time_text(NOW), json_text(a_case()), time_text(NOW)),
    )
    raw(
        path,
        "INSERT INTO links (case_id, unsettled_since, ignored_basis, changed_at, case_stage) VALUES (?, ?, ?, ?, 4)",
        (CASE_ID, time_text(NOW), "abc", time_text(NOW)),
    )
    raw(
        path,
        "INSERT INTO wishes (case_id, kind, basis, asked_by, asked_at) VALUES (?, 'retry', 'abc', 'me', 'x')",
        (CASE_ID,),
    )
    raw(path, "UPDATE wishes SET asked_at = ?", (time_text(NOW),))
    with Store.open(path, now=NOW) as store:
        [pair] = store.links.pairs_to_plan(NOW)
        assert (pair.link.create_in_doubt_since, pair.link.ignored_fingerprint) == (NOW, "abc")
        [request] = store.hold_requests.waiting()
        assert (request.kind, request.fingerprint) == (HoldRequestKind.RETRY, "abc")
        assert pair.link in store.links.open_links(), "a create in doubt keeps a link open"
        assert remember(store, a_case()).cases == SideCounts(seen=1)
        assert store.database.value("SELECT snapshot FROM cases") == snapshot_text(a_case()), "rewritten when seen"
        assert store.links.pair(CASE_ID) == pair, "and nothing else changed"
        assert verify(store.ledger).is_whole
        assert verify(store.ledger).since == time_text(NOW)


def test_a_step_that_fails_leaves_no_half_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "_SMALL", ("CREATE TABLE broken (",))
    path = tmp_path / "x.db"
    with pytest.raises(StoreError, match="incomplete input"):
        Store.open(path, now=NOW)
    assert raw(path, "SELECT name FROM sqlite_master") == []
    monkeypatch.undo()
    made(path)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db")
    raw(path, "PRAGMA user_version = 99")
    refuse_to_open(path, r"x\.db: was made by a newer version .*schema 99.*restore a backup")
    assert raw(path, "PRAGMA user_version") == [(99,)]


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    raw(path, "CREATE TABLE songs (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="belongs to another program"):
        Store.open(path, now=NOW)
    assert path.read_bytes() == before


def damaged_page(path: Path) -> None:
    """Overwrite the middle of a database."""
    whole = bytearray(path.read_bytes())
    whole[8192:16384] = b"\xa5" * 8192
    path.write_bytes(whole)


def cut_short(path: Path) -> None:
    """Cut a database in two."""
    path.write_bytes(path.read_bytes()[:20000])


def damaged_corner(path: Path) -> None:
    """Overwrite a page that opening has no need of."""
    [(page,)] = raw(path, "SELECT rootpage FROM sqlite_master WHERE name = 'quarantine'")
    whole = bytearray(path.read_bytes())
    whole[(int(str(page)) - 1) * 4096 : int(str(page)) * 4096] = b"\xa5" * 4096
    path.write_bytes(whole)


@pytest.mark.parametrize("harm", [damaged_page, cut_short, damaged_corner])
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    path = made(tmp_path / "x.db")
    harm(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"x\.db: .*damaged.*restore a backup or run 'reconciler state rebuild'"):
        Store.open(path, now=NOW, check=True)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 100, encoding="utf-8")
    with pytest.raises(StoreError, match=r"notes\.txt: .*not a SQLite database"):
        Store.open(path, now=NOW)


def test_a_folder_and_a_file_in_the_way_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(tmp_path, now=NOW)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="folder cannot be made"):
        Store.open(tmp_path / "file" / "x.db", now=NOW)


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OLDEST_SQLITE", (99, 1, 0))
    with pytest.raises(StoreError, match=r"SQLite 99\.1\.0 or newer is needed"):
        Store.in_memory()


def test_a_full_disk_stops_with_advice_and_writes_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db")
    with Store.open(path, now=NOW) as store:
        pages = store.database.value("PRAGMA page_count")
        store.database.connection.execute(f"PRAGMA max_page_count = {pages}")
        many = [a_case(id=case_id(number), title="t" * 900) for number in range(200)]
        with pytest.raises(StoreError, match=r"x\.db: .*full.*free space"):
            remember(store, *many)
        assert store.reports.status_summary().links == 1
        store.database.connection.execute("PRAGMA max_page_count = 100000")
        assert remember(store, *many).cases.new == 200


def test_a_file_that_may_not_be_written_stops_with_advice(tmp_path: Path) -> None:
    with Store.open(made(tmp_path / "x.db"), now=NOW) as store:
        store.database.connection.execute("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match=r"x\.db: .*readonly.*may not be written"):
            store.facts.put("a", "b")


def test_another_writer_is_named_as_such(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db")
    with Store.open(path, now=NOW) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store.database.connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(StoreError, match=r"x\.db: database is locked .*another process is writing"):
            store.facts.put("a", "b")
        other.execute("ROLLBACK")
        store.facts.put("a", "b")


def test_nothing_is_left_beside_a_closed_file(tmp_path: Path) -> None:
    made(tmp_path / "x.db")
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]


def test_size_is_that_of_the_file(tmp_path: Path) -> None:
    path = made(tmp_path / "x.db")
    with Store.open(path, now=datetime(2026, 1, 1, tzinfo=UTC)) as store:
        assert store.size_bytes() == path.stat().st_size
        assert store.path == str(path)
