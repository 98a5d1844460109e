"""Reading pairs: a link with its Case, its record, and whatever else bears the Case's key.

The reads here take a connection and run inside whatever transaction is open on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.core.model import Incident, Link, Pair
from reconciler.store.rows import LINK_COLUMNS, link_from
from reconciler.store.snapshot import case_from, incident_from

if TYPE_CHECKING:
    from reconciler.store.sqlite import sqlite3

Thing = TypeVar("Thing")
CHUNK = 500
"""How many rows are looked up in one statement."""
LINK_LIST = ", ".join(f"l.{name}" for name in LINK_COLUMNS)
"""The columns of a Link, for a query that calls the table ``l``."""

_PAIRS = f"""SELECT {LINK_LIST}, c.snapshot, i.snapshot FROM json_each(?) j
    JOIN links l ON l.case_id = j.value
    JOIN cases c ON c.case_id = l.case_id
    LEFT JOIN incidents i
        ON l.sys_id <> '' AND i.sys_id = l.sys_id AND i.table_name = l.table_name AND i.connector = l.connector
    ORDER BY j.key"""  # noqa: S608 - the columns are our own constants
_CLAIMS = """SELECT i.case_id, i.snapshot FROM json_each(?) j
    JOIN incidents i ON i.case_id = j.value AND i.case_id <> '' ORDER BY i.sys_id, i.table_name, i.connector"""
_LINKS_OF_RECORDS = f"""SELECT {LINK_LIST} FROM json_each(?) j
    JOIN links l ON l.sys_id = j.value AND l.sys_id <> ''"""  # noqa: S608 - the columns are our own constants

RecordKey = tuple[str, str, str]


def record_key(thing: Incident | Link) -> RecordKey:
    """Give what tells one record from all others: ``sys_id``, table and connector."""
    return (thing.sys_id, thing.table, thing.connector)


def chunks(things: Sequence[Thing]) -> Iterator[Sequence[Thing]]:
    """Cut a sequence into pieces that one statement looks up."""
    return (things[start : start + CHUNK] for start in range(0, len(things), CHUNK))


def read_pairs(conn: sqlite3.Connection, case_ids: Sequence[str]) -> Iterator[Pair]:
    """Give the pairs of these Cases in their order; ids that are not known are left out."""
    for chunk in chunks(case_ids):
        claims = read_claims(conn, chunk)
        for row in conn.execute(_PAIRS, [json.dumps(chunk)]).fetchall():
            yield _pair(row, claims)


def _pair(row: Sequence[Any], claims: Mapping[str, tuple[Incident, ...]]) -> Pair:
    link, case_text, incident_text = link_from(row), row[-2], row[-1]
    return Pair(
        link=link,
        case=case_from(case_text),
        incident=None if incident_text is None else incident_from(incident_text),
        others=tuple(each for each in claims.get(link.case_id, ()) if record_key(each) != record_key(link)),
    )


def read_claims(conn: sqlite3.Connection, case_ids: Sequence[str]) -> dict[str, tuple[Incident, ...]]:
    """Give the remembered records that bear these Case ids, by Case id; Cases with none are left out."""
    found: dict[str, tuple[Incident, ...]] = {}
    for chunk in chunks(case_ids):
        for case_id, text in conn.execute(_CLAIMS, [json.dumps(chunk)]):
            found[case_id] = (*found.get(case_id, ()), incident_from(text))
    return found


def links_of_records(conn: sqlite3.Connection, incidents: Iterable[Incident]) -> dict[RecordKey, list[Link]]:
    """Give the links that these records belong to; by the design one for each, or none."""
    found: dict[RecordKey, list[Link]] = {}
    for chunk in chunks(sorted({incident.sys_id for incident in incidents})):
        for row in conn.execute(_LINKS_OF_RECORDS, [json.dumps(chunk)]):
            link = link_from(row)
            found.setdefault(record_key(link), []).append(link)
    return found
