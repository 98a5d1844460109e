"""The database lock, held by this process and by real others."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.core.errors import Locked, StoreError
from reconciler.store.opening.lock import DatabaseLock, lock_path

HOLD = """
import sys
from pathlib import Path
from reconciler.store.opening.lock import DatabaseLock
with DatabaseLock(Path(sys.argv[1]), command="reconciler run"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(database: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    with holder(database) as process, pytest.raises(Locked) as refused:
        DatabaseLock(database, command="reconciler once").__enter__()
    message = str(refused.value)
    assert str(database) in message
    assert f"`reconciler run`, pid {process.pid} on {socket.gethostname()}, since " in message
    assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.", message)
    assert "Wait until it has ended or stop it" in message
    assert refused.value.exit_code == 3


def test_the_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    with holder(database) as process:
        process.kill()
        process.wait()
    assert json.loads(lock_path(database).read_text())["pid"] == process.pid
    with DatabaseLock(database, command="reconciler once"):
        assert json.loads(lock_path(database).read_text())["pid"] == os.getpid()


def test_the_lock_ends_with_its_block_and_the_file_stays_unsigned(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    for _ in range(2):
        with DatabaseLock(database, command="reconciler once"):
            pass
    assert lock_path(database).read_text() == ""
    assert not database.exists()


def test_the_lock_ends_when_the_block_raises(tmp_path: Path) -> None:
    lock = DatabaseLock(tmp_path / "reconciler.db", command="reconciler once")
    with pytest.raises(ZeroDivisionError), lock:
        _ = 1 / 0
    with lock:
        pass


def test_the_holder_signs_with_what_a_person_needs(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    with DatabaseLock(database, command="reconciler run"):
        holder_words = json.loads((tmp_path / "reconciler.db.lock").read_text())
    since = datetime.fromisoformat(holder_words.pop("since"))
    assert holder_words == {"pid": os.getpid(), "host": socket.gethostname(), "command": "reconciler run"}
    assert abs((datetime.now(UTC) - since).total_seconds()) < 60


def test_two_paths_to_one_database_have_one_lock(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    database.touch()
    alias = tmp_path / "alias.db"
    alias.symlink_to(database)
    with (
        DatabaseLock(database, command="reconciler run"),
        pytest.raises(Locked),
        DatabaseLock(alias, command="reconciler once"),
    ):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"pid": 1}', "\x00\xff"])
def test_an_unreadable_signature_still_refuses(tmp_path: Path, content: str) -> None:
    database = tmp_path / "reconciler.db"
    with DatabaseLock(database, command="reconciler run"):
        lock_path(database).write_text(content)
        with pytest.raises(Locked, match="a process that has not left its name yet"):
            DatabaseLock(database, command="reconciler once").__enter__()


def test_a_signature_cannot_forge_a_line(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    forged = {"pid": 1, "host": "h", "command": "run\nINFO all is well", "since": "now"}
    with DatabaseLock(database, command="reconciler run"):
        lock_path(database).write_text(json.dumps(forged))
        with pytest.raises(Locked) as refused:
            DatabaseLock(database, command="reconciler once").__enter__()
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    with DatabaseLock(tmp_path / "state" / "deep" / "reconciler.db", command="reconciler run"):
        assert (tmp_path / "state" / "deep" / "reconciler.db.lock").exists()


def test_a_place_where_no_file_can_be_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, not a folder")
    with pytest.raises(StoreError, match=r"cannot lock the database .*state/reconciler\.db"):
        DatabaseLock(tmp_path / "state" / "reconciler.db", command="reconciler run").__enter__()


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    lock_path(tmp_path / "reconciler.db").symlink_to(precious)
    with pytest.raises(StoreError, match="it is a symbolic link"):
        DatabaseLock(tmp_path / "reconciler.db", command="reconciler once").__enter__()
    assert precious.read_text() == ""


@pytest.mark.parametrize("text", ["a letter", '{"other": 1}', "\0"])
def test_a_file_that_is_not_ours_is_neither_locked_nor_emptied(tmp_path: Path, text: str) -> None:
    lock = lock_path(tmp_path / "reconciler.db")
    lock.write_text(text)
    with pytest.raises(StoreError, match="is no lock file of this program"):
        DatabaseLock(tmp_path / "reconciler.db", command="reconciler once").__enter__()
    assert lock.read_text() == text


def test_a_second_name_of_another_file_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    lock_path(tmp_path / "reconciler.db").hardlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="is no lock file of this program"):
        DatabaseLock(tmp_path / "reconciler.db", command="reconciler once").__enter__()


def test_what_a_killed_process_left_in_the_file_is_ours(tmp_path: Path) -> None:
    database = tmp_path / "reconciler.db"
    with holder(database) as process:
        process.kill()
    assert lock_path(database).read_text()
    with DatabaseLock(database, command="reconciler once"):
        pass
