"""What the demo shows of a cycle, as values: its links with both sides' words, and its actions in words."""

from __future__ import annotations

from dataclasses import asdict

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STAGE_WORDS, STEP_OF
from reconciler.core.model import ActionKind, JsonObject, Outcome
from reconciler.engine.report import CycleReport, ended_well
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.control.overview import CaseOverview, overview
from reconciler.store.store import Store


@dataclass(frozen=True, kw_only=True)
class LinkRow:
    """One link as it is shown: what each service says now, and what is remembered of both."""

    case: str
    status: str
    case_stage: str
    incident: str
    state: str
    incident_stage: str
    agreed: str
    note: str
    """the skip word, or what explains the row"""


def link_rows(sandbox: Sandbox, store: Store) -> tuple[LinkRow, ...]:
    """Show every Case; words and stages are the services' own, ``agreed`` and skips are from the store."""
    skips = {skip.case_id: skip.reason.value for skip in store.links.standing_skips()}
    return tuple(_row(case, store, skips.get(case.id, "")) for case in overview(sandbox))


def _row(case: CaseOverview, store: Store, skip: str) -> LinkRow:
    record = case.records[0] if case.records else None
    pair = store.links.pair(case.id)
    agreed = pair.link.agreed if pair else None
    is_assigned = record is not None and record.state == "new" and bool(record.assigned_to)
    return LinkRow(
        case=case.key or case.id,
        status=case.status,
        case_stage=case.stage.word if case.stage else "?",
        incident=record.number if record else "-",
        state=record.state if record else "-",
        incident_stage=record.stage.word if record and record.stage else "-",
        agreed=agreed.word if agreed else "-",
        note=skip or ("assigned" if is_assigned else ""),
    )


def outcome_words(outcome: Outcome) -> str:
    """Say in one line what one action did, and whatever was strange about it."""
    words = _done_words(outcome) if ended_well(outcome) else f"{outcome.action.kind.value} {outcome.result.value}"
    return f"{words} ({outcome.detail})" if outcome.detail else words


def _done_words(outcome: Outcome) -> str:
    action = outcome.action
    key = action.case_key or action.case_id
    number = outcome.incident.number if outcome.incident else action.number
    match action.kind:
        case ActionKind.CREATE_INCIDENT:
            return f"{number} created for {key}"
        case ActionKind.ADVANCE_CASE:
            return f"{key} follows {number}: {', then '.join(STEP_OF[verb].stage.word for verb in action.path)}"
        case ActionKind.ADVANCE_INCIDENT:
            return f"{number} follows {key}: {STAGE_WORDS[action.to_stage]}"
        case _:
            return f"{number}: {action.kind.value}"


def cycle_document(report: CycleReport, links: tuple[LinkRow, ...]) -> JsonObject:
    """Write one cycle and the links after it as JSON."""
    return {
        "result": report.result.value,
        "error": str(report.error) if report.error else None,
        "planned": len(report.plan.actions),
        "done": [outcome_words(outcome) for outcome in report.outcomes],
        "links": [asdict(link) for link in links],
    }
