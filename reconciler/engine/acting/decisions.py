"""Store what was decided about links, before any action on them begins."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.model import SkipReason
from reconciler.core.planning.plan import Decision
from reconciler.engine.context import Context
from reconciler.store.values import Decided


def store_decisions(context: Context, decisions: Sequence[Decision]) -> None:
    """Store what was decided about links, and the notes on their fields."""
    context.store.links.keep_decisions([decided(decision) for decision in decisions], now=context.clock())
    store_notes(context, decisions)


def store_notes(context: Context, decisions: Sequence[Decision]) -> None:
    """Note for the audit which fields are left alone because a person changed them."""
    notes = [note for decision in decisions for note in decision.notes]
    context.store.snapshots.note_fields(notes, cycle_id=context.cycle_id, now=context.clock())


def decided(decision: Decision) -> Decided:
    """Return what is stored of a decision: the link, why nothing is done about it, whether it is planned again."""
    return Decided(link=decision.link, needs_plan=needs_plan(decision), skip=decision.skip)


def needs_plan(decision: Decision) -> bool:
    """Return whether a link has something left to do after this decision, even if neither side changes."""
    waits = decision.skip is not None and decision.skip.reason is SkipReason.SETTLING
    return bool(decision.actions or decision.questions or waits)
