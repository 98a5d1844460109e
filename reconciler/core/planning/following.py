"""How each side of a link follows the other: the record its Case, the Case its record.

Rules of this file: a side is only brought to a stage above every stage at which it was ever seen; a record that is
over is not written; a field that a person changed stays.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.lifecycle import verbs
from reconciler.core.model import Action, ActionKind, SkipReason, Stage, Verb
from reconciler.core.planning.drafts import Draft, draft_changes
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.defaults import resolution_reason


def incident_side(here: Standing, knowledge: Knowledge) -> Decision:
    """Bring the record after its Case: a stage that it never stood at, and the fields that follow."""
    link = here.link
    target = here.asks_of_record if here.asks_of_record > here.incident_peak else None
    draft = draft_changes(here, target, knowledge)
    if draft.questions:
        return Decision(link=link, questions=draft.questions)
    if here.is_over:
        late = here.skip(SkipReason.INCIDENT_TERMINAL, f"{link.number} is over and is not written")
        return Decision(link=link, skip=late if draft.fields else None)
    if draft.problem:
        return Decision(link=link, skip=here.skip(SkipReason.REJECTED, draft.problem))
    if not draft.fields:
        return Decision(link=replace(link, written=draft.written), notes=draft.notes)
    return Decision(link=link, actions=(_change(here, target, draft),), notes=draft.notes)


def _change(here: Standing, target: Stage | None, draft: Draft) -> Action:
    return Action.about(
        here.pair,
        ActionKind.ADVANCE_INCIDENT if target else ActionKind.UPDATE_INCIDENT,
        fingerprint=here.fingerprint,
        from_stage=here.incident_at,
        to_stage=target or here.incident_at,
        fields=draft.fields,
        written=draft.written,
    )


def case_side(here: Standing) -> tuple[Action, ...]:
    """Bring the Case after its record, as far as the outbound policy listens."""
    asked = here.asks_of_case
    if asked is None or asked <= here.case_peak or here.outbound is None:
        return ()
    path = verbs(here.case_at, asked)
    reason = resolution_reason(here.outbound.reason, here.context) if Verb.RESOLVE in path else None
    action = Action.about(
        here.pair,
        ActionKind.ADVANCE_CASE,
        fingerprint=here.fingerprint,
        from_stage=here.case_at,
        to_stage=asked,
        path=path,
        fields={"reason": reason[0]} if reason else {},
        detail=f"full reason: {reason[1]}" if reason and reason[0] != reason[1] else None,
    )
    return (action,)
