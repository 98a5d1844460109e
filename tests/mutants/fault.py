"""What one fault is: a piece of code in one function, what it becomes, and the test that has to notice.

A fault names its place by module and function, and its code as Python reads it, so that it survives when files move and
lines are formatted anew. Where its function or its code is no longer there, or is there twice, it says so.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent

ROOT = Path(__file__).parents[2]
PACKAGE = "reconciler"

MAIN = "tests/scenario/test_main_job.py"
PLANNER = "tests/unit/core/planning/test_decide.py"
SPACE = "tests/unit/core/planning/test_decide_space.py"
WILD = "tests/scenario/test_seen_in_the_wild.py"
FLOW = "tests/scenario/test_seen_in_the_wild_flow.py"
PROMISES = "tests/scenario/test_seen_in_the_wild_promises.py"
ANSWERS = "tests/scenario/test_seen_in_the_wild_answers.py"
UNDER_WAY = "tests/scenario/test_plan_and_deed.py"
BETWEEN = "tests/scenario/test_between_read_and_write.py"
DOUBT = "tests/scenario/test_doubtful_creates.py"
UNCLEAR = "tests/scenario/test_unclear_records.py"
OVER_TIME = "tests/scenario/test_holds_over_time.py"
FIELDS = "tests/scenario/test_fields_and_names.py"
REWRITTEN = "tests/scenario/test_rewritten_values.py"
BAD_LINK = "tests/scenario/test_one_bad_link.py"
READING = "tests/scenario/test_reading_whole.py"
LONG = "tests/scenario/test_long_readings.py"
DRIFT = "tests/scenario/test_drift_check.py"
WHO = "tests/scenario/test_who_gets_a_record.py"

Code = Sequence[ast.AST]
"""One expression or pattern, or statements that follow each other."""


class NoSuchPlaceError(Exception):
    """Say that a fault does not fit the code any more, and why."""


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """Hold one fault."""

    name: str
    where: str
    """``module:function``, such as ``perform:Performer.create``; the module by as much of its name as tells it apart"""
    before: str
    """an expression, a ``case`` pattern, or statements, which stand once in the function; of a text, a part will do"""
    after: str
    """what it becomes; empty: statements that go"""
    test: str

    def file(self, root: Path = ROOT) -> Path:
        """Find the one file of its module; raise NoSuchPlaceError where none, or several, bear its name."""
        module = self.where.partition(":")[0]
        end = f"/{module.replace('.', '/')}.py"
        files = sorted((root / PACKAGE).rglob(f"{module.rpartition('.')[2].rpartition('/')[2]}.py"))
        found = [path for path in files if f"/{path.relative_to(root)}".endswith(end)]
        if len(found) != 1:
            raise NoSuchPlaceError(f"{self.name}: {len(found)} modules are called {module!r}")
        return found[0]

    def put_in(self, source: str) -> str:
        """Give a module's text with the fault in it; raise NoSuchPlaceError where it does not fit."""
        tree = ast.parse(source)
        self.change(tree)
        return ast.unparse(ast.fix_missing_locations(tree))

    def change(self, tree: ast.Module) -> None:
        """Put the fault into a module's tree; raise NoSuchPlaceError where it fits not once, or changes nothing."""
        place = _function(tree, self.where.partition(":")[2])
        if place is None:
            raise NoSuchPlaceError(f"{self.name}: there is no {self.where}")
        as_it_was = ast.dump(place)
        change = _Change(self.before, self.after)
        changed = change.visit(place)
        if change.count != 1:
            raise NoSuchPlaceError(f"{self.name}: {change.count} places of {self.where} read {self.before!r}")
        assert changed is place, "a function stays where it is"
        if ast.dump(place) == as_it_was:
            raise NoSuchPlaceError(f"{self.name}: nothing of {self.where} is changed")


def fault(name: str, where: str, before: str, after: str, test: str) -> Mutant:
    """Write one fault in one line or two."""
    return Mutant(name=name, where=where, before=before, after=after, test=test)


def _function(tree: ast.Module, qualified_name: str) -> ast.AST | None:
    """Find a function or class by its qualified name; an empty name is the module."""
    place: ast.AST | None = tree
    for name in filter(None, qualified_name.split(".")):
        inside = ast.walk(place) if place else ()
        place = next((one for one in inside if getattr(one, "name", None) == name and isinstance(one, _NAMED)), None)
    return place


_NAMED = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class _Change(ast.NodeTransformer):
    """Put one piece of code in the place of another wherever it stands, and count how often that was."""

    def __init__(self, before: str, after: str) -> None:
        self.count = 0
        self._before, self._after = _read(before, after)
        self._looks = [ast.dump(one) for one in self._before]
        self._text = _text_of(self._before)

    def visit(self, node: ast.AST) -> ast.AST:
        """Change a node, or what is inside it."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and self._text:
            self.count += node.value.count(self._text)
            return ast.Constant(node.value.replace(self._text, _text_of(self._after)))
        if not isinstance(node, ast.stmt) and self._is_there([node]):
            self.count += 1
            return self._after[0]
        for body in (getattr(node, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                self._change_statements(body)
        return super().generic_visit(node)

    def _is_there(self, code: Code) -> bool:
        """Say whether this is the code that is looked for; what begins otherwise is not written out."""
        return type(code[0]) is type(self._before[0]) and [ast.dump(one) for one in code] == self._looks

    def _change_statements(self, body: list[ast.stmt]) -> None:
        size = len(self._before)
        for start in range(len(body) - size, -1, -1):
            if self._is_there(body[start : start + size]):
                self.count += 1
                body[start : start + size] = self._after  # type: ignore[assignment]


def _read(before: str, after: str) -> tuple[Code, Code]:
    """Read two pieces of code as expressions where both are, as patterns, or else as statements."""
    if before.startswith("case "):
        return [_pattern(before)], [_pattern(after)]
    try:
        return [ast.parse(before, mode="eval").body], [ast.parse(after, mode="eval").body]
    except SyntaxError:
        return _statements(before), _statements(after or "pass")


def _text_of(code: Code) -> str:
    """Give a text that stands there as code; empty where something else does."""
    match list(code):
        case [ast.Constant(value=str(text))]:
            return text
        case _:
            return ""


def _pattern(text: str) -> ast.pattern:
    (match,) = ast.parse(f"match _:\n    {text}:\n        pass").body
    assert isinstance(match, ast.Match)
    return match.cases[0].pattern


def _statements(text: str) -> list[ast.stmt]:
    """Read statements, which may ``return`` or ``continue``."""
    (loop,) = ast.parse(f"while True:\n{indent(dedent(text), '    ')}").body
    assert isinstance(loop, ast.While)
    return loop.body
