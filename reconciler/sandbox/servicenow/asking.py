"""Listings as the client in memory asks for them: conditions by field, a short way to the rows, and which rows fit.

The service drops a condition on a field that it does not know or may not show, or answers nothing, as
``glide.invalid_query.returns_no_rows`` says; the short way is taken only where every condition counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.sandbox.servicenow.query import parse
from reconciler.sandbox.servicenow.schema import TableRow
from reconciler.sandbox.servicenow.select import QueryRules, Test, select
from reconciler.sandbox.servicenow.table import OrderKey, Table

Pick = Callable[[Table], Iterable[TableRow]]
"""Gives the rows that satisfy every condition, in the order asked for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Ask for rows by conditions."""

    conditions: Mapping[str, Test]
    pick: Pick
    order: Callable[[TableRow], OrderKey]
    must_show: bool = True
    """a row that does not show a field that was asked for does not fit"""

    def rows(self, place: Table, reading: QueryRules, *, dropped: bool) -> Iterator[TableRow]:
        """Give the rows that a listing finds; ``dropped``: the service understands none of the conditions."""
        known = [test for field, test in self.conditions.items() if not dropped and reading.knows(field)]
        if len(known) == len(self.conditions):
            return iter(self.pick(place))
        if reading.no_rows_when_invalid and not dropped:
            return iter(())
        return iter(sorted((row for row in place if all(test(row) for test in known)), key=self.order))

    def fits(self, row: TableRow, reading: QueryRules) -> bool:
        """Say whether a row that is shown is one that was asked for."""
        return all(test(row) if reading.knows(field) else not self.must_show for field, test in self.conditions.items())


@dataclass(frozen=True, kw_only=True)
class RawAsked:
    """Ask by an encoded query, whatever comes of it."""

    query: str

    def rows(self, place: Table, reading: QueryRules, *, dropped: bool) -> Iterator[TableRow]:
        """Give the rows that a listing finds."""
        query = parse(self.query)
        return select(place, query.without_conditions() if dropped else query, reading)

    def fits(self, row: TableRow, reading: QueryRules) -> bool:  # noqa: ARG002 - nothing is checked
        """Take every row."""
        return True


def changed_since(start: OrderKey, is_marked: Test) -> Asked:
    """Ask for marked rows from a place in the order of change on."""
    return Asked(
        conditions={"correlation_display": is_marked, "sys_updated_on": lambda row: change_order(row) >= start},
        pick=lambda place: (row for row in place.ordered(start) if is_marked(row)),
        order=change_order,
        must_show=False,
    )


def bearing(case_ids: Sequence[str], is_marked: Test) -> Asked:
    """Ask for marked rows that bear one of some Case ids."""
    wanted = frozenset(case_ids)

    def pick(place: Table) -> Iterable[TableRow]:
        rows = [row for case_id in case_ids for row in place.correlated(case_id) if is_marked(row)]
        return sorted(rows, key=id_order)

    conditions: dict[str, Test] = {
        "correlation_display": is_marked,
        "correlation_id": lambda row: row["correlation_id"].lower() in wanted,
    }
    return Asked(conditions=conditions, pick=pick, order=id_order)


def with_ids(sys_ids: Sequence[str]) -> Asked:
    """Ask for rows by id."""
    wanted = dict.fromkeys(map(str.lower, sys_ids))

    def pick(place: Table) -> Iterable[TableRow]:
        return sorted((row for row in map(place.get, wanted) if row is not None), key=id_order)

    return Asked(conditions={"sys_id": lambda row: row["sys_id"].lower() in wanted}, pick=pick, order=id_order)


def named(name_field: str, names: Sequence[str], fold: Callable[[str], str]) -> Asked:
    """Ask for rows by name; ``fold`` brings a name into the form in which the instance compares."""
    wanted = frozenset(map(fold, names))

    def is_wanted(row: TableRow) -> bool:
        return fold(row[name_field]) in wanted

    return Asked(conditions={name_field: is_wanted}, pick=lambda place: filter(is_wanted, place), order=id_order)


def plain(name: str) -> str:
    """Bring a name into the form in which clients compare it."""
    return name.strip().casefold()


def id_order(row: TableRow) -> OrderKey:
    """Give the place of a row in a listing by id."""
    return (row["sys_id"].lower(), "")


def change_order(row: TableRow) -> OrderKey:
    """Give the place of a row in a listing by change."""
    return (row["sys_updated_on"], row["sys_id"].lower())
