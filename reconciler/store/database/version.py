"""The version of a database: is it ours, is it current, and how it is brought up to date.

Tables change by the steps of ``migrations``. The views are no steps: they are made anew whenever their text changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.core.errors import StoreError
from reconciler.store.database.views import VIEWS

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x43584E57
"""Marks the file as ours (``PRAGMA application_id``), so that no other program's database is ever changed."""
SCHEMA_VERSION = 10
"""How many steps there are (``PRAGMA user_version``): a file with more was made by a newer program."""

ANOTHER_PATH = "choose another [state] path"
"""What to do about a file, or a folder, that cannot be ours."""


def refuse_foreign(connection: sqlite3.Connection, path: str) -> None:
    """Raise StoreError for a database that another program, or a newer version of this one, made. Changes nothing."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(f"{path}: belongs to another program; {ANOTHER_PATH}")
        return
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: was made by a newer version of this program (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); install that version, or restore a backup made before it"
        )


def is_older(connection: sqlite3.Connection) -> bool:
    """Return whether a database was made by an older version of this program, so that bringing it up changes it."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return 0 < version < SCHEMA_VERSION


def is_current(connection: sqlite3.Connection) -> bool:
    """Return whether a database has this version's tables and views."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    views = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
    return bool(version == SCHEMA_VERSION) and views == {name: _view(name) for name in VIEWS}


def bring_up(connection: sqlite3.Connection, *, now: datetime) -> None:
    """Bring a database to this version's tables and views; call it inside a transaction."""
    views = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
    for name in views:
        connection.execute(f"DROP VIEW {name}")
    if connection.execute("PRAGMA user_version").fetchone()[0] < SCHEMA_VERSION:
        from reconciler.store.database.migrations import apply_steps  # noqa: PLC0415 - takes 90 ms, and is seldom needed

        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        apply_steps(connection, now=now)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for name in VIEWS:
        connection.execute(_view(name))


def _view(name: str) -> str:
    return f"CREATE VIEW {name} AS {VIEWS[name]}"
