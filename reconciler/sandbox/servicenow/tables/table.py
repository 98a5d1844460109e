"""One table of a ServiceNow world: rows by id, by ``correlation_id``, and in the order of their last change.

A row is replaced, never changed, so that the old one can be kept for listings that lag behind. Ids are compared without
regard to case, as the service's database does. No rule of the service is here: this only stores.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from datetime import datetime

from reconciler.sandbox.servicenow.tables.schema import Schema, TableRow

OrderKey = tuple[str, str]
"""``sys_updated_on`` and lower-case ``sys_id``: the order in which a keyset reads"""


class Table:
    """Store the rows of one table. Not safe for several threads by itself."""

    def __init__(self, schema: Schema, rows: Iterable[TableRow] = ()) -> None:
        self.schema = schema
        self._rows: dict[str, TableRow] = {row["sys_id"].lower(): row for row in rows}
        self._ordered: list[OrderKey] | None = None
        self._by_correlation: dict[str, dict[str, None]] = {}
        self._replaced: list[tuple[datetime, str, TableRow | None]] = []
        """when, which row, and how it was before: from these any earlier time is made again"""
        for key, row in self._rows.items():
            self._index(key, row)

    @property
    def version(self) -> int:
        """Return a number that grows with every change."""
        return len(self._replaced)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[TableRow]:
        return iter(self._rows.values())

    def get(self, sys_id: str) -> TableRow | None:
        """Return one row, or None."""
        return self._rows.get(sys_id.lower())

    def put(self, row: TableRow, at: datetime) -> None:
        """Store a row in place of the one with its id, if any."""
        key = row["sys_id"].lower()
        before = self._rows.get(key)
        self._replaced.append((at, key, before))
        if before is not None:
            self._unindex(key, before)
        self._rows[key] = row
        self._index(key, row)

    def remove(self, sys_id: str, at: datetime) -> None:
        """Forget one row."""
        key = sys_id.lower()
        before = self._rows.pop(key)
        self._replaced.append((at, key, before))
        self._unindex(key, before)

    def correlated(self, correlation_id: str) -> list[TableRow]:
        """Return the rows that bear a ``correlation_id``, compared without case."""
        return [self._rows[key] for key in self._by_correlation.get(correlation_id.lower(), ())]

    def ordered(self, start: OrderKey = ("", "")) -> Iterator[TableRow]:
        """Yield the rows from an order key on, by ``(sys_updated_on, sys_id)``."""
        keys = self._sorted_keys()
        for position in range(bisect_left(keys, start), len(keys)):
            yield self._rows[keys[position][1]]

    def as_of(self, at: datetime) -> Table:
        """Return the table as it was at a time."""
        rows: dict[str, TableRow | None] = dict(self._rows)
        for moment, key, before in reversed(self._replaced):
            if moment <= at:
                break
            rows[key] = before
        return Table(self.schema, (row for row in rows.values() if row is not None))

    def _sorted_keys(self) -> list[OrderKey]:
        if self._ordered is None:
            self._ordered = sorted((row["sys_updated_on"], key) for key, row in self._rows.items())
        return self._ordered

    def _index(self, key: str, row: TableRow) -> None:
        if self._ordered is not None:
            insort(self._ordered, (row["sys_updated_on"], key))
        if correlation := row["correlation_id"]:
            self._by_correlation.setdefault(correlation.lower(), {})[key] = None

    def _unindex(self, key: str, row: TableRow) -> None:
        if self._ordered is not None:
            del self._ordered[bisect_left(self._ordered, (row["sys_updated_on"], key))]
        if correlation := row["correlation_id"]:
            self._by_correlation[correlation.lower()].pop(key)
