"""What a user is told who may not read the database file, or may not enter its folder."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reconciler.core.errors import StoreError
from reconciler.store.database.access import is_there, why_unreadable
from reconciler.store.store import Store
from tests.builders import NOW

NOBODY = 65534


@pytest.fixture
def database() -> Iterator[Path]:
    """Make a database in a folder that every user may enter, as pytest's own may not be."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "x.db")
        Store.open(path, now=NOW).close()
        path.parent.chmod(0o755)
        yield path
        path.parent.chmod(0o755)


@contextmanager
def another_user() -> Iterator[str]:
    """Be a user without rights where the tests run as root, who may all; the user of the tests where not."""
    before = os.geteuid(), os.getegid(), os.getgroups()
    if before[0] == 0:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield pwd.getpwuid(os.geteuid()).pw_name
    finally:
        if before[0] == 0:
            os.seteuid(before[0])
            os.setegid(before[1])
            os.setgroups(before[2])


def owner_of(path: Path) -> str:
    status = path.stat()
    return f"it belongs to {pwd.getpwuid(status.st_uid).pw_name}, group {grp.getgrgid(status.st_gid).gr_name}, mode"


@pytest.mark.parametrize("way", [Store.reading, Store.planning, Store.copy_of])
@pytest.mark.parametrize("beside", ["", "-wal", "-wal -shm"])
def test_who_may_not_read_the_file_is_told_whose_it_is(database: Path, way: object, beside: str) -> None:
    for ending in beside.split():
        database.with_name(f"x.db{ending}").touch(0o644)
    database.chmod(0o000)
    with another_user() as user, pytest.raises(StoreError) as told:
        way(database)  # type: ignore[operator]
    assert str(told.value).startswith(f"{database}: this user, {user}, may not read it: {owner_of(database)} 0000; ")


def test_who_may_not_read_the_log_beside_it_is_told_of_that(database: Path) -> None:
    log = database.with_name("x.db-wal")
    log.touch()
    log.chmod(0o000)
    database.chmod(0o644)
    with another_user(), pytest.raises(StoreError, match=rf"may not read {log}: "):
        Store.reading(database)


def test_who_may_not_enter_the_folder_is_told_of_that(database: Path) -> None:
    database.parent.chmod(0o600)
    words = rf"may not enter {database.parent}: it belongs to .* mode 0600; "
    with another_user():
        for way in (Store.reading, Store.planning, is_there):
            with pytest.raises(StoreError, match=words):
                way(database)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize(
    ("owner", "mode", "to_do"),
    [
        (0, 0o600, "run the command as root"),
        (0, 0o640, "run the command as root, or as a user of the group root"),
        (NOBODY, 0o040, "give the right back: chmod u+r {path}"),
        (4_000_000_001, 0o600, "run the command as 4000000001"),
    ],
)
def test_the_way_out_follows_owner_and_mode(database: Path, owner: int, mode: int, to_do: str) -> None:
    os.chown(database, owner, 0)
    database.chmod(mode)
    with another_user():
        assert why_unreadable(database).endswith("; " + to_do.format(path=database))


def test_nothing_is_said_of_what_may_be_read_or_is_not_there(database: Path) -> None:
    assert why_unreadable(database) == why_unreadable(database.parent / "none" / "x.db") == ""
    assert is_there(database)
    assert not is_there(database.with_name("y.db"))
    assert not is_there(database / "x.db")
