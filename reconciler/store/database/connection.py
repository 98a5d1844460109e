"""One connection to the database: opening it, its transactions, and its errors.

Every change is inside BEGIN IMMEDIATE (a deferred BEGIN that reads first can fail at once when another process
writes). Every failure of SQLite becomes a StoreError with the path, SQLite's own words and what to do.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reconciler.core.errors import StoreBusy, StoreError
from reconciler.store.database.access import why_unreadable
from reconciler.store.database.triggers import add_functions
from reconciler.store.database.version import ANOTHER_PATH, refuse_foreign

__all__ = ["Database", "connect", "guarded", "sqlite3"]

BUSY_TIMEOUT_SECONDS = 5.0
OLDEST_SQLITE = (3, 37, 0)
"""The first version with STRICT tables."""
IN_MEMORY = ":memory:"

PRIVATE = 0o640
"""What the database, its companions, exports and pages are readable and writable by at most, less the umask."""

_DAMAGED = "stop every reconciler, keep the file for a look, and restore a backup or run 'reconciler state rebuild'"
_PASSES = frozenset({"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_READONLY"})
"""Errors that may be gone at the next try."""
_NOT_OPENED = frozenset({"SQLITE_CANTOPEN", "SQLITE_PERM"})
_ADVICE: dict[str, str] = {
    "SQLITE_FULL": "the disk, or the database's page limit, is full: free space; the next cycle goes on",
    "SQLITE_READONLY": "the file or its folder may not be written: check owner, mode and mount of both, then try again",
    "SQLITE_CANTOPEN": "the file could not be opened: check that its folder exists and may be entered and written",
    "SQLITE_PERM": "the file may not be opened: check its owner and mode",
    **dict.fromkeys(("SQLITE_BUSY", "SQLITE_LOCKED"), "another process is writing to it: end that one, or try again"),
    "SQLITE_IOERR": "the disk gave an error: look at the system's log, then try again or restore a backup",
    "SQLITE_CORRUPT": f"the file is damaged: {_DAMAGED}",
    "SQLITE_NOTADB": f"the file is not a SQLite database: {ANOTHER_PATH}; if it was one, {_DAMAGED}",
}


def store_error(path: str, error: Exception) -> StoreError:
    """Describe in one line what failed, with SQLite's words, and what to do."""
    name = str(getattr(error, "sqlite_errorname", None) or "")
    kind = "_".join(name.split("_")[:2])
    if kind in _NOT_OPENED and (why := why_unreadable(Path(path))):
        return StoreError(why)
    advice = _ADVICE.get(kind, "nothing of this step was written; if it happens again, report it with this line")
    failure = StoreBusy if kind in _PASSES else StoreError
    return failure(f"{path}: {error}{f' ({name})' if name else ''}; {advice}")


def connect(target: str, *, uri: bool = False) -> sqlite3.Connection:
    """Open a connection that any one thread may use and that starts no transaction by itself."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise StoreError(f"SQLite {oldest} or newer is needed; this Python has {sqlite3.sqlite_version}")
    # isolation_level=None: Python's sqlite3 would otherwise begin transactions by itself, and deferred ones.
    return sqlite3.connect(target, uri=uri, timeout=BUSY_TIMEOUT_SECONDS, check_same_thread=False, isolation_level=None)


def connect_to(path: Path, how: str) -> sqlite3.Connection:
    """Open a file in the way that a URI's query asks for, e.g. ``mode=rw`` (https://www.sqlite.org/uri.html)."""
    return connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True)


@contextmanager
def guarded(path: str) -> Iterator[None]:
    """Turn every failure of SQLite into a StoreError that names the path."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def open_file(path: Path, *, check: bool) -> sqlite3.Connection:
    """Open a database file for writing, making the file and its folder where there is none.

    Takes the same time at any size, unless ``check`` asks for a look at every page. Raises StoreError for a file that
    is found damaged, another program's file and one of a newer version, and changes none of them.
    """
    _make_folder(path)
    _make_file(path)
    with guarded(str(path)):
        connection = connect(str(path))
        try:
            if check:
                check_pages(connection, str(path))
            refuse_foreign(connection, str(path))
            # WAL: who reads beside the daemon never blocks it. FULL: a power cut loses no journal row whose write was
            # sent.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            configure(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: its folder cannot be made: {error}; {ANOTHER_PATH}") from error
    if path.is_dir():
        raise StoreError(f"{path}: is a folder, not a database file; {ANOTHER_PATH}")


def _make_file(path: Path) -> None:
    """Make an empty file where there is none: SQLite would give it, and so its companions, any reader.

    One that is there is not opened, for closing it would end the locks that this process has on it.
    """
    if path.exists():
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {error.strerror}; {ANOTHER_PATH}") from error


def check_pages(connection: sqlite3.Connection, path: str) -> None:
    """Read every page and raise StoreError when the database is damaged; seconds for each gigabyte."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        words = " ".join(str(found).replace("***", " ").split())
        raise StoreError(f"{path}: {words}; the file is damaged: {_DAMAGED}")


# -- every connection ------------------------------------------------------------------------------------------------


def configure(connection: sqlite3.Connection) -> None:
    """Set what every connection that writes needs, whether on a file or in memory."""
    connection.execute("PRAGMA foreign_keys = ON")
    add_functions(connection)


def keep_undo_in_memory(connection: sqlite3.Connection) -> None:
    """Keep in memory what takes a statement back if it fails, and what it sorts: little, where rows are written singly.

    SQLite else writes it into files, page by page: for one row with its entry in the chain some twenty of them.
    """
    connection.execute("PRAGMA temp_store = MEMORY")


class Database:
    """The one connection of a store, for its parts: transactions and reads.

    Before links, Cases or records are read, ``need`` names them: an Overlay (``opening.overlay``) loads them on demand.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self.connection = connection
        self.path = path
        self.skip_counts: Mapping[str, int] | None = None
        """reason -> skips that stand; None after decisions were stored, or a rebuild, which alone change them"""

    def close(self) -> None:
        """Close the database; a second call does nothing."""
        self.connection.close()

    def need(self, *, case_ids: Iterable[str] = (), sys_ids: Iterable[str] = ()) -> None:
        """Load what is remembered of these Cases and records; a whole database has nothing to load."""

    def need_found(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Load the Cases whose ids a query returns; a whole database has nothing to load."""

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Make every change inside it happen, or none; raise StoreError when SQLite fails."""
        with guarded(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                # SQLite itself ends the transaction on some failures, e.g. when the disk is full.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def read(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query as tuples."""
        with guarded(self.path):
            return self.connection.execute(sql, parameters).fetchall()

    def stream(self, sql: str, parameters: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query one after the other, without holding them all."""
        with guarded(self.path):
            # Not `yield from`: that closes the cursor of who stops early, perhaps behind the end of the connection.
            for row in self.connection.execute(sql, parameters):  # noqa: UP028
                yield row

    def value(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """Return the first column of the first row, or None where there is no row."""
        rows = self.read(sql, parameters)
        return rows[0][0] if rows else None

    def named(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[dict[str, Any], ...]:
        """Return all rows of a query with their column names."""
        with guarded(self.path):
            return tuple(map(dict, rows_by_name(self.connection, sql, parameters)))


def rows_by_name(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
    """Return all rows of a query, each of whose values is found by the name of its column."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(sql, parameters).fetchall()
