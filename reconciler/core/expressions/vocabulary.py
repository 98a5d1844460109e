"""The check of what a condition compares: words that a value never is, and kinds that are never equal.

A word that the value can never be is a mistake in the config, most often a word that Notification Center uses for
something else: its ``OPEN`` is our ``ACTIVE``, its ``CLOSED`` covers ``RESOLVED``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from jinja2 import nodes

from reconciler.core.expressions import tera
from reconciler.core.expressions.names import RESOLVER_KINDS, RESOLVER_WORDS, STATUS_WORDS, find_name, roots_with_twins
from reconciler.core.expressions.patterns import rust_pattern

_CHANGES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "trim": str.strip}
_FITS: Mapping[str, Callable[[str, str], bool]] = {
    "starting_with": str.startswith,
    "ending_with": str.endswith,
    "containing": str.__contains__,
    "matching": lambda word, pattern: rust_pattern(pattern).found_in(word),
}
_ORDERS = frozenset({"gt", "gteq", "lt", "lteq"})


def path_of(node: nodes.Node) -> list[str | int] | None:
    """Return a path of constant steps; None for anything else."""
    match node:
        case nodes.Name(name=name):
            return [name]
        case nodes.Getattr(node=inner, attr=attr):
            before = path_of(inner)
            return None if before is None else [*before, attr]
        case nodes.Getitem(node=inner, arg=nodes.Const(value=str() | int() as key)):
            before = path_of(inner)
            return None if before is None else [*before, key]
    return None


def words_of(node: nodes.Node, roots: Sequence[str]) -> tuple[str, ...]:
    """List every value that an expression can have; empty where that is not known."""
    if isinstance(node, nodes.Filter) and node.node is not None:
        known = words_of(node.node, roots)
        if node.name == "default":
            return _or_fallback(known, node, roots)
        change = _CHANGES.get(node.name)
        return tuple(change(word) for word in known) if change else ()
    path = path_of(node)
    name = find_name(path, roots) if path and path[0] in roots_with_twins(roots) else None
    return name.words if name else ()


def _or_fallback(known: tuple[str, ...], node: nodes.Filter, roots: Sequence[str]) -> tuple[str, ...]:
    """Add what ``default`` gives for a missing value to the values that are known; empty where either is not known."""
    for given in [*node.args, *(kwarg.value for kwarg in node.kwargs)]:
        match given:
            case nodes.Const(value=str() as word):
                fallback: tuple[str, ...] = (word,)
            case _:
                fallback = words_of(given, roots)
        known = tuple(dict.fromkeys((*known, *fallback))) if known and fallback else ()
    return known


def check_comparison(node: nodes.Compare, roots: Sequence[str]) -> None:
    """Raise ValueError when ``==``, ``!=`` or ``in`` compares with a word that is never there."""
    left, operand = node.expr, node.ops[0]
    if operand.op in {"eq", "ne"}:
        for subject, literal in _both_ways(left, operand.expr):
            words = words_of(subject, roots)
            if words and isinstance(literal, nodes.Const):
                _refuse_closed(words, literal.value)
                _check_word(words, literal.value)
    elif operand.op in {"in", "notin"}:
        _check_membership(left, operand.expr, roots)


def never_true(node: nodes.Compare, roots: Sequence[str]) -> list[str]:
    """Say in words why a comparison can never be true, whatever the Case and the record; nothing where it can.

    Every value that has a name is a text, a list or a map: times and numbers are text too.
    """
    left, right, operator = node.expr, node.ops[0].expr, node.ops[0].op
    if operator in _ORDERS and not (_is_number(left) and _is_number(right)):
        return ["<, <=, > and >= compare numbers, such as a length; times and columns are text, so this is never true"]
    if operator in {"eq", "ne"} and _is_number(left) != _is_number(right):
        return ["a number equals no text, so this is never true: write the number in quotes"]
    if operator == "eq" and any(_is_empty(one) and _is_text(other, roots) for one, other in _both_ways(left, right)):
        return ["what is empty has no value, so this is never true: write is undefined"]
    numbers = isinstance(right, nodes.List) and right.items and all(_is_number(item) for item in right.items)
    if operator == "in" and numbers and not _is_number(left):
        return ["a number equals no text, so this is never true: write the numbers in quotes"]
    return []


def never_found(node: nodes.Test) -> list[str]:
    """Say in words why a test can never be true: it looks for a number, and no value is one; nothing where it can."""
    number = _is_number(node.args[0])
    return ["a test looks for a text, so with a number it is never true: write it in quotes"] if number else []


def stands_alone(node: nodes.Expr) -> list[str]:
    """Say in words why a whole condition can never be true: it is a value, as ``case.title``; nothing where it can."""
    match node:
        case nodes.Const(value=bool()) | nodes.Filter(name="default"):
            return []
        case nodes.Const() | nodes.Neg() | nodes.List() | nodes.Filter():
            return ["a value is neither true nor false, so this is never true: compare it"]
        case nodes.Name() | nodes.Getattr() | nodes.Getitem():
            return ["a value is neither true nor false, so this is never true: compare it, or write is defined"]
    return []


def _both_ways(left: nodes.Expr, right: nodes.Expr) -> tuple[tuple[nodes.Expr, nodes.Expr], ...]:
    return (left, right), (right, left)


def _is_empty(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const) and node.value == ""


def _is_text(node: nodes.Expr, roots: Sequence[str]) -> bool:
    """Return whether a node is the name of one text: not a label, one of whose values may be empty, nor a filter."""
    path = path_of(node)
    if path is None or path[0] not in roots_with_twins(roots):
        return False
    name = find_name(path, roots)
    return name is None or name.each is None  # None: a column of the instance's own


def _is_number(node: nodes.Expr) -> bool:
    match node:
        case nodes.Const(value=value):
            return tera.is_number(value)
        case nodes.Filter(name="default", node=nodes.Expr() as inner, args=args, kwargs=kwargs):
            return _is_number(inner) or any(_is_number(one) for one in [*args, *(kwarg.value for kwarg in kwargs)])
    return isinstance(node, nodes.Neg) or (isinstance(node, nodes.Filter) and node.name == "length")


def _check_membership(item: nodes.Expr, container: nodes.Expr, roots: Sequence[str]) -> None:
    if isinstance(container, nodes.List):
        words = words_of(item, roots)
        for member in container.items:
            if words and isinstance(member, nodes.Const):
                _check_word(words, member.value)
    elif isinstance(item, nodes.Const):
        _check_fits("containing", words_of(container, roots), item.value)


def check_test(node: nodes.Test, roots: Sequence[str]) -> None:
    """Raise ValueError when a test looks for a text that no possible value has, or its pattern cannot be used."""
    sought = node.args[0]
    if isinstance(sought, nodes.Const):
        if node.name == "matching":
            rust_pattern(str(sought.value))
        _check_fits(node.name, words_of(node.node, roots), sought.value)


def _check_fits(test: str, words: tuple[str, ...], sought: object) -> None:
    fits = _FITS.get(test)
    if words and fits and isinstance(sought, str) and not any(fits(word, sought) for word in words):
        raise ValueError(_never(sought, words))


def _check_word(words: tuple[str, ...], word: object) -> None:
    if word not in words:
        raise ValueError(_never(word, words))


def _refuse_closed(words: tuple[str, ...], word: object) -> None:
    if words == STATUS_WORDS and word == "CLOSED":
        raise ValueError(
            '"CLOSED" means resolved or closed in Notification Center: write case.status == "RESOLVED" for resolved, '
            'case.status in ["RESOLVED", "CLOSED"] for both, or case.status in ["CLOSED"] for closed alone'
        )


def _never(word: object, words: tuple[str, ...]) -> str:
    if words == RESOLVER_KINDS and word in RESOLVER_WORDS:
        return f"{word!r} is a word of case.resolved_by; this name is one of {', '.join(words)}"
    if words == RESOLVER_WORDS and word in RESOLVER_KINDS:
        return f"{word!r} is a word of case.resolution_details.resolved_by; this name is one of {', '.join(words)}"
    if words == STATUS_WORDS and word == "OPEN":
        return '"OPEN" is a word of Notification Center: write "ACTIVE" for an open Case'
    by_upper = {one.upper(): one for one in words}
    near = [by_upper[close] for close in get_close_matches(str(word).upper(), by_upper, 1, 0.6)]
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{word!r} is never there: it is one of {', '.join(words)}{hint}"
