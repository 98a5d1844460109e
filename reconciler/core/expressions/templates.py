"""Templates of field values: Jinja2, sandboxed, strict about unknown names, limited in what they may cost.

The values of a Case are only ever values: a title full of braces is printed, never evaluated. What comes out has no
control characters, no carriage returns and no blanks at its ends. A name that nothing can have is refused when the
template is compiled; a value that a Case happens not to have fails when it is rendered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import TemplateFailed
from reconciler.core.frozen import dataclass
from reconciler.core.text import clean, has_code_block, without_code_blocks

if TYPE_CHECKING:
    from reconciler.core.expressions.jinja_sandbox import Compiled

JOURNAL_FIELDS = frozenset({"work_notes", "comments", "comments_and_work_notes"})
"""ServiceNow adds to these fields what is written, never reads it back, and shows ``[code]`` in them as HTML."""
LONGEST_SOURCE = 10_000


@dataclass(frozen=True)
class Template:
    """One template; two are equal when their sources are.

    ``compile`` checks a text. One that is known to be right, as a default is, can be made without, and is compiled when
    it is first used.
    """

    source: str
    roots: Sequence[str] = field(default=("case",), repr=False, compare=False)

    @classmethod
    def compile(cls, source: str, roots: Sequence[str] = ("case",)) -> Template:
        """Compile a template over the given roots.

        Raises ValueError with one sentence: not understood, too long, an unknown name, filter or test, a call of one
        that can never work, a failure for every Case, or more work than a template may do, be it for the example.
        """
        if len(source) > LONGEST_SOURCE:
            raise ValueError(f"the template has {len(source)} characters, more than {LONGEST_SOURCE}")
        template = cls(source, roots)
        template._compiled  # noqa: B018 - what is wrong with it is told now
        return template

    @cached_property
    def _compiled(self) -> Compiled | None:
        """None for a text without braces, which is its own result."""
        if "{" not in self.source:
            return None
        from reconciler.core.expressions.jinja_sandbox import compile_template  # noqa: PLC0415 - loads Jinja2

        return compile_template(self.source, self.roots)

    @property
    def names(self) -> frozenset[str]:
        """List what it looks at, as ``root.name``, e.g. ``incident.close_code``."""
        return self._compiled.names if self._compiled else frozenset()

    def render(self, context: Mapping[str, Any], *, journal: bool = False) -> str:
        """Render the template; with ``journal``, ``[code]`` marks that it does not make itself are made harmless.

        Raises TemplateFailed for a missing value, and for a template that does too much.
        """
        if self._compiled is None:
            return clean(self.source).strip()
        from reconciler.core.expressions.budget import Budget  # noqa: PLC0415 - loads Jinja2, as the line above did

        own_marks = has_code_block(self.source)
        text = self._compiled.render(context, Budget(guards_values=journal and own_marks))
        # A mark can come together from two values, so where none can be the template's own the whole is looked at.
        return without_code_blocks(text) if journal and not own_marks else text


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """Fields as they were rendered; none where one of them could not be."""

    fields: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""
    """which one, and why"""


def rendering(templates: Mapping[str, Template], context: Mapping[str, Any]) -> Rendering:
    """Render every field, or say which cannot be rendered."""
    try:
        return Rendering(fields=render_fields(templates, context))
    except TemplateFailed as failure:
        return Rendering(problem=str(failure))


def render_fields(templates: Mapping[str, Template], context: Mapping[str, Any]) -> dict[str, str]:
    """Render every field; raise TemplateFailed, naming the field, for the first that cannot be rendered."""
    rendered: dict[str, str] = {}
    for name, template in templates.items():
        try:
            rendered[name] = template.render(context, journal=name in JOURNAL_FIELDS)
        except TemplateFailed as failure:
            raise type(failure)(f"{name}: {failure}") from failure
    return rendered
