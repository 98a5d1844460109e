"""Links: which of them to plan, what was decided about them, and how to find one.

A cycle in which nothing happened must not cost more as links grow: every read that each cycle makes goes through
a partial index over the links that are not at rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.core.errors import StoreError
from reconciler.core.model import Incident, Link, Pair, Skip, SkipReason
from reconciler.store.connection import Connected, guarded
from reconciler.store.pairs import CHUNK, LINK_LIST, read_claims, read_pairs
from reconciler.store.rows import LINK_COLUMNS, ONLY_SEEN, SqlValue, link_from, link_values, time_text
from reconciler.store.values import Decided

if TYPE_CHECKING:
    from reconciler.store.sqlite import sqlite3

_TO_PLAN = """SELECT case_id FROM links WHERE needs_plan = 1
    UNION ALL SELECT case_id FROM links WHERE unsettled_since IS NOT NULL
    UNION ALL SELECT case_id FROM links WHERE next_retry_at <= ?"""
# UNION, or an ORDER BY, would make SQLite walk all links in their order; so the rows are sorted in Python.
_FIND = """SELECT case_id FROM cases WHERE case_id = :lower
    UNION SELECT case_id FROM cases WHERE case_key = :upper
    UNION SELECT case_id FROM links WHERE number = :upper AND number <> ''
    UNION SELECT case_id FROM links WHERE sys_id = :lower AND sys_id <> ''
    UNION SELECT c.case_id FROM incidents i JOIN cases c ON c.case_id = i.case_id WHERE i.number = :upper
    UNION SELECT c.case_id FROM incidents i JOIN cases c ON c.case_id = i.case_id WHERE i.sys_id = :lower"""
_OPEN_LINKS = f"SELECT {LINK_LIST} FROM links l WHERE l.is_open = 1 ORDER BY l.case_id"  # noqa: S608 - our own constants
_DOUBLED = """SELECT l.case_id FROM incidents i JOIN links l ON l.case_id = i.case_id
    WHERE i.case_id <> '' AND l.is_open = 1 GROUP BY l.case_id
    HAVING sum(i.sys_id <> l.sys_id) + (l.sys_id <> '') > 1 ORDER BY l.case_id"""
_TABLES_IN_USE = "SELECT DISTINCT connector, table_name FROM links WHERE sys_id <> '' ORDER BY connector, table_name"
_SKIPS = """SELECT l.case_id, c.case_key, l.skip_reason, l.skip_detail FROM links l
    JOIN cases c ON c.case_id = l.case_id WHERE l.skip_reason IS NOT NULL ORDER BY l.skip_reason, l.case_id"""

_SET = ", ".join(
    f"{name} = coalesce(:{name}, {name})" if name in ONLY_SEEN else f"{name} = :{name}" for name in LINK_COLUMNS[1:]
)
_DECIDED = [name for name in LINK_COLUMNS if name not in ONLY_SEEN]
_SAME = f"({', '.join(_DECIDED)}) IS ({', '.join(f':{name}' for name in _DECIDED)})"
_PUT_LINK = f"""UPDATE links SET {_SET}, needs_plan = 1,
    changed_at = CASE WHEN {_SAME} THEN changed_at ELSE :now END
    WHERE case_id = :case_id"""  # noqa: S608 - the columns are our own constants
_SETTLE = f"""UPDATE links SET {_SET}, needs_plan = :needs_plan,
    skip_reason = :reason, skip_detail = :detail,
    skip_since = CASE WHEN :reason IS NULL THEN NULL WHEN skip_reason IS :reason THEN skip_since ELSE :now END,
    changed_at = CASE WHEN {_SAME} AND (skip_reason, skip_detail) IS (:reason, :detail)
        THEN changed_at ELSE :now END
    WHERE case_id = :case_id"""  # noqa: S608 - the columns are our own constants


def put_link(conn: sqlite3.Connection, link: Link, now: datetime) -> None:
    """Store a link as it now stands and mark it for planning; its skip stays."""
    conn.execute(_PUT_LINK, {**_named_values(link), "now": time_text(now)})


def _named_values(link: Link) -> dict[str, SqlValue]:
    return dict(zip(LINK_COLUMNS, link_values(link), strict=True))


def _settled_values(settled: Decided, now: str) -> dict[str, SqlValue]:
    skip = settled.skip
    return {
        **_named_values(settled.link),
        "needs_plan": int(settled.needs_plan),
        "reason": None if skip is None else skip.reason.value,
        "detail": None if skip is None else skip.detail,
        "now": now,
    }


class Links(Connected):
    """Give links and pairs, and store what was decided about them."""

    def pairs_to_plan(self, now: datetime) -> list[Pair]:
        """Give the pairs that are not at rest: changed, unsettled, or with a retry time that has come."""
        case_ids = {case_id for (case_id,) in self._read(_TO_PLAN, (time_text(now),))}
        return self._pairs(sorted(case_ids))

    def all_pairs(self, *, open_only: bool) -> Iterator[Pair]:
        """Stream every pair by Case id; with ``open_only`` those whose two sides are not both closed.

        Pairs that change between two steps are given as they then are.
        """
        among = "is_open = 1 AND" if open_only else ""
        sql = f"SELECT case_id FROM links WHERE {among} case_id > ? ORDER BY case_id LIMIT ?"  # noqa: S608 - constants
        last = ""
        while case_ids := [case_id for (case_id,) in self._read(sql, (last, CHUNK))]:
            yield from self._pairs(case_ids)
            last = case_ids[-1]

    def pair(self, case_id: str) -> Pair | None:
        """Give one Case's pair, None where the Case is not known."""
        found = self._pairs([case_id])
        return found[0] if found else None

    def _pairs(self, case_ids: Sequence[str]) -> list[Pair]:
        with guarded(self._path):
            return list(read_pairs(self._conn, case_ids))

    def find_case_ids(self, ref: str) -> list[str]:
        """Find Cases by what a person types: a Case id, ``CASE-123``, a record's number or its ``sys_id``."""
        typed = ref.strip()
        with guarded(self._path):
            rows = self._conn.execute(_FIND, {"lower": typed.lower(), "upper": typed.upper()}).fetchall()
        return sorted(case_id for (case_id,) in rows)

    def tables_in_use(self) -> list[tuple[str, str]]:
        """Give each (connector, table) in which a link has its record."""
        return [(connector, table) for connector, table in self._read(_TABLES_IN_USE)]

    def open_links(self) -> list[Link]:
        """Give the links whose two sides are not both closed."""
        return [link_from(row) for row in self._read(_OPEN_LINKS)]

    def doubled_pairs(self) -> list[Pair]:
        """Give the open pairs for which more than one record is remembered, whoever's mark these bear."""
        return self._pairs([case_id for (case_id,) in self._read(_DOUBLED)])

    def known_records(self, case_ids: Sequence[str]) -> Mapping[str, tuple[Incident, ...]]:
        """Give the remembered records that bear these Case ids, whoever's mark they bear; Cases with none left out."""
        with guarded(self._path):
            return read_claims(self._conn, case_ids)

    def standing_skips(self) -> tuple[Skip, ...]:
        """Give the skips that were settled and still stand, by reason and Case."""
        return tuple(
            Skip(case_id=case_id, case_key=case_key, reason=SkipReason(reason), detail=detail)
            for case_id, case_key, reason, detail in self._read(_SKIPS)
        )

    def count_skips(self) -> int:
        """Count the skips that stand."""
        return int(self._value("SELECT count(*) FROM links WHERE skip_reason IS NOT NULL"))

    def keep_decisions(self, decisions: Iterable[Decided], now: datetime) -> None:
        """Store what was decided about links, all or none, before any action on them begins.

        A skip keeps the time since when it stands as long as its reason stays. Raises StoreError for an unknown Case.
        """
        rows = [_settled_values(settled, time_text(now)) for settled in decisions]
        if not rows:
            return
        with self._transaction() as conn:
            if conn.executemany(_SETTLE, rows).rowcount != len(rows):
                raise StoreError(f"{self._path}: a decision names a Case that was never remembered; nothing was stored")

    def update_links(self, links: Iterable[Link], now: datetime) -> None:
        """Store links as they now stand and mark them for planning; a skip, and since when it stands, is left."""
        with self._transaction() as conn:
            for link in links:
                put_link(conn, link, now)

    def plan_again(self, case_ids: Iterable[str]) -> None:
        """Mark links for planning in the next cycle, whatever they look like."""
        with self._transaction() as conn:
            conn.executemany("UPDATE links SET needs_plan = 1 WHERE case_id = ?", [(each,) for each in case_ids])
