"""Records that others made for a Case: the query of ``[inbound.NAME] existing``, which must never match more.

Rules of this file: a query is conditions that must all hold, each of which we can check ourselves, since an instance
drops a condition that it does not understand and answers more rows; a value that is empty asks for nothing, so it is
refused; what is asked and what is checked are the same values.
Source of the operators: ``r_OpAvailableFiltersQueries``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from reconciler.core.errors import TemplateFailed
from reconciler.core.expressions.templates import Template
from reconciler.core.frozen import dataclass


class Operator(StrEnum):
    """The operators that a condition may have."""

    EQUALS = "="
    NOT_EQUALS = "!="
    CONTAINS = "LIKE"
    STARTS_WITH = "STARTSWITH"
    ENDS_WITH = "ENDSWITH"
    IN = "IN"
    IS_EMPTY = "ISEMPTY"
    IS_NOT_EMPTY = "ISNOTEMPTY"


NAMING = frozenset({Operator.EQUALS, Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH})
"""A condition with one of these can say which Case a record stands for."""
VALUELESS = frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY})
"""These stand without a value."""
_FITS: Mapping[Operator, Callable[[str, str], bool]] = {
    Operator.EQUALS: lambda current, value: current == value,
    Operator.NOT_EQUALS: lambda current, value: current != value,
    Operator.CONTAINS: lambda current, value: value in current,
    Operator.STARTS_WITH: lambda current, value: current.startswith(value),
    Operator.ENDS_WITH: lambda current, value: current.endswith(value),
    Operator.IN: lambda current, value: current in [one.strip() for one in value.split(",")],
    Operator.IS_EMPTY: lambda current, _: not current,
    Operator.IS_NOT_EMPTY: lambda current, _: bool(current),
}
_CONDITION = re.compile(
    r"(?P<field>[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)"
    r"(?P<operator>!=|=|LIKE|STARTSWITH|ENDSWITH|IN|ISEMPTY|ISNOTEMPTY)(?P<value>.*)",
    re.DOTALL,
)
_GRAMMAR = (
    "allowed are conditions parted by ^, each a field, one of = != LIKE STARTSWITH ENDSWITH IN ISEMPTY ISNOTEMPTY, and "
    "a value"
)


@dataclass(frozen=True, kw_only=True)
class Term:
    """One condition on one field; texts are compared without case and without blanks at their ends."""

    field: str
    operator: Operator
    value: str = ""

    def fits(self, current: str) -> bool:
        """Return whether an instance that understands this condition shows a record with this value."""
        return _FITS[self.operator](_folded(current), _folded(self.value))

    def names(self, current: str) -> bool:
        """Return whether a record with this value is meant: ``CASE-1`` is no part of ``CASE-12``."""
        if self.operator not in NAMING or self.operator is Operator.EQUALS:
            return self.fits(current)
        whole = re.escape(_folded(self.value))
        return self.fits(current) and bool(re.search(rf"(?<![a-z0-9]){whole}(?![a-z0-9])", _folded(current)))


Terms = tuple[Term, ...]
"""All of these must hold."""


@dataclass(frozen=True)
class Existing:
    """One query; make it with ``compile``."""

    source: str
    conditions: tuple[tuple[str, Operator, Template], ...]

    @classmethod
    def compile(cls, source: str) -> Existing:
        """Compile a query whose values may be templates over the Case; raise ValueError with one sentence."""
        conditions = tuple(_condition(part) for part in source.split("^"))
        if not any(operator in NAMING and template.names for _, operator, template in conditions):
            raise ValueError('it names no Case, so it would find the same records for all; write "{{ case.id }}" in it')
        return cls(source, conditions)

    @property
    def fields(self) -> tuple[str, ...]:
        """List the fields that are asked for."""
        return tuple(dict.fromkeys(field for field, _, _ in self.conditions))

    @property
    def names(self) -> frozenset[str]:
        """List what it looks at of a Case, as ``case.id``."""
        return frozenset[str]().union(*(template.names for _, _, template in self.conditions))

    def terms(self, context: Mapping[str, Any]) -> Terms:
        """Render the query for one Case.

        Raises TemplateFailed for a missing value, and for one that is empty, has more than one line, or would be run by
        the instance.
        """
        return tuple(_term(field, operator, template.render(context)) for field, operator, template in self.conditions)


def _condition(part: str) -> tuple[str, Operator, Template]:
    match = _CONDITION.fullmatch(part)
    if match is None:
        raise ValueError(f"{part[:60]!r} is no condition; {_GRAMMAR}")
    operator, value = Operator(match["operator"]), match["value"]
    if (operator in VALUELESS) != (value.strip() == ""):
        raise ValueError(f"{part[:60]!r} {'has' if operator in VALUELESS else 'lacks'} a value; {_GRAMMAR}")
    return match["field"], operator, Template.compile(value)


def _term(field: str, operator: Operator, value: str) -> Term:
    is_plain = value.isprintable() and not value.lower().startswith("javascript:")
    if operator not in VALUELESS and not (value and is_plain):
        raise TemplateFailed(f"{field}: the value {value[:60]!r} cannot be asked for: empty, of several lines, or code")
    return Term(field=field, operator=operator, value=value)


def _folded(text: str) -> str:
    return text.strip().casefold()
