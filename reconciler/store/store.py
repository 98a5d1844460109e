"""The way into the store. One thread at a time uses a Store, not always the one that opened it.

No transaction is ever held across a call that leaves this room: each method of its parts begins and ends its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.store.connection import IN_MEMORY, Database, check, configure, connect, guarded, open_file
from reconciler.store.copying import copy_into_memory
from reconciler.store.journal import Journal
from reconciler.store.links import Links
from reconciler.store.maintenance import Maintenance, back_up
from reconciler.store.migrations import is_older, migrate
from reconciler.store.reports import Reports
from reconciler.store.snapshots import Facts, Snapshots
from reconciler.store.values import (
    Begun,
    Cursor,
    CycleCounts,
    Decided,
    HoldRequest,
    HoldRequestKind,
    Pulled,
    RememberedCounts,
    Restored,
    Row,
    SideCounts,
    StageRules,
    StatusSummary,
    Story,
)

if TYPE_CHECKING:
    from reconciler.store.connection import sqlite3

__all__ = [
    "Begun",
    "Cursor",
    "CycleCounts",
    "Decided",
    "HoldRequest",
    "HoldRequestKind",
    "Pulled",
    "RememberedCounts",
    "Restored",
    "Row",
    "SideCounts",
    "StageRules",
    "StatusSummary",
    "Store",
    "Story",
]

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""When a database in memory says that it was migrated: it is thrown away, so it does not matter."""


class Store:
    """Remember both sides, the links, the cursors and every step, in one SQLite database.

    Every method of its parts raises StoreError when SQLite fails, and then has changed nothing.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.links = Links(database)
        """which links to plan, what was decided about them, what people ask of them"""
        self.snapshots = Snapshots(database)
        """what was pulled, and how far each listing was read"""
        self.facts = Facts(database)
        """the small things that the next cycle has to know"""
        self.journal = Journal(database)
        """cycles, actions and requests"""
        self.reports = Reports(database)
        """what people ask: how things stand, the story of one Case"""
        self.maintenance = Maintenance(database)
        """old rows and free space"""

    @classmethod
    def open(cls, path: Path, *, now: datetime) -> Self:
        """Open a database for writing, make it where there is none, and bring it to this version's schema.

        One of an older version is copied beside itself first: the older program refuses what this one makes of it.
        Raises StoreError for a file that is damaged, foreign, from a newer version, or may not be written or copied.
        """
        connection = open_file(path)
        try:
            if is_older(connection):
                back_up(path, path.with_name(f"{path.name}.before-migration-{now:%Y%m%dT%H%M%S.%fZ}"))
        except BaseException:
            connection.close()
            raise
        return cls._migrated(connection, str(path), now)

    @classmethod
    def in_memory(cls) -> Self:
        """Make an empty store that is gone when it is closed."""
        connection = connect(IN_MEMORY)
        configure(connection)
        return cls._migrated(connection, IN_MEMORY, _NO_TIME)

    @classmethod
    def copy_of(cls, path: Path) -> Self:
        """Copy a database into memory, to plan on; the file and its folder stay byte for byte as they are.

        An empty store where there is no file. Raises StoreError as ``open`` does.
        """
        connection = copy_into_memory(path)
        try:
            with guarded(str(path)):
                check(connection, str(path))
                configure(connection)
        except BaseException:
            connection.close()
            raise
        return cls._migrated(connection, str(path), _NO_TIME)

    @classmethod
    def _migrated(cls, connection: sqlite3.Connection, path: str, now: datetime) -> Self:
        store = cls(Database(connection, path))
        try:
            with store.database.transaction():
                migrate(connection, now=now)
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
        self.database.connection.close()

    @property
    def path(self) -> str:
        """Give the path of the file that is, or was copied to be, worked on; ``:memory:`` where there is none."""
        return self.database.path

    def size_bytes(self) -> int:
        """Give the size of the database in bytes, without its write-ahead log."""
        return int(self.database.value("PRAGMA page_count")) * int(self.database.value("PRAGMA page_size"))
