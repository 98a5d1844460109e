"""Reading in place, and a copy for planning: both see what is there and leave every byte of the folder as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.core.errors import StoreError
from reconciler.store.opening.lock import DatabaseLock
from reconciler.store.store import Store
from tests.builders import NOW, a_case
from tests.store_helpers import remember

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.store.store import Store

store = Store.open(Path(sys.argv[1]), now=datetime(2026, 3, 1, tzinfo=UTC))
print("open", flush=True)
for line in sys.stdin:
    if line == "begin\\n":
        store.database.connection.execute("BEGIN IMMEDIATE")
        store.database.connection.execute("INSERT INTO facts VALUES ('half', 'done')")
    else:
        store.facts.put("word", line.strip())
    print("ok", flush=True)
"""


class Writer:
    """Work on a database from another process, one step at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def say(self, word: str) -> None:
        """Let the other process do one thing and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"


@contextmanager
def writer(path: Path) -> Iterator[Writer]:
    """Start another process on a database, and kill it at the end."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield Writer(process)
        process.kill()


def folder(path: Path) -> dict[str, bytes]:
    """Give every file of a folder with its bytes."""
    return {each.name: each.read_bytes() for each in path.iterdir()}


def word_in_copy(path: Path) -> str | None:
    """Read a database in place, copied and to plan on; check that nothing changed, and give the word that all have."""
    before, touched = folder(path.parent), path.parent.stat().st_mtime_ns
    with Store.reading(path) as place:
        read = place.facts.get("word")
        assert place.facts.get("half") is None
        assert place.reports.status_summary().links == 0
    with Store.copy_of(path) as copy:
        word = copy.facts.get("word")
        assert copy.facts.get("half") is None
        copy.facts.put("word", "written to the copy")
        remember(copy, a_case())
    with Store.planning(path) as part:
        assert part.facts.get("word") == word
        assert part.facts.get("half") is None
        part.facts.put("word", "written to the part")
        remember(part, a_case())
        assert part.links.pair(a_case().id) is not None
    assert read == word
    assert folder(path.parent) == before
    assert path.parent.stat().st_mtime_ns == touched, "a file was made beside it, if only for a moment"
    return word


def test_no_file_gives_an_empty_store_and_makes_none(tmp_path: Path) -> None:
    with Store.copy_of(tmp_path / "state" / "x.db") as copy:
        assert copy.reports.status_summary().links == 0
        remember(copy, a_case())
    assert folder(tmp_path) == {}


def test_a_closed_file_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "a b?#%.db"
    with Store.open(path, now=NOW) as store:
        store.facts.put("word", "closed")
    assert word_in_copy(path) == "closed"


def test_a_live_file_is_copied_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with writer(path) as other:
        other.say("first")
        assert word_in_copy(path) == "first"
        other.say("second")
        assert word_in_copy(path) == "second"
        other.say("begin")
        assert word_in_copy(path) == "second"


def test_a_file_left_by_a_killed_process_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with writer(path) as other:
        other.say("last")
    assert sorted(folder(tmp_path)) == ["x.db", "x.db-shm", "x.db-wal"]
    assert word_in_copy(path) == "last"
    (tmp_path / "x.db-shm").unlink()
    assert word_in_copy(path) == "last"
    with Store.open(path, now=NOW) as store:
        assert store.facts.get("word") == "last"


def test_the_copy_has_everything(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Store.open(path, now=NOW) as store:
        remember(store, a_case())
        expected = store.links.pair(a_case().id)
        live = tmp_path / "live"
        live.mkdir()
        for each in tmp_path.glob("x.db*"):
            shutil.copy(each, live)
    for place in (path, live / "x.db"):
        with Store.copy_of(place) as copy:
            assert copy.links.pair(a_case().id) == expected


def test_what_is_read_in_place_is_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with writer(path) as other:
        other.say("first")
        with Store.reading(path) as place:
            assert place.facts.get("word") == "first"
            other.say("second")
            assert place.facts.get("word") == "first"


def test_nothing_can_be_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    Store.open(path, now=NOW).close()
    with Store.reading(path) as place, pytest.raises(StoreError):
        place.facts.put("word", "no")


def test_an_alias_is_read_with_its_log(tmp_path: Path) -> None:
    path, alias = tmp_path / "real" / "x.db", tmp_path / "alias.db"
    path.parent.mkdir()
    alias.symlink_to(path)
    with writer(path) as other:
        other.say("first")
        with Store.reading(alias) as place:
            assert place.facts.get("word") == "first"


def test_a_database_of_an_older_version_is_read_in_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with Store.open(path, now=NOW) as store:
        store.facts.put("word", "old")
        store.database.connection.execute("DROP VIEW audit_holds")
    before = folder(tmp_path)
    with Store.reading(path) as place:
        assert place.facts.get("word") == "old"
        assert place.reports.holds() == ()
    assert folder(tmp_path) == before


def test_a_lock_tells_that_its_database_was_left_open(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with writer(path) as other:
        other.say("last")
    with DatabaseLock(path, command="reconciler once") as lock, Store.open(path, now=NOW, check=lock.was_left_open):
        assert lock.was_left_open
    with DatabaseLock(path, command="reconciler once") as lock:
        assert not lock.was_left_open
