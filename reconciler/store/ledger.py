"""Read the chain of evidence; ``audit.chain`` verifies it, and ``database.triggers`` write it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.frozen import dataclass
from reconciler.store.database.connection import Database, sqlite3
from reconciler.store.database.triggers import (
    NO_HASH,
    NOT_REPEATED,
    Key,
    columns_of,
    hashed_rows,
    repeat_hash,
    row_hash,
    triggers,
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the chain."""

    seq: int
    table: str
    key: Key
    row_hash: bytes
    chain: bytes


@dataclass(frozen=True, kw_only=True)
class State:
    """The last entry about one row, and the seal under which it was pruned."""

    seq: int
    key: Key
    row_hash: bytes
    seal: int | None


@dataclass(frozen=True, kw_only=True)
class Seal:
    """What a seal says of the rows that it took."""

    seq: int
    table: str
    rows: int
    hash: bytes


class Ledger:
    """The chain, the rows that it binds, the seals of what was pruned, and the triggers that guard it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def head(self) -> tuple[int, bytes]:
        """Return the number and hash of the last entry."""
        rows = self._db.read("SELECT seq, chain FROM ledger_head")
        return (rows[0][0], rows[0][1]) if rows else (0, NO_HASH)

    def entries(self) -> Iterator[Entry]:
        """Stream the chain from its beginning."""
        rows = self._db.connection.execute("SELECT seq, table_name, key, row_hash, chain FROM ledger ORDER BY seq")
        return (
            Entry(seq=seq, table=table, key=key, row_hash=found, chain=chain) for seq, table, key, found, chain in rows
        )

    def states(self, table: str) -> Iterator[State]:
        """Stream the last entry about each row of a table, by key."""
        rows = self._db.connection.execute(
            """SELECT max(seq), key, row_hash, seal FROM ledger WHERE table_name = ? GROUP BY key ORDER BY key""",
            (table,),
        )
        return (State(seq=seq, key=key, row_hash=found, seal=seal) for seq, key, found, seal in rows)

    def rows(self, table: str) -> Iterator[tuple[Key, bytes]]:
        """Stream the hashes of a table's rows as they are now, by key."""
        return _closed_rows(self._db.connection) if table == "cycles" else hashed_rows(self._db.connection, table)

    def seals(self) -> Iterator[Seal]:
        """Stream what was pruned."""
        rows = self._db.connection.execute("SELECT seq, table_name, rows, hash FROM seals ORDER BY seq")
        return (Seal(seq=seq, table=table, rows=count, hash=found) for seq, table, count, found in rows)

    def missing_guards(self) -> list[str]:
        """Name the triggers that are not there, or not as they were made."""
        there = dict(self._db.read("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        made = triggers(self._db.connection)
        return sorted(
            [name for name in made if there.get(name) != made[name]] + [name for name in there if name not in made]
        )


def _closed_rows(connection: sqlite3.Connection) -> Iterator[tuple[Key, bytes]]:
    """Hash the rows of ``cycles``; of one whose counter may still grow, as it was before it was counted.

    Where the counter of such a row is not the one that its own hash binds, the row gets a hash that no entry has.
    A table that was dropped has no rows.
    """
    columns = columns_of(connection, "cycles")
    if not columns:
        return
    names = ",".join(columns)
    rows = f"SELECT repeat_hash, {', '.join(columns)} FROM cycles ORDER BY seq"  # noqa: S608 - our own columns
    for row in connection.execute(rows):
        named: dict[str, Any] = dict(zip(columns, row[1:], strict=True))
        if row[0] is None:
            yield named["seq"], row_hash(names, *named.values())
            continue
        before = row_hash(names, *(named | NOT_REPEATED).values())
        counted = repeat_hash(before, named["repeated"], named["last_at"] or "", named["last_cycle_id"] or "")
        yield named["seq"], before if counted == row[0] else NO_HASH
