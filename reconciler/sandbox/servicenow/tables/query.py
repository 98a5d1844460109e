"""Encoded queries: from text to a value, as ServiceNow documents the grammar.

    query := block ( ^NQ block )*  sort*          ^NQ is OR between whole blocks
    block := group ( ^ group )*
    group := condition ( ^OR condition )*         ^OR binds tighter than ^

``^^`` in a value is a caret, ``^EQ`` means nothing. A condition that cannot be understood is kept as one without an
operator; ``select`` drops it, as the service does.
Source: ``c_EncodedQueryStrings``, ``r_OpAvailableFiltersQueries``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache


class Operator(StrEnum):
    """The operators, each by its first spelling."""

    EQUALS = "="
    NOT_EQUALS = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "IN"
    NOT_IN = "NOT IN"
    CONTAINS = "LIKE"
    NOT_CONTAINS = "NOT LIKE"
    STARTS_WITH = "STARTSWITH"
    ENDS_WITH = "ENDSWITH"
    IS_EMPTY = "ISEMPTY"
    IS_NOT_EMPTY = "ISNOTEMPTY"
    ANYTHING = "ANYTHING"
    BETWEEN = "BETWEEN"
    """two values parted by ``@``, both included"""
    SAME_AS = "SAMEAS"
    """the value names another field of the row"""
    NOT_SAME_AS = "NSAMEAS"


SPELLINGS: dict[str, Operator] = {
    **{operator.value: operator for operator in Operator},
    "CONTAINS": Operator.CONTAINS,
    "*": Operator.CONTAINS,
    "NOTLIKE": Operator.NOT_CONTAINS,
    "!*": Operator.NOT_CONTAINS,
    "%": Operator.ENDS_WITH,
    "EMPTYSTRING": Operator.IS_EMPTY,
}
# Longest first: ISNOTEMPTY before ISEMPTY, NOT IN before IN, >= before >.
_CONDITION = re.compile(
    r"([a-z_][a-z0-9_.]*)(" + "|".join(re.escape(word) for word in sorted(SPELLINGS, key=len, reverse=True)) + r")(.*)",
    re.DOTALL,
)
_ESCAPED_CARET = "\0"
"""stands for ``^^`` while a query is split at its carets; no query holds it otherwise"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One thing that is asked of one field."""

    field: str
    operator: Operator | None
    """None: the text could not be understood"""
    value: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sort:
    """Order by one field."""

    field: str
    descending: bool = False


Group = tuple[Condition, ...]
"""one of these must hold"""
Block = tuple[Group, ...]
"""all of these must hold"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """One parsed query: a row matches when it satisfies one block."""

    blocks: tuple[Block, ...] = ((),)
    order: tuple[Sort, ...] = ()

    def without_conditions(self) -> Query:
        """Return the query as a server reads it that understands none of its conditions: every row, in its order."""
        return replace(self, blocks=((),))


@lru_cache(maxsize=4096)
def parse(text: str) -> Query:
    """Read one encoded query; empty text matches everything. Nothing is ever refused."""
    blocks: list[list[list[Condition]]] = [[]]
    order: list[Sort] = []
    for part in text.replace("^^", _ESCAPED_CARET).split("^"):
        word = part.replace(_ESCAPED_CARET, "^")
        if word.startswith("ORDERBY"):
            order.append(_sort(word))
        elif word.startswith("NQ"):
            blocks.append([])
            _add(blocks[-1], word[2:], alternative=False)
        elif word.startswith("OR"):
            _add(blocks[-1], word[2:], alternative=True)
        elif word not in {"", "EQ"}:
            _add(blocks[-1], word, alternative=False)
    return Query(blocks=tuple(tuple(map(tuple, block)) for block in blocks), order=tuple(order))


def _add(block: list[list[Condition]], word: str, *, alternative: bool) -> None:
    if not word:
        return
    if alternative and block:
        block[-1].append(_condition(word))
    else:
        block.append([_condition(word)])


def _condition(word: str) -> Condition:
    match = _CONDITION.match(word)
    if match is None:
        return Condition(field=word, operator=None)
    return Condition(field=match[1], operator=SPELLINGS[match[2]], value=match[3])


def _sort(word: str) -> Sort:
    if word.startswith("ORDERBYDESC"):
        return Sort(field=word.removeprefix("ORDERBYDESC"), descending=True)
    return Sort(field=word.removeprefix("ORDERBY"))
