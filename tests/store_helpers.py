"""What the tests of the store share: the default policies as stage_rules, and short ways to remember things."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.core.model import Action, ActionKind, Case, HttpRecord, Incident, Outcome, Stage, System
from reconciler.store.database.connection import IN_MEMORY, Database, configure, connect
from reconciler.store.store import Store
from reconciler.store.values import Decided, FinishedAction, Pulled, RememberedCounts
from tests.builders import CASE_ID, NOW, SYS_ID, policies

JUDGE = policies()
LATER = NOW + timedelta(minutes=1)


@functools.cache
def _first() -> Store:
    return Store.in_memory()


def empty_store() -> Store:
    """Make an empty store in memory by copying the first one: making its tables takes longer than a short test."""
    return copied(_first())


def copied(store: Store) -> Store:
    """Copy a store into memory."""
    connection = connect(IN_MEMORY)
    store.database.connection.backup(connection)
    configure(connection)
    return Store(Database(connection, IN_MEMORY))


def make_empty_file(path: Path) -> None:
    """Make the file of an empty store in the same way."""
    with closing(connect(str(path))) as connection:
        _first().database.connection.backup(connection)


def case_id(number: int) -> str:
    """Give a Case id that sorts by its number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def remember(
    store: Store, *seen: Case | Incident, cycle_id: str = "c1", now: datetime = NOW, **more: Any
) -> RememberedCounts:
    """Remember Cases and records in one call."""
    cases = tuple(each for each in seen if isinstance(each, Case))
    incidents = tuple(each for each in seen if isinstance(each, Incident))
    pulled = Pulled(system=System.CORALOGIX, cases=cases, incidents=incidents, **more)
    return store.snapshots.remember(pulled, stage_rules=JUDGE, cycle_id=cycle_id, now=now)


def decide_on(store: Store, decided: Decided) -> None:
    """Store what was decided about one link."""
    store.links.keep_decisions([decided], NOW)


def begin_action(store: Store, action: Action, *, cycle_id: str, now: datetime) -> int:
    """Begin one action."""
    [seq] = store.journal.begin_actions([action], cycle_id=cycle_id, now=now)
    return seq


def finish_action(
    store: Store, seq: int, outcome: Outcome, *, now: datetime, requests: Sequence[HttpRecord] = ()
) -> None:
    """Finish one action."""
    store.journal.finish_actions(
        [FinishedAction(seq=seq, outcome=outcome, requests=requests)], stage_rules=JUDGE, now=now
    )


@contextmanager
def unguarded(store: Store) -> Iterator[sqlite3.Connection]:
    """Let a test change what the triggers guard, and leave no trace in the chain."""
    conn = store.database.connection
    guards = conn.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        conn.execute(f"DROP TRIGGER {name}")
    yield conn
    for _, sql in guards:
        conn.execute(sql)


def an_action(**changes: Any) -> Action:
    """Give an action that resolves the record of the builders."""
    values: dict[str, Any] = {
        "kind": ActionKind.ADVANCE_INCIDENT,
        "case_id": CASE_ID,
        "case_key": "CASE-123",
        "connector": "main",
        "table": "incident",
        "sys_id": SYS_ID,
        "number": "INC0010001",
        "from_stage": Stage.OPEN,
        "to_stage": Stage.RESOLVED,
        "fields": {"state": "6", "close_notes": "s3cret words"},
        "fingerprint": "abc",
    }
    return Action(**values | changes)
