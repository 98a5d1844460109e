"""How each side of a link follows the other: the record its Case, the Case its record.

Rules of this file: a side is only brought to a stage above every stage at which it was ever seen; a record that is
over is not written; a field that a person changed stays.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.model import Action, ActionKind, SkipReason, Verb
from reconciler.core.planning.drafts import draft_changes
from reconciler.core.planning.events import alert_side
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision
from reconciler.core.planning.reactivation import note_actions
from reconciler.core.planning.standing import Standing


def record_side(here: Standing, knowledge: Knowledge) -> Decision:
    """Bring the record after its Case; one that somebody moved back across ``resolved`` is left to people.

    While ``update_when`` is false it is left as it is. Nothing of what it would have got is remembered as written, so
    that the one write after that has all that differs from the last one. A Case that is active again is told of
    all the same.
    """
    if here.is_incident_back or (here.is_event and here.is_case_back):
        forward = Decision(link=here.link)
    else:
        forward = alert_side(here) if here.is_event else _incident_side(here, knowledge)
    if (forward.actions or forward.questions or forward.is_rejected) and here.withheld:
        forward = Decision(link=here.link, skip=here.skip(SkipReason.UPDATE_WITHHELD, here.withheld))
    if forward.questions or forward.is_rejected:
        return forward
    return replace(forward, actions=forward.actions + note_actions(here))


def _incident_side(here: Standing, knowledge: Knowledge) -> Decision:
    """Bring the record after its Case: a stage that it never stood at, and the fields that follow."""
    link, target = here.link, here.record_goes_to
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
    change = Action(
        **here.about,
        kind=ActionKind.ADVANCE_INCIDENT if target else ActionKind.UPDATE_INCIDENT,
        from_stage=here.incident_at,
        to_stage=target or here.incident_at,
        fields=draft.fields,
        written=draft.written,
    )
    return Decision(link=link, actions=(change,), notes=draft.notes)


def case_side(here: Standing) -> tuple[Action, ...]:
    """Bring the Case after its record, as far as the outbound policy listens and nobody moved the Case back."""
    if here.is_case_back or here.case_goes_to is None:
        return ()
    reason, full = here.reason if Verb.RESOLVE in here.path else ("", "")
    action = Action(
        **here.about,
        kind=ActionKind.ADVANCE_CASE,
        from_stage=here.case_at,
        to_stage=here.case_goes_to,
        path=here.path,
        fields={"reason": reason} if reason else {},
        detail=f"full reason: {full}" if reason != full else None,
    )
    return (action,)
