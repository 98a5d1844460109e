"""The decision: from what is remembered about one Case to what is done about it, or why nothing is.

**The scale.** Both sides of a link stand on one ordered scale, the stage. Nothing here ever moves a side down it.

    stage          Case             record                                   verb that leads there
    open           ACTIVE           New
    acknowledged   ACKNOWLEDGED     In Progress, On Hold, assigned           acknowledge
    resolved       RESOLVED         Resolved                                 resolve
    closed         CLOSED           Closed, Canceled                         close (only from resolved)

A *peak* is the highest stage at which a side ever stood. A side is brought to a stage only if that is above its peak:
so the order in which news arrives does not matter, doing a thing twice changes nothing, and two sides never fight.

**The decision table.** The first row that applies decides; a row that names a side decides for that side alone.

    a person said to leave it alone, and nothing changed     nothing
    it was rejected, nothing changed, its time not come      nothing: ``rejected``

    no record yet
      never active, unknown, or gone                         nothing: ``pending_activation``, ``unknown_state``, …
      too old, no route, ``create_when`` false               nothing: ``before_origin``, ``not_routed``
      nobody looked for records with its key                 ask
      one bears it / several do                              adopt it, then as linked / nothing: ``duplicate_incidents``
      ``existing`` finds a record by other means             nothing: ``kept_elsewhere``
      none does                                              create it, at the stage where the Case stands

    linked
      an obstacle (``obstacles.OBSTACLES``, in their order)  nothing, with the obstacle's word
      the record bears key and mark no more                  nothing: ``rejected``
      record: moved back across ``resolved``                 nothing: ``incident_reopened``
      record: closed or canceled                             nothing: ``incident_terminal`` where something differs
      record: something differs, ``update_when`` is false    nothing: ``update_withheld``
      record: its Case stands above the record's peak        advance it, with the fields that differ
      record: a field in step differs, and is still ours     update it
      Case: moved back across ``resolved``                   nothing: ``case_moved_back``; its record gets what
                                                             ``on_reactivate`` says: a note, or the next record
      Case: the record's words ask for more than its peak    advance it, verb by verb

Everything here is a function of its arguments. The decision is asked twice for each action: when the plan is made, and
again from what was read just before the write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.core.model import Action, ActionKind, Incident, Link, Pair, Skip, SkipReason
from reconciler.core.planning.admission import admit, kept_elsewhere
from reconciler.core.planning.drafts import draft_create, fields_given
from reconciler.core.planning.events import alert_side
from reconciler.core.planning.following import case_side, incident_side
from reconciler.core.planning.known import SETTLE_AFTER, Knowledge, next_hold
from reconciler.core.planning.obstacles import blocked, duplicates, moved_back, stands_back, unknown_state
from reconciler.core.planning.plan import Decision, Plan, Question
from reconciler.core.planning.reactivation import at_newest, is_due_a_record, next_generation, note_action
from reconciler.core.planning.standing import Standing, look_at
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
    return decide_standing(look_at(pair, policies), knowledge)


def decide_standing(here: Standing, knowledge: Knowledge) -> Decision:
    """Decide for a pair that was looked at already."""
    link, hold = here.link, here.link.hold
    if link.ignored_fingerprint == here.fingerprint:
        return Decision(link=replace(link, hold=None))
    is_unchanged = hold is not None and hold.fingerprint == here.fingerprint
    link = replace(link, ignored_fingerprint="", hold=hold if is_unchanged else None)
    if hold and is_unchanged and knowledge.now < hold.next_retry_at:
        return Decision(link=link, skip=here.skip(SkipReason.REJECTED, hold.detail))
    decided = _linked(here.on(link), knowledge) if link.sys_id else _unlinked(here.on(link), knowledge)
    return _with_hold(decided, here.fingerprint, knowledge)


def _with_hold(decided: Decision, looks: str, knowledge: Knowledge) -> Decision:
    """Hold a link whose fields cannot be made or whose look-up was refused; end a hold that has become moot."""
    link = decided.link
    if decided.is_rejected and decided.skip and not decided.actions:
        hold = next_hold(link.hold, detail=decided.skip.detail or "", fingerprint=looks, now=knowledge.now)
        return replace(decided, link=replace(link, hold=hold))
    is_moot = not decided.actions and not decided.questions
    return replace(decided, link=replace(link, hold=None)) if is_moot else decided


# -- no record yet ---------------------------------------------------------------------------------------------


def _unlinked(here: Standing, knowledge: Knowledge) -> Decision:
    admitted = admit(here, knowledge)
    if isinstance(admitted, Skip):
        return Decision(link=here.link, skip=admitted)
    here = look_at(replace(here.pair, link=admitted), here.policies)
    if here.is_event:
        return alert_side(here)
    where = (admitted.connector, here.case.id)
    if where in knowledge.records:
        return _create_or_adopt(here, knowledge.records[where], knowledge)
    refused = knowledge.refused.get((admitted.connector, admitted.table, here.case.id))
    if refused:
        return Decision(link=admitted, skip=here.skip(SkipReason.REJECTED, refused))
    kept = kept_elsewhere(here, knowledge)
    if kept and kept.skip and kept.skip.reason is SkipReason.KEPT_ELSEWHERE and not here.further:
        return kept
    question = Question(connector=admitted.connector, table=admitted.table, name=here.case.id)
    return Decision(link=admitted, questions=(question, *(kept.questions if kept else ())))


def _create_or_adopt(here: Standing, looked_up: tuple[Incident, ...], knowledge: Knowledge) -> Decision:
    found = {incident.sys_id: incident for incident in (*here.further, *looked_up)}
    here = here.on(at_newest(here.link, here.policies.owner, found))
    found = {sys_id: incident for sys_id, incident in found.items() if sys_id not in here.link.earlier}
    match list(found.values()):
        case []:
            return kept_elsewhere(here, knowledge) or _create(here, knowledge)
        case [incident]:
            return _adopt(here, incident, knowledge)
        case several:
            return Decision(link=here.link, skip=duplicates(here, several))


def _create(here: Standing, knowledge: Knowledge) -> Decision:
    link = here.link
    sent_at = link.create_in_doubt_since
    if sent_at and link.connector in knowledge.ids_not_honoured and knowledge.now < sent_at + SETTLE_AFTER:
        detail = f"a create sent at {sent_at.isoformat()} may still be running"
        return Decision(link=link, skip=here.skip(SkipReason.SETTLING, detail))
    draft = draft_create(here, knowledge)
    if draft.questions:
        return Decision(link=link, questions=draft.questions)
    if draft.problem:
        return Decision(link=link, skip=here.skip(SkipReason.REJECTED, draft.problem))
    action = Action.about(
        here.pair,
        ActionKind.CREATE_INCIDENT,
        fingerprint=here.fingerprint,
        to_stage=here.asks_of_record,
        sys_id=here.chosen_id,
        number=None,
        fields=draft.fields,
        written=draft.written,
    )
    return Decision(link=link, actions=(action,))


def _adopt(here: Standing, incident: Incident, knowledge: Knowledge) -> Decision:
    """Bind the link to a record that is there already, and go on as if it had been linked before."""
    found = look_at(replace(here.pair, incident=incident, others=()), here.policies)
    stage = found.incident_stage
    if stage is None:
        return Decision(link=here.link, skip=unknown_state(found))
    linked = replace(found.pair, link=adopted(found))
    then = _linked(look_at(linked, here.policies), knowledge)
    if then.questions:
        return Decision(link=here.link, questions=then.questions)
    if then.skip and then.skip.reason is SkipReason.NOT_ROUTED:
        return Decision(link=here.link, skip=then.skip)  # the config has no rules, or no way, to write it
    adopt = Action.about(
        found.pair, ActionKind.ADOPT_INCIDENT, fingerprint=here.fingerprint, from_stage=stage, to_stage=stage
    )
    return replace(then, link=here.link, actions=(adopt, *then.actions))


def adopted(here: Standing) -> Link:
    """Bind a link to a record that was just read.

    What it was given before is not known, unless nobody changed it since it was made: then it holds what was kept.
    """
    incident, link = here.incident, here.link
    if incident is None:
        return link
    held = {**incident.fields, "assigned_to": incident.assigned_to} if incident.mod_count == 0 else {}
    link = replace(
        link,
        connector=incident.connector,
        table=incident.table,
        sys_id=incident.sys_id,
        number=incident.number,
        kept={name: held[name] for name in fields_given(here.inbound) if name in held},
        create_in_doubt_since=None,
    )
    return replace(link, incident_peak=here.policies.incident_stage(link, incident))


# -- linked ----------------------------------------------------------------------------------------------------


def _linked(here: Standing, knowledge: Knowledge) -> Decision:
    obstacle = blocked(here)
    if obstacle:
        return Decision(link=here.link, skip=obstacle)
    if is_due_a_record(here, knowledge):
        before = (here.incident,) if here.incident else ()
        link = next_generation(here.link, here.case, here.case_at)
        anew = replace(here.pair, link=link, incident=None, others=(*here.pair.others, *before))
        return _unlinked(look_at(anew, here.policies), knowledge)
    forward = Decision(link=here.link)
    if here.is_event and not (here.is_case_back or here.is_incident_back):
        forward = alert_side(here)
    elif not here.is_event and not here.is_incident_back:
        forward = incident_side(here, knowledge)
    forward = _unless_withheld(here, forward)
    if forward.questions or forward.is_rejected:
        return forward
    note = note_action(here)
    followed = () if here.is_case_back else case_side(here)
    actions = forward.actions + ((note,) if note else followed)
    withheld = None if actions else stands_back(here)
    return replace(forward, actions=actions, skip=moved_back(here) or forward.skip or withheld)


def _unless_withheld(here: Standing, forward: Decision) -> Decision:
    """Leave the record as it is while ``update_when`` is false; what it would have got is planned when it is true.

    Nothing of it is remembered as written, so that the one write then has all that differs from the last one.
    """
    is_moot = not (forward.actions or forward.questions or forward.is_rejected)
    if is_moot or not here.withheld:
        return forward
    return Decision(link=here.link, skip=here.skip(SkipReason.UPDATE_WITHHELD, here.withheld))
