"""A database in memory for one plan, filled on demand from a file that is only read.

Links, Cases and records are copied when they are first needed, all from one snapshot; small tables are copied at once.
The tables are the file's, without the triggers of the chain: nothing here is evidence.
"""
# ruff: noqa: S608 - the names that are put into SQL here are those of our own tables and columns

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.core.batches import batches
from reconciler.store.database.connection import IN_MEMORY, Database, connect, guarded

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

AT_ONCE = 2000
"""How many Cases, or records, one statement copies."""

_SCHEMA = """SELECT sql FROM sqlite_master
    WHERE type IN ('table', 'index', 'view') AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"""
_WHOLE = ("cursors", "facts", "reference_names", "hold_requests", "quarantine", "running")
_LATEST_CYCLES = "seq > (SELECT max(seq) FROM cycles) - 100"
"""A plan is a cycle, which looks at the last ones: for the config that was in force, and for one to be counted on."""
_BY_CASE = "case_id IN (SELECT value FROM json_each(?))"
_BY_RECORD = "sys_id IN (SELECT value FROM json_each(?))"
_CASES_OF_RECORDS = f"""SELECT case_id FROM links WHERE sys_id <> '' AND {_BY_RECORD}
    UNION SELECT case_id FROM incidents WHERE case_id <> '' AND {_BY_RECORD}"""
_RECORDS_OF_CASES = f"""SELECT sys_id FROM links WHERE sys_id <> '' AND {_BY_CASE}
    UNION SELECT sys_id FROM incidents WHERE case_id <> '' AND {_BY_CASE}"""


class Overlay(Database):
    """A database for one plan, over a connection that reads a file in place and is closed with this."""

    def __init__(self, source: sqlite3.Connection, path: str) -> None:
        super().__init__(connect(IN_MEMORY), path)
        self._source = source
        self._cases: set[str] = set()
        self._records: set[str] = set()
        with guarded(path):
            source.execute("BEGIN")
            for (sql,) in source.execute(_SCHEMA):
                self.connection.execute(sql)
            for table in _WHOLE:
                self._bring(table, "true")
            self._bring("cycles", _LATEST_CYCLES)
            self._bring("actions", "result IS NULL")

    def close(self) -> None:
        """Drop what was planned, and close the file."""
        self._source.close()
        super().close()

    def need_found(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Copy the Cases whose ids a query finds in the file."""
        with guarded(self.path):
            self.need(case_ids=[case_id for (case_id,) in self._source.execute(sql, parameters)])

    def need(self, *, case_ids: Iterable[str] = (), sys_ids: Iterable[str] = ()) -> None:
        """Copy Cases with their links, their records and what else bears their key; and records with their Cases.

        What was copied before is not copied again: the plan may have changed it.
        """
        with guarded(self.path):
            cases = set(case_ids)
            for some in _some(set(sys_ids) - self._records):
                cases |= {case_id for (case_id,) in self._source.execute(_CASES_OF_RECORDS, (some, some))}
                self._bring_records(some)
            for some in _some(cases - self._cases):
                self._cases |= set(json.loads(some))
                self._bring("cases", _BY_CASE, some)
                self._bring("links", _BY_CASE, some)
                records = {sys_id for (sys_id,) in self._source.execute(_RECORDS_OF_CASES, (some, some))}
                for these in _some(records - self._records):
                    self._bring_records(these)

    def _bring_records(self, some: str) -> None:
        self._records |= set(json.loads(some))
        self._bring("incidents", _BY_RECORD, some)

    def _bring(self, table: str, which: str, *parameters: str) -> None:
        """Copy rows of the file; columns that are computed are left out, and computed here."""
        columns = [row[1] for row in self._source.execute(f"PRAGMA table_info({table})")]
        rows = self._source.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {which}", parameters)
        marks = ", ".join("?" * len(columns))
        self.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def _some(ids: Iterable[str]) -> Iterator[str]:
    """Cut ids into lists, each as a parameter of one statement."""
    return (json.dumps(some) for some in batches(sorted(ids), AT_ONCE))
