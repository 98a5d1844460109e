"""Templates of field values: Jinja2, sandboxed, strict about unknown names, limited in what they may cost.

The values of a Case are only ever values: a title full of braces is printed, never evaluated. What comes out has no
control characters, no carriage returns and no blanks at its ends. A name that nothing can have is refused when the
template is compiled; a value that a Case happens not to have fails when it is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
from jinja2 import meta, nodes

from reconciler.core.expressions.budget import Budget
from reconciler.core.expressions.context import example_context
from reconciler.core.expressions.filters import LONGEST_TEXT, TemplateFailed, TooMuch, too_long
from reconciler.core.expressions.jinja_sandbox import BUDGET, ENVIRONMENT, guarded, read
from reconciler.core.expressions.names import find_name, roots_with_twins
from reconciler.core.expressions.vocabulary import check_comparison, check_test, path_of
from reconciler.core.text import clean, has_code_block, without_code_blocks

__all__ = ["JOURNAL_FIELDS", "Template", "TemplateFailed", "render_fields"]

JOURNAL_FIELDS = frozenset({"work_notes", "comments", "comments_and_work_notes"})
"""ServiceNow adds to these fields what is written, never reads it back, and shows ``[code]`` in them as HTML."""
LONGEST_SOURCE = 10_000
_FAILURES = (jinja2.TemplateError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError, RecursionError)


@dataclass(frozen=True)
class Template:
    """One template; make it with ``compile``. Two templates are equal when their sources are."""

    source: str
    names: frozenset[str] = field(repr=False, compare=False)
    """what it looks at, as ``root.name``, e.g. ``incident.close_code``"""
    _compiled: jinja2.Template | None = field(repr=False, compare=False)
    """None for a text without braces, which is its own result"""

    @classmethod
    def compile(cls, source: str, roots: Sequence[str] = ("case",)) -> Template:
        """Compile a template over the given roots.

        Raises ValueError with one sentence: not understood, too long, an unknown name, filter or test, a failure for
        every Case, or more work than a template may do, be it for the example.
        """
        if len(source) > LONGEST_SOURCE:
            raise ValueError(f"the template has {len(source)} characters, more than {LONGEST_SOURCE}")
        if "{" not in source:
            return cls(source, frozenset(), None)
        try:
            tree = read(source)
            # Jinja2 computes what is constant in a tree that it looks through, so that gets a tree of its own.
            free = meta.find_undeclared_variables(ENVIRONMENT.parse(source)) - set(ENVIRONMENT.globals)
            names = _check_names(tree, free, roots)
            compiled = ENVIRONMENT.from_string(guarded(tree))
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"the template is not understood: {error.message} (line {error.lineno})") from error
        except (RecursionError, MemoryError, SyntaxError) as error:  # the last two are Python's, of what Jinja2 makes
            raise ValueError("the template is nested too deeply") from error
        _refuse_failing(compiled, looks_at_nothing=not free)
        return cls(source, frozenset(names), compiled)

    def render(self, context: Mapping[str, Any], *, journal: bool = False) -> str:
        """Render the template; with ``journal``, ``[code]`` marks that it does not make itself are made harmless.

        Raises TemplateFailed for a missing value, and for a template that does too much.
        """
        if self._compiled is None:
            return clean(self.source).strip()
        own_marks = has_code_block(self.source)
        budget = Budget(guards_values=journal and own_marks)
        text = _rendered(self._compiled, {**context, BUDGET: budget})
        # A mark can come together from two values, so where none can be the template's own the whole is looked at.
        return without_code_blocks(text) if journal and not own_marks else text


def render_fields(templates: Mapping[str, Template], context: Mapping[str, Any]) -> dict[str, str]:
    """Render every field; raise TemplateFailed, naming the field, for the first that cannot be rendered."""
    rendered: dict[str, str] = {}
    for name, template in templates.items():
        try:
            rendered[name] = template.render(context, journal=name in JOURNAL_FIELDS)
        except TemplateFailed as failure:
            raise TemplateFailed(f"{name}: {failure}") from failure
    return rendered


def _rendered(compiled: jinja2.Template, context: Mapping[str, Any]) -> str:
    try:
        return clean(_collect(compiled.generate(context))).strip()
    except TemplateFailed:
        raise
    except _FAILURES as error:
        raise TemplateFailed(str(error)) from error


def _refuse_failing(compiled: jinja2.Template, *, looks_at_nothing: bool) -> None:
    try:
        _rendered(compiled, {**example_context(), BUDGET: Budget()})
    except TemplateFailed as failure:
        # Else the example may lack something that another Case has.
        if looks_at_nothing or isinstance(failure, TooMuch):
            raise ValueError(str(failure)) from failure


def _collect(pieces: Any) -> str:
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > LONGEST_TEXT:
            raise too_long()
    return "".join(held)


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
    methods = {id(call.node) for call in tree.find_all(nodes.Call)}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        path = None if id(node) in methods else path_of(node)
        if path and path[0] in free:
            find_name(path, roots)
            names.add(".".join(str(step) for step in path[:2]))
    return names
