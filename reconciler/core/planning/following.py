"""How each side of a link follows the other: the record its Case, the Case its record.

Rules of this file: a side is only brought to a stage above every stage at which it was ever seen; a record that is
over is not written; a field that a person changed stays.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.expressions.context import case_context, incident_context
from reconciler.core.identity import fingerprint
from reconciler.core.lifecycle import verbs
from reconciler.core.model import Action, ActionKind, Incident, Pair, Skip, SkipReason, Stage, Verb
from reconciler.core.planning.admission import skip
from reconciler.core.planning.drafts import Draft, draft_changes, highest_step
from reconciler.core.planning.events import event_side
from reconciler.core.planning.known import Knowledge, next_hold
from reconciler.core.planning.obstacles import case_peak, incident_peak
from reconciler.core.planning.plan import Decision
from reconciler.core.policies.defaults import resolution_reason
from reconciler.core.policies.policies import Outbound, Policies


def incident_side(
    pair: Pair, policies: Policies, knowledge: Knowledge, incident: Incident, backwards: Skip | None
) -> Decision:
    """Bring the record after its Case: a stage that it never stood at, and the fields that follow."""
    link, case = pair.link, pair.case
    if backwards and backwards.reason is SkipReason.INCIDENT_REOPENED:
        return Decision(link=link)
    stage = policies.incident_stage(link, incident) or Stage.OPEN
    asked = highest_step(policies.inbound[link.inbound], policies.case_stage(case) or Stage.OPEN)
    peak = max(stage, incident_peak(link, incident) or stage)
    target = asked if asked > peak else None
    draft = draft_changes(pair, target, policies, knowledge)
    if draft.questions:
        return Decision(link=link, questions=draft.questions)
    if policies.is_over(link, incident):
        late = (
            skip(pair, SkipReason.INCIDENT_TERMINAL, f"{incident.number} is over and is not written")
            if draft.fields
            else None
        )
        return Decision(link=link, skip=late)
    if draft.problem:
        return held(pair, draft.problem, knowledge)
    if not draft.fields:
        return Decision(link=replace(link, written=draft.written), notes=draft.notes)
    return Decision(link=link, actions=(_change(pair, incident, stage, target, draft),), notes=draft.notes)


def _change(pair: Pair, incident: Incident, stage: Stage, target: Stage | None, draft: Draft) -> Action:
    return Action(
        kind=ActionKind.ADVANCE_INCIDENT if target else ActionKind.UPDATE_INCIDENT,
        case_id=pair.case.id,
        case_key=pair.case.key,
        connector=incident.connector,
        table=incident.table,
        sys_id=incident.sys_id,
        number=incident.number,
        from_stage=stage,
        to_stage=target or stage,
        fields=draft.fields,
        written=draft.written,
        fingerprint=fingerprint(pair),
    )


def case_side(pair: Pair, policies: Policies) -> tuple[Action, ...]:
    """Bring the Case after its record, as far as the outbound policy listens."""
    link, case, incident = pair.link, pair.case, pair.incident
    outbound = policies.outbound.get(link.outbound)
    if outbound is None or incident is None:
        return ()
    stage = policies.case_stage(case) or Stage.OPEN
    asked = asked_of_case(policies.words(link, incident), outbound)
    if asked is None or asked <= max(stage, case_peak(pair) or stage):
        return ()
    word = policies.state_word(link, incident) or ""
    context = {**case_context(case), **incident_context(incident, word)}
    if not outbound.when.holds(context):
        return ()
    path = verbs(stage, asked)
    reason = resolution_reason(outbound.reason, context) if Verb.RESOLVE in path else None
    action = Action(
        kind=ActionKind.ADVANCE_CASE,
        case_id=case.id,
        case_key=case.key,
        connector=link.connector,
        table=link.table,
        sys_id=incident.sys_id,
        number=incident.number,
        from_stage=stage,
        to_stage=asked,
        path=path,
        fields={"reason": reason[0]} if reason else {},
        fingerprint=fingerprint(pair),
        detail=f"full reason: {reason[1]}" if reason and reason[0] != reason[1] else None,
    )
    return (action,)


def asked_of_case(words: frozenset[str], outbound: Outbound) -> Stage | None:
    """Give the highest stage that a record's words ask of its Case; None when they ask nothing.

    A word asks for the step of its own list alone. Where ``close_on`` does not hold ``closed``, a closed record
    counts as resolved, since it may have passed Resolved between two pulls.
    """
    if "closed" in words and "closed" not in outbound.close_on:
        words |= {"resolved"}
    steps = {
        Stage.CLOSED: outbound.close_on,
        Stage.RESOLVED: outbound.resolve_on,
        Stage.ACKNOWLEDGED: outbound.acknowledge_on,
    }
    return next((stage for stage, listened in steps.items() if words & listened), None)


def held(pair: Pair, problem: str, knowledge: Knowledge) -> Decision:
    """Hold a link whose fields cannot be made, until either side changes or its retry time comes."""
    hold = next_hold(pair.link.hold, detail=problem, fingerprint=fingerprint(pair), now=knowledge.now)
    return Decision(link=replace(pair.link, hold=hold), skip=skip(pair, SkipReason.REJECTED, problem))


def alert_side(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    """Bring the alert behind an event target after its Case."""
    draft, action = event_side(pair, policies)
    if draft.problem:
        return held(pair, draft.problem, knowledge)
    if action is None:
        return Decision(link=replace(pair.link, written=draft.written))
    return Decision(link=pair.link, actions=(action,))
