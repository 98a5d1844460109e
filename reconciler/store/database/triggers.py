"""The chain: each row of evidence, as it was written and as it was last changed, is bound to all that came before it.

Triggers write one ledger entry for each such row in the transaction that writes the row, and refuse every other change.
They call functions of this file, so that a program without them cannot write here at all. An entry binds the hash of
the row, its table and its key to the entry before it. Row hashes leave out columns without a value, so that a column
that a later version adds does not change them.
"""
# ruff: noqa: S608 - the names that are put into SQL here are those of our own tables and columns

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

from reconciler.core.frozen import dataclass
from reconciler.store.database.codec import time_text

if TYPE_CHECKING:
    import sqlite3

NO_HASH = bytes(32)
"""What the first entry is bound to, and the row hash of a row that is gone."""
START = "chain"
"""The table that the first entry names; its key is the time since when the chain proves something."""

Key = str | int
SqlCell = str | int | float | bytes | None


class Kind(Enum):
    """What a chained table is."""

    WRITTEN_ONCE = "written once"
    ENDED_ONCE = "written, and changed once, when it ended"
    PRESENT = "what is so now"


@dataclass(frozen=True, kw_only=True)
class Chained:
    """How the rows of one table are chained."""

    kind: Kind
    key: tuple[str, ...] = ("seq",)
    ends_when: str = "0"
    """SQL about OLD and NEW: the one change that is allowed"""
    left_out: frozenset[str] = frozenset()
    """columns that say nothing of what is shown"""


CHAINED: Mapping[str, Chained] = {
    "notifications": Chained(kind=Kind.WRITTEN_ONCE),
    "actions": Chained(
        kind=Kind.ENDED_ONCE,
        ends_when=(
            "OLD.result IS NULL AND NEW.result IS NOT NULL"
            " AND (NEW.seq, NEW.cycle_id, NEW.key, NEW.case_id, NEW.started_at, NEW.cause_seq)"
            " IS (OLD.seq, OLD.cycle_id, OLD.key, OLD.case_id, OLD.started_at, OLD.cause_seq)"
        ),
    ),
    "written_values": Chained(
        kind=Kind.ENDED_ONCE,
        ends_when=(
            "OLD.kept_value IS NULL AND (NEW.seq, NEW.action_seq, NEW.field, NEW.old_value, NEW.new_value)"
            " IS (OLD.seq, OLD.action_seq, OLD.field, OLD.old_value, OLD.new_value)"
        ),
    ),
    "http": Chained(kind=Kind.WRITTEN_ONCE),
    "cycles": Chained(
        kind=Kind.ENDED_ONCE,
        ends_when=(
            "(OLD.repeated = 0 OR OLD.repeat_hash IS NOT NULL)"
            " AND (NEW.cycle_id, NEW.started_at, NEW.finished_at, NEW.result, NEW.config_hash)"
            " IS (OLD.cycle_id, OLD.started_at, OLD.finished_at, OLD.result, OLD.config_hash)"
        ),
        left_out=frozenset({"repeat_hash"}),
    ),
    "people": Chained(kind=Kind.WRITTEN_ONCE),
    "configs": Chained(kind=Kind.WRITTEN_ONCE, key=("config_hash",)),
    "seals": Chained(kind=Kind.WRITTEN_ONCE),
    "links": Chained(kind=Kind.PRESENT, key=("case_id",), left_out=frozenset({"needs_plan"})),
    "cases": Chained(kind=Kind.PRESENT, key=("case_id",)),
    "incidents": Chained(kind=Kind.PRESENT, key=("sys_id", "table_name", "connector")),
}
"""Each table whose rows are bound, and how."""
NOT_CHAINED: Mapping[str, str] = {
    "ledger": "is the chain",
    "ledger_head": "is its end",
    "running": "the cycle that runs now; it becomes a row of cycles when it ends, or when the next one begins",
    "hold_requests": "a queue; who asked what is a row of people, and of notifications when it was applied",
    "backfills": "a queue from a command to the daemon; who asked what is a row of people",
    "backfill_parts": "what came of it, until the command has read it; its cycles and actions are evidence",
    "cursors": "how far listings were read: what was seen in them is evidence, not that",
    "facts": "small things for the next cycle",
    "steps_due": "a queue; what is read by it becomes rows of notifications",
    "reference_names": "names looked up in ServiceNow, to save requests",
    "quarantine": "what could not be understood, the latest of it, until it is",
    "_sqlite_migrations": "the schema's own",
}
"""Each other table, and why it is left out."""


# -- hashes ----------------------------------------------------------------------------------------------------------


@cache
def _row_text() -> Callable[[Mapping[str, SqlCell]], bytes]:
    """Write JSON in a quarter of the standard library's time; loaded by the first row, as ``codec`` does."""
    from pydantic_core import to_json  # noqa: PLC0415

    return partial(to_json, bytes_mode="hex")


@lru_cache(maxsize=64)
def _names(columns: str) -> tuple[str, ...]:
    return tuple(columns.split(","))


@lru_cache(maxsize=1, typed=True)  # a trigger needs the same hash twice
def row_hash(columns: str, *values: SqlCell) -> bytes:
    """Hash a row: ``columns`` are its names with commas between them."""
    row = {name: value for name, value in zip(_names(columns), values, strict=True) if value is not None}
    return hashlib.sha256(_row_text()(row)).digest()


def chain_hash(previous: bytes, table: str, key: Key, hash_of_row: bytes) -> bytes:
    """Bind a row to everything that was written before it."""
    return hashlib.sha256(previous + f"{table}\0{key}\0".encode() + hash_of_row).digest()


def repeat_hash(hash_of_row: bytes, repeated: int, last_at: str, last_cycle_id: str) -> bytes:
    """Bind the counter of a row of ``cycles`` to the row, for as long as it may still grow."""
    return hashlib.sha256(hash_of_row + f"{repeated}\0{last_at}\0{last_cycle_id}".encode()).digest()


NOT_REPEATED: dict[str, SqlCell] = {"repeated": 0, "last_at": None, "last_cycle_id": None}
"""The counter of a row of ``cycles`` before the first repetition: the row's own hash is that of the row with these."""


def seal_hash(hashes: Sequence[bytes]) -> bytes:
    """Hash the last states of the rows that a seal takes, in the order of their keys."""
    return hashlib.sha256(b"".join(hashes)).digest()


def add_functions(connection: sqlite3.Connection) -> None:
    """Register the SQL functions that the triggers call."""
    connection.create_function("row_hash", -1, row_hash, deterministic=True)
    connection.create_function("chain_hash", 4, chain_hash, deterministic=True)
    connection.create_function("sealing", 0, lambda: 0)


@contextmanager
def sealing(connection: sqlite3.Connection) -> Iterator[None]:
    """Let the triggers allow the deletion of rows, which the caller has sealed first."""
    connection.create_function("sealing", 0, lambda: 1)
    try:
        yield
    finally:
        connection.create_function("sealing", 0, lambda: 0)


# -- triggers --------------------------------------------------------------------------------------------------------


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a chained table that are hashed, in their order."""
    left_out = CHAINED[table].left_out
    rows = connection.execute("SELECT name FROM pragma_table_info(?) ORDER BY cid", (table,))
    return [name for (name,) in rows if name not in left_out]


def key_sql(table: str, row: str = "") -> str:
    """Return the SQL of a row's key; ``row`` is ``OLD.`` or ``NEW.`` in a trigger."""
    return " || '/' || ".join(f"{row}{name}" for name in CHAINED[table].key)


def hashed_rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Key, bytes]]:
    """Hash the rows of a table as they are now, by key; a table that was dropped has none."""
    columns = columns_of(connection, table)
    if not columns:
        return iter(())
    names = ",".join(columns)
    rows = connection.execute(f"SELECT {key_sql(table)}, {', '.join(columns)} FROM {table} ORDER BY 1")
    return ((row[0], row_hash(names, *row[1:])) for row in rows)


def triggers(connection: sqlite3.Connection) -> dict[str, str]:
    """Return every trigger that a whole database has: name -> SQL."""
    made = {
        "ledger_only_grows": """CREATE TRIGGER ledger_only_grows BEFORE UPDATE ON ledger
            WHEN NOT (sealing() AND OLD.seal IS NULL AND (NEW.seq, NEW.table_name, NEW.key, NEW.row_hash, NEW.chain)
                IS (OLD.seq, OLD.table_name, OLD.key, OLD.row_hash, OLD.chain))
            BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END""",
        "ledger_stays": """CREATE TRIGGER ledger_stays BEFORE DELETE ON ledger
            BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END""",
        "ledger_has_a_head": """CREATE TRIGGER ledger_has_a_head AFTER INSERT ON ledger
            BEGIN UPDATE ledger_head SET seq = NEW.seq, chain = NEW.chain; END""",
    }
    for table in CHAINED:
        made |= _triggers_of(connection, table)
    return made


def _triggers_of(connection: sqlite3.Connection, table: str) -> dict[str, str]:
    chained, columns = CHAINED[table], columns_of(connection, table)
    new, old = ([f"{row}.{name}" for name in columns] for row in ("NEW", "OLD"))
    changed = f"({', '.join(new)}) IS NOT ({', '.join(old)})"
    hash_sql = f"row_hash('{','.join(columns)}', {', '.join(new)})"
    written = _entry(table, key_sql(table, "NEW."), hash_sql)
    gone = _entry(table, key_sql(table, "OLD."), f"zeroblob({len(NO_HASH)})")
    refused = f"BEGIN SELECT RAISE(ABORT, '{table} is evidence: its rows are only added'); END"
    made = {f"{table}_written": f"CREATE TRIGGER {table}_written AFTER INSERT ON {table} BEGIN {written}; END"}
    if chained.kind is Kind.PRESENT:
        made[f"{table}_changed"] = (
            f"CREATE TRIGGER {table}_changed AFTER UPDATE ON {table} WHEN {changed} BEGIN {written}; END"
        )
        made[f"{table}_gone"] = f"CREATE TRIGGER {table}_gone AFTER DELETE ON {table} BEGIN {gone}; END"
        return made
    made[f"{table}_stays"] = f"CREATE TRIGGER {table}_stays BEFORE DELETE ON {table} WHEN NOT sealing() {refused}"
    made[f"{table}_kept"] = (
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE ON {table} WHEN NOT ({chained.ends_when}) {refused}"
    )
    if chained.kind is Kind.ENDED_ONCE:
        # The counter of a cycle may still grow; it is bound by repeat_hash, and chained when it has come to its end.
        when = " WHEN NEW.repeat_hash IS NULL" if table == "cycles" else ""
        made[f"{table}_ended"] = f"CREATE TRIGGER {table}_ended AFTER UPDATE ON {table}{when} BEGIN {written}; END"
    return made


def _entry(table: str, key: str, hash_sql: str) -> str:
    chain = f"chain_hash((SELECT chain FROM ledger_head), '{table}', {key}, {hash_sql})"
    return f"INSERT INTO ledger (table_name, key, row_hash, chain) VALUES ('{table}', {key}, {hash_sql}, {chain})"


def renew_triggers(connection: sqlite3.Connection) -> None:
    """Make every trigger again: each names the columns that its table had when it was made."""
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for sql in triggers(connection).values():
        connection.execute(sql)


def start_chain(connection: sqlite3.Connection, now: datetime) -> None:
    """Begin the chain of a database, and bind the rows that it already has."""
    for sql in triggers(connection).values():
        connection.execute(sql)
    connection.execute("INSERT INTO ledger_head (one, seq, chain) VALUES (1, 0, ?)", (NO_HASH,))
    chain = NO_HASH

    def bound(table: str, rows: Iterable[tuple[Key, bytes]]) -> Iterator[tuple[str, Key, bytes, bytes]]:
        nonlocal chain
        for key, found in rows:
            chain = chain_hash(chain, table, key, found)
            yield table, key, found, chain

    put = "INSERT INTO ledger (table_name, key, row_hash, chain) VALUES (?, ?, ?, ?)"
    for table, rows in [
        (START, [(time_text(now), NO_HASH)]),
        *((name, hashed_rows(connection, name)) for name in CHAINED),
    ]:
        connection.executemany(put, bound(table, rows))
