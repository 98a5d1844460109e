"""What is sent to a record: the fields of a create, of a step forward, and of an update.

Rules of this file: only what differs from what the record holds; never a state below the one it has; a field
that a person changed is left alone; a name becomes a ``sys_id`` or the link waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.core.expressions.filters import cut
from reconciler.core.expressions.templates import JOURNAL_FIELDS, Template, TemplateFailed, render_fields
from reconciler.core.identity import SYS_ID
from reconciler.core.model import FieldNote, Incident, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.merge import merge_fields
from reconciler.core.planning.plan import Question
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import Inbound, Reference
from reconciler.core.policies.requirements import parts_of

LONGEST_DESCRIPTION = 4000
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


def fields_given(inbound: Inbound) -> frozenset[str]:
    """Name the fields of which the link remembers what the record kept: those in step, and who it is assigned to."""
    is_assigning = any("assigned_to" in part for part in parts_of(inbound).values())
    return frozenset(inbound.fields) | ({"assigned_to"} if is_assigning else frozenset())


def draft_create(here: Standing, knowledge: Knowledge) -> Draft:
    """Draft a new record for a Case, at the stage where the Case stands already."""
    inbound = here.inbound
    step = inbound.step(here.asks_of_record) or {}
    draft = _render({**inbound.on_create, **inbound.fields, **step}, here, knowledge)
    ours = {
        "sys_id": here.chosen_id,
        "correlation_id": here.case.id,
        "correlation_display": here.policies.owner,
    }
    filled = {name: value for name, value in draft.fields.items() if value}
    written = {name: draft.fields[name] for name in inbound.fields if name in draft.fields}
    if first := _first_record(here):
        filled["description"] = cut(f"{first}\n\n{filled.get('description', '')}".strip(), LONGEST_DESCRIPTION)
    return Draft(fields=ours | filled, questions=draft.questions, problem=draft.problem, written=written)


def _first_record(here: Standing) -> str:
    """Name the record that a link had before; empty where this is its first."""
    before = [other.number for other in here.pair.others if other.sys_id in here.link.earlier]
    return f"{here.case.key or here.case.id} was active again after {', '.join(before)}." if before else ""


def draft_changes(here: Standing, target: Stage | None, knowledge: Knowledge) -> Draft:
    """Draft what brings an existing record to ``target`` (None: nowhere) and its fields in step with the Case."""
    incident, inbound = here.incident, here.inbound
    if incident is None:
        return Draft()
    kept = _render(inbound.fields, here, knowledge)
    step = _render((inbound.step(target) if target else None) or {}, here, knowledge)
    needed = _still_needed(step.fields, incident, is_noted=_is_noted(here, target))
    held = {**incident.fields, "assigned_to": incident.assigned_to}
    current = {name: held.get(name) for name in kept.fields}
    merged = merge_fields(kept.fields, here.link.written, current, here.link.kept)
    notes = tuple(
        FieldNote(case_id=here.case.id, name=name, ours=kept.fields[name], theirs=held.get(name) or "")
        for name in merged.kept
    )
    return Draft(
        fields={**merged.changes, **needed},
        questions=kept.questions + step.questions,
        problem=kept.problem or step.problem,
        notes=notes,
        written=merged.written_after,
    )


def given_when_made(here: Standing, knowledge: Knowledge) -> dict[str, str]:
    """Say what a record was given that is adopted as it was made: what its Case, unchanged since, would give it now.

    Without it an instance that rewrites what it is given would be sent the same value once more, to no effect. The two
    times are of two clocks; where they disagree by more than passed between, a change is not carried over until the
    next one.
    """
    incident, case = here.incident, here.case
    if incident is None or incident.mod_count or (case.updated_at or case.created_at) > incident.created_at:
        return {}
    wanted = _render(here.inbound.fields, here, knowledge).fields
    return {name: value for name, value in wanted.items() if name in here.link.kept}


def _is_noted(here: Standing, target: Stage | None) -> bool:
    """Say whether the note of a step was sent: for certain, or, where that is not known, the record moved since."""
    before = here.link.noted.get(target.word) if target else None
    return before is not None and here.incident is not None and here.incident.mod_count > before


def _still_needed(fields: Mapping[str, str], incident: Incident, *, is_noted: bool) -> dict[str, str]:
    """Leave out what the record holds already, and the note of a step that had it."""
    held = {**incident.fields, "state": incident.state, "assigned_to": incident.assigned_to}
    return {
        name: value
        for name, value in fields.items()
        if value != held.get(name, "")
        and not (name in CLOSE_INFO and held.get(name))
        and not (is_noted and name in JOURNAL_FIELDS)
    }


def _render(templates: Mapping[str, Template], here: Standing, knowledge: Knowledge) -> Draft:
    """Render fields, with every name that refers to a row turned into its ``sys_id``."""
    try:
        rendered = render_fields(templates, here.context)
    except TemplateFailed as failure:
        return Draft(problem=str(failure))
    names = {name: value for name, value in rendered.items() if name in here.inbound.references and value}
    found = {name: value for name, value in rendered.items() if name not in names}
    questions: list[Question] = []
    problem = ""
    for name, value in names.items():
        reference = here.inbound.references[name]
        answer = _resolve(value, reference, here.link.connector, knowledge)
        match answer:
            case Question():
                refused = knowledge.refused.get((answer.connector, answer.table, answer.name))
                problem = f"{name}: {refused}" if refused else problem
                questions += [] if refused else [answer]
            case "":
                missing = f"{reference.table} has no single active row named {value!r}"
                problem = f"{name}: {missing}, and there is no default that is"
            case _:
                found[name] = answer
    return Draft(fields=found, questions=tuple(questions), problem=problem)


def _resolve(value: str, reference: Reference, connector: str, knowledge: Knowledge) -> str | Question:
    """Turn a name into a sys_id; a Question when nobody looked yet, empty when there is no such row."""
    for wanted in (value, reference.default):
        if SYS_ID.match(wanted):
            return wanted
        if not wanted:
            continue
        key = (connector, reference.table, wanted)
        if key not in knowledge.references:
            return Question(connector=connector, table=reference.table, name=wanted, name_field=reference.name_field)
        if knowledge.references[key]:
            return knowledge.references[key]
    return ""
