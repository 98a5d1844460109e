"""What was decided about links, stored before any action on them begins."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.model import SkipReason
from reconciler.core.planning.plan import Decision
from reconciler.engine.context import Context
from reconciler.store.store import Decided


def store_decisions(context: Context, decisions: Sequence[Decision], *, cycle_id: str) -> None:
    """Store decisions: the link as it was decided on, why nothing is done about it, whether it is planned again."""
    now = context.clock()
    decided = [
        Decided(link=decision.link, needs_plan=needs_plan(decision), skip=decision.skip) for decision in decisions
    ]
    context.store.links.keep_decisions(decided, now=now)
    notes = [note for decision in decisions for note in decision.notes]
    context.store.snapshots.note_fields(notes, cycle_id=cycle_id, now=now)


def needs_plan(decision: Decision) -> bool:
    """Say whether a link has something left to do after this decision, even if neither side changes."""
    waits = decision.skip is not None and decision.skip.reason is SkipReason.SETTLING
    return bool(decision.actions or decision.questions or waits)
