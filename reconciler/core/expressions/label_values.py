"""Values that act as text and as more than text: a label that may have several values, a name that has parts.

Both are plain values: nothing here looks at a Case, and nothing is ever evaluated from their text.
"""

from __future__ import annotations

from typing import Self


class LabelValue(tuple[str, ...]):
    """The values of one label or grouping: text where text is asked for, a list where it is indexed.

    A label of one value behaves as that text: ``labels["routing.team"] == "sre"``. Where a label repeats, any one
    value that fits is enough: for ``==``, ``in``, and the tests on text. ``!=`` is the opposite of ``==``.
    Indexing, iterating and ``length`` see the list, as in ``_context.entityLabels["routing.team"][0]``.
    Printed, the values are joined by a comma and a blank.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Return whether one of the values is this text, or the whole list is that list."""
        if isinstance(other, str):
            return any(value == other for value in self)
        return tuple.__eq__(self, tuple(other)) if isinstance(other, list | tuple) else False

    def __ne__(self, other: object) -> bool:
        """Say the opposite of ``==``."""
        return not self == other

    def __hash__(self) -> int:
        """Hash as the list of values."""
        return tuple.__hash__(self)

    def __contains__(self, item: object) -> bool:
        """Return whether one of the values contains this text, as ``in`` does with text."""
        return isinstance(item, str) and any(item in value for value in self)

    def __str__(self) -> str:
        """Join the values for printing."""
        return ", ".join(self)


class EntityText(str):
    """An impacted entity: the text is its name, and its parts are ``name``, ``kind`` and ``detail``.

    So ``case.impacted_entities is containing("payments-api")`` works, and a template may print each part.
    """

    __slots__ = ("detail", "kind")

    def __new__(cls, name: str, *, kind: str, detail: str) -> Self:
        """Make the text from the name and keep the other parts beside it."""
        made = super().__new__(cls, name)
        made.kind = kind
        made.detail = detail
        return made

    kind: str
    """``service`` or ``database``"""
    detail: str
    """the service's language or the database's system"""

    @property
    def name(self) -> str:
        """Return the plain name."""
        return str(self)

    def part(self, name: str) -> str | None:
        """Return one part by name; None when there is none of that name."""
        return {"name": str(self), "kind": self.kind, "detail": self.detail}.get(name)
