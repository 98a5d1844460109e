"""A backfill in parts: the request, its progress, and running the next part.

Rules of this file: each part is a cycle of its own, under the brakes; request and progress are values that can be
stored, so that a daemon can go on with them; a backfill that ends early leaves nothing of what it had not begun.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.errors import ConfigError, Missing, Refused, RemoteError
from reconciler.core.frozen import dataclass
from reconciler.core.identity import CASE_ID
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.parts import BackfillRequest, part_size
from reconciler.engine.report import CycleReport, CycleRequest, CycleResult, Reached
from reconciler.store.asked.backfills import BackfillState

MOST_FAILURES = 3
"""After this many failed parts in a row a backfill gives up."""
UNHEARD_FOR = timedelta(minutes=2)
"""A command that did not report for this long is gone, and no further part of its backfill is run."""
_KEY = re.compile(r"[A-Z]+-[0-9]+")


@dataclass(frozen=True, kw_only=True)
class BackfillProgress:
    """How far a backfill has come."""

    parts: int = 0
    cases: int = 0
    """Cases for which something was planned"""
    left: int | None = None
    """Cases for which something may still be planned; None before the first part"""
    named: tuple[str, ...] | None = None
    """the ids of ``refs``, once they were looked up"""
    reached: Reached | None = None
    failures: int = 0
    """parts in a row that failed"""
    error: str | None = None
    exit_code: int = 0
    """the worst so far"""
    is_over: bool = False
    is_stopped: bool = False
    """it was asked to end before it was over"""

    def stopped(self) -> BackfillProgress:
        """Return the same, ended early."""
        return replace(self, is_over=True, is_stopped=True, exit_code=max(1, self.exit_code))

    def document(self) -> JsonObject:
        """Return it as JSON, to be stored."""
        reached = [self.reached[0].isoformat(), self.reached[1]] if self.reached else None
        return vars(self) | {"named": list(self.named) if self.named is not None else None, "reached": reached}

    @classmethod
    def of(cls, document: JsonObject) -> BackfillProgress:
        """Read what ``document`` returned."""
        named, reached = document["named"], document["reached"]
        place = (datetime.fromisoformat(reached[0]), reached[1]) if reached else None
        return cls(**{**document, "named": tuple(named) if named is not None else None, "reached": place})


def next_part(
    context: Context, asked: BackfillRequest, progress: BackfillProgress, cycle_id: str
) -> tuple[CycleReport | None, BackfillProgress]:
    """Run the next part; the report is None where a named Case could not be looked up.

    Raises StoreError, and Refused where a brake lets nothing through.
    """
    try:
        named = _named(context, asked.refs) if progress.named is None else progress.named
    except (ConfigError, RemoteError) as error:
        return None, replace(progress, error=str(error), exit_code=error.exit_code, is_over=True)
    size = part_size(asked, context.policies.limits)
    rest = None if asked.most is None else asked.most - progress.cases
    request = CycleRequest(
        since=asked.since,
        until=asked.until,
        named=frozenset(named),
        most=min((one for one in (size, rest) if one is not None), default=None),
        after=progress.reached,
        reads_back=progress.left is None,
        include_resolved=asked.include_resolved,
        limits_on=asked.limits_on,
        accept_config=asked.accept_config,
    )
    report = run_cycle(context, request, cycle_id=cycle_id)
    return report, _came(asked, replace(progress, named=named), report)


def take_part(context: Context, cycle_id: str) -> CycleReport | None:
    """Run the next part of the oldest backfill that was handed over; None where there is none. Raises StoreError.

    A backfill whose command is gone, or asked to stop, is ended.
    """
    backfills = context.store.backfills
    handed = backfills.first_open()
    if handed is None:
        return None
    progress = BackfillProgress.of(handed.progress)
    if handed.state is BackfillState.STOPPING or context.clock() - handed.seen_at > UNHEARD_FOR:
        backfills.came(handed.seq, progress.stopped().document(), None, is_over=True)
        return None
    try:
        report, progress = next_part(context, BackfillRequest.of(handed.asked), progress, cycle_id)
    except Refused as error:
        report, progress = None, replace(progress, error=str(error), exit_code=error.exit_code, is_over=True)
    document = _shown(report, hides_values=context.settings.hides_values) if report else None
    backfills.came(handed.seq, progress.document(), document, is_over=progress.is_over)
    return report


def _shown(report: CycleReport, *, hides_values: bool) -> JsonObject:
    document = report.document()
    if hides_values:
        document["actions"] = [action | {"fields": {}} for action in document["actions"]]
    return document


def _came(asked: BackfillRequest, before: BackfillProgress, report: CycleReport) -> BackfillProgress:
    exit_code = max(before.exit_code, 1 if report.failed else 0)
    if report.error is not None and report.reached is None:
        failures = before.failures + 1
        is_over = isinstance(report.error, Refused) or failures >= MOST_FAILURES or asked.batch is None
        worst = max(exit_code, report.error.exit_code) if is_over else exit_code
        return replace(before, failures=failures, error=str(report.error), exit_code=worst, is_over=is_over)
    cases = before.cases + len({action.case_id for action in report.plan.actions})
    is_stopped, is_refused = report.result is CycleResult.STOPPED, isinstance(report.error, Refused)
    is_last = report.left == 0 or asked.batch is None or (asked.most is not None and cases >= asked.most)
    return replace(
        before,
        parts=before.parts + 1,
        cases=cases,
        left=report.left,
        reached=report.reached or before.reached,
        failures=0,
        error=str(report.error) if report.error else None,
        exit_code=max(exit_code, report.exit_code),
        is_over=is_last or is_stopped or is_refused,
        is_stopped=is_stopped,
    )


def _named(context: Context, refs: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of Cases that are named by id or key; raise ConfigError for one that does not exist."""
    found: list[str] = []
    for ref in refs:
        if context.store.links.pair(ref) is not None:
            found.append(ref)
            continue
        if not (CASE_ID.fullmatch(ref) or _KEY.fullmatch(ref)):
            raise ConfigError([f"{ref!r} is not remembered here; what is not yet is named by a Case id or CASE-123"])
        try:
            found.append(context.cases.get_case(ref).id)
        except Missing as error:
            raise ConfigError([f"Coralogix has no Case {ref!r}, or hides it from this key"]) from error
    return tuple(found)


def whole_document(documents: Sequence[JsonObject], progress: BackfillProgress) -> JsonObject:
    """Put the documents of all parts together, as the document of ``once --json``."""
    last = documents[-1] if documents else {}
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(document["counts"])
    return {
        "version": DOCUMENT_VERSION,
        "hash": None,
        "kind": "backfill",
        "cycle_id": None,
        "cursors": {},
        "mode": "act",
        **last,
        "actions": [action for document in documents for action in document["actions"]],
        "skips": [skip for document in documents for skip in document["skips"]],
        "counts": dict(counts),
        "result": "stopped" if progress.is_stopped else last.get("result", "failed"),
        "error": progress.error,
        "left": progress.left,
        "batches": [_batch(document) for document in documents],
    }


def _batch(document: JsonObject) -> JsonObject:
    results = Counter(action["result"] for action in document["actions"] if action["result"])
    return {
        "cycle_id": document["cycle_id"],
        "result": document["result"],
        "planned": len(document["actions"]),
        "done": results["done"] + results["already"],
        "failed": results.total() - results["done"] - results["already"],
    }
