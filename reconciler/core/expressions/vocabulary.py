"""The check of the words that a condition compares a status, priority or category with.

A word that the value can never be is a mistake in the config, most often a word that Notification Center uses for
something else: its ``OPEN`` is our ``ACTIVE``, its ``CLOSED`` covers ``RESOLVED``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from jinja2 import nodes

from reconciler.core.expressions.names import STATUS_WORDS, find_name
from reconciler.core.expressions.patterns import rust_pattern

_CHANGES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "trim": str.strip}
_FITS: Mapping[str, Callable[[str, str], bool]] = {
    "starting_with": str.startswith,
    "ending_with": str.endswith,
    "containing": str.__contains__,
}


def path_of(node: nodes.Node) -> list[str | int] | None:
    """Give a path of constant steps; None for anything else."""
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
        change = _CHANGES.get(node.name)
        known = words_of(node.node, roots)
        return tuple(change(word) for word in known) if change else known if node.name == "default" else ()
    path = path_of(node)
    name = find_name(path, roots) if path else None
    return name.words if name else ()


def check_comparison(node: nodes.Compare, roots: Sequence[str]) -> None:
    """Raise ValueError when ``==``, ``!=`` or ``in`` compares with a word that is never there."""
    left, operand = node.expr, node.ops[0]
    if operand.op in {"eq", "ne"}:
        for subject, literal in ((left, operand.expr), (operand.expr, left)):
            words = words_of(subject, roots)
            if words and isinstance(literal, nodes.Const):
                _refuse_closed(words, literal.value)
                _check_word(words, literal.value)
    elif operand.op in {"in", "notin"}:
        _check_membership(left, operand.expr, roots)


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
    if node.name == "matching" and isinstance(node.args[0], nodes.Const):
        rust_pattern(str(node.args[0].value))
    if isinstance(node.args[0], nodes.Const):
        _check_fits(node.name, words_of(node.node, roots), node.args[0].value)


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
    if words == STATUS_WORDS and word == "OPEN":
        return '"OPEN" is a word of Notification Center: write "ACTIVE" for an open Case'
    near = get_close_matches(str(word).upper(), words, 1, 0.6)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{word!r} is never there: it is one of {', '.join(words)}{hint}"
