"""What is sent to a record: the fields of a create, of a step forward, and of an update.

Rules of this file: only what differs from what the record holds; never a state below the one it has; a field
that a person changed is left alone; a name becomes a ``sys_id`` or the link waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.expressions.context import case_context
from reconciler.core.expressions.templates import Template, TemplateFailed
from reconciler.core.identity import SYS_ID, record_id
from reconciler.core.model import Case, FieldNote, Incident, Link, Pair, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.merge import merge_fields
from reconciler.core.planning.plan import Question
from reconciler.core.policies.defaults import render_fields
from reconciler.core.policies.policies import Inbound, Policies

CLOSE_INFO = frozenset({"close_code", "close_notes"})
"""Never overwritten where the record has them: somebody who knew more wrote them."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Hold fields on their way to a record, and what stands between."""

    fields: Mapping[str, str] = field(default_factory=dict)
    questions: tuple[Question, ...] = ()
    problem: str = ""
    """why these fields cannot be sent at all"""
    notes: tuple[FieldNote, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)
    """the link's memory of what it wrote, as it is once these fields are written"""


def highest_step(inbound: Inbound, stage: Stage) -> Stage:
    """Give the highest stage up to ``stage`` to which the policy brings a record."""
    return max(step for step in Stage if step <= stage and inbound.step(step) is not None)


def draft_create(link: Link, case: Case, policies: Policies, knowledge: Knowledge) -> tuple[Stage, Draft]:
    """Draft a new record for a Case, at the stage where the Case stands already."""
    inbound = policies.inbound[link.inbound]
    stage = highest_step(inbound, policies.case_stage(case) or Stage.OPEN)
    templates = {**inbound.on_create, **inbound.fields, **(inbound.step(stage) or {})}
    draft = _render(templates, link, case, inbound, knowledge)
    ours = {
        "sys_id": record_id(policies.owner, case.id, link.generation),
        "correlation_id": case.id,
        "correlation_display": policies.owner,
    }
    filled = {name: value for name, value in draft.fields.items() if value}
    written = {name: draft.fields[name] for name in inbound.fields if name in draft.fields}
    return stage, Draft(fields=ours | filled, questions=draft.questions, problem=draft.problem, written=written)


def draft_changes(pair: Pair, target: Stage | None, policies: Policies, knowledge: Knowledge) -> Draft:
    """Draft what brings an existing record to ``target`` (None: nowhere) and its fields in step with the Case."""
    incident = pair.incident
    if incident is None:
        return Draft()
    inbound = policies.inbound[pair.link.inbound]
    kept = _render(inbound.fields, pair.link, pair.case, inbound, knowledge)
    step = _render((inbound.step(target) if target else None) or {}, pair.link, pair.case, inbound, knowledge)
    held = {**incident.fields, "assigned_to": incident.assigned_to}
    merged = merge_fields(kept.fields, pair.link.written, {name: held.get(name) for name in kept.fields})
    notes = tuple(
        FieldNote(case_id=pair.case.id, name=name, ours=kept.fields[name], theirs=held.get(name) or "")
        for name in merged.kept
    )
    return Draft(
        fields={**merged.changes, **_still_needed(step.fields, incident)},
        questions=kept.questions + step.questions,
        problem=kept.problem or step.problem,
        notes=notes,
        written=merged.written_after,
    )


def _still_needed(fields: Mapping[str, str], incident: Incident) -> dict[str, str]:
    """Leave out what the record holds already."""
    held = {**incident.fields, "state": incident.state, "assigned_to": incident.assigned_to}
    return {
        name: value
        for name, value in fields.items()
        if value != held.get(name, "") and not (name in CLOSE_INFO and held.get(name))
    }


def _render(templates: Mapping[str, Template], link: Link, case: Case, inbound: Inbound, knowledge: Knowledge) -> Draft:
    try:
        rendered = render_fields(templates, case_context(case))
    except TemplateFailed as failure:
        return Draft(problem=str(failure))
    names = {name: value for name, value in rendered.items() if name in inbound.references and value}
    plain = {name: value for name, value in rendered.items() if name not in names}
    found: dict[str, str] = {}
    questions: list[Question] = []
    problem = ""
    for name, value in names.items():
        answer = _resolve(name, value, link, inbound, knowledge)
        table = inbound.references[name].table
        match answer:
            case Question():
                refused = knowledge.refused.get((answer.connector, table, answer.name))
                problem = f"{name}: {refused}" if refused else problem
                questions += [] if refused else [answer]
            case "":
                problem = f"{name}: {table} has no single active row named {value!r}, and there is no default that is"
            case _:
                found[name] = answer
    return Draft(fields=plain | found, questions=tuple(questions), problem=problem)


def _resolve(name: str, value: str, link: Link, inbound: Inbound, knowledge: Knowledge) -> str | Question:
    """Turn a name into a sys_id; a Question when nobody looked yet, empty when there is no such row."""
    reference = inbound.references[name]
    for wanted in (value, reference.default):
        if SYS_ID.match(wanted):
            return wanted
        if not wanted:
            continue
        key = (link.connector, reference.table, wanted)
        if key not in knowledge.references:
            return Question(
                connector=link.connector, table=reference.table, name=wanted, name_field=reference.name_field
            )
        if knowledge.references[key]:
            return knowledge.references[key]
    return ""
