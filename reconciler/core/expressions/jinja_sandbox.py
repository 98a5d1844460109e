"""The environment in which templates are compiled and run: Jinja2's sandbox, with less in it and limits around it.

What is taken out could reach outside a template or make an endless one: other templates, macros, recursion, powers,
filling and formatting of text. What is left is counted: the turns of all loops, the steps of all filters, tests, calls
and comparisons, the characters of all output. Nothing is computed while a template is compiled, where no one counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import jinja2
from jinja2 import StrictUndefined, meta, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from reconciler.core.errors import TemplateFailed, TooMuch, ValueMissing
from reconciler.core.expressions import filters, tera
from reconciler.core.expressions.budget import MOST_TURNS, Budget
from reconciler.core.expressions.calls import check_calls
from reconciler.core.expressions.context import example_context
from reconciler.core.expressions.filters import LARGEST_NUMBER, LONGEST_TEXT, as_text, number, too_long
from reconciler.core.expressions.names import find_name, roots_with_twins
from reconciler.core.expressions.vocabulary import check_comparison, check_test, path_of
from reconciler.core.frozen import dataclass
from reconciler.core.text import clean

BUDGET = "_budget"
MOST_BLOCKS = 15
"""Python, which Jinja2 makes of a template, has an end at 20."""
MOST_DEPTH = 300
MOST_KNOWN = 100
"""So many results a template keeps, to be given again for the same values."""
_FAILURES = (jinja2.TemplateError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError, RecursionError)
_ASKED_BY_JINJA = frozenset({"unsafe_callable", "alters_data"})
_COUNTED = "_counted"
_LOOKED_AT = "_looked_at"
_KEPT_FILTERS = (
    "length",
    "count",
    "first",
    "last",
    "sort",
    "unique",
    "reverse",
    "list",
    "map",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
    "min",
    "max",
    "dictsort",
    "items",
)
"""Those of Jinja2's own filters that are kept."""
_MEMBER_BY_MEMBER = frozenset({*_KEPT_FILTERS, "join", "lines", "sum"}) - {"length", "count", "first", "last"}
"""To these a text is a list of its characters."""
_TEXT_METHODS = frozenset({"startswith", "endswith", "split", "rsplit", "strip", "lower", "upper"})
_MAP_METHODS = frozenset({"items", "keys", "values", "get"})
_BLOCKS = (nodes.For, nodes.If, nodes.With, nodes.FilterBlock)
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
    """A value that a Case does not have: any use of it but ``default`` and tests fails with its name.

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


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """Compile templates in which values are only ever values."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

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

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Count what a method looks at: its own value and its arguments."""
        context[BUDGET].spend(getattr(obj, "__self__", None), *args, *kwargs.values())
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Keep arithmetic to numbers that stay small, and ``+`` of texts to a length."""
        if isinstance(left, str) and isinstance(right, str) and operator == "+":
            context[BUDGET].spend(left, right)
            return as_text(left + right)
        if not (tera.is_number(left) and tera.is_number(right)):
            is_repetition = operator == "*" and any(isinstance(side, str | list | tuple) for side in (left, right))
            kind = TooMuch if is_repetition else TemplateFailed
            raise kind(f"{operator} works on two numbers, or + on two texts")
        return number(super().call_binop(context, operator, number(left), number(right)))


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

    # Joined by a filter, so that its length is counted like any other's.
    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # the name is Jinja2's
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return self.generic_visit(nodes.Filter(parts, "join", [], [], None, None, lineno=node.lineno))

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802  # the name is Jinja2's
        node.expr = _looked_at_first(node.expr)
        for operand in node.ops:
            operand.expr = _looked_at_first(operand.expr)
        return self.generic_visit(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802  # the name is Jinja2's
        if isinstance(node.arg, nodes.Slice):
            node.node = _looked_at_first(node.node)
        return self.generic_visit(node)


def _looked_at_first(node: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(node, _LOOKED_AT, [], [], None, None, lineno=node.lineno)


def read(source: str) -> nodes.Template:
    """Read a template; raise ValueError for what can be seen to be wrong before it is rendered.

    That is an unknown filter or test (which Jinja2 puts off behind an ``if``), a call of one that never works, a
    pattern that cannot be matched, a number that is too large, and what is nested too deeply. Raises Jinja2's
    TemplateSyntaxError for what cannot be read at all.
    """
    try:
        tree = ENVIRONMENT.parse(source)
    except ValueError as error:
        raise ValueError("the template holds a number that is too large") from error
    _check_depth(tree)
    check_calls(tree, known_filters=_PLAIN.filters, known_tests=_PLAIN.tests)
    for constant in tree.find_all(nodes.Const):
        if tera.is_number(constant.value) and not abs(constant.value) <= LARGEST_NUMBER:
            raise ValueError(f"the template holds a number that is too large (line {constant.lineno})")
    return tree


def _check_depth(tree: nodes.Template) -> None:
    """Measure without recursion how deep a template is, so that what follows can recurse."""
    depth, level = 0, [(0, node) for node in tree.iter_child_nodes()]
    while level:
        depth += 1
        blocks, node = max(level, key=lambda each: each[0])
        if depth > MOST_DEPTH or blocks > MOST_BLOCKS:
            raise ValueError(f"the template is nested too deeply (line {node.lineno})")
        level = [
            (blocks + isinstance(node, _BLOCKS), child) for blocks, node in level for child in node.iter_child_nodes()
        ]


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


@pass_context
def _looked_at(context: Context, value: Any) -> Any:
    """Count what a comparison is about to look at."""
    context[BUDGET].spend(value)
    return value


def _test(check: Callable[[object, object], bool]) -> Callable[[Any, Any], bool]:
    def tested(value: Any, argument: Any) -> bool:
        filters.must_be_there(value)
        return check(value, argument)

    return tested


def _counting_filter(name: str) -> Callable[..., Any]:
    ours = filters.FILTERS.get(name)

    @pass_context
    def counted(context: Context, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        budget: Budget = context[BUDGET]
        characters = value if name in _MEMBER_BY_MEMBER and isinstance(value, str) else ()
        budget.spend(value, *args, *kwargs.values(), range(len(characters)))
        # Jinja2 would first look at how each is called; ours are plain functions.
        made = ours(value, *args, **kwargs) if ours else _PLAIN.call_filter(name, value, args, kwargs, context)
        return budget.whole(made)

    return counted


def _counting_test(name: str) -> Callable[..., Any]:
    @pass_context
    def counted(context: Context, value: Any, /, *args: Any, **kwargs: Any) -> Any:
        context[BUDGET].spend(value, *args, *kwargs.values())
        return _PLAIN.call_test(name, value, args, kwargs, context)

    return counted


def _range(*bounds: int) -> range:
    """Count from one number to another, as far as loops may turn."""
    members = range(*bounds)
    if members[MOST_TURNS:]:
        raise TooMuch(f"range gives more than {MOST_TURNS} numbers")
    return members


def _environment() -> TemplateSandbox:
    # Without ``optimized=False`` Jinja2 would compute what is constant while it compiles.
    return TemplateSandbox(
        undefined=UndefinedName,
        finalize=_print,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        cache_size=0,
        optimized=False,
    )


_PLAIN = _environment()
"""Has every filter and test as it is; no template is compiled with it."""
_PLAIN.filters = {name: _PLAIN.filters[name] for name in _KEPT_FILTERS} | dict(filters.FILTERS)
_PLAIN.tests |= {name: _test(check) for name, check in tera.TESTS.items()}

ENVIRONMENT = _environment()
"""Compiles and runs templates: every filter and test counts first."""
ENVIRONMENT.filters = {name: _counting_filter(name) for name in _PLAIN.filters}
ENVIRONMENT.filters |= {_COUNTED: _counted, _LOOKED_AT: _looked_at}
ENVIRONMENT.tests = {name: _counting_test(name) for name in _PLAIN.tests}
ENVIRONMENT.globals = {"range": _range}


# -- templates ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """What becomes of a template with braces."""

    names: frozenset[str]
    _template: jinja2.Template
    _looks_at: Sequence[tuple[str, str]] | None
    """root and name of all that it looks at; None where that is not known"""
    _known: dict[tuple[object, ...], str] = field(default_factory=dict)
    """what it made of values that it looked at before: of a priority there are five"""

    def render(self, context: Mapping[str, Any], budget: Budget) -> str:
        """Render it, clean and without blanks at its ends; raise TemplateFailed."""
        given = self._given(context)
        if given is None:
            return self._rendered(context, budget)
        key = (budget.guards_values, *given)
        text = self._known.get(key)
        if text is None:
            text = self._rendered(context, budget)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = text
        return text

    def _given(self, context: Mapping[str, Any]) -> list[object] | None:
        """Return all that it looks at, None for what is missing; None where something else than text is among it."""
        if self._looks_at is None:
            return None
        values = [context.get(root, {}).get(name) for root, name in self._looks_at]
        return values if all(value is None or type(value) is str for value in values) else None

    def _rendered(self, context: Mapping[str, Any], budget: Budget) -> str:
        seen = {**ENVIRONMENT.globals, **context, BUDGET: budget}
        try:
            # ``generate`` would copy the names twice more.
            pieces = self._template.root_render_func(self._template.new_context(seen, shared=True))
            return clean(_collect(pieces)).strip()
        except TemplateFailed:
            raise
        except jinja2.UndefinedError as error:
            raise ValueMissing(str(error)) from error
        except _FAILURES as error:
            raise TemplateFailed(str(error)) from error


def compile_template(source: str, roots: Sequence[str]) -> Compiled:
    """Compile a template over the given roots; raise ValueError with one sentence, as ``Template.compile`` says."""
    try:
        tree = read(source)
        # Jinja2 computes what is constant in a tree that it looks through, so that gets a tree of its own.
        free = meta.find_undeclared_variables(ENVIRONMENT.parse(source)) - set(ENVIRONMENT.globals)
        names, looks_at = _check_names(tree, free, roots), _all_looked_at(tree, free)
        template = ENVIRONMENT.from_string(guarded(tree))
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"the template is not understood: {error.message} (line {error.lineno})") from error
    except (RecursionError, MemoryError, SyntaxError) as error:  # the last two are Python's, of what Jinja2 makes
        raise ValueError("the template is nested too deeply") from error
    compiled = Compiled(names=frozenset(names), _template=template, _looks_at=looks_at)
    _refuse_failing(compiled, looks_at_nothing=not free)
    return compiled


def _refuse_failing(compiled: Compiled, *, looks_at_nothing: bool) -> None:
    try:
        compiled.render(example_context(), Budget())
    except TemplateFailed as failure:
        # Else the example may lack something that another Case has.
        if looks_at_nothing or isinstance(failure, TooMuch):
            raise ValueError(str(failure)) from failure


def _collect(pieces: Any) -> str:
    taken: list[str] = []
    size = 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size > LONGEST_TEXT:
            raise too_long()
    return "".join(taken)


def _check_names(tree: nodes.Template, free: set[str], roots: Sequence[str]) -> set[str]:
    """Check every name that comes from outside the template, those in ``free``, and list them."""
    for root in sorted(free - set(roots_with_twins(roots))):
        find_name([root], roots)
    known_roots = [root for root in roots if root in free]
    for compared in tree.find_all(nodes.Compare):
        check_comparison(compared, known_roots)
    for tested in tree.find_all(nodes.Test):
        if tested.args:
            check_test(tested, known_roots)
    names: set[str] = set()
    for _, path in _steps(tree):
        if path[0] in free:
            find_name(path, roots)
            names.add(".".join(str(step) for step in path[:2]))
    return names


def _all_looked_at(tree: nodes.Template, free: set[str]) -> Sequence[tuple[str, str]] | None:
    """List root and name of all that a template looks at; None where it may look at more than these."""
    steps = {id(step.node): path for step, path in _steps(tree)}
    found: set[tuple[str, str]] = set()
    for root in tree.find_all(nodes.Name):
        if root.name in free:
            match steps.get(id(root)):
                case [_, str() as part] if part not in _MAP_METHODS:
                    found.add((root.name, part))
                case _:
                    return None
    return sorted(found)


def _steps(tree: nodes.Template) -> Iterator[tuple[nodes.Getattr | nodes.Getitem, Sequence[str | int]]]:
    """Give each step into a value, with its path; the names of methods are none."""
    methods = {id(call.node) for call in tree.find_all(nodes.Call)}
    kinds: tuple[type[nodes.Getattr | nodes.Getitem], ...] = (nodes.Getattr, nodes.Getitem)
    for step in tree.find_all(kinds):
        path = None if id(step) in methods else path_of(step)
        if path:
            yield step, path
