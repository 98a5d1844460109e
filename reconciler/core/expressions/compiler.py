"""The compiler of conditions: a syntax tree becomes functions of the context that mean what Tera means.

Every node that Tera has no use for is refused. Names and words are checked against ``names`` on the way. A function
gives a value or raises Undecided; where Tera takes a missing value for false, that is done here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

from reconciler.core.expressions import tera
from reconciler.core.expressions.label_values import EntityText
from reconciler.core.expressions.names import ANY_KEY, find_name
from reconciler.core.expressions.tera import Undecided
from reconciler.core.expressions.vocabulary import check_comparison, check_test, never_found, never_true, stands_alone

Evaluate = Callable[[Mapping[str, Any]], Any]
"""Return the value of an expression in a context; raise Undecided where it has none."""

DEEPEST = 120
_READER = Environment(autoescape=True)
_TEXT_LITERAL = re.compile(r'"[^"]*"|\'[^\']*\'|`[^`]*`')
_MISSING = object()
_PLAIN_WORDS: Mapping[type[nodes.Node], str] = {
    nodes.Const: "none",
    nodes.Call: "a function call",
    nodes.CondExpr: "an if … else",
    nodes.Concat: "joining texts with ~",
    nodes.Dict: "a map",
    nodes.Tuple: "a list in round brackets",
    nodes.Slice: "a slice",
}


@dataclass(kw_only=True)
class Built:
    """A compiled expression and the names that it looks at."""

    run: Evaluate
    names: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    """what can never be true, each in words"""


def build(source: str, roots: Sequence[str]) -> Built:
    """Compile an expression; raise ValueError with one sentence for what a condition cannot say."""
    expression = _read(source)
    if _depth(expression) > DEEPEST:
        raise ValueError(f"the condition is nested more than {DEEPEST} deep")
    compiler = _Compiler(roots)
    run = compiler.value(expression)
    return Built(run=run, names=compiler.names, doubts=[*compiler.doubts, *stands_alone(expression)])


def _read(source: str) -> nodes.Expr:
    if "{{" in source or "{%" in source:
        raise ValueError("write the condition alone, without {{ }}")
    try:
        parser = Parser(_READER, _TEXT_LITERAL.sub(_jinja_text, source.strip()), state="variable")
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


def _depth(expression: nodes.Node) -> int:
    """Measure without recursion how deep a tree is, so that what follows can recurse."""
    deepest, level = 0, [expression]
    while level:
        deepest, level = deepest + 1, [child for node in level for child in node.iter_child_nodes()]
    return deepest


@dataclass
class _Compiler:
    """Turns nodes into functions, and remembers the names that it met."""

    roots: Sequence[str]
    names: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)

    def value(self, node: nodes.Node) -> Evaluate:
        """Compile what has a value; a missing one raises Undecided when it is evaluated."""
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                return self._path(node)
            case nodes.Filter():
                return self._filter(node)
            case nodes.And() | nodes.Or() | nodes.Not() | nodes.Compare() | nodes.Test():
                return self.truth(node)
        return self._literal(node)

    def _literal(self, node: nodes.Node) -> Evaluate:
        match node:
            case nodes.Const(value=str() | int() | float() as constant):
                return lambda _: constant
            case nodes.Neg(node=nodes.Const(value=int() | float() as number)):
                return lambda _: -number
            case nodes.List(items=items):
                members = [self.value(item) for item in items]
                return lambda context: [member(context) for member in members]
        raise ValueError(f"{_PLAIN_WORDS.get(type(node), 'arithmetic')} has no place in a condition")

    def truth(self, node: nodes.Node) -> Evaluate:
        """Compile what is true or false; a missing value that stands alone is false."""
        match node:
            case nodes.And() | nodes.Or():
                return self._both(node)
            # Not the opposite of its comparison: between two kinds both are false.
            case nodes.Not(node=nodes.Compare(ops=[nodes.Operand(op="eq" | "ne")]) as comparison):
                return self._compare(comparison, negated=True)
            case nodes.Not(node=negated):
                inner = self.truth(negated)
                return lambda context: not inner(context)
            case nodes.Compare():
                return self._compare(node)
            case nodes.Test():
                return self._test(node)
        return _truthy(self.value(node))

    def _both(self, node: nodes.And | nodes.Or) -> Evaluate:
        first, second = self.truth(node.left), self.truth(node.right)
        if isinstance(node, nodes.And):
            return lambda context: first(context) and second(context)
        return lambda context: first(context) or second(context)

    def _path(self, node: nodes.Expr) -> Evaluate:
        known, keys = self._steps(node)
        find_name(known, self.roots)
        self.names.add(".".join(str(step) for step in known[:2]))
        shown = _shown(known)
        root, rest = str(known[0]), keys[1:]

        def look_up(context: Mapping[str, Any]) -> Any:
            found = context.get(root, _MISSING)
            for key in rest:
                found = _step(found, key(context) if callable(key) else key)
                if found is _MISSING:
                    raise Undecided(f"{shown} has no value here")
            if found is _MISSING or (isinstance(found, str) and not found):
                raise Undecided(f"{shown} has no value here")
            return found

        return look_up

    def _steps(self, node: nodes.Node) -> tuple[list[str | int], list[Any]]:
        """Return a path in two forms: as far as it is known now, and with functions for keys to be computed."""
        match node:
            case nodes.Name(name=name):
                return [name], [name]
            case nodes.Getattr(node=inner, attr=attr):
                known, keys = self._steps(inner)
                return [*known, attr], [*keys, attr]
            case nodes.Getitem(node=inner, arg=nodes.Const(value=str() | int() as key)):
                known, keys = self._steps(inner)
                return [*known, key], [*keys, key]
            case nodes.Getitem(node=inner, arg=nodes.Name() | nodes.Getattr() | nodes.Getitem() as arg):
                known, keys = self._steps(inner)
                return [*known, ANY_KEY], [*keys, self.value(arg)]
        raise ValueError('a name is followed by .part, [index] or ["key"] only')

    def _filter(self, node: nodes.Filter) -> Evaluate:
        if node.node is None:
            raise ValueError(f"the filter {node.name} has nothing before it")
        inner = self.value(node.node)
        if node.name == "default":
            return _or_default(inner, self.value(_default_argument(node)))
        change = tera.FILTERS.get(node.name)
        if change is None:
            raise ValueError(f"there is no filter {node.name}; there are default, {', '.join(tera.FILTERS)}")
        if node.args or node.kwargs:
            raise ValueError(f"the filter {node.name} has no arguments")
        return lambda context: change(inner(context))

    def _compare(self, node: nodes.Compare, *, negated: bool = False) -> Evaluate:
        if len(node.ops) != 1:
            raise ValueError("comparisons are not chained: write them with and")
        check_comparison(node, self.roots)
        self.doubts += never_true(node, self.roots)
        left, right = self.value(node.expr), self.value(node.ops[0].expr)
        match node.ops[0].op:
            case "eq":
                return _equality(left, right, wanted=not negated)
            case "ne":
                return _equality(left, right, wanted=negated)
            case "in":
                return lambda context: _is_in(left(context), right(context))
            case "notin":
                return lambda context: not _is_in(left(context), right(context))
            case operator:
                return _order(left, right, operator)

    def _test(self, node: nodes.Test) -> Evaluate:
        subject = self.value(node.node)
        if node.name in {"defined", "undefined"}:
            if node.args or node.kwargs:
                raise ValueError(f"is {node.name} has no arguments")
            return _is_there(subject, wanted=node.name == "defined")
        test = tera.TESTS.get(node.name)
        if test is None:
            raise ValueError(f"there is no test {node.name}; there are defined, undefined, {', '.join(tera.TESTS)}")
        if len(node.args) != 1 or node.kwargs:
            raise ValueError(f"is {node.name}(…) wants one argument")
        check_test(node, self.roots)
        self.doubts += never_found(node)
        argument = self.value(node.args[0])
        return lambda context: test(subject(context), argument(context))


def _step(found: Any, key: Any) -> Any:
    """Go one step down a path; nothing but maps, lists and the parts of an entity has any."""
    if isinstance(found, Mapping):
        return found.get(key, _MISSING) if isinstance(key, str) else _MISSING
    if isinstance(found, EntityText):
        part = found.part(key) if isinstance(key, str) else None
        return _MISSING if part is None else part
    if isinstance(found, list | tuple) and isinstance(key, int):
        return found[key] if 0 <= key < len(found) else _MISSING
    return _MISSING


def _shown(path: Sequence[str | int]) -> str:
    first, *rest = path
    return str(first) + "".join(f'["{key}"]' if "." in str(key) else f".{key}" for key in rest)


def _truthy(value: Evaluate) -> Evaluate:
    def stands(context: Mapping[str, Any]) -> bool:
        try:
            return tera.truthy(value(context))
        except Undecided:
            return False

    return stands


def _is_there(value: Evaluate, *, wanted: bool) -> Evaluate:
    def found(context: Mapping[str, Any]) -> bool:
        try:
            value(context)
        except Undecided:
            return not wanted
        return wanted

    return found


def _or_default(value: Evaluate, fallback: Evaluate) -> Evaluate:
    def either(context: Mapping[str, Any]) -> Any:
        try:
            return value(context)
        except Undecided:
            return fallback(context)

    return either


def _default_argument(node: nodes.Filter) -> nodes.Expr:
    if len(node.args) == 1 and not node.kwargs:
        return node.args[0]
    if not node.args and [kwarg.key for kwarg in node.kwargs] == ["value"]:
        return node.kwargs[0].value
    raise ValueError("default wants one argument: default(value=…)")


def _equality(left: Evaluate, right: Evaluate, *, wanted: bool) -> Evaluate:
    """Compare; between a number and another kind the answer is false, whatever is wanted, even under ``not``."""

    def compared(context: Mapping[str, Any]) -> bool:
        first, second = left(context), right(context)
        return tera.comparable(first, second) and tera.equal(first, second) is wanted

    return compared


def _is_in(item: Any, container: Any) -> bool:
    return tera.contains(container, item)


_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "gt": lambda left, right: left > right,
    "gteq": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "lteq": lambda left, right: left <= right,
}


def _order(left: Evaluate, right: Evaluate, operator: str) -> Evaluate:
    compare = _ORDER[operator]
    return lambda context: compare(*tera.ordered(left(context), right(context)))
