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

from reconciler.core.identity import fingerprint
from reconciler.core.model import Action, ActionKind, Incident, Link, Pair, Skip, SkipReason, Stage
from reconciler.core.planning.admission import admit, skip
from reconciler.core.planning.drafts import draft_create
from reconciler.core.planning.events import is_event
from reconciler.core.planning.following import alert_side, case_side, held, incident_side
from reconciler.core.planning.known import SETTLE_AFTER, Knowledge
from reconciler.core.planning.obstacles import blocked, duplicates, moved_back, stands_back, unknown_state
from reconciler.core.planning.plan import Decision, Plan, Question
from reconciler.core.policies.policies import Policies


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
    looks = fingerprint(pair)
    if pair.link.ignored_fingerprint == looks:
        return Decision(link=replace(pair.link, hold=None))
    link = replace(pair.link, ignored_fingerprint="")
    hold = link.hold
    if hold and hold.fingerprint == looks and knowledge.now < hold.next_retry_at:
        return Decision(link=link, skip=skip(pair, SkipReason.REJECTED, hold.detail))
    if hold and hold.fingerprint != looks:
        link = replace(link, hold=None)
    pair = replace(pair, link=link)
    decided = _decide_linked(pair, policies, knowledge) if link.sys_id else _decide_new(pair, policies, knowledge)
    is_moot = not decided.actions and not decided.questions and not _is_rejected(decided.skip)
    return replace(decided, link=replace(decided.link, hold=None)) if is_moot else decided


def _is_rejected(skipped: Skip | None) -> bool:
    return skipped is not None and skipped.reason is SkipReason.REJECTED


# -- no record yet ---------------------------------------------------------------------------------------------


def _decide_new(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    admitted = admit(pair, policies, knowledge)
    if isinstance(admitted, Skip):
        return Decision(link=pair.link, skip=admitted)
    pair = replace(pair, link=admitted)
    if is_event(pair):
        return alert_side(pair, policies, knowledge)
    return _unanswered(pair, knowledge) or _create_or_adopt(pair, policies, knowledge)


def _unanswered(pair: Pair, knowledge: Knowledge) -> Decision | None:
    """Ask which records bear the Case's key; hold the link where that was refused."""
    link, case_id = pair.link, pair.case.id
    refused = knowledge.refused.get((link.connector, link.table, case_id))
    if refused:
        return held(pair, refused, knowledge)
    if (link.connector, case_id) in knowledge.records:
        return None
    return Decision(link=link, questions=(Question(connector=link.connector, table=link.table, name=case_id),))


def _create_or_adopt(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    looked_up = knowledge.records[pair.link.connector, pair.case.id]
    found = {incident.sys_id: incident for incident in (*policies.further_records(pair), *looked_up)}
    match list(found.values()):
        case []:
            return _create(pair, policies, knowledge)
        case [incident]:
            return _adopt(pair, incident, policies, knowledge)
        case several:
            return Decision(link=pair.link, skip=duplicates(pair, several))


def _create(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    link, case = pair.link, pair.case
    sent_at = link.create_in_doubt_since
    if sent_at and link.connector in knowledge.ids_not_honoured and knowledge.now < sent_at + SETTLE_AFTER:
        detail = f"a create sent at {sent_at.isoformat()} may still be running"
        return Decision(link=link, skip=skip(pair, SkipReason.SETTLING, detail))
    stage, draft = draft_create(link, case, policies, knowledge)
    if draft.questions:
        return Decision(link=link, questions=draft.questions)
    if draft.problem:
        return held(pair, draft.problem, knowledge)
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
        fingerprint=fingerprint(pair),
    )
    return Decision(link=link, actions=(action,))


def _adopt(pair: Pair, incident: Incident, policies: Policies, knowledge: Knowledge) -> Decision:
    stage = policies.incident_stage(pair.link, incident)
    link = adopted(pair.link, incident, stage)
    if stage is None:
        return Decision(link=pair.link, skip=unknown_state(pair, incident))
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
        fingerprint=fingerprint(pair),
    )
    then = _decide_linked(Pair(link=link, case=pair.case, incident=incident), policies, knowledge)
    if then.questions:
        return Decision(link=pair.link, questions=then.questions)
    if then.skip and then.skip.reason is SkipReason.NOT_ROUTED:
        return Decision(link=pair.link, skip=then.skip)  # the config has no rules, or no way, to write it
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
        create_in_doubt_since=None,
    )


# -- linked ----------------------------------------------------------------------------------------------------


def _decide_linked(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    obstacle = blocked(pair, policies)
    if obstacle:
        return Decision(link=pair.link, skip=obstacle)
    if is_event(pair):
        return _decide_alert(pair, policies, knowledge)
    incident = pair.incident
    if incident is None:
        return Decision(link=pair.link, skip=skip(pair, SkipReason.SETTLING, "the record was not read yet"))
    if not policies.is_ours(incident, pair.case.id):
        return held(pair, f"{incident.number} does not bear this Case's key and our mark any more", knowledge)
    backwards = moved_back(pair, policies, incident)
    forward = incident_side(pair, policies, knowledge, incident, backwards)
    return _with_case_side(pair, policies, forward, backwards)


def _decide_alert(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    """Decide for a link whose record is an alert: its own stage is known only where the way back is read."""
    backwards = moved_back(pair, policies, pair.incident)
    forward = Decision(link=pair.link) if backwards else alert_side(pair, policies, knowledge)
    return _with_case_side(pair, policies, forward, backwards)


def _with_case_side(pair: Pair, policies: Policies, forward: Decision, backwards: Skip | None) -> Decision:
    if forward.questions or _is_rejected(forward.skip):
        return forward
    case_actions = () if backwards and backwards.reason is SkipReason.CASE_MOVED_BACK else case_side(pair, policies)
    actions = forward.actions + case_actions
    withheld = None if actions else stands_back(pair, policies)
    return replace(forward, actions=actions, skip=backwards or forward.skip or withheld)
