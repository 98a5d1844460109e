"""The entry point of the store. A Store is used by one thread at a time, not always the one that opened it.

No transaction is ever held across a call that leaves this room: each method of its parts begins and ends its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.store.asked.backfills import Backfills
from reconciler.store.asked.finder import Finder
from reconciler.store.asked.hold_requests import HoldRequests
from reconciler.store.asked.reports import Reports
from reconciler.store.database.access import is_there
from reconciler.store.database.connection import (
    IN_MEMORY,
    Database,
    configure,
    connect,
    guarded,
    keep_undo_in_memory,
    open_file,
    sqlite3,
)
from reconciler.store.database.version import bring_up, is_current, is_older, refuse_foreign
from reconciler.store.journal import Journal
from reconciler.store.ledger import Ledger
from reconciler.store.links import Links
from reconciler.store.maintenance import Maintenance, back_up
from reconciler.store.opening.in_place import copy_into_memory, open_in_place
from reconciler.store.opening.overlay import Overlay
from reconciler.store.snapshots import Facts, Snapshots
from reconciler.store.steps import Steps

__all__ = ["Store", "sqlite_version"]

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""When a database in memory says that it was migrated: it is thrown away, so it does not matter."""


def sqlite_version() -> str:
    """Return the version of SQLite that is used."""
    return sqlite3.sqlite_version


class Store:
    """Both sides, the links, the cursors and the journal, in one SQLite database.

    Every method of its parts raises StoreError when SQLite fails, and then has changed nothing.
    """

    def __init__(self, database: Database, *, is_copy: bool = False) -> None:
        self.database = database
        self.is_copy = is_copy
        """in memory, of a file that stays as it is"""
        self.links = Links(database)
        """which links to plan, and what was decided about them"""
        self.hold_requests = HoldRequests(database)
        """what people ask about links that are on hold"""
        self.snapshots = Snapshots(database)
        """what was pulled, and how far each listing was read"""
        self.steps = Steps(database)
        """the services' own history of what changed"""
        self.facts = Facts(database)
        """small values that the next cycle needs"""
        self.journal = Journal(database)
        """cycles, actions and requests"""
        self.finder = Finder(database)
        """Cases by the names that people type"""
        self.reports = Reports(database)
        """status, holds, lags, and the story of one Case"""
        self.ledger = Ledger(database)
        """the chain that binds what is evidence"""
        self.backfills = Backfills(database)
        """backfills that a command handed to the daemon"""
        self.maintenance = Maintenance(database)
        """old rows and free space"""

    @classmethod
    def open(cls, path: Path, *, now: datetime, check: bool = False) -> Self:
        """Open a database for writing, create it if there is none, and migrate it to this version's schema.

        A database of an older version is backed up beside itself first, since the older program cannot open the result.
        ``check`` reads every page, for a file that was not closed properly; without it the time does not depend on the
        size. Raises StoreError for a file that is found damaged, foreign, from a newer version, or may not be written
        or copied.
        """
        connection = open_file(path, check=check)
        try:
            with guarded(str(path)):
                is_copied_first = is_older(connection)
            if is_copied_first:
                back_up(path, path.with_name(f"{path.name}.before-migration-{now:%Y%m%dT%H%M%S.%fZ}"))
        except BaseException:
            connection.close()
            raise
        store = cls._brought_up(connection, str(path), now)
        keep_undo_in_memory(connection)
        return store

    @classmethod
    def in_memory(cls) -> Self:
        """Make an empty store that is gone when it is closed."""
        connection = connect(IN_MEMORY)
        configure(connection)
        return cls._brought_up(connection, IN_MEMORY, _NO_TIME)

    @classmethod
    def reading(cls, path: Path) -> Self:
        """Open a database to read it in place, as it is at this moment, beside a daemon and without a right to write.

        The file and its folder stay byte for byte as they are. An empty store where there is no file; a database of an
        older version is copied into memory. Raises StoreError for a file that is damaged, foreign or too new.
        """
        connection = _current_in_place(path)
        if connection is None:
            return cls.copy_of(path)
        with guarded(str(path)):
            connection.execute("BEGIN")
        return cls(Database(connection, str(path)))

    @classmethod
    def planning(cls, path: Path) -> Self:
        """Open a database to plan on, as it is at this moment: what is changed stays in memory, with what it needs.

        The file and its folder stay byte for byte as they are. An empty store where there is no file; a database of an
        older version is copied whole. Raises StoreError as ``reading`` does.
        """
        connection = _current_in_place(path)
        return cls.copy_of(path) if connection is None else cls(Overlay(connection, str(path)), is_copy=True)

    @classmethod
    def copy_of(cls, path: Path) -> Self:
        """Copy a database into memory, whole; the file and its folder stay byte for byte as they are.

        An empty store where there is no file. Raises StoreError as ``open`` does.
        """
        connection = copy_into_memory(path)
        try:
            with guarded(str(path)):
                refuse_foreign(connection, str(path))
                configure(connection)
        except BaseException:
            connection.close()
            raise
        return cls._brought_up(connection, str(path), _NO_TIME, is_copy=is_there(path))

    @classmethod
    def _brought_up(cls, connection: sqlite3.Connection, path: str, now: datetime, *, is_copy: bool = False) -> Self:
        store = cls(Database(connection, path), is_copy=is_copy)
        try:
            with guarded(path):
                is_ready = is_current(connection)
            if not is_ready:
                with store.database.transaction():
                    bring_up(connection, now=now)
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self.database.close()

    @property
    def path(self) -> str:
        """Return the path of the file that is, or was copied to be, worked on; ``:memory:`` where there is none."""
        return self.database.path

    def size_bytes(self) -> int:
        """Return the size of the database in bytes, without its write-ahead log."""
        return int(self.database.value("PRAGMA page_count")) * int(self.database.value("PRAGMA page_size"))


def _current_in_place(path: Path) -> sqlite3.Connection | None:
    """Open a database of this version to read it where it is; None where there is no file, or one of an older version.

    Raises StoreError for a file that is damaged, foreign or too new.
    """
    if not is_there(path):
        return None
    connection = open_in_place(path)
    try:
        with guarded(str(path)):
            refuse_foreign(connection, str(path))
            if is_current(connection):
                return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None
