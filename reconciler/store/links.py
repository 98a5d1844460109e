"""Links and pairs: which of them to plan, and what was decided about them.

A pair is a link with its Case, its record, and whatever else bears the Case's key. A cycle in which nothing happened
must not cost more as links grow: every read that each cycle makes uses a partial index over the links that have
something to do.
"""
# ruff: noqa: S608 - the columns that are put into SQL here are our own constants

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import TYPE_CHECKING, Any

from reconciler.core.batches import batches
from reconciler.core.errors import StoreError
from reconciler.core.model import Incident, Link, Pair, Skip, SkipReason, Stage, System
from reconciler.store.database.codec import (
    LINK_COLUMNS,
    ONLY_SEEN,
    SqlValue,
    case_from,
    incident_from,
    link_from,
    link_values,
    read_or_none,
    time_text,
)
from reconciler.store.database.connection import Database, guarded
from reconciler.store.database.views import HOLDS_SQL
from reconciler.store.values import Decided, OpenPlace, RecordKey, Remembered

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

CHUNK = 500
"""How many rows are looked up in one statement."""
PLAN_AGAIN = "UPDATE links SET needs_plan = 1 WHERE case_id = ? AND needs_plan = 0"
LINK_LIST = ", ".join(f"l.{name}" for name in LINK_COLUMNS)
"""The columns of a Link, for a query that calls the table ``l``."""

RECORD_SNAPSHOT = "SELECT snapshot FROM incidents WHERE sys_id = ? AND table_name = ? AND connector = ?"

# json_each: one parameter whatever the number of ids, and the order of the list is kept by its key.
_PAIRS = f"""SELECT {LINK_LIST}, c.snapshot, i.snapshot FROM json_each(?) j
    JOIN links l ON l.case_id = j.value
    JOIN cases c ON c.case_id = l.case_id
    LEFT JOIN incidents i
        ON l.sys_id <> '' AND i.sys_id = l.sys_id AND i.table_name = l.table_name AND i.connector = l.connector
    ORDER BY j.key"""
_CLAIMS = """SELECT i.case_id, i.sys_id, i.snapshot FROM json_each(?) j
    JOIN incidents i ON i.case_id = j.value AND i.case_id <> '' ORDER BY i.sys_id, i.table_name, i.connector"""
_LINKS_OF_RECORDS = f"""SELECT {LINK_LIST} FROM json_each(?) j
    JOIN links l ON l.sys_id = j.value AND l.sys_id <> ''"""
_REMEMBERED = f"""SELECT {LINK_LIST}, l.out_of_step_since FROM json_each(?) j
    JOIN links l ON l.case_id = j.value"""
_TO_PLAN = """SELECT case_id FROM links WHERE needs_plan = 1
    UNION ALL SELECT case_id FROM links WHERE create_in_doubt_since IS NOT NULL
    UNION ALL SELECT case_id FROM links WHERE next_retry_at <= ?"""
# UNION, or an ORDER BY, would make SQLite walk all links in their order; so the rows are sorted in Python.
_ABSENT = """SELECT case_id FROM links WHERE case_absence IS NOT NULL
    UNION ALL SELECT case_id FROM links WHERE incident_absence IS NOT NULL"""
_OPEN_LINKS = f"SELECT {LINK_LIST} FROM links l WHERE l.is_open = 1 ORDER BY l.case_id"
_OPEN_PLACES = """SELECT case_id, case_peak, sys_id, table_name, connector FROM links WHERE is_open = 1
    ORDER BY case_id"""
_DOUBLED = """SELECT l.case_id FROM incidents i JOIN links l ON l.case_id = i.case_id
    WHERE i.case_id <> '' AND l.is_open = 1 GROUP BY l.case_id
    HAVING sum(i.sys_id <> l.sys_id) + (l.sys_id <> '') > 1 ORDER BY l.case_id"""
# DISTINCT would read every link; this jumps in the index from each pair of names to the next.
_ONE_OF_EACH_TABLE = """FROM (WITH RECURSIVE used (link) AS (
    SELECT (SELECT rowid FROM links WHERE sys_id <> '' ORDER BY connector, table_name LIMIT 1)
    UNION ALL SELECT coalesce(
        (SELECT n.rowid FROM links n WHERE n.sys_id <> '' AND n.connector = l.connector
            AND n.table_name > l.table_name ORDER BY n.connector, n.table_name LIMIT 1),
        (SELECT n.rowid FROM links n WHERE n.sys_id <> '' AND n.connector > l.connector
            ORDER BY n.connector, n.table_name LIMIT 1))
    FROM used u JOIN links l ON l.rowid = u.link) SELECT link FROM used) u JOIN links l ON l.rowid = u.link"""
_TABLES_IN_USE = f"SELECT l.connector, l.table_name {_ONE_OF_EACH_TABLE}"
_ALL = "SELECT case_id FROM links"
_OPEN = "SELECT case_id FROM links WHERE is_open = 1"
_SKIPPED = "SELECT case_id FROM links WHERE skip_reason IS NOT NULL"
_REJECTED = "SELECT case_id FROM links WHERE next_retry_at IS NOT NULL"
_SKIP_COUNTS = (
    "SELECT skip_reason, count(*) FROM links WHERE skip_reason IS NOT NULL GROUP BY skip_reason ORDER BY skip_reason"
)
_HELD = f"SELECT case_id, skip_reason FROM links WHERE skip_reason IN ({HOLDS_SQL})"
_SKIPS = """SELECT l.case_id, c.case_key, l.skip_reason, l.skip_detail FROM links l
    JOIN cases c ON c.case_id = l.case_id WHERE l.skip_reason IS NOT NULL ORDER BY l.skip_reason, l.case_id"""

_SET = ", ".join(
    f"{name} = coalesce(:{name}, {name})" if name in ONLY_SEEN else f"{name} = :{name}"
    for name in LINK_COLUMNS
    if name != "case_id"
)
_DECIDED = [name for name in LINK_COLUMNS if name not in ONLY_SEEN]
_SAME = f"({', '.join(_DECIDED)}) IS ({', '.join(f':{name}' for name in _DECIDED)})"
_CHANGED = f"needs_plan = 1, changed_at = CASE WHEN {_SAME} THEN changed_at ELSE :now END"
_PLACED = """incident_stage = :incident_stage,
    out_of_step_since = CASE WHEN case_stage IS :incident_stage THEN NULL ELSE coalesce(out_of_step_since, :now) END"""
_DECIDED_ON = f"""needs_plan = :needs_plan, skip_reason = :reason, skip_detail = :detail,
    skip_since = CASE WHEN :reason IS NULL THEN NULL WHEN skip_reason IS :reason THEN skip_since ELSE :now END,
    changed_at = CASE WHEN {_SAME} AND (skip_reason, skip_detail) IS (:reason, :detail) THEN changed_at ELSE :now END"""
_PUT_LINK = f"UPDATE links SET {_SET}, {_CHANGED} WHERE case_id = :case_id"
_PUT_PLACED_LINK = f"UPDATE links SET {_SET}, {_CHANGED}, {_PLACED} WHERE case_id = :case_id"
_SETTLE = f"UPDATE links SET {_SET}, {_DECIDED_ON} WHERE case_id = :case_id"
_SETTLE_PLACED = f"UPDATE links SET {_SET}, {_DECIDED_ON}, {_PLACED} WHERE case_id = :case_id"


_PUT_DAMAGED = """INSERT INTO quarantine (system, record_key, message, raw, times, first_seen_at, last_seen_at)
    VALUES (:system, :key, 'its snapshot in this database is damaged', :raw, 1, :now, :now) ON CONFLICT DO NOTHING"""

Damaged = dict[tuple[System, str], str]
"""service and id -> the text of a snapshot that cannot be read"""


def put_links(conn: sqlite3.Connection, links: Iterable[Link], now: datetime) -> None:
    """Store links as they now stand and mark them for planning; a skip, and since when it stands, is left."""
    at = time_text(now)
    conn.executemany(_PUT_LINK, [{**link_values(link), "now": at} for link in links])


def put_placed_links(conn: sqlite3.Connection, links: Iterable[tuple[Link, Stage | None]], now: datetime) -> None:
    """Store links as ``put_links`` does, each with the stage at which its record was just seen."""
    at = time_text(now)
    rows = [
        {
            **link_values(link),
            "incident_stage": stage,
            "incident_peak": max(filter(None, (link.incident_peak, stage)), default=None),
            "now": at,
        }
        for link, stage in links
    ]
    conn.executemany(_PUT_PLACED_LINK, rows)


def put_decisions(database: Database, decisions: Iterable[Decided], now: datetime) -> int:
    """Store what was decided about links, inside the caller's transaction; return how many of them are known."""
    at = time_text(now)
    return _put_decided(database, _SETTLE, [_decided_values(one, at) for one in decisions])


def put_adoptions(database: Database, adoptions: Iterable[tuple[Decided, Stage | None]], now: datetime) -> None:
    """Store links as ``put_decisions`` does, each bound to a record and with the stage at which that was just seen."""
    at = time_text(now)
    _put_decided(
        database, _SETTLE_PLACED, [{**_decided_values(one, at), "incident_stage": stage} for one, stage in adoptions]
    )


def _put_decided(database: Database, sql: str, rows: Sequence[Mapping[str, SqlValue]]) -> int:
    if not rows:
        return 0
    database.skip_counts = None
    return database.connection.executemany(sql, rows).rowcount


def _decided_values(decided: Decided, now: str) -> dict[str, SqlValue]:
    skip = decided.skip
    return {
        **link_values(decided.link),
        "needs_plan": int(decided.needs_plan),
        "reason": None if skip is None else skip.reason.value,
        "detail": None if skip is None else skip.detail,
        "now": now,
    }


def record_key(thing: Incident | Link) -> RecordKey:
    """Return the key of a record, or of the one that a link has."""
    return (thing.sys_id, thing.table, thing.connector)


def read_pairs(conn: sqlite3.Connection, case_ids: Sequence[str], damaged: Damaged | None = None) -> Iterator[Pair]:
    """Yield the pairs of these Cases in their order; ids that are not known, and damaged snapshots, are left out."""
    damaged = {} if damaged is None else damaged
    for chunk in batches(case_ids, CHUNK):
        claims = read_claims(conn, chunk, damaged)
        for row in conn.execute(_PAIRS, [json.dumps(chunk)]).fetchall():
            pair = _pair(row, claims, damaged)
            if pair:
                yield pair


def _pair(row: Sequence[Any], claims: Mapping[str, tuple[Incident, ...]], damaged: Damaged) -> Pair | None:
    link, case_text, incident_text = link_from(row), row[-2], row[-1]
    case = read_or_none(case_from, case_text, f"Case {link.case_id}")
    incident = None if incident_text is None else read_or_none(incident_from, incident_text, f"record {link.number}")
    if case is None:
        damaged[System.CORALOGIX, link.case_id] = case_text
        return None
    if incident_text is not None and incident is None:
        damaged[System.SERVICENOW, link.sys_id] = incident_text
        return None
    return Pair(
        link=link,
        case=case,
        incident=incident,
        others=tuple(each for each in claims.get(link.case_id, ()) if record_key(each) != record_key(link)),
    )


def read_claims(
    conn: sqlite3.Connection, case_ids: Sequence[str], damaged: Damaged | None = None
) -> dict[str, tuple[Incident, ...]]:
    """Return the remembered records that bear these Case ids, by Case id; Cases with none are left out."""
    found: dict[str, tuple[Incident, ...]] = {}
    for chunk in batches(case_ids, CHUNK):
        for case_id, sys_id, text in conn.execute(_CLAIMS, [json.dumps(chunk)]):
            incident = read_or_none(incident_from, text, f"a record of Case {case_id}")
            found[case_id] = (*found.get(case_id, ()), *([incident] if incident else []))
            if incident is None and damaged is not None:
                damaged[System.SERVICENOW, sys_id] = text
    return found


def links_of_records(conn: sqlite3.Connection, incidents: Iterable[Incident]) -> dict[RecordKey, list[Link]]:
    """Return the links that these records belong to: by design one for each record, or none."""
    found: dict[RecordKey, list[Link]] = {}
    for chunk in batches(sorted({incident.sys_id for incident in incidents}), CHUNK):
        for link in map(link_from, conn.execute(_LINKS_OF_RECORDS, [json.dumps(chunk)])):
            found.setdefault(record_key(link), []).append(link)
    return found


class Links:
    """Read links and pairs, and store what was decided about them."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._damaged: Damaged = {}
        """the damaged snapshots that were met and are not in the quarantine yet"""

    def quarantine_damaged(self, now: datetime) -> None:
        """Put the damaged snapshots that were met into the quarantine; they leave it when they are read again."""
        rows = [
            {"system": system, "key": key, "raw": json.dumps(text), "now": time_text(now)}
            for (system, key), text in self._damaged.items()
        ]
        self._damaged.clear()
        if rows:
            with self._db.transaction() as conn:
                conn.executemany(_PUT_DAMAGED, rows)

    def pairs_to_plan(self, now: datetime) -> list[Pair]:
        """Return the pairs to plan: changed, with a create in doubt, or with a retry time that has passed."""
        return self._pairs(sorted(self._ids(_TO_PLAN, (time_text(now),))))

    def absent_to_plan(self, now: datetime) -> list[Pair]:
        """Return those of the pairs to plan of which a side answered 404."""
        return self._pairs(sorted(self._ids(_TO_PLAN, (time_text(now),)) & self._ids(_ABSENT)))

    def all_pairs(self, *, open_only: bool) -> Iterator[Pair]:
        """Stream every pair by Case id; with ``open_only`` those whose two sides are not both closed.

        Pairs that change between two steps are given as they then are.
        """
        self._db.need_found(_OPEN if open_only else _ALL)
        among = "is_open = 1 AND" if open_only else ""
        sql = f"SELECT case_id FROM links WHERE {among} case_id > ? ORDER BY case_id LIMIT ?"
        last = ""
        while case_ids := [case_id for (case_id,) in self._db.read(sql, (last, CHUNK))]:
            yield from self._pairs(case_ids)
            last = case_ids[-1]

    def pair(self, case_id: str) -> Pair | None:
        """Return one Case's pair, None where the Case is not known."""
        found = self._pairs([case_id])
        return found[0] if found else None

    def remembered(self, case_ids: Sequence[str]) -> Mapping[str, Remembered]:
        """Return the links of some Cases that are known, by Case id."""
        found: dict[str, Remembered] = {}
        for chunk in batches(case_ids, CHUNK):
            self._db.need(case_ids=chunk)
            for row in self._db.read(_REMEMBERED, [json.dumps(chunk)]):
                link = link_from(row)
                found[link.case_id] = Remembered(link=link, out_of_step_since=row[-1])
        return found

    def _ids(self, sql: str, parameters: Sequence[str] = ()) -> set[str]:
        self._db.need_found(sql, parameters)
        return {case_id for (case_id,) in self._db.read(sql, parameters)}

    def _pairs(self, case_ids: Sequence[str]) -> list[Pair]:
        self._db.need(case_ids=case_ids)
        with guarded(self._db.path):
            return list(read_pairs(self._db.connection, case_ids, self._damaged))

    def tables_in_use(self) -> list[tuple[str, str]]:
        """Return each (connector, table) in which a link has its record."""
        self._db.need_found(f"SELECT l.case_id {_ONE_OF_EACH_TABLE}")
        return [(connector, table) for connector, table in self._db.read(_TABLES_IN_USE)]

    def open_links(self) -> list[Link]:
        """Return the links whose two sides are not both closed."""
        self._db.need_found(_OPEN)
        return list(map(link_from, self._db.read(_OPEN_LINKS)))

    def open_places(self) -> list[OpenPlace]:
        """Return where the sides of the open links are, without making the links."""
        self._db.need_found(_OPEN)
        return list(starmap(OpenPlace, self._db.read(_OPEN_PLACES)))

    def doubled_pairs(self) -> list[Pair]:
        """Return the open pairs for which more than one record is remembered, whoever's mark these bear."""
        self._db.need_found(_OPEN)
        return self._pairs([case_id for (case_id,) in self._db.read(_DOUBLED)])

    def skipped_pairs(self) -> list[Pair]:
        """Return the open pairs about which nothing is done for now, for a reason."""
        self._db.need_found(_SKIPPED)
        return self._pairs([case_id for (case_id,) in self._db.read(f"{_SKIPPED} AND is_open = 1 ORDER BY case_id")])

    def known_records(self, case_ids: Sequence[str]) -> Mapping[str, tuple[Incident, ...]]:
        """Return the remembered records that bear these Case ids, whatever their mark; Cases with none are left out."""
        self._db.need(case_ids=case_ids)
        with guarded(self._db.path):
            return read_claims(self._db.connection, case_ids)

    def standing_skips(self) -> tuple[Skip, ...]:
        """Return the skips that were stored and still stand, by reason and Case."""
        self._db.need_found(_SKIPPED)
        return tuple(
            Skip(case_id=case_id, case_key=case_key, reason=SkipReason(reason), detail=detail)
            for case_id, case_key, reason, detail in self._db.read(_SKIPS)
        )

    def count_skips(self) -> Mapping[str, int]:
        """Count the skips that stand, by their reason; they may be many, so an idle cycle does not count them anew."""
        if self._db.skip_counts is None:
            self._db.need_found(_SKIPPED)
            self._db.skip_counts = dict(self._db.read(_SKIP_COUNTS))
        return self._db.skip_counts

    def held(self) -> Mapping[str, str]:
        """Return the reason of each Case that waits for a person, by its id."""
        self._db.need_found(_SKIPPED)
        return dict(self._db.read(_HELD))

    def keep_decisions(self, decisions: Iterable[Decided], now: datetime) -> None:
        """Store what was decided about links, all or none, before any action on them begins.

        A skip keeps the time since when it stands as long as its reason stays. Raises StoreError for an unknown Case.
        """
        listed = list(decisions)
        if not listed:
            return
        with self._db.transaction():
            if put_decisions(self._db, listed, now) != len(listed):
                raise StoreError(
                    f"{self._db.path}: a decision names a Case that was never remembered; nothing was stored"
                )

    def update_links(self, links: Iterable[Link], now: datetime) -> None:
        """Store links as they now stand and mark them for planning; a skip, and since when it stands, is left."""
        with self._db.transaction() as conn:
            put_links(conn, links, now)

    def release_rejected(self) -> None:
        """End every hold of a rejected write and mark it for planning: the cause may have been removed."""
        self._db.need_found(_REJECTED)
        with self._db.transaction() as conn:
            conn.execute("UPDATE links SET hold = NULL, tries = NULL, needs_plan = 1 WHERE next_retry_at IS NOT NULL")

    def plan_again(self, case_ids: Iterable[str]) -> None:
        """Mark links for planning in the next cycle, whatever they look like."""
        listed = list(case_ids)
        self._db.need(case_ids=listed)
        with self._db.transaction() as conn:
            conn.executemany(PLAN_AGAIN, [(each,) for each in listed])
