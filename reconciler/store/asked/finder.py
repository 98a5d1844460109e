"""Find one Case by what a person types, and complete what was typed in part.

Rules of this file: every look-up uses an index, so that it takes the same time at any size; an exact match wins over a
match of the beginning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from reconciler.store.database.connection import Database
from reconciler.store.values import FoundCase

MOST_FOUND = 10
"""How many Cases are named where several could be meant."""
LEAST_SIGNS = 6
"""How many characters of an id a person has to type."""
LAST_SIGN = "\U0010ffff"
"""Sorts after every character of a name, so that ``name + LAST_SIGN`` ends the range of what begins with ``name``."""
GROUPS = (8, 4, 4, 4, 12)
"""The numbers of characters between the dashes of a Case id."""

_HEX = re.compile(r"[0-9a-f]{1,32}\Z")
_KEY = re.compile(r"(?:CASE-?)?(\d+)\Z")

_WHOLE = """SELECT case_id FROM cases WHERE case_id = :id AND :connector = ''
    UNION SELECT case_id FROM cases WHERE case_key = :key AND :connector = ''
    UNION SELECT case_id FROM links WHERE number = :number AND number <> '' AND :connector IN ('', connector)
    UNION SELECT case_id FROM links WHERE sys_id = :sys_id AND sys_id <> '' AND :connector IN ('', connector)
    UNION SELECT c.case_id FROM incidents i JOIN cases c ON c.case_id = i.case_id
        WHERE i.number = :number AND :connector IN ('', i.connector)
    UNION SELECT c.case_id FROM incidents i JOIN cases c ON c.case_id = i.case_id
        WHERE i.sys_id = :sys_id AND :connector IN ('', i.connector)
    LIMIT :most"""
_BEGINNING = """SELECT case_id FROM (SELECT case_id FROM cases
        WHERE case_id >= :id AND case_id < :id || 'g' AND :connector = '' LIMIT :most)
    UNION SELECT case_id FROM (SELECT case_id FROM links
        WHERE sys_id >= :sys_id AND sys_id < :sys_id || 'g' AND sys_id <> '' AND :connector IN ('', connector)
        LIMIT :most)
    UNION SELECT case_id FROM (SELECT c.case_id FROM incidents i JOIN cases c ON c.case_id = i.case_id
        WHERE i.sys_id >= :sys_id AND i.sys_id < :sys_id || 'g' AND :connector IN ('', i.connector) LIMIT :most)
    LIMIT :most"""
_DESCRIBED = """SELECT c.case_id, coalesce(c.case_key, '') AS case_key, l.connector, l.number,
    coalesce(json_extract(c.snapshot, '$.title'), '') AS title
    FROM json_each(?) j JOIN cases c ON c.case_id = j.value JOIN links l ON l.case_id = c.case_id"""
_KEYS_FROM = "SELECT case_id FROM cases WHERE case_key >= :typed AND case_key < :end LIMIT :most"
_NUMBERS_FROM = """SELECT case_id FROM links
    WHERE number >= :typed AND number < :end AND number <> '' AND :connector IN ('', connector) LIMIT :most"""
_IDS_FROM = "SELECT case_id FROM cases WHERE case_id >= :typed AND case_id < :end LIMIT :most"
_RECORDS_FROM = """SELECT case_id, sys_id FROM links
    WHERE sys_id >= :typed AND sys_id < :end AND sys_id <> '' AND :connector IN ('', connector) LIMIT :most"""


class Finder:
    """Find Cases by the names that people have for them."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, ref: str) -> list[FoundCase]:
        """Find the Cases that a person may mean, at most one more than ``MOST_FOUND``, which says that there are more.

        A person types a Case id, ``CASE-123`` or ``CASE123`` or ``123``, a record's number or ``sys_id``, either with
        ``CONNECTOR/`` before it, or six signs or more from the beginning of an id.
        """
        connector, _, name = ref.strip().rpartition("/")
        whole = self._case_ids(_WHOLE, connector, name)
        signs = name.lower().replace("-", "")
        if not whole and len(signs) >= LEAST_SIGNS and _HEX.match(signs):
            whole = self._case_ids(_BEGINNING, connector, name)
        return self.described(whole)

    def _case_ids(self, sql: str, connector: str, name: str) -> list[str]:
        lower, upper = name.lower(), name.upper()
        numbered = _KEY.match(upper)
        values = {
            "id": with_dashes(lower),
            "key": f"CASE-{numbered[1]}" if numbered else upper,
            "number": upper,
            "sys_id": lower,
            "connector": connector,
            "most": MOST_FOUND + 1,
        }
        return [case_id for (case_id,) in self._db.read(sql, values)]

    def described(self, case_ids: Iterable[str]) -> list[FoundCase]:
        """Name each Case, its record and its title, by the key."""
        rows = self._db.named(_DESCRIBED, [json.dumps(list(case_ids))])
        return sorted((FoundCase(**row) for row in rows), key=lambda one: (one.case_key, one.case_id))

    def completions(self, typed: str, *, most: int) -> dict[str, str]:
        """Return names that begin with what was typed, each with the title of its Case; of each kind ``most``."""
        connector, slash, name = typed.rpartition("/")
        place = connector + slash
        by_number = self._beginning(_NUMBERS_FROM, name.upper(), most, connector)
        given = {f"{place}{one.number}": one.title for one in by_number}
        lower = name.lower()
        if _HEX.match(lower.replace("-", "")):
            given |= {place + sys_id: "" for _, sys_id in self._range(_RECORDS_FROM, lower, most, connector)}
        if not slash:
            given |= {one.case_key: one.title for one in self._beginning(_KEYS_FROM, name.upper(), most)}
            given |= {one.case_id: one.title for one in self._beginning(_IDS_FROM, lower, most)}
        return given

    def _beginning(self, sql: str, typed: str, most: int, connector: str = "") -> list[FoundCase]:
        return self.described([case_id for (case_id,) in self._range(sql, typed, most, connector)])

    def _range(self, sql: str, typed: str, most: int, connector: str) -> list[tuple[str, ...]]:
        values = {"typed": typed, "end": typed + LAST_SIGN, "most": most, "connector": connector}
        return self._db.read(sql, values) if typed else []


def with_dashes(name: str) -> str:
    """Write the beginning of a Case id as ids are written, however its dashes were typed; leave other names alone."""
    signs = name.replace("-", "")
    if not _HEX.match(signs):
        return name
    ends = [sum(GROUPS[: place + 1]) for place in range(len(GROUPS))]
    parts = [signs[end - length : end] for length, end in zip(GROUPS, ends, strict=True)]
    return "-".join(part for part in parts if part)
