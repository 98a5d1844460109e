"""What Tera's operators, tests and filters mean, as plain functions of values.

Source: the grammar and renderer of Tera 1, and Coralogix's page on condition templating. What Tera calls an error
raises Undecided here; whoever evaluates a condition makes "false" of it. A LabelValue fits when one of its values does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.core.expressions.label_values import LabelValue
from reconciler.core.expressions.patterns import rust_pattern

MOST_COMPARED = 1_000_000
"""How many pairs of values one test may look at, where two labels repeat."""


class Undecided(ValueError):
    """Why an expression has no answer: a missing value, or an operation that its values do not allow."""


def is_number(value: object) -> bool:
    """Return whether a value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def truthy(value: object) -> bool:
    """Return whether ``and``, ``or`` and ``not`` count a value as true: not false, zero or empty."""
    if isinstance(value, LabelValue):
        return any(value)
    return bool(value)


def comparable(left: object, right: object) -> bool:
    """Return whether ``==`` and ``!=`` mean anything: between a number and another kind both are false."""
    return is_number(left) == is_number(right)


def equal(left: object, right: object) -> bool:
    """Return whether two values are the same; a truth value equals no number."""
    if isinstance(left, LabelValue) and isinstance(right, LabelValue):
        return not set(left).isdisjoint(right)
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return left == right


def ordered(left: object, right: object) -> tuple[float, float]:
    """Return two numbers to be ordered; raise Undecided for anything else."""
    if not (is_number(left) and is_number(right)):
        raise Undecided("<, <=, > and >= compare numbers only")
    return left, right  # type: ignore[return-value]  # is_number has just said so


def texts(value: object) -> tuple[str, ...]:
    """Return the texts that a test looks at; raise Undecided for what is no text."""
    if isinstance(value, LabelValue):
        return tuple(value)
    if isinstance(value, str):
        return (value,)
    raise Undecided("a test on text met something that is no text")


def contains(container: object, item: object) -> bool:
    """Look for a text in a text, a value in a list, a key in a map; raise Undecided for other kinds."""
    wanted = item if isinstance(item, LabelValue) else (item,)
    if isinstance(container, str | LabelValue):
        sought = [text for one in wanted for text in texts(one)]
        _bounded(len(texts(container)) * len(sought))
        return any(text in each for each in texts(container) for text in sought)
    if isinstance(container, Mapping):
        return any(key in container for one in wanted for key in texts(one))
    if isinstance(container, Sequence):
        _bounded(len(container) * len(wanted))
        return any(equal(one, each) for each in container for one in wanted)
    raise Undecided("only a text, a list or a map can contain something")


def _bounded(pairs: int) -> None:
    if pairs > MOST_COMPARED:
        raise Undecided(f"{pairs} pairs of values are more than a test compares")


def starting_with(value: object, prefix: object) -> bool:
    """Test the beginning of a text, case-sensitive."""
    return any(text.startswith(texts(prefix)) for text in texts(value))


def ending_with(value: object, suffix: object) -> bool:
    """Test the end of a text, case-sensitive."""
    return any(text.endswith(texts(suffix)) for text in texts(value))


def matching(value: object, pattern: object) -> bool:
    """Search a text for a regular expression, anywhere unless it is anchored."""
    (source,) = texts(pattern)[:1] or ("",)
    try:
        expression = rust_pattern(source)
    except ValueError as error:
        raise Undecided(str(error)) from error
    return any(expression.found_in(text) for text in texts(value))


def each_text(change: Callable[[str], str]) -> Callable[[object], object]:
    """Make a filter of a function on text; a label has each of its values changed."""

    def changed(value: object) -> object:
        if isinstance(value, LabelValue):
            return LabelValue(change(text) for text in value)
        return change(texts(value)[0])

    return changed


def length(value: object) -> int:
    """Count the characters of a text, the members of a list or map, the values of a label."""
    if isinstance(value, str | Sequence | Mapping):
        return len(value)
    raise Undecided("length counts a text, a list or a map")


def member(value: object, index: int) -> Any:
    """Return one member of a list; raise Undecided when it has none there."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise Undecided("first and last want a list")
    if not value:
        raise Undecided("the list is empty")
    return value[index]


TESTS: dict[str, Callable[[object, object], bool]] = {
    "starting_with": starting_with,
    "ending_with": ending_with,
    "containing": contains,
    "matching": matching,
}
"""The tests of one argument; ``defined`` and ``undefined`` are not here, for they never look at a value."""

FILTERS: dict[str, Callable[[object], object]] = {
    "lower": each_text(str.lower),
    "upper": each_text(str.upper),
    "trim": each_text(str.strip),
    "length": length,
    "first": lambda value: member(value, 0),
    "last": lambda value: member(value, -1),
}
"""The filters without argument; ``default`` is not here, for it serves where there is no value."""
