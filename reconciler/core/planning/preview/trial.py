"""What routes and policies make of one Case, shown before anything is done.

Nothing is asked of a service: a row that would be looked up by its name stands in the answer as ``<table name>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from reconciler.core.copies import replace
from reconciler.core.expressions.context import EXAMPLE_INCIDENT, case_context
from reconciler.core.expressions.templates import Template, rendering
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import ASSIGNED, STEPS, WORD_STAGES
from reconciler.core.model import Action, Case, Incident, Link, Pair, Skip, Stage
from reconciler.core.planning.decide import decide
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Question, until_answered
from reconciler.core.planning.rules import admit
from reconciler.core.planning.standing import Standing, asked_of_case
from reconciler.core.policies.policies import Inbound, Outbound, Policies
from reconciler.core.policies.requirements import parts_of
from reconciler.core.policies.routing import RouteTrace, explain_routes


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One field of one part of a policy; either a value or the problem with it."""

    part: str
    field: str
    value: str = ""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a config makes of one Case as it is now."""

    case: Case
    routes: tuple[RouteTrace, ...]
    link: Link | None = None
    """where its record would be; None where it gets none"""
    refusal: Skip | None = None
    """why it gets none"""
    rendered: tuple[Rendered, ...] = ()
    request: Action | None = None
    """what would make its record"""
    problem: str = ""
    """why that cannot be sent"""
    asks: Mapping[str, Stage] | None = None
    """word of the record -> what it asks of the Case; None where the route is one-way"""
    reason: str = ""
    """with which the Case would be resolved"""
    full_reason: str = ""
    withheld: str = ""
    """why a record that exists would get nothing from the Case now; empty where it would follow"""


def try_out(case: Case, policies: Policies, knowledge: Knowledge, incident: Incident | None = None) -> Trial:
    """Show what becomes of a Case that has no record yet; the reason is made from ``incident``, or an example."""
    routes = explain_routes(case, policies.routes)
    unlinked = Link(case_id=case.id, was_active=True, admitted=True)
    admitted = admit(Standing(pair=Pair(link=unlinked, case=case), policies=policies, knowledge=knowledge))
    if isinstance(admitted, Skip):
        return Trial(case=case, routes=routes, refusal=admitted)
    decision = answered(admitted.pair, policies, knowledge)
    link = admitted.link
    record = incident or replace(EXAMPLE_INCIDENT, connector=link.connector, table=link.table, correlation_id=case.id)
    with_record = admitted.seeing_only(record)
    reason, full_reason = with_record.reason
    return Trial(
        case=case,
        routes=routes,
        link=link,
        rendered=tuple(render_parts(admitted.inbound, case)),
        request=next(iter(decision.actions), None),
        problem=(decision.skip.detail or "") if decision.skip else "",
        asks=_asks(admitted.outbound) if admitted.outbound else None,
        reason=reason,
        full_reason=full_reason,
        withheld=with_record.withheld,
    )


def render_parts(inbound: Inbound, case: Case) -> Iterator[Rendered]:
    """Render every field of a policy by itself, so that one that fails hides no other."""
    context = case_context(case)
    for part, templates in parts_of(inbound).items():
        for field, template in templates.items():
            yield _rendered(part, field, template, context)


def _rendered(part: str, field: str, template: Template, context: Mapping[str, object]) -> Rendered:
    one = rendering({field: template}, context)
    problem = one.problem.removeprefix(f"{field}: ")
    return Rendered(part=part, field=field, value=one.fields.get(field, ""), problem=problem)


def answered(pair: Pair, policies: Policies, knowledge: Knowledge) -> Decision:
    """Decide for a pair as if each look-up had found no record and every row that is named."""

    def asks(knowledge: Knowledge) -> Sequence[Question]:
        return decide(pair, policies, knowledge).questions

    def told(knowledge: Knowledge, questions: Sequence[Question]) -> Knowledge:
        return reduce(_told, questions, knowledge)

    return decide(pair, policies, until_answered(knowledge, asks, told))


def _told(knowledge: Knowledge, question: Question) -> Knowledge:
    about = (question.connector, question.name)
    if question.terms:
        return replace(knowledge, existing={**knowledge.existing, about: ()})
    if not question.name_field:
        return replace(knowledge, records={**knowledge.records, about: ()})
    key = (question.connector, question.table, question.name)
    found = f"<{question.table} {question.name}>"
    return replace(knowledge, references={**knowledge.references, key: found})


def _asks(outbound: Outbound) -> Mapping[str, Stage]:
    """Map every word that an outbound policy listens to, to the stage that it asks for."""
    own = frozenset[str]().union(*(outbound.listens(step) for step in STEPS))
    words = dict.fromkeys([ASSIGNED, *WORD_STAGES, *sorted(own)])
    asked = {word: asked_of_case(frozenset({word}), outbound) for word in words}
    return {word: stage for word, stage in asked.items() if stage is not None}
