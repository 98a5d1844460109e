"""What people read: plans, reports, links; every text of a service made harmless for a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

import click

from reconciler.core.model import Action, JsonObject, Outcome, Skip
from reconciler.core.planning.plan import Plan
from reconciler.core.text import cut
from reconciler.engine.report import CycleReport
from reconciler.telemetry.log import escape_controls

WIDEST_COLUMN = 60
PROGRESS_AFTER_SECONDS = 2.0


def print_json(document: JsonObject) -> None:
    """Write one JSON document, and nothing else, to standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def say(words: str) -> None:
    """Tell a person something on standard error."""
    click.echo(escape_controls(words), err=True)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay rows out in columns, each text on one line and cut to a readable width."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(len(header), *(len(row[i]) for row in cells)) if cells else len(header) for i, header in enumerate(headers)
    ]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(headers), *cells]
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: object) -> str:
    text = escape_controls("" if value is None else str(value)).replace("\\n", " ")
    return cut(text, WIDEST_COLUMN)


def print_plan(plan: Plan) -> None:
    """Show what would be done, and why nothing is done about the rest."""
    if plan.actions:
        click.echo(
            table(("action", "case", "record", "from", "to", "what"), [_action_row(action) for action in plan.actions])
        )
    else:
        click.echo("nothing to do")
    _print_skips(plan.skips)


def print_report(report: CycleReport) -> None:
    """Show what one cycle did."""
    if report.outcomes:
        rows = [
            (*_action_row(outcome.action)[:5], outcome.result.value, _words(outcome)) for outcome in report.outcomes
        ]
        click.echo(table(("action", "case", "record", "from", "to", "result", "detail"), rows))
    _print_skips(report.plan.skips)
    click.echo(summary(report))


def summary(report: CycleReport) -> str:
    """Say in one line how a cycle went."""
    seconds = (report.finished_at - report.started_at).total_seconds()
    parts = [
        f"{report.kind.value} {report.result.value} in {seconds:.1f} s",
        f"{report.pulled_cases} Cases and {report.pulled_incidents} records read",
        f"{len(report.plan.actions)} planned",
        f"{len(report.outcomes) - report.failed} done",
    ]
    if report.failed:
        parts.append(f"{report.failed} failed")
    if report.malformed:
        parts.append(f"{report.malformed} records not understood (quarantined)")
    if report.skipped:
        parts.append(f"{report.skipped} skipped")
    return ", ".join(parts)


def _action_row(action: Action) -> tuple[object, ...]:
    what = " then ".join(action.path) or ", ".join(action.fields)
    record = action.number or (action.sys_id[:8] if action.sys_id else "")
    from_word = action.from_stage.word if action.from_stage else "-"
    return (action.kind.value, action.case_key or action.case_id, record, from_word, action.to_stage.word, what)


def _words(outcome: Outcome) -> str:
    return outcome.detail or (
        f"made {outcome.incident.number}" if outcome.incident and not outcome.action.number else ""
    )


def _print_skips(skips: Sequence[Skip]) -> None:
    if skips:
        click.echo("")
        click.echo(
            table(("skipped", "reason", "detail"), [(s.case_key or s.case_id, s.reason.value, s.detail) for s in skips])
        )


class ProgressBar:
    """Show on a terminal how far a long call has come; silent elsewhere, and for the first two seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._shown = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show one step: ``done`` of ``total``, which is 0 while the end is not known."""
        if not self._stream.isatty() or time.monotonic() - self._began < PROGRESS_AFTER_SECONDS:
            return
        bar = f"[{'#' * (30 * done // total):<30}] {done}/{total}" if total else f"{done}"
        self._stream.write(f"\r\x1b[K{what} {bar}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the bar off the terminal."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
