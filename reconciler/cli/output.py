"""What people read of a cycle: its plan, its report, and both in one line."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.cli.terminal import print_lines, table
from reconciler.core.model import Action, Outcome, Skip
from reconciler.core.planning.plan import Plan
from reconciler.engine.report import CycleReport


def print_plan(plan: Plan) -> None:
    """Show what would be done, and why nothing is done about the rest."""
    if plan.actions:
        rows = [_action_row(action) for action in plan.actions]
        print_lines(*table(("action", "case", "record", "from", "to", "what"), rows))
    else:
        print_lines("nothing to do")
    _print_skips(plan.skips)


def print_report(report: CycleReport) -> None:
    """Show what one cycle did."""
    if report.outcomes:
        rows = [
            (*_action_row(outcome.action)[:5], outcome.result.value, _words(outcome)) for outcome in report.outcomes
        ]
        print_lines(*table(("action", "case", "record", "from", "to", "result", "detail"), rows))
    _print_skips(report.plan.skips)
    print_lines(summary(report))


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
        rows = [(skip.case_key or skip.case_id, skip.reason.value, skip.detail) for skip in skips]
        print_lines("", *table(("skipped", "reason", "detail"), rows))
