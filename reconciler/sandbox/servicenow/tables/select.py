"""Find the rows of a table that match a query, without looking at more of them than needed.

A condition on an unknown or unreadable field is dropped, so that more rows match, or no row matches at all: as
``glide.invalid_query.returns_no_rows`` says. A query by ids, by correlation ids, or in the order of changes looks at
fewer rows; every row that it looks at is still held against every condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from operator import ge, gt, le, lt

from reconciler.core.frozen import dataclass
from reconciler.sandbox.servicenow.tables.query import Condition, Group, Operator, Query, Sort
from reconciler.sandbox.servicenow.tables.schema import DATETIMES, INTEGERS, TIME_FORMAT, Schema, TableRow
from reconciler.sandbox.servicenow.tables.table import OrderKey, Table

KEYSET = (Sort(field="sys_updated_on"), Sort(field="sys_id"))
LAST_KEY: OrderKey = ("\U0010ffff", "")
"""behind every row: the last sign that there is"""
COMPARES_FIELDS = frozenset({Operator.SAME_AS, Operator.NOT_SAME_AS})
Test = Callable[[TableRow], bool]
Fold = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class QueryRules:
    """How queries over one table are read for one user. Hashable, so that compiled queries can be kept."""

    schema: Schema
    unreadable: frozenset[str] = frozenset()
    case_sensitive: bool = False
    no_rows_when_invalid: bool = False
    literal_zone: timedelta = timedelta()
    """how far from UTC plain datetimes are"""

    def knows(self, field: str) -> bool:
        """Return whether a query may name this field."""
        return field in self.schema.names and field not in self.unreadable

    def fold(self, text: str) -> str:
        """Return text in the form in which it is compared."""
        return text if self.case_sensitive else text.lower()


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    matches: Test
    order: tuple[Sort, ...]
    start: OrderKey
    end: str
    """no match has a later ``sys_updated_on``"""
    sys_ids: tuple[str, ...] | None
    """every match has one of these ids; None: it may have any"""
    correlation_ids: tuple[str, ...] | None


def select(table: Table, query: Query, reading: QueryRules) -> Iterator[TableRow]:
    """Yield the matching rows in the order asked for; without one, in no order to rely on."""
    compiled = _compile(query, reading)
    candidates = _indexed(table, compiled)
    if candidates is None and compiled.order == KEYSET:
        yield from _keyset(table, compiled)
        return
    found = [row for row in (table if candidates is None else candidates) if compiled.matches(row)]
    for sort in reversed(compiled.order):
        found.sort(key=_sort_key(sort.field, reading), reverse=sort.descending)
    yield from found


def _keyset(table: Table, compiled: _Compiled) -> Iterator[TableRow]:
    for row in table.ordered(compiled.start):
        if row["sys_updated_on"] > compiled.end:
            return
        if compiled.matches(row):
            yield row


def _indexed(table: Table, compiled: _Compiled) -> list[TableRow] | None:
    if compiled.sys_ids is not None:
        found = (table.get(sys_id) for sys_id in dict.fromkeys(map(str.lower, compiled.sys_ids)))
        return [row for row in found if row is not None]
    if compiled.correlation_ids is not None:
        keys = dict.fromkeys(map(str.lower, compiled.correlation_ids))
        return [row for key in keys for row in table.correlated(key)]
    return None


def _sort_key(field: str, reading: QueryRules) -> Callable[[TableRow], tuple[int, str]]:
    if field in INTEGERS:
        return lambda row: (_number(row[field]), row[field])
    return lambda row: (0, reading.fold(row[field]))


@lru_cache(maxsize=4096)
def _compile(query: Query, reading: QueryRules) -> _Compiled:
    known = tuple(tuple(_known(group, reading) for group in block) for block in query.blocks)
    invalid = any(
        len(kept) < len(group)
        for bound, block in zip(known, query.blocks, strict=True)
        for kept, group in zip(bound, block, strict=True)
    )
    if invalid and reading.no_rows_when_invalid:
        return _Compiled(matches=lambda _: False, order=(), start=LAST_KEY, end="", sys_ids=(), correlation_ids=())
    blocks = tuple(tuple(group for group in block if group) for block in known)
    ranges = [_range(block, reading) for block in blocks]
    return _Compiled(
        matches=_any([_all([_any([_test(one, reading) for one in group]) for group in block]) for block in blocks]),
        order=tuple(sort for sort in query.order if reading.knows(sort.field)),
        start=min(start for start, _ in ranges),
        end=max(end for _, end in ranges),
        sys_ids=_values(blocks, "sys_id"),
        correlation_ids=_values(blocks, "correlation_id"),
    )


def _known(group: Group, reading: QueryRules) -> Group:
    return tuple(one for one in group if _is_known(one, reading))


def _is_known(condition: Condition, reading: QueryRules) -> bool:
    names = [condition.field, *([condition.value] if condition.operator in COMPARES_FIELDS else [])]
    return condition.operator is not None and all(map(reading.knows, names))


def _any(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)


def _all(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)


def _values(blocks: tuple[tuple[Group, ...], ...], field: str) -> tuple[str, ...] | None:
    """List every value of a field that a match can have, or None where some block does not bound it."""
    values: list[str] = []
    for block in blocks:
        exact = next((one for (one, *more) in block if not more and one.field == field and _is_exact(one)), None)
        if exact is None:
            return None
        values += exact.value.split(",") if exact.operator is Operator.IN else [exact.value]
    return tuple(values) if all(values) else None


def _is_exact(condition: Condition) -> bool:
    return condition.operator in {Operator.EQUALS, Operator.IN}


def _range(block: tuple[Group, ...], reading: QueryRules) -> tuple[OrderKey, str]:
    """Return the order key at which the matches of one block begin, and the last time that one of them can have.

    Alternatives (``^OR``) bound nothing. Behind a page comes what is left of its last second, by ``sys_id``.
    """
    start, end = ("", ""), LAST_KEY[0]
    behind = ""
    for one, *more in block:
        if more or not one.value:
            continue
        if one.field == "sys_id" and one.operator is Operator.GREATER and not reading.case_sensitive:
            behind = one.value.lower()
        elif one.field == "sys_updated_on":
            value = _literal(one, reading)
            if one.operator in {Operator.EQUALS, Operator.GREATER, Operator.GREATER_OR_EQUAL}:
                start = max(start, (value, "\U0010ffff" if one.operator is Operator.GREATER else ""))
            if one.operator in {Operator.EQUALS, Operator.LESS, Operator.LESS_OR_EQUAL}:
                end = min(end, value)
    return (start[0], max(start[1], behind)), end


def _literal(condition: Condition, reading: QueryRules) -> str:
    """Return a condition's value in raw form: a datetime in UTC, other text folded."""
    if condition.field not in DATETIMES or not reading.literal_zone:
        return reading.fold(condition.value)
    try:
        local = datetime.strptime(condition.value, TIME_FORMAT)  # noqa: DTZ007 - the user's zone is taken off below
    except ValueError:
        return condition.value
    return (local - reading.literal_zone).strftime(TIME_FORMAT)


def _test(condition: Condition, reading: QueryRules) -> Test:
    if condition.operator is Operator.BETWEEN:
        return _between(condition, reading)
    field, value = condition.field, _literal(condition, reading)
    operator = condition.operator or Operator.ANYTHING
    if field in INTEGERS and operator in _SIZES:
        compare, bound = _SIZES[operator], _number(value)
        return lambda row: bool(row[field]) and compare(_number(row[field]), bound)
    return _TESTS[operator](field, _fold(field, reading), value)


def _between(condition: Condition, reading: QueryRules) -> Test:
    low, _, high = condition.value.partition("@")
    bounds = ((Operator.GREATER_OR_EQUAL, low), (Operator.LESS_OR_EQUAL, high))
    return _all([_test(replace(condition, operator=side, value=value), reading) for side, value in bounds])


def _fold(field: str, reading: QueryRules) -> Fold:
    """Leave times and numbers as they are, which saves most of the work of a long listing: they have no case."""
    plain = reading.case_sensitive or field in DATETIMES or field in INTEGERS
    return str if plain else str.lower


def _is_member(field: str, fold: Fold, value: str) -> Test:
    members = frozenset(value.split(","))
    return lambda row: fold(row[field]) in members


def _not(make: Callable[[str, Fold, str], Test]) -> Callable[[str, Fold, str], Test]:
    def made(field: str, fold: Fold, value: str) -> Test:
        fits = make(field, fold, value)
        return lambda row: not fits(row)

    return made


def _is_same(field: str, fold: Fold, other: str) -> Test:
    return lambda row: fold(row[field]) == fold(row[other])


def _contains(field: str, fold: Fold, value: str) -> Test:
    return lambda row: value in fold(row[field])


_SIZES: dict[Operator, Callable[[int, int], bool]] = {
    Operator.LESS: lt,
    Operator.LESS_OR_EQUAL: le,
    Operator.GREATER: gt,
    Operator.GREATER_OR_EQUAL: ge,
}
# An empty field is NULL: neither above nor below anything.
_TESTS: dict[Operator, Callable[[str, Fold, str], Test]] = {
    Operator.EQUALS: lambda field, fold, value: lambda row: fold(row[field]) == value,
    Operator.NOT_EQUALS: lambda field, fold, value: lambda row: fold(row[field]) != value,
    Operator.LESS: lambda field, fold, value: lambda row: "" < fold(row[field]) < value,
    Operator.LESS_OR_EQUAL: lambda field, fold, value: lambda row: "" < fold(row[field]) <= value,
    Operator.GREATER: lambda field, fold, value: lambda row: bool(row[field]) and fold(row[field]) > value,
    Operator.GREATER_OR_EQUAL: lambda field, fold, value: lambda row: bool(row[field]) and fold(row[field]) >= value,
    Operator.IN: _is_member,
    Operator.NOT_IN: _not(_is_member),
    Operator.CONTAINS: _contains,
    Operator.NOT_CONTAINS: _not(_contains),
    Operator.STARTS_WITH: lambda field, fold, value: lambda row: fold(row[field]).startswith(value),
    Operator.ENDS_WITH: lambda field, fold, value: lambda row: fold(row[field]).endswith(value),
    Operator.IS_EMPTY: lambda field, _fold, _value: lambda row: not row[field],
    Operator.IS_NOT_EMPTY: lambda field, _fold, _value: lambda row: bool(row[field]),
    Operator.SAME_AS: _is_same,
    Operator.NOT_SAME_AS: _not(_is_same),
    Operator.ANYTHING: lambda _field, _fold, _value: lambda _row: True,
}


def _number(text: str) -> int:
    """Read a whole number, which may be negative as some states are; anything else counts as 0."""
    return int(text) if text.removeprefix("-").isdecimal() else 0
