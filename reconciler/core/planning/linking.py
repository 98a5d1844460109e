"""A Case that has no record yet: whether it gets one, and whether that is made or is there already.

Rules of this file: nobody makes a record before somebody looked for one with the Case's key; one that is there is
adopted; of two that are there none is chosen; a create whose outcome is not known is waited for where the instance
would not recognise its repetition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.core.model import Action, ActionKind, Incident, Link, Skip, SkipReason
from reconciler.core.planning.admission import admit, kept_elsewhere
from reconciler.core.planning.drafts import draft_create, fields_given, given_when_made
from reconciler.core.planning.events import alert_side
from reconciler.core.planning.known import SETTLE_AFTER, Knowledge
from reconciler.core.planning.obstacles import duplicates, unknown_state
from reconciler.core.planning.plan import Decision, Question
from reconciler.core.planning.reactivation import at_newest
from reconciler.core.planning.standing import Standing

Decided = Callable[[Standing, Knowledge], Decision]
"""How a pair is decided once it has a record."""


def unlinked(here: Standing, knowledge: Knowledge, decided: Decided) -> Decision:
    """Decide for a Case without a record; one that is adopted is then decided as if it had been linked before."""
    admitted = admit(here, knowledge)
    if isinstance(admitted, Skip):
        return Decision(link=here.link, skip=admitted)
    here = here.on(admitted)
    return alert_side(here) if here.is_event else _create_or_adopt(here, knowledge, decided)


def _create_or_adopt(here: Standing, knowledge: Knowledge, decided: Decided) -> Decision:
    """Look whether records bear the Case's key: one is adopted, of several none is chosen, without one it is made."""
    link, case = here.link, here.case
    looked_up = knowledge.records.get((link.connector, case.id))
    if looked_up is None:
        refused = knowledge.refused.get((link.connector, link.table, case.id))
        if refused:
            return Decision(link=link, skip=here.skip(SkipReason.REJECTED, refused))
        kept = kept_elsewhere(here, knowledge)
        if kept and kept.skip and kept.skip.reason is SkipReason.KEPT_ELSEWHERE and not here.further:
            return kept
        question = Question(connector=link.connector, table=link.table, name=case.id)
        return Decision(link=link, questions=(question, *(kept.questions if kept else ())))
    found = {incident.sys_id: incident for incident in (*here.further, *looked_up)}
    here = here.on(at_newest(link, here.policies.owner, found))
    records = [incident for sys_id, incident in found.items() if sys_id not in here.link.earlier]
    match records:
        case [incident]:
            return _adopt(here, incident, knowledge, decided)
        case []:
            return kept_elsewhere(here, knowledge) or _create(here, knowledge)
        case _:
            return Decision(link=here.link, skip=duplicates(here, records))


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
    action = Action(
        **here.about,
        kind=ActionKind.CREATE_INCIDENT,
        from_stage=None,
        to_stage=here.asks_of_record,
        fields=draft.fields,
        written=draft.written,
    )
    return Decision(link=link, actions=(action,))


def _adopt(here: Standing, incident: Incident, knowledge: Knowledge, decided: Decided) -> Decision:
    """Bind the link to a record that is there already, and go on from there."""
    found = Standing(pair=replace(here.pair, incident=incident, others=()), policies=here.policies)
    stage = found.incident_stage
    if stage is None:
        return Decision(link=here.link, skip=unknown_state(found))
    then = decided(found.on(adopted(found, knowledge)), knowledge)
    if then.questions:
        return Decision(link=here.link, questions=then.questions)
    if then.skip and then.skip.reason is SkipReason.NOT_ROUTED:
        return Decision(link=here.link, skip=then.skip)  # the config has no rules, or no way, to write it
    adopt = Action(**found.about, kind=ActionKind.ADOPT_INCIDENT, from_stage=stage, to_stage=stage)
    adopt = replace(adopt, fingerprint=here.fingerprint)  # decided before the record was part of the pair
    return replace(then, link=here.link, actions=(adopt, *then.actions))


def adopted(here: Standing, knowledge: Knowledge) -> Link:
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
    bound = here.on(link)
    written = {**link.written, **given_when_made(bound, knowledge)}
    return replace(link, written=written, incident_peak=bound.incident_stage)
