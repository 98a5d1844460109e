"""What one rendering of a template may cost: turns of loops, steps, characters; the same for the same input.

Nothing looks at a clock. A step is one call of a filter, a test, a method or a comparison, and one more for each
member of what it is given, members of members included: lists that hold each other grow without being copied.
"""

from __future__ import annotations

from collections.abc import Collection, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from reconciler.core.errors import TooMuch
from reconciler.core.expressions.filters import LONGEST_TEXT, as_text, too_long
from reconciler.core.text import clean, without_code_blocks

MOST_TURNS = 5_000
MOST_STEPS = 200_000
CHARACTERS_OF_A_STEP = 64
_NUMBERS = (int, float)
_LISTS = (list, tuple, range, set, frozenset)
_MAPS = (dict, Mapping)
_VIEWS = (KeysView, ValuesView, ItemsView)


class Budget:
    """Counts what one rendering does, and stops it when it is too much."""

    def __init__(self, *, guards_values: bool = False) -> None:
        self.guards_values = guards_values
        """no value may make or begin a ``[code]`` mark"""
        self._turns = 0
        self._steps = 0
        self._characters = 0

    def turn(self) -> None:
        """Count one turn of a loop."""
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise TooMuch(f"the template's loops take more than {MOST_TURNS} turns")

    def spend(self, *values: Any) -> None:
        """Count one step, and the size of what it looks at."""
        self._steps += size_of(values, most=MOST_STEPS)
        if self._steps > MOST_STEPS:
            raise TooMuch(f"the template takes more than {MOST_STEPS} steps")

    def whole(self, value: Any) -> Any:
        """Return what a filter returned; an iterator as a list, with each of its members counted."""
        if not isinstance(value, Iterator):
            return value
        members = []
        for member in value:
            self.spend()
            members.append(member)
        return members

    def print(self, value: Any) -> str:
        """Print one value and count its characters."""
        self.spend(value)
        text = as_text(value)
        self._characters += len(text)
        if self._characters > 2 * LONGEST_TEXT:
            raise too_long()
        return without_code_blocks(clean(text), more_follows=True) if self.guards_values else text


def size_of(value: Any, *, most: int) -> int:
    """Count the members of a value and of its members, texts by their length; stop at a number above ``most``."""
    size, waiting = 0, [value]
    while waiting and size <= most:
        one = waiting.pop()
        if isinstance(one, str):
            size += 1 + len(one) // CHARACTERS_OF_A_STEP
            continue
        inside = _members(one)
        size += 1 + len(inside)
        if inside and size <= most:
            waiting.extend(inside)
    return size


def _members(value: Any) -> Collection[Any]:
    # In the order of what is met most often: whether something is a mapping takes long to find out.
    if isinstance(value, _LISTS):
        return value
    if isinstance(value, _NUMBERS):
        return ()
    if isinstance(value, _MAPS):
        return value.values()
    return value if isinstance(value, _VIEWS) else ()
