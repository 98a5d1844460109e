"""Conditions of routes and policies: one Tera expression, checked and compiled once, true or false for a Case.

Jinja2 reads the expression; what it means is Tera's and comes from ``tera``, so nothing of Jinja2's own evaluation,
and no attribute of any Python object, is within reach. A name that nothing can have, and a word that a status,
priority or category never is, are refused when the condition is compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.core.expressions.tera import Undecided

if TYPE_CHECKING:
    from reconciler.core.expressions.compiler import Evaluate

LONGEST_CONDITION = 2000
ALWAYS = "true"


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
        if source.strip() in {"", ALWAYS}:  # what most routes have needs no Jinja2
            return cls(source, frozenset(), (), lambda _: True)
        if len(source) > LONGEST_CONDITION:
            raise ValueError(f"the condition has {len(source)} characters, more than {LONGEST_CONDITION}")
        from reconciler.core.expressions.compiler import build  # noqa: PLC0415 - loads Jinja2

        built = build(source, roots)
        return cls(source, frozenset(built.names), tuple(built.doubts), built.run)

    @property
    def is_always(self) -> bool:
        """Return whether it is true whatever it is shown, as most are."""
        return self.source.strip() in {"", ALWAYS}

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
