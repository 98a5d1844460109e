"""Conditions of routes and policies: one Tera expression, checked and compiled once, true or false for a Case.

Jinja2 reads the expression; what it means is Tera's and comes from ``tera``, so nothing of Jinja2's own evaluation,
and no attribute of any Python object, is within reach. A name that nothing can have, and a word that a status,
priority or category never is, are refused when the condition is compiled.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from reconciler.core.expressions.compiler import Evaluate, build
from reconciler.core.expressions.tera import Undecided

LONGEST_CONDITION = 2000
ALWAYS = "true"
_READER = Environment(autoescape=True)
_TEXT_LITERAL = re.compile(r'"[^"]*"|\'[^\']*\'|`[^`]*`')


@dataclass(frozen=True)
class Condition:
    """One condition; make it with ``compile``. Two conditions are equal when their sources are."""

    source: str
    names: frozenset[str] = field(repr=False, compare=False)
    """what it looks at, as ``root.name``, e.g. ``incident.close_code``"""
    doubts: tuple[str, ...] = field(repr=False, compare=False)
    """what in it can never be true, in words; it is no error"""
    _run: Evaluate = field(repr=False, compare=False)

    @classmethod
    def compile(cls, source: str, roots: Sequence[str] = ("case",)) -> Condition:
        """Compile a condition over the given roots; an empty one is always true, as it is for Coralogix.

        Raises ValueError with one sentence: not understood, too long, an unknown name, a word that is never true.
        """
        built = build(_read(source), roots)
        return cls(source, frozenset(built.names), tuple(built.doubts), built.run)

    def holds(self, context: Mapping[str, Any]) -> bool:
        """Return whether the condition is true; a missing value, or any result but true, makes it false."""
        try:
            return self._run(context) is True
        except Undecided:
            return False

    def why_not(self, context: Mapping[str, Any]) -> str:
        """Say in words why the condition does not hold; empty when it does."""
        try:
            result = self._run(context)
        except Undecided as error:
            return str(error)
        if isinstance(result, bool):
            return "" if result else "it is false"
        return "it gives a value that is neither true nor false"


def _read(source: str) -> nodes.Expr:
    if len(source) > LONGEST_CONDITION:
        raise ValueError(f"the condition has {len(source)} characters, more than {LONGEST_CONDITION}")
    if "{{" in source or "{%" in source:
        raise ValueError("write the condition alone, without {{ }}")
    try:
        parser = Parser(_READER, _TEXT_LITERAL.sub(_jinja_text, source.strip() or ALWAYS), state="variable")
        expression = parser.parse_expression()
    except TemplateSyntaxError as error:
        raise ValueError(f"the condition is not understood: {error.message}") from error
    except RecursionError as error:
        raise ValueError("the condition is nested too deeply") from error
    if not parser.stream.eos:
        raise ValueError(f"the condition is not understood from {parser.stream.current.value!r} on")
    return expression


def _jinja_text(literal: re.Match[str]) -> str:
    """Write a text of Tera, which has no escapes, as one of Jinja2, which has."""
    text = literal.group()[1:-1].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
