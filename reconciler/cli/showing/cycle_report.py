"""Print the report of a cycle, and summarise it in one line."""

from __future__ import annotations

from reconciler.cli.showing.review import blocks, brief, reviewed_outcomes, reviewed_plan
from reconciler.cli.terminal import print_lines
from reconciler.core.words import counted
from reconciler.engine.report import CycleKind, CycleReport

_NAMES = {CycleKind.DRIFT: "cycle with drift check", CycleKind.FULL: "cycle with full check"}


def print_report(report: CycleReport, *, is_brief: bool = False) -> None:
    """Show what one cycle did."""
    rows = reviewed_plan(report) if report.observed else reviewed_outcomes(report)
    skips = report.plan.skips
    if rows or skips:
        print_lines(*(brief if is_brief else blocks)(rows, skips), "")
    print_lines(summary(report))
    if report.observed:
        print_lines('nothing was sent, since mode = "observe"; with mode = "act" this plan would be carried out')


def summary(report: CycleReport) -> str:
    """Return one line that says how a cycle went."""
    seconds = (report.finished_at - report.started_at).total_seconds()
    name = _NAMES.get(report.kind, report.kind.value)
    return f"{name} {report.result.value} in {seconds:.1f} s, {counts(report)}"


def sent_words(done: int, *, observed: bool) -> str:
    """Return how many actions were done; in observe mode that nothing is sent."""
    return 'nothing sent (mode = "observe")' if observed else f"{done} done"


def counts(report: CycleReport) -> str:
    """Return the numbers of a cycle: read, done, left."""
    parts = [
        f"{counted(report.pulled_cases, 'Case')} and {counted(report.pulled_incidents, 'record')} read",
        f"{len(report.plan.actions)} planned",
        sent_words(len(report.outcomes) - report.failed, observed=report.observed),
    ]
    further = {
        "failed": report.failed,
        "records not understood (quarantined)": report.malformed,
        "held": report.held,
        "skipped": report.skipped,
    }
    return ", ".join([*parts, *(f"{count} {words}" for words, count in further.items() if count)])
