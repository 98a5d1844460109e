"""A database of any size, made at once: links at rest and some open ones, with their journal, and the chain over it.

It is what years of work leave behind: one action for five links, one notification and one request for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.core.identity import record_id
from reconciler.store.database.codec import snapshot_text, time_text
from reconciler.store.database.triggers import start_chain
from reconciler.store.store import Store
from tests.builders import a_case, an_incident

OPEN_SHARE = 100
"""One of so many links is open."""
AT_ONCE = 10_000

_CASE, _SYS_ID = "11111111-1111-4111-8111-111111111111", "1" * 32
Row = tuple[object, ...]


def build(path: Path, links: int, *, now: datetime | None = None) -> None:
    """Make a database with so many links; a million take some minutes and four gigabytes."""
    now = now or datetime.now(UTC)
    with Store.open(path, now=now) as store:
        conn = store.database.connection
        conn.execute("PRAGMA synchronous = OFF")
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            conn.execute(f"DROP TRIGGER {name}")
        conn.execute("DELETE FROM ledger_head")
        conn.execute("DELETE FROM ledger")
        for first in range(0, links, AT_ONCE):
            with store.database.transaction():
                for sql, rows in _rows(first, min(first + AT_ONCE, links), now):
                    conn.executemany(sql, rows)
        with store.database.transaction():
            facts = [("origin", now - timedelta(days=400)), ("last_drift_check", now), ("last_full_check", now)]
            conn.executemany("INSERT INTO facts VALUES (?, ?)", [(key, at.isoformat()) for key, at in facts])
            start_chain(conn, now)
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        conn.execute("PRAGMA optimize")


def _rows(first: int, last: int, now: datetime) -> Iterator[tuple[str, Iterator[Row]]]:
    """Give, for each table, the statement that fills it and the rows of some links."""
    numbers = range(first, last)
    yield "INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?)", (_case(number, now) for number in numbers)
    yield "INSERT INTO incidents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (_incident(number, now) for number in numbers)
    yield (
        """INSERT INTO links (case_id, route, inbound, outbound, connector, table_name, sys_id, number, case_peak,
        incident_peak, admitted, was_active, first_seen_at, case_stage, incident_stage, needs_plan, changed_at)
        VALUES (?, 'everything', 'default', 'default', 'main', 'incident', ?, ?, ?, ?, 1, 1, ?, ?, ?, 0, ?)""",
        (_link(number, now) for number in numbers),
    )
    yield (
        """INSERT INTO notifications (cycle_id, source, case_id, event, to_value, observed_at)
        VALUES (?, 'coralogix', ?, 'first_seen', 'ACTIVE', ?)""",
        ((f"cycle-{number}", case_id(number), _at(number, now)) for number in numbers),
    )
    yield (
        """INSERT INTO actions (cycle_id, key, attempts, kind, case_id, connector, table_name, sys_id, to_stage, path,
        field_names, fingerprint, started_at, finished_at, result, cause_seq)
        VALUES (?, ?, 1, 'create_incident', ?, 'main', 'incident', ?, 1, '[]', '[]', '', ?, ?, 'done', ?)""",
        (_action(number, now) for number in numbers if number % 5 == 0),
    )
    yield (
        """INSERT INTO http (cycle_id, system, method, path, status, duration_ms, attempt, sent_at)
        VALUES (?, 'servicenow', 'GET', '/api/now/table/incident', 200, 40, 1, ?)""",
        ((f"cycle-{number}", _at(number, now)) for number in numbers),
    )


def case_id(number: int) -> str:
    """Give the id of a Case by its number; they come in no order, as real ones do."""
    return f"{number * 2654435761 % 2**32:08x}-0000-4000-8000-{number:012x}"


def _at(number: int, now: datetime) -> str:
    """Spread the links over a year, the last ones an hour ago."""
    return time_text(now - timedelta(hours=1) - timedelta(seconds=30 * (number % 1_000_000)))


def _is_open(number: int) -> bool:
    return number % OPEN_SHARE == 0


_OLD = datetime(2025, 1, 1, tzinfo=UTC)
_CASE_TEXTS = {
    is_open: snapshot_text(
        a_case(
            id=_CASE,
            key="CASE-KEY",
            status="ACTIVE" if is_open else "CLOSED",
            created_at=_OLD,
            updated_at=_OLD,
            labels={"routing.team": ("sre",), "service": ("payments",)},
        )
    )
    for is_open in (True, False)
}
_INCIDENT_TEXTS = {
    is_open: snapshot_text(
        an_incident(
            sys_id=_SYS_ID,
            number="INC-KEY",
            state="1" if is_open else "7",
            correlation_id=_CASE,
            created_at=_OLD,
            updated_at=_OLD,
            fields={"short_description": "Payments are slow", "impact": "2", "urgency": "2", "close_notes": ""},
        )
    )
    for is_open in (True, False)
}


def _case(number: int, now: datetime) -> Row:
    own, key, is_open = case_id(number), f"CASE-{number}", _is_open(number)
    text = _CASE_TEXTS[is_open].replace(_CASE, own).replace("CASE-KEY", key)
    return (own, key, "ACTIVE" if is_open else "CLOSED", time_text(_OLD), text, _at(number, now))


def _incident(number: int, now: datetime) -> Row:
    own, is_open = case_id(number), _is_open(number)
    sys_id, name = record_id("Coralogix", own), f"INC{number:07d}"
    text = _INCIDENT_TEXTS[is_open].replace(_SYS_ID, sys_id).replace(_CASE, own).replace("INC-KEY", name)
    state = "1" if is_open else "7"
    return (sys_id, "incident", "main", name, state, own, time_text(_OLD), text, _at(number, now))


def _link(number: int, now: datetime) -> Row:
    own, stage, at = case_id(number), 1 if _is_open(number) else 4, _at(number, now)
    return (own, record_id("Coralogix", own), f"INC{number:07d}", stage, stage, at, stage, stage, at)


def _action(number: int, now: datetime) -> Row:
    own, at = case_id(number), _at(number, now)
    sys_id = record_id("Coralogix", own)
    return (f"cycle-{number}", f"{number:032x}", own, sys_id, at, at, number + 1)
