"""The decision: from what is remembered about one Case to what is done about it, or why nothing is.

The rules, in the order in which they are asked:

    no record yet     admit, route, look up; then create, adopt, or hold two records with one key
    linked            is each side there, known, alone with its key, and not rejected before unchanged?
    the Incident      follows the Case's stage, and the Case's fields where no person changed them
    the Case          follows what the outbound policy hears from the Incident
    never back        a side is only brought to a stage above every stage at which it was ever seen;
                      one that was moved back across ``resolved`` is left alone until it is there again

Everything here is a function of its arguments. ``decide`` is asked twice for each action: when the plan is
made, and again with what was read just before the write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.core.admission import admit, skip
from reconciler.core.identity import basis
from reconciler.core.knowledge import SETTLE_AFTER, Knowledge, next_hold
from reconciler.core.lifecycle import PENDING, verbs
from reconciler.core.mapping import resolution_reason
from reconciler.core.model import Action, ActionKind, Incident, Link, Pair, Skip, SkipReason, Stage, Verb
from reconciler.core.plan import Decision, Plan, Question
from reconciler.core.policy import Outbound, Policies
from reconciler.core.records import Draft, draft_changes, draft_create, highest_step
from reconciler.core.variables import case_context, incident_context


def plan(
    pairs: Iterable[Pair],
    policies: Policies,
    knowledge: Knowledge,
    *,
    standing: tuple[Skip, ...] = (),
    policy_hash: str,
) -> Plan:
    """Decide for each pair and put the decisions into one ordered plan.

    A plan with questions is not complete: answer them in ``knowledge`` and plan again.
    """
    decisions = tuple(decide(pair, policies, knowledge) for pair in pairs)
    return Plan(decisions=decisions, standing_skips=standing, policy_hash=policy_hash)


def decide(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    """Decide for one pair. Nothing in the answer moves either side back."""
    ours = tuple(other for other in pair.others if is_ours(other, pair.case.id, policies))
    pair = replace(pair, others=ours)
    looks = basis(pair)
    if pair.link.ignored_basis == looks:
        return Decision(link=replace(pair.link, hold=None))
    link = replace(pair.link, ignored_basis="")
    hold = link.hold
    if hold and hold.basis == looks and knowledge.now < hold.next_retry_at:
        return Decision(link=link, skip=skip(pair, SkipReason.REJECTED, hold.detail))
    if hold and hold.basis != looks:
        link = replace(link, hold=None)
    pair = replace(pair, link=link)
    decided = _decide_linked(pair, policies, knowledge) if link.sys_id else _decide_new(pair, policies, knowledge)
    is_moot = not decided.actions and not decided.questions and not _is_rejected(decided.skip)
    return replace(decided, link=replace(decided.link, hold=None)) if is_moot else decided


def is_ours(incident: Incident, case_id: str, policies: Policies) -> bool:
    """Say whether a record bears this Case's key and our mark; no other is ever written or linked."""
    return incident.correlation_id == case_id and incident.correlation_display == policies.owner


def _is_rejected(skipped: Skip | None) -> bool:
    return skipped is not None and skipped.reason is SkipReason.REJECTED


# -- no record yet ---------------------------------------------------------------------------------------------


def _decide_new(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    admitted = admit(pair, policies, knowledge)
    if isinstance(admitted, Skip):
        return Decision(link=pair.link, skip=admitted)
    pair = replace(pair, link=admitted)
    where = (admitted.connector, pair.case.id)
    if where not in knowledge.records:
        asked = Question(connector=admitted.connector, table=admitted.table, name=pair.case.id)
        _, draft = draft_create(admitted, pair.case, policies, knowledge)
        return Decision(link=admitted, questions=(asked, *draft.questions))
    found = {incident.sys_id: incident for incident in (*pair.others, *knowledge.records[where])}
    match list(found.values()):
        case []:
            return _create(pair, policies, knowledge)
        case [incident]:
            return _adopt(pair, incident, policies, knowledge)
        case several:
            return Decision(link=admitted, skip=_duplicates(pair, several))


def _create(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    link, case = pair.link, pair.case
    sent_at = link.unsettled_since
    if sent_at and link.connector in knowledge.ids_not_honoured and knowledge.now < sent_at + SETTLE_AFTER:
        detail = f"a create sent at {sent_at.isoformat()} may still be running"
        return Decision(link=link, skip=skip(pair, SkipReason.SETTLING, detail))
    stage, draft = draft_create(link, case, policies, knowledge)
    if draft.questions:
        return Decision(link=link, questions=draft.questions)
    if draft.problem:
        return _held(pair, draft.problem, knowledge)
    action = Action(
        kind=ActionKind.CREATE_INCIDENT,
        case_id=case.id,
        case_key=case.key,
        connector=link.connector,
        table=link.table,
        sys_id=draft.fields["sys_id"],
        number=None,
        from_stage=None,
        to_stage=stage,
        fields=draft.fields,
        written=draft.written,
        basis=basis(pair),
    )
    return Decision(link=link, actions=(action,))


def _adopt(pair: Pair, incident: Incident, policies: Policies, knowledge: Knowledge) -> Decision:
    stage = policies.incident_stage(pair.link, incident)
    link = adopted(pair.link, incident, stage)
    if stage is None:
        return Decision(link=pair.link, skip=_unknown_state(pair, incident))
    action = Action(
        kind=ActionKind.ADOPT_INCIDENT,
        case_id=pair.case.id,
        case_key=pair.case.key,
        connector=incident.connector,
        table=incident.table,
        sys_id=incident.sys_id,
        number=incident.number,
        from_stage=stage,
        to_stage=stage,
        basis=basis(pair),
    )
    then = _decide_linked(Pair(link=link, case=pair.case, incident=incident), policies, knowledge)
    if then.questions:
        return Decision(link=pair.link, questions=then.questions)
    return replace(then, link=pair.link, actions=(action, *then.actions))


def adopted(link: Link, incident: Incident, stage: Stage | None) -> Link:
    """Bind a link to a record that exists; what it was given before is not known."""
    return replace(
        link,
        connector=incident.connector,
        table=incident.table,
        sys_id=incident.sys_id,
        number=incident.number,
        incident_peak=stage,
        unsettled_since=None,
    )


# -- linked ----------------------------------------------------------------------------------------------------


def _decide_linked(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    blocked = _blocked(pair, policies)
    incident = pair.incident
    if blocked or incident is None:
        return Decision(link=pair.link, skip=blocked or skip(pair, SkipReason.SETTLING, "the record was not read yet"))
    backwards = _moved_back(pair, policies, incident)
    forward = _incident_side(pair, policies, knowledge, incident, backwards)
    if forward.questions or _is_rejected(forward.skip):
        return forward
    case_actions = () if backwards and backwards.reason is SkipReason.CASE_MOVED_BACK else _case_side(pair, policies)
    return replace(forward, actions=forward.actions + case_actions, skip=backwards or forward.skip)


def _blocked(pair: Pair, policies: Policies) -> Skip | None:
    """Say what keeps a link from being written at all."""
    link, incident = pair.link, pair.incident
    if link.case_absence:
        return _absent(
            pair, SkipReason.CASE_MISSING, link.case_absence.times, "Coralogix", pair.case.key or pair.case.id
        )
    if link.incident_absence:
        name = link.number or link.sys_id
        return _absent(pair, SkipReason.INCIDENT_MISSING, link.incident_absence.times, "ServiceNow", name)
    if pair.others and incident:
        return _duplicates(pair, [incident, *pair.others])
    return _unplaced(pair, policies)


def _unplaced(pair: Pair, policies: Policies) -> Skip | None:
    """Say which side cannot be placed on the scale."""
    link, incident = pair.link, pair.incident
    if pair.case.status == PENDING:
        return skip(pair, SkipReason.PENDING_ACTIVATION, "the Case waits to be activated again")
    if policies.case_stage(pair.case) is None:
        return skip(pair, SkipReason.UNKNOWN_STATE, f"the Case has the unknown status {pair.case.status!r}")
    if incident and policies.incident_stage(link, incident) is None:
        return _unknown_state(pair, incident)
    return None


def _absent(pair: Pair, reason: SkipReason, times: int, system: str, name: str) -> Skip:
    """Hold what answered 404 twice; once is only a suspicion and is asked again in a later cycle."""
    if times >= 2:
        return skip(pair, reason, f"{system} answered 404 for {name} {times} times: deleted, or hidden from us")
    return skip(pair, SkipReason.SETTLING, f"{system} answered 404 for {name} once; it is asked again")


def _duplicates(pair: Pair, records: Iterable[Incident]) -> Skip:
    names = ", ".join(sorted(f"{record.number} ({record.sys_id})" for record in records))
    return skip(pair, SkipReason.DUPLICATE_INCIDENTS, f"these records bear this Case's key: {names}")


def _unknown_state(pair: Pair, incident: Incident) -> Skip:
    where = f"[servicenow.{incident.connector}.states]"
    detail = f"{incident.number} has the unknown state {incident.state!r}; {where} can name it"
    return skip(pair, SkipReason.UNKNOWN_STATE, detail)


def _moved_back(pair: Pair, policies: Policies, incident: Incident) -> Skip | None:
    """Notice a side that was moved back across ``resolved``."""
    link = pair.link
    incident_stage = policies.incident_stage(link, incident) or Stage.OPEN
    case_stage = policies.case_stage(pair.case) or Stage.OPEN
    if _crossed_back(incident_stage, incident_peak(link, incident)):
        return skip(pair, SkipReason.INCIDENT_REOPENED, f"{incident.number} was reopened and is left to people")
    if _crossed_back(case_stage, link.case_peak):
        return skip(pair, SkipReason.CASE_MOVED_BACK, "the Case was resolved before and is open again")
    return None


def incident_peak(link: Link, incident: Incident) -> Stage | None:
    """Give the highest stage at which a record ever stood, as far as we or the record itself know.

    A record that counts reopenings was resolved once, even if no pull saw it.
    """
    reopened = Stage.RESOLVED if incident.reopen_count > 0 else None
    return max((stage for stage in (link.incident_peak, reopened) if stage), default=None)


def _crossed_back(stage: Stage, peak: Stage | None) -> bool:
    return peak is not None and stage < Stage.RESOLVED <= peak


def _incident_side(
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
        return _held(pair, draft.problem, knowledge)
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
        basis=basis(pair),
    )


def _case_side(pair: Pair, policies: Policies) -> tuple[Action, ...]:
    """Bring the Case after its record, as far as the outbound policy listens."""
    link, case, incident = pair.link, pair.case, pair.incident
    outbound = policies.outbound.get(link.outbound)
    if outbound is None or incident is None:
        return ()
    stage = policies.case_stage(case) or Stage.OPEN
    asked = asked_of_case(policies.words(link, incident), outbound)
    if asked is None or asked <= max(stage, link.case_peak or stage):
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
        basis=basis(pair),
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


def _held(pair: Pair, problem: str, knowledge: Knowledge) -> Decision:
    hold = next_hold(pair.link.hold, detail=problem, basis=basis(pair), now=knowledge.now)
    return Decision(link=replace(pair.link, hold=hold), skip=skip(pair, SkipReason.REJECTED, problem))
