"""The environment in which templates are compiled and run: Jinja2's sandbox, with less in it and limits around it.

What is taken out could reach outside a template or make an endless one: other templates, macros, recursion, powers,
filling and formatting of text. What is left is counted: the turns of all loops, the characters of all output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from reconciler.core.expressions import filters, tera
from reconciler.core.expressions.filters import LONGEST_TEXT, TemplateFailed, as_text, without_code_blocks

MOST_TURNS = 5_000
BUDGET = "_budget"
_ASKED_BY_JINJA = frozenset({"unsafe_callable", "alters_data"})
_COUNTED = "_counted"
_KEPT_FILTERS = (
    "lower",
    "upper",
    "trim",
    "length",
    "count",
    "first",
    "last",
    "title",
    "capitalize",
    "int",
    "float",
    "round",
    "abs",
    "sort",
    "unique",
    "reverse",
    "list",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "sum",
    "min",
    "max",
    "dictsort",
    "items",
)
_TEXT_METHODS = frozenset({"startswith", "endswith", "split", "rsplit", "strip", "lower", "upper"})
_MAP_METHODS = frozenset({"items", "keys", "values", "get"})
_REFUSED: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.AssignBlock: "set … endset",
    nodes.Pow: "**",
    nodes.Mod: "%",
}


class UndefinedName(StrictUndefined):
    """Stand for a value that a Case does not have: any use of it fails, naming it, but ``default`` and tests.

    What is asked of a missing value is missing too, so that ``a.b.c | default("")`` works where ``a.b`` is missing.
    """

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        words = f"{self._undefined_name} has no value here; give it one with default(…)"
        return self._undefined_hint or words

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in _ASKED_BY_JINJA:
            raise AttributeError(name)
        return UndefinedName(obj=self._undefined_obj, name=f"{self._undefined_name}.{name}")

    def __getitem__(self, key: Any) -> Any:
        return UndefinedName(obj=self._undefined_obj, name=f"{self._undefined_name}[{key!r}]")


class Budget:
    """Count what one rendering does, and stop it when it is too much."""

    def __init__(self, *, journal: bool) -> None:
        self.journal = journal
        """the text is for a journal field, where ``[code]`` would be HTML"""
        self._turns = 0
        self._characters = 0

    def turn(self) -> None:
        """Count one turn of a loop."""
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise TemplateFailed(f"the template's loops take more than {MOST_TURNS} turns")

    def print(self, value: Any) -> str:
        """Print one value and count its characters."""
        text = as_text(value)
        self._characters += len(text)
        if self._characters > 2 * LONGEST_TEXT:
            raise TemplateFailed(f"the template gives more than {LONGEST_TEXT} characters")
        return without_code_blocks(text) if self.journal else text


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """Compile templates in which values are only ever values."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Prefer what a map holds to its methods, so that a label may be called ``items``."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self._of_map(obj, attribute)
        return super().getattr(obj, attribute)

    def _of_map(self, obj: Mapping[str, Any], attribute: str) -> Any:
        if attribute in _MAP_METHODS:
            return super().getattr(obj, attribute)
        return UndefinedName(obj=obj, name=attribute)

    def wrap_str_format(self, value: Any) -> None:  # noqa: ARG002  # the signature is Jinja2's
        """Offer no ``format`` of a text: it can fill to any length."""
        return

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow of a text's methods only those that cannot make it longer."""
        if isinstance(obj, str) and callable(value):
            return attr in _TEXT_METHODS
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Keep arithmetic to numbers that stay small, and ``+`` of texts to a length."""
        if isinstance(left, str) and isinstance(right, str) and operator == "+":
            return as_text(left + right)
        if not (tera.is_number(left) and tera.is_number(right)):
            raise TemplateFailed(f"{operator} works on two numbers, or + on two texts")
        result = super().call_binop(context, operator, left, right)
        if abs(result) > 1e15:
            raise TemplateFailed("a number grows beyond 1e15")
        return result


class _Guard(NodeTransformer):
    """Refuse what a template may not say, and put the counters in."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        word = _REFUSED.get(type(node))
        if word:
            raise ValueError(f"{word} has no place in a template (line {node.lineno})")
        return super().generic_visit(node, *args, **kwargs)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  # the name is Jinja2's
        if node.recursive:
            raise ValueError(f"a recursive loop has no place in a template (line {node.lineno})")
        node.iter = nodes.Filter(node.iter, _COUNTED, [], [], None, None, lineno=node.lineno)
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # the name is Jinja2's
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return self.generic_visit(nodes.Filter(parts, "join", [], [], None, None, lineno=node.lineno))


def read(source: str) -> nodes.Template:
    """Read a template; raise ValueError for an unknown filter or test, which Jinja2 puts off behind an ``if``.

    Raises Jinja2's TemplateSyntaxError for what cannot be read at all.
    """
    tree = ENVIRONMENT.parse(source)
    for found in tree.find_all(nodes.Filter):
        _check_known("filter", found.name, ENVIRONMENT.filters, found.lineno)
    for tested in tree.find_all(nodes.Test):
        _check_known("test", tested.name, ENVIRONMENT.tests, tested.lineno)
    return tree


def _check_known(kind: str, name: str, known: Iterable[str], line: int) -> None:
    if name not in known:
        near = get_close_matches(name, list(known), 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no {kind} {name} (line {line}){hint}")


def guarded(tree: nodes.Template) -> nodes.Template:
    """Check a tree and put the counters in; raise ValueError for what a template may not say."""
    made: nodes.Template = _Guard().visit(tree)
    made.set_environment(ENVIRONMENT)
    return made


@pass_context
def _counted(context: Context, members: Iterable[Any]) -> Iterator[Any]:
    budget: Budget = context[BUDGET]
    for member in members:
        budget.turn()
        yield member


@pass_context
def _print(context: Context, value: Any) -> str:
    budget: Budget = context[BUDGET]
    return budget.print(value)


def _test(check: Callable[[object, object], bool]) -> Callable[[Any, Any], bool]:
    def tested(value: Any, argument: Any) -> bool:
        filters.must_be_there(value)
        return check(value, argument)

    return tested


def _environment() -> TemplateSandbox:
    made = TemplateSandbox(
        undefined=UndefinedName, finalize=_print, trim_blocks=True, lstrip_blocks=True, autoescape=False, cache_size=0
    )
    made.filters = {name: made.filters[name] for name in _KEPT_FILTERS} | dict(filters.FILTERS) | {_COUNTED: _counted}
    made.tests |= {name: _test(check) for name, check in tera.TESTS.items()}
    made.globals = {"range": made.globals["range"]}
    return made


ENVIRONMENT = _environment()
