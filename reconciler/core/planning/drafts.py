"""What is sent, made from a verdict: the fields of a create, of a change and of an event, the note, the step of a Case.

Rules of this file: only what differs from what the record holds; never a state below the one it has; a field
that a person changed is left alone; a name is sent as a ``sys_id``, or nothing is sent until it is known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import assert_never

from reconciler.core.copies import replace
from reconciler.core.expressions.templates import JOURNAL_FIELDS, Rendering, Template
from reconciler.core.frozen import dataclass
from reconciler.core.identity import SYS_ID
from reconciler.core.lifecycle import verbs
from reconciler.core.model import (
    SERVICENOW_TIME,
    Action,
    ActionKind,
    FieldNote,
    Incident,
    Skip,
    SkipReason,
    Stage,
    Verb,
)
from reconciler.core.planning.merge import merge_fields
from reconciler.core.planning.plan import Decision, Question
from reconciler.core.planning.standing import Standing
from reconciler.core.planning.verdict import Adopt, Ask, Create, Follow, Leave, Verdict
from reconciler.core.policies.defaults import LONGEST_COLUMN
from reconciler.core.policies.policies import Reference
from reconciler.core.text import cut

CLOSE_INFO = frozenset({"close_code", "close_notes"})
"""Never overwritten where the record has them: somebody who knew more wrote them."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What would be sent to either side, and what stands between."""

    kind: ActionKind = ActionKind.UPDATE_INCIDENT
    from_stage: Stage | None = None
    to_stage: Stage = Stage.OPEN
    path: tuple[Verb, ...] = ()
    """the verbs for a Case, in order"""
    fields: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    problem: str = ""
    """why these fields cannot be sent at all"""
    notes: tuple[FieldNote, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)
    """the link's memory of what it wrote, as it is once these fields are written"""
    detail: str | None = None
    """what a person is told beside"""


def drafted(verdict: Verdict) -> Decision:
    """Make the decision of a verdict: its actions with all that they send, or the questions that must come first."""
    here = verdict.here
    match verdict:
        case Leave():
            link = replace(here.link, elsewhere=verdict.elsewhere) if verdict.elsewhere else here.link
            return Decision(link=link, skip=verdict.skip)
        case Ask():
            return Decision(link=here.link, questions=verdict.questions)
        case Create():
            draft = draft_event(here) if here.is_event else draft_create(here)
            return _sent(here, draft)
        case Adopt():
            return _adopted(verdict)
        case Follow():
            return _followed(verdict)
    assert_never(verdict)


def _adopted(verdict: Adopt) -> Decision:
    here, found, then = verdict.here, verdict.found, verdict.then
    given = as_given(found.bound)
    decision = drafted(replace(then, here=given) if isinstance(then, Follow) else then)
    if decision.questions:
        return Decision(link=here.link, questions=decision.questions)
    draft = Draft(
        kind=ActionKind.ADOPT_INCIDENT,
        from_stage=found.incident_stage,
        to_stage=found.incident_at,
        written=given.link.written,
    )
    adopt = _action(here, draft, found.incident)  # decided before the record was part of the pair
    actions = (adopt, *decision.actions)
    return Decision(link=here.link, actions=actions, skip=decision.skip, notes=decision.notes)


def as_given(here: Standing) -> Standing:
    """Look at a pair that was just bound with what its record was given when it was made.

    That is what its Case would give it now, where neither changed since. Without it an instance that rewrites what it
    is given would be sent the same value once more, to no effect. The two times are of two clocks; where they disagree
    by more than passed between, a change is not carried over until the next one.
    """
    incident, case = here.incident, here.case
    if incident is None or incident.mod_count or (case.updated_at or case.created_at) > incident.created_at:
        return here
    given = _with_ids(here, here.in_step).fields
    kept = {name: value for name, value in given.items() if name in here.link.kept}
    return here.on(replace(here.link, written={**here.link.written, **kept}))


def _followed(verdict: Follow) -> Decision:
    here = verdict.here
    sent = Decision(link=here.link) if verdict.is_left_to_people else _record_side(verdict)
    if sent.questions or sent.is_rejected:
        return sent
    note = (_action(here, draft_note(here)),) if verdict.has_note else ()
    step = (_action(here, draft_step(here, verdict.case_goes_to)),) if verdict.case_goes_to else ()
    actions = sent.actions + note + step
    skip = verdict.moved_back or sent.skip or (None if actions else verdict.stands_back)
    return Decision(link=sent.link, actions=actions, skip=skip, notes=sent.notes)


def _record_side(verdict: Follow) -> Decision:
    here = verdict.here
    draft = draft_event(here) if here.is_event else draft_changes(here, here.record_goes_to)
    if verdict.is_over and not draft.questions:  # whether anything differs is only known once all names are
        return Decision(link=here.link, skip=verdict.is_over if draft.fields else None)
    if verdict.withheld and (draft.questions or draft.problem or draft.fields):
        return Decision(link=here.link, skip=verdict.withheld)
    return _sent(here, draft)


def _sent(here: Standing, draft: Draft) -> Decision:
    """Make the action that sends a draft; none where something must be asked first, is wrong, or nothing differs."""
    if draft.questions:
        return Decision(link=here.link, questions=draft.questions)
    if draft.problem:
        return Decision(link=here.link, skip=Skip.of(here.case, SkipReason.REJECTED, draft.problem))
    if not draft.fields:
        return Decision(link=replace(here.link, written=draft.written), notes=draft.notes)
    return Decision(link=here.link, actions=(_action(here, draft),), notes=draft.notes)


def _action(here: Standing, draft: Draft, record: Incident | None = None) -> Action:
    """Address a draft to the pair's Case and to a record: the one that is given, its own, or the one to be made."""
    at = record or here.incident or here.link
    return Action(
        kind=draft.kind,
        case_id=here.case.id,
        case_key=here.case.key,
        connector=at.connector,
        table=at.table,
        sys_id=at.sys_id or here.chosen_id,
        number=at.number or None,
        from_stage=draft.from_stage,
        to_stage=draft.to_stage,
        path=draft.path,
        fields=draft.fields,
        written=draft.written,
        fingerprint=here.fingerprint,
        detail=draft.detail,
    )


# -- the record --------------------------------------------------------------------------------------------------------


def draft_create(here: Standing) -> Draft:
    """Draft a new record for a Case, at the stage where the Case stands already."""
    to_stage = here.asks_of_record
    draft = _with_ids(here, here.rendered(_templates(here, to_stage)))
    ours = {
        "sys_id": here.chosen_id,
        "correlation_id": here.case.id,
        "correlation_display": here.policies.owner,
    }
    filled = {name: value for name, value in draft.fields.items() if value}
    if first := _first_record(here):
        filled["description"] = cut(f"{first}\n\n{filled.get('description', '')}".strip(), LONGEST_COLUMN)
    return Draft(
        kind=ActionKind.CREATE_INCIDENT,
        to_stage=to_stage,
        fields=ours | filled,
        questions=draft.questions,
        problem=draft.problem,
        written=here.inbound.in_step_of(draft.fields),
    )


def _first_record(here: Standing) -> str:
    """Name the records that the link had before, for the description of the next; empty for the first."""
    before = [other.number for other in here.pair.others if other.sys_id in here.link.earlier]
    return f"{here.case.key or here.case.id} was active again after {', '.join(before)}." if before else ""


def draft_changes(here: Standing, target: Stage | None) -> Draft:
    """Draft what brings an existing record to ``target`` (None: nowhere) and its fields in step with the Case."""
    incident = here.incident
    if incident is None:
        return Draft(written=here.link.written)
    step = _with_ids(here, here.rendered((here.inbound.step(target) if target else None) or {}))
    in_step = _with_ids(here, here.in_step)
    values = incident.values
    merged = merge_fields(in_step.fields, here.link.written, values, here.link.kept)
    return Draft(
        kind=ActionKind.ADVANCE_INCIDENT if target else ActionKind.UPDATE_INCIDENT,
        from_stage=here.incident_at,
        to_stage=target or here.incident_at,
        fields={**merged.changes, **_still_needed(step.fields, incident, is_noted=_is_noted(here, target))},
        questions=in_step.questions + step.questions,
        problem=in_step.problem or step.problem,
        notes=tuple(
            FieldNote(case_id=here.case.id, name=name, ours=in_step.fields[name], theirs=values.get(name) or "")
            for name in merged.kept
        ),
        written=merged.written_after,
    )


def _is_noted(here: Standing, target: Stage | None) -> bool:
    """Return whether the note of a step was sent: for certain, or, where that is not known, the record moved since."""
    before = here.link.noted.get(target.word) if target else None
    return before is not None and here.incident is not None and here.incident.mod_count > before


def _still_needed(fields: Mapping[str, str], incident: Incident, *, is_noted: bool) -> dict[str, str]:
    """Leave out what the record holds already, and the note of a step that had it."""
    values = {**incident.values, "state": incident.state}
    return {
        name: value
        for name, value in fields.items()
        if value != values.get(name, "")
        and not (name in CLOSE_INFO and values.get(name))
        and not (is_noted and name in JOURNAL_FIELDS)
    }


def draft_event(here: Standing) -> Draft:
    """Draft what brings the alert behind an event target after its Case; one that was cleared is sent nothing more.

    Every event carries all fields, so an event that was lost is made up for by the next. The ``message_key`` is
    the Case's id, so that a repeat meets the same alert.
    """
    link, case = here.link, here.case
    sent = link.incident_peak if link.sys_id else None
    to_stage = max(here.asks_of_record, sent or Stage.OPEN)
    if sent is not None and sent >= Stage.RESOLVED:
        return Draft(written=link.written)
    rendered = here.rendered(_templates(here, to_stage))
    said = {name: value for name, value in rendered.fields.items() if value}
    if rendered.problem or (said == link.written and link.sys_id):
        return Draft(written=link.written, problem=rendered.problem)
    return Draft(
        kind=ActionKind.SEND_EVENT,
        from_stage=sent,
        to_stage=to_stage,
        fields={
            **said,
            "message_key": case.id,
            "time_of_event": (case.updated_at or case.created_at).strftime(SERVICENOW_TIME),
            "additional_info": json.dumps({"case_id": case.id, "case_key": case.key or ""}, sort_keys=True),
        },
        written=said,
    )


def draft_note(here: Standing) -> Draft:
    """Draft the note that tells the people who work on a record that its Case is active again."""
    name = here.case.key or here.case.id
    words = f"{name} is active again in Coralogix since {here.case.reactivated_at:{SERVICENOW_TIME}} UTC."
    return Draft(
        kind=ActionKind.ADD_WORK_NOTE,
        from_stage=here.incident_at,
        to_stage=here.incident_at,
        fields={"work_notes": words},
        written=here.link.written,
    )


# -- the Case ----------------------------------------------------------------------------------------------------------


def draft_step(here: Standing, to_stage: Stage) -> Draft:
    """Draft what brings the Case after its record, verb by verb."""
    path = verbs(here.case_at, to_stage)
    reason, full = here.reason if Verb.RESOLVE in path else ("", "")
    return Draft(
        kind=ActionKind.ADVANCE_CASE,
        from_stage=here.case_at,
        to_stage=to_stage,
        path=path,
        fields={"reason": reason} if reason else {},
        detail=f"full reason: {full}" if reason != full else None,
    )


# -- fields ------------------------------------------------------------------------------------------------------------


def _templates(here: Standing, stage: Stage) -> Mapping[str, Template]:
    """Return every template for a Case at a stage; those of the step override the others."""
    inbound = here.inbound
    return {**inbound.on_create, **inbound.fields, **(inbound.step(stage) or {})}


def _with_ids(here: Standing, rendered: Rendering) -> Draft:
    """Draft what was rendered, with every name that refers to a row turned into its ``sys_id``."""
    names = {name: value for name, value in rendered.fields.items() if name in here.inbound.references and value}
    found = {name: value for name, value in rendered.fields.items() if name not in names}
    questions: list[Question] = []
    problem = rendered.problem
    for name, value in names.items():
        reference = here.inbound.references[name]
        answer = _resolve(here, value, reference)
        match answer:
            case Question():
                refused = here.knowledge.refused.get((answer.connector, answer.table, answer.name))
                if refused:
                    problem = f"{name}: {refused}"
                else:
                    questions.append(answer)
            case "":
                missing = f"{reference.table} has no single active row named {value!r}"
                problem = f"{name}: {missing}, and there is no default that is"
            case _:
                found[name] = answer
    return Draft(fields=found, questions=tuple(questions), problem=problem)


def _resolve(here: Standing, value: str, reference: Reference) -> str | Question:
    """Turn a name into a sys_id; a Question when nobody looked yet, empty when there is no such row."""
    connector, known = here.link.connector, here.knowledge.references
    for wanted in (value, reference.default):
        if SYS_ID.match(wanted):
            return wanted
        if not wanted:
            continue
        key = (connector, reference.table, wanted)
        if key not in known:
            return Question(connector=connector, table=reference.table, name=wanted, name_field=reference.name_field)
        if known[key]:
            return known[key]
    return ""
