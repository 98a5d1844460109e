"""What was decided about links, stored before any action on them begins."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.model import SkipReason
from reconciler.core.planning.plan import Decision
from reconciler.engine.context import Engine
from reconciler.store.store import Settled


def settle(engine: Engine, decisions: Sequence[Decision], *, cycle_id: str) -> None:
    """Store decisions: the link as it was decided on, why nothing is done about it, whether it is planned again."""
    now = engine.clock()
    settled = [
        Settled(link=decision.link, needs_plan=needs_plan(decision), skip=decision.skip) for decision in decisions
    ]
    engine.store.settle(settled, now=now)
    notes = [note for decision in decisions for note in decision.notes]
    engine.store.note_fields(notes, cycle_id=cycle_id, now=now)


def needs_plan(decision: Decision) -> bool:
    """Say whether a link has something left to do after this decision, even if neither side changes."""
    waits = decision.skip is not None and decision.skip.reason is SkipReason.SETTLING
    return bool(decision.actions or decision.questions or waits)
