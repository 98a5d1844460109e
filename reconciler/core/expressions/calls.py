"""The check of how a template calls filters and tests, so that a call that never works is told when the config is read.

What a call gives is held against the function's own signature. Where all of it is constant, the function is also tried
with a value that it takes, so that what fails can only be what it was given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import NoneType
from typing import Any, cast

from jinja2 import nodes

from reconciler.core.expressions import filters, tera
from reconciler.core.expressions.patterns import rust_pattern
from reconciler.core.frozen import dataclass

Functions = Mapping[str, Any]
"""Filters, or tests, by their names."""

_TAKEN: Mapping[str, Any] = {
    "cut": "text",
    "date": "2026-01-01T00:00:00Z",
    "ending_with": "text",
    "float": "no number",
    "int": "no number",
    "join": ["text"],
    "join_labels": {"label": "text"},
    "lines": ["text"],
    "matching": "text",
    "replace": "text",
    "round": 1.5,
    "starting_with": "text",
    "sum": [1],
    "trim": "text",
}
"""A value that each takes; where it may have a fallback, one that makes it use that."""
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a text"),
    "str | None": ((str, NoneType), "a text"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "Mapping[str, Any]": ((dict,), "a map"),
}
"""By the annotation of a parameter: what it can be, and that in words."""
_GIVEN_A_TEST: Mapping[str, int] = {"select": 0, "reject": 0, "selectattr": 1, "rejectattr": 1}
"""The filters that are given the name of a test, and at which place."""
_NEEDS: Mapping[str, str] = {
    "map": "the name of a filter, or attribute=…",
    "selectattr": "the name of an attribute",
    "rejectattr": "the name of an attribute",
}
"""What a filter of Jinja2's must be given, though its signature does not say so."""


class _NotConstantError(Exception):
    """An argument has its value only when the template is rendered."""


@dataclass(frozen=True, kw_only=True)
class _Call:
    """One call of a filter or test, be it by name through another: ``map("cut", 9)``."""

    kind: str
    name: str
    args: Sequence[nodes.Expr]
    kwargs: Sequence[nodes.Keyword]
    line: int
    is_open: bool
    """it is given more than can be seen: ``cut(*these)``"""


def check_calls(tree: nodes.Template, *, known_filters: Functions, known_tests: Functions) -> None:
    """Raise ValueError for a filter or test that there is not, and for a call of one that works for no value."""
    known = {"filter": known_filters, "test": known_tests}
    kinds: tuple[type[nodes.Filter | nodes.Test], ...] = (nodes.Filter, nodes.Test)
    for node in tree.find_all(kinds):
        for call in _calls(_call_of(node)):
            _check_known(call, known[call.kind])
            if not call.is_open:
                _check_call(call, known[call.kind][call.name])


def _call_of(node: nodes.Filter | nodes.Test) -> _Call:
    return _Call(
        kind="filter" if isinstance(node, nodes.Filter) else "test",
        name=node.name,
        args=node.args,
        kwargs=cast(Sequence[nodes.Keyword], node.kwargs),  # Jinja2 says Pair
        line=node.lineno,
        is_open=node.dyn_args is not None or node.dyn_kwargs is not None,
    )


def _calls(call: _Call) -> Iterator[_Call]:
    """Give a call, and the one that it makes by name of another filter or of a test."""
    yield call
    place = 0 if call.name == "map" else _GIVEN_A_TEST.get(call.name)
    if call.kind == "test" or place is None:
        return
    match call.args[place:]:
        case [nodes.Const(value=str() as name), *args]:
            kind = "filter" if call.name == "map" else "test"
            other = _Call(kind=kind, name=name, args=args, kwargs=call.kwargs, line=call.line, is_open=call.is_open)
            yield from _calls(other)


def _check_known(call: _Call, known: Functions) -> None:
    if call.name not in known:
        near = get_close_matches(call.name, known, 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no {call.kind} {call.name} (line {call.line}){hint}")


def _check_call(call: _Call, function: Callable[..., Any]) -> None:
    if call.name == "matching":
        _check_pattern(call.args)
    called, signature = f"the {call.kind} {call.name} (line {call.line})", _signature(function)
    given = _given(call, signature, called)
    ours = (filters.FILTERS if call.kind == "filter" else tera.TESTS).get(call.name)
    if ours:
        _check_kinds(given, signature, called)
        _try(ours, call, given, called)


def _given(call: _Call, signature: inspect.Signature, called: str) -> Mapping[str, Any]:
    """Return what is given by the names of the parameters; raise ValueError where these are others."""
    names = [one.key for one in call.kwargs]
    if len(names) > len(set(names)):
        raise ValueError(f"{called} is given one argument twice")
    if call.name in _NEEDS and not call.args and not (call.name == "map" and "attribute" in names):
        raise ValueError(f"{called} wants {_NEEDS[call.name]}")
    try:
        return signature.bind(*call.args, **{one.key: one.value for one in call.kwargs}).arguments
    except TypeError as error:
        raise ValueError(f"{called} is written {call.name}{_shown(signature)}: {error}") from error


def _check_pattern(args: Sequence[nodes.Expr]) -> None:
    match args:
        case [nodes.Const(value=pattern)]:
            rust_pattern(str(pattern))


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return what may be given to a function beside the value, and beside what Jinja2 hands to some of its own."""
    plain = inspect.unwrap(function)
    before = 2 if hasattr(plain, "jinja_pass_arg") else 1
    signature = inspect.signature(plain)
    return signature.replace(parameters=list(signature.parameters.values())[before:])


def _shown(signature: inspect.Signature) -> str:
    names = [
        one.name if one.default is one.empty else f"{one.name}={one.default!r}" for one in signature.parameters.values()
    ]
    return f"({', '.join(names)})" if names else ", without arguments"


def _check_kinds(given: Mapping[str, Any], signature: inspect.Signature, called: str) -> None:
    """Refuse what is constant and of another kind than the function takes."""
    for name, node in given.items():
        kinds, words = _KINDS.get(signature.parameters[name].annotation, ((), ""))
        try:
            constant = _constant(node)
        except _NotConstantError:
            continue
        # To Python true is a whole number.
        if kinds and (isinstance(constant, bool) or not isinstance(constant, kinds)):
            raise ValueError(f"{called} takes {words} as {name}; found {constant!r}")


def _try(function: Callable[..., Any], call: _Call, given: Mapping[str, Any], called: str) -> None:
    try:
        args = [_constant(node) for node in call.args]
        kwargs = {one.key: _constant(one.value) for one in call.kwargs}
    except _NotConstantError:
        return
    for value in _values(call.name, given):
        try:
            function(value, *args, **kwargs)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"{called} can never work: {error}") from error


def _values(name: str, given: Mapping[str, Any]) -> Sequence[Any]:
    """List the values that a function is tried with: none where it is not known which it takes."""
    if name == "map_to":
        has_default = "default" in given and _constant(given["default"]) is not None
        return [*_constant(given["table"]), *(["no entry"] if has_default else [])]
    known = name in _TAKEN and given and "attribute" not in given
    return [_TAKEN[name]] if known else []


def _constant(node: nodes.Node) -> Any:
    match node:
        case nodes.Const(value=value):
            return value
        case nodes.Neg(node=nodes.Const(value=int() | float() as number)):
            return -number
        case nodes.List(items=items) | nodes.Tuple(items=items):
            return [_constant(item) for item in items]
        case nodes.Dict(items=pairs) if all(isinstance(pair.key, nodes.Const) for pair in pairs):
            return {_constant(pair.key): _constant(pair.value) for pair in pairs}
    raise _NotConstantError
