"""Show a plan or a cycle for review: each action with its Case, route and record, and each field's change.

Three formats: blocks for reading, one line each (``--brief``), and Markdown for a change ticket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.cli.terminal import SafeText, field_names, paint, side_by_side, table
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STATE_WORDS
from reconciler.core.model import Action, ActionKind, Incident, Outcome, Result, Skip
from reconciler.core.text import one_line
from reconciler.core.words import counted
from reconciler.engine.report import CycleReport
from reconciler.store.journal import value_of

NOTHING = "nothing to do"
_RESULT_STYLES = {
    Result.DONE: "green",
    Result.ALREADY: "dim",
    Result.RETRY: "yellow",
    Result.UNKNOWN: "yellow",
    Result.REJECTED: "bold red",
}


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field that is sent; ``old`` is None where nothing is known of it."""

    field: str
    old: str | None
    new: str

    @property
    def words(self) -> str:
        """Return ``old → new``, or the new value alone."""
        return self.new if self.old is None else f"{self.old or '(empty)'} → {self.new or '(empty)'}"


@dataclass(frozen=True, kw_only=True)
class ReviewRow:
    """One action with what a person needs to judge it."""

    action: Action
    title: str
    route: str
    changes: tuple[FieldChange, ...]
    result: Result | None = None
    detail: str | None = None

    @property
    def case(self) -> str:
        """Return the Case's key, or its id."""
        return self.action.case_key or self.action.case_id

    @property
    def record(self) -> str:
        """Return the record's number; before it exists the beginning of its future id."""
        return self.action.number or (f"{self.action.sys_id[:8]}… (new)" if self.action.sys_id else "")

    @property
    def place(self) -> str:
        """Return connector and table."""
        return f"{self.action.connector}/{self.action.table}"

    @property
    def steps(self) -> str:
        """Return from which stage to which, and for a Case by which verbs."""
        from_word = self.action.from_stage.word if self.action.from_stage else "-"
        by = f" ({', then '.join(self.action.path)})" if self.action.path else ""
        return f"{from_word} → {self.action.to_stage.word}{by}"


def reviewed_plan(report: CycleReport) -> list[ReviewRow]:
    """Return each action of a plan with what was known when it was decided."""
    routes = _routes(report)
    return [_reviewed(action, report, routes) for action in report.plan.actions]


def reviewed_outcomes(report: CycleReport) -> list[ReviewRow]:
    """Return each action that was carried out with its result."""
    routes = _routes(report)
    return [_reviewed(outcome.action, report, routes, outcome) for outcome in report.outcomes]


def _routes(report: CycleReport) -> Mapping[str, str]:
    """Return the route of each Case as it was decided: one that has no record yet had none before."""
    return {decision.link.case_id: decision.link.route for decision in report.plan.decisions}


def _reviewed(
    action: Action, report: CycleReport, routes: Mapping[str, str], outcome: Outcome | None = None
) -> ReviewRow:
    pair = report.pairs.get(action.case_id)
    return ReviewRow(
        action=action,
        title=pair.case.title if pair else "",
        route=routes.get(action.case_id, ""),
        changes=tuple(_changes(action, pair.incident if pair else None)),
        result=outcome.result if outcome else None,
        detail=_detail(action, outcome),
    )


def _detail(action: Action, outcome: Outcome | None) -> str | None:
    if outcome is None or outcome.detail:
        return outcome.detail if outcome else action.detail
    return f"made {outcome.incident.number}" if outcome.incident and not action.number else action.detail


def _changes(action: Action, before: Incident | None) -> Iterator[FieldChange]:
    # A create of a further record for one Case has a record before it, whose fields it does not change.
    is_on_record = action.kind not in {ActionKind.ADVANCE_CASE, ActionKind.CREATE_INCIDENT}
    for name, new in action.fields.items():
        old = value_of(before, name) if before and is_on_record else None
        yield FieldChange(field=name, old=_state(name, old), new=_state(name, new) or "")


def _state(name: str, value: str | None) -> str | None:
    word = STATE_WORDS.get(value or "") if name == "state" else None
    return f"{value} ({word})" if word else value


# -- the three formats ---------------------------------------------------------------------------------------------


def blocks(rows: Iterable[ReviewRow], skips: Iterable[Skip]) -> list[str]:
    """Write a block for each action, and why nothing is done about the rest; return the lines."""
    parts = [_block(row) for row in rows] or [[NOTHING]]
    return _apart([*parts, *_skip_table(skips)])


def _apart(parts: Iterable[Sequence[str]]) -> list[str]:
    lines = [line for part in parts for line in ("", *part)]
    return lines[1:]


def _block(row: ReviewRow) -> list[str]:
    kind = paint(row.action.kind.value, "bold")
    result = paint(row.result.value, _RESULT_STYLES[row.result]) if row.result else SafeText()
    widest = max((len(change.field) for change in row.changes), default=0)
    return [
        side_by_side(kind, paint(row.case), paint(row.title), result),
        f"  {row.place} {row.record}, route {row.route or '-'}: {row.steps}",
        *(f"    {change.field:<{widest}}  {change.words}" for change in row.changes),
        *([f"  {row.detail}"] if row.detail else []),
    ]


def brief(rows: Iterable[ReviewRow], skips: Iterable[Skip]) -> list[str]:
    """Write a line for each action; return the lines."""
    cells = [_brief_row(row) for row in rows]
    headers = ("action", "case", "record", "from → to", "what", "result")
    return _apart([table(headers, cells) if cells else [NOTHING], *_skip_table(skips)])


def _brief_row(row: ReviewRow) -> tuple[str, ...]:
    what = row.detail or field_names([change.field for change in row.changes])
    return (row.action.kind.value, row.case, row.record, row.steps, what, row.result.value if row.result else "")


def _skip_table(skips: Iterable[Skip]) -> list[list[str]]:
    cells = [(skip.case_key or skip.case_id, skip.reason.value, skip.detail) for skip in skips]
    return [table(("skipped", "reason", "detail"), cells)] if cells else []


def markdown(rows: Sequence[ReviewRow], skips: Sequence[Skip], *, plan_hash: str) -> list[str]:
    """Write a plan for a change ticket, a headline and a table of its fields for each action; return the lines."""
    head = [f"# Plan: {counted(len(rows), 'action')}", "", f"Hash `{plan_hash}`"]
    parts = [head, *(_markdown_block(row) for row in rows)]
    if skips:
        lines = [f"| {_cell(s.case_key or s.case_id)} | {s.reason.value} | {_cell(s.detail or '')} |" for s in skips]
        parts.append(["## Skipped", "", "| Case | Reason | Detail |", "|---|---|---|", *lines])
    return _apart(parts)


def _markdown_block(row: ReviewRow) -> list[str]:
    lines = [f"| {_cell(one.field)} | {_cell(one.old or '')} | {_cell(one.new)} |" for one in row.changes]
    return [
        f"## {row.action.kind.value} {_cell(row.case)}: {_cell(row.title)}",
        "",
        f"{_cell(row.place)} {_cell(row.record)}, route {_cell(row.route) or '-'}: {row.steps}",
        *(["", "| Field | Old | New |", "|---|---|---|", *lines] if lines else []),
        *(["", _cell(row.detail)] if row.detail else []),
    ]


def _cell(text: str) -> str:
    """Escape foreign text for a Markdown table: one line, no bar, no markup."""
    return "".join(f"\\{sign}" if sign in "|\\`*_<>[]#" else sign for sign in one_line(text))
