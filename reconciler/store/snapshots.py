"""Store what pulls returned, and the small things beside it: cursors, facts, looked-up names, quarantine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from reconciler.core.errors import Malformed
from reconciler.core.model import FieldNote, Incident, Link, System
from reconciler.store.changes import Notification, put_if_new
from reconciler.store.database.codec import optional_text, optional_time, time_from, time_text
from reconciler.store.database.connection import Database
from reconciler.store.ingest import IngestContext, ingest_cases, ingest_incidents, restage
from reconciler.store.links import PLAN_AGAIN, put_decisions, put_links
from reconciler.store.values import Cursor, Decided, Pulled, RememberedCounts, Restored, StageRules

QUARANTINE_ROWS = 1000
"""How many records that could not be understood are kept, the latest of them."""
PRUNED_BEFORE = "pruned_before"
"""The fact that says up to which time history was pruned."""
_ORIGIN = "origin"

_PUT_QUARANTINE = """INSERT INTO quarantine
    (system, record_key, message, raw, times, first_seen_at, last_seen_at)
    VALUES (:system, :key, :message, :raw, 1, :now, :now)
    ON CONFLICT (system, record_key) DO UPDATE SET message = excluded.message, raw = excluded.raw,
    times = times + 1, last_seen_at = excluded.last_seen_at"""
_CUT_QUARANTINE = """DELETE FROM quarantine WHERE rowid IN
    (SELECT rowid FROM quarantine ORDER BY last_seen_at DESC, rowid DESC LIMIT -1 OFFSET ?)"""
_PUT_CURSOR = """INSERT INTO cursors (name, time, resume, moved_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET time = excluded.time, resume = excluded.resume, moved_at = excluded.moved_at
    WHERE time IS NOT excluded.time OR resume IS NOT excluded.resume"""
PUT_FACT = "INSERT INTO facts (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_PUT_REFERENCE = """INSERT INTO reference_names (connector, table_name, name, sys_id, found_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (connector, table_name, name) DO UPDATE SET sys_id = excluded.sys_id, found_at = excluded.found_at"""
_RESTORED_TABLES = ("hold_requests", "steps_due", "links", "cases", "incidents", "cursors", "facts", "quarantine")
"""What a rebuild replaces, in an order that foreign keys allow; the journal is evidence and stays."""
_FORGET = "DELETE FROM incidents WHERE sys_id = ? AND table_name = ? AND connector = ?"
_DROP_REFERENCE = "DELETE FROM reference_names WHERE connector = ? AND table_name = ? AND name = ?"


class Snapshots:
    """Remember what was pulled."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def remember(
        self,
        pulled: Pulled,
        *,
        stage_rules: StageRules,
        cycle_id: str,
        now: datetime,
        follows: frozenset[System] = frozenset(),
    ) -> RememberedCounts:
        """Ingest what a pull returned and move its cursors: all of it or, on any error, nothing.

        What changed at one of the services in ``follows`` is queued for reading that service's own history of it.
        """
        context = IngestContext(
            conn=self._db.connection,
            stage_rules=stage_rules,
            cycle_id=cycle_id,
            now=now,
            read_now=pulled.read_now,
            follows=follows,
        )
        keys = {each.id for each in pulled.cases} | {each.correlation_id for each in pulled.incidents}
        self._db.need(case_ids=keys, sys_ids={each.sys_id for each in pulled.incidents})
        with self._db.transaction():
            cases = ingest_cases(context, pulled.cases)
            incidents = ingest_incidents(context, pulled.incidents)
            self._keep_malformed(pulled, now)
            self._move_cursors(pulled.cursors, now)
        return RememberedCounts(
            cases=cases.counts,
            incidents=incidents.counts,
            malformed=len(pulled.malformed),
            notifications=cases.notifications + incidents.notifications,
            doubtful=cases.stale,
            doubtful_records=incidents.stale,
        )

    def restage_all(self, stage_rules: StageRules, now: datetime) -> int:
        """Recompute the stages of every link under changed policies, mark all for planning, and return their number."""
        self._db.need_found("SELECT case_id FROM links")
        with self._db.transaction() as conn:
            case_ids = [case_id for (case_id,) in conn.execute("SELECT case_id FROM links ORDER BY case_id")]
            restage(conn, stage_rules, case_ids, now)
            conn.executemany(PLAN_AGAIN, [(case_id,) for case_id in case_ids])
        return len(case_ids)

    def _keep_malformed(self, pulled: Pulled, now: datetime) -> None:
        """Quarantine what could not be understood, and release what now was."""
        kept = self._db.connection.execute(
            "SELECT record_key FROM quarantine WHERE system = ?", (pulled.system,)
        ).fetchall()
        if kept:
            seen = {case.id for case in pulled.cases} | {incident.sys_id for incident in pulled.incidents}
            clear = [(pulled.system, key) for (key,) in kept if key in seen]
            self._db.connection.executemany("DELETE FROM quarantine WHERE system = ? AND record_key = ?", clear)
        if pulled.malformed:
            rows = [_quarantine_row(pulled.system, each, time_text(now)) for each in pulled.malformed]
            self._db.connection.executemany(_PUT_QUARANTINE, rows)
            self._db.connection.execute(_CUT_QUARANTINE, (QUARANTINE_ROWS,))

    def _move_cursors(self, cursors: Iterable[Cursor], now: datetime) -> None:
        rows = [(each.name, optional_text(each.time), each.resume, time_text(now)) for each in cursors]
        self._db.connection.executemany(_PUT_CURSOR, rows)

    def cursors(self) -> Mapping[str, Cursor]:
        """Return all cursors by name."""
        rows = self._db.read("SELECT name, time, resume FROM cursors ORDER BY name")
        return {name: Cursor(name=name, time=optional_time(time), resume=resume) for name, time, resume in rows}

    def forget_records(self, records: Sequence[Incident]) -> None:
        """Forget records that are gone, so that no decision counts them; the journal keeps their story."""
        self._db.need(sys_ids={each.sys_id for each in records})
        with self._db.transaction() as conn:
            conn.executemany(_FORGET, [(each.sys_id, each.table, each.connector) for each in records])

    def restore(self, restored: Restored, *, stage_rules: StageRules, cycle_id: str, now: datetime) -> None:
        """Replace everything that is remembered, but for the journal: all of it or, on any error, nothing.

        Every link is marked for planning. No cursor is left, so that the next pull looks back as far as a first one.
        """
        self._db.skip_counts = None
        with self._db.transaction() as conn:
            for table in _RESTORED_TABLES:
                conn.execute(f"DELETE FROM {table}")  # noqa: S608 - our own constants
            facts = {**restored.facts, _ORIGIN: time_text(restored.origin)}
            conn.executemany(PUT_FACT, sorted(facts.items()))
            context = IngestContext(conn=conn, stage_rules=stage_rules, cycle_id=cycle_id, now=now)
            ingest_cases(context, restored.cases)
            ingest_incidents(context, restored.incidents)
            put_links(conn, restored.links, now)
            restage(conn, stage_rules, [link.case_id for link in restored.links], now)

    def begin_afresh(self, links: Sequence[Link], now: datetime) -> None:
        """Store links as a first start would make them, and forget how far the listings were read."""
        with self._db.transaction() as conn:
            put_decisions(self._db, [Decided(link=link, needs_plan=True) for link in links], now)
            conn.execute("DELETE FROM cursors")

    def note_fields(self, notes: Sequence[FieldNote], cycle_id: str, now: datetime) -> None:
        """Note fields that a person changed and that were left alone; the same finding is noted once."""
        if not notes:
            return
        with self._db.transaction() as conn:
            for note in notes:
                sys_id = conn.execute("SELECT sys_id FROM links WHERE case_id = ?", (note.case_id,)).fetchone()
                kept = Notification(
                    cycle_id=cycle_id,
                    source=System.SERVICENOW,
                    case_id=note.case_id,
                    sys_id=(sys_id and sys_id[0]) or None,
                    event="field_kept",
                    field=note.name,
                    from_value=note.ours,
                    to_value=note.theirs,
                    observed_at=time_text(now),
                )
                put_if_new(conn, kept)


class Facts:
    """Small values by key that the next cycle needs, and the names that were looked up."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def origin(self) -> datetime | None:
        """Return the time of the first start, None before it."""
        text = self.get(_ORIGIN)
        return None if text is None else time_from(text)

    def set_origin(self, at: datetime) -> None:
        """Remember the time of the first start; a second call changes nothing."""
        with self._db.transaction() as conn:
            conn.execute("INSERT OR IGNORE INTO facts (key, value) VALUES (?, ?)", (_ORIGIN, time_text(at)))

    def forget_origin(self) -> None:
        """Forget the time of the first start: the next pull sets it anew."""
        self.forget(_ORIGIN)

    def forget(self, key: str) -> None:
        """Forget a fact; one that is not known is no matter."""
        with self._db.transaction() as conn:
            conn.execute("DELETE FROM facts WHERE key = ?", (key,))

    def get(self, key: str) -> str | None:
        """Return a remembered fact, None where there is none."""
        value = self._db.value("SELECT value FROM facts WHERE key = ?", (key,))
        return None if value is None else str(value)

    def put(self, key: str, value: str) -> None:
        """Remember a small fact as text, in place of what was known under that key."""
        with self._db.transaction() as conn:
            conn.execute(PUT_FACT, (key, value))

    def references(self, connector: str, table: str, *, since: datetime | None = None) -> Mapping[str, str]:
        """Return the names that were looked up in a table, or looked up ``since`` a time: name -> ``sys_id``."""
        rows = self._db.read(
            "SELECT name, sys_id FROM reference_names"
            " WHERE connector = ? AND table_name = ? AND found_at >= ? ORDER BY name",
            (connector, table, time_text(since) if since else ""),
        )
        return {name: sys_id for name, sys_id in rows}  # noqa: C416 - dict() loses the types of a row

    def names_of_rows(self, connector: str) -> Mapping[str, str]:
        """Return the name of each row of a connector that was looked up by one: ``sys_id`` -> name."""
        rows = self._db.read(
            "SELECT sys_id, name FROM reference_names WHERE connector = ? AND sys_id <> '' ORDER BY found_at",
            (connector,),
        )
        return {sys_id: name for sys_id, name in rows}  # noqa: C416 - dict() loses the types of a row

    def remember_references(self, connector: str, table: str, found: Mapping[str, str], now: datetime) -> None:
        """Remember names that were looked up in a table: name -> ``sys_id``."""
        rows = [(connector, table, name, sys_id, time_text(now)) for name, sys_id in found.items()]
        with self._db.transaction() as conn:
            conn.executemany(_PUT_REFERENCE, rows)

    def forget_references(self, connector: str, table: str, names: Collection[str]) -> None:
        """Forget names that lead to no row of a table any more."""
        with self._db.transaction() as conn:
            conn.executemany(_DROP_REFERENCE, [(connector, table, name) for name in names])


def _quarantine_row(system: System, malformed: Malformed, now: str) -> dict[str, str]:
    """Key a record by its id, or, where none could be read, by what it looks like."""
    raw = json.dumps(malformed.raw, sort_keys=True, default=str, ensure_ascii=False)
    key = malformed.record_id or f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}"
    return {"system": system, "key": key, "message": str(malformed), "raw": raw, "now": now}
