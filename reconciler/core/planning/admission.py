"""Which Cases get a record at all: those that a route takes, that ever became active, and that are not too old.

A Case that was admitted once stays admitted: what happened to it while nobody could write does not take its
record away. One for which a record was, or may have been, made stays where that is: routes and ``create_when`` decide
about new records alone.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.expressions.context import case_context
from reconciler.core.lifecycle import PENDING
from reconciler.core.model import Link, Pair, Skip, SkipReason, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.policies.policies import Policies
from reconciler.core.policies.routing import route_for


def skip(pair: Pair, reason: SkipReason, detail: str | None = None) -> Skip:
    """Skip a pair for a reason."""
    return Skip(case_id=pair.case.id, case_key=pair.case.key, reason=reason, detail=detail)


def admit(pair: Pair, policies: Policies, knowledge: Knowledge) -> Link | Skip:
    """Give the link of a Case that gets a record, with its route; or say why it gets none."""
    return _unready(pair, policies) or _where_it_is(pair, policies) or _route(pair, policies, knowledge)


def _unready(pair: Pair, policies: Policies) -> Skip | None:
    case = pair.case
    if pair.link.case_absence:
        return skip(pair, SkipReason.CASE_MISSING, "Coralogix answered 404 for this Case")
    if case.status == PENDING or (policies.case_stage(case) and not pair.link.was_active):
        return skip(pair, SkipReason.PENDING_ACTIVATION, "the Case was never active")
    if policies.case_stage(case) is None:
        return skip(pair, SkipReason.UNKNOWN_STATE, f"the Case has the unknown status {case.status!r}")
    return None


def _where_it_is(pair: Pair, policies: Policies) -> Link | Skip | None:
    """Keep to the rules by which a record was made, or by which a create was sent whose outcome is not known."""
    link = pair.link
    if not link.inbound or not (link.create_in_doubt_since or policies.further_records(pair)):
        return None
    lost = policies.lost_rules(link)
    return skip(pair, SkipReason.NOT_ROUTED, lost) if lost else link


def _route(pair: Pair, policies: Policies, knowledge: Knowledge) -> Link | Skip:
    is_there = bool(policies.further_records(pair))
    if not pair.link.admitted and not is_there and not _is_young_enough(pair, policies, knowledge):
        created = pair.case.created_at.isoformat()
        return skip(pair, SkipReason.BEFORE_ORIGIN, f"created {created}; `once --since` takes older Cases in")
    route = route_for(pair.case, policies.routes)
    if route is None:
        return skip(pair, SkipReason.NOT_ROUTED, "no route took the Case")
    if not is_there and not policies.inbound[route.inbound].create_when.holds(case_context(pair.case)):
        return skip(pair, SkipReason.NOT_ROUTED, f"create_when of [inbound.{route.inbound}] does not hold")
    return replace(
        pair.link,
        admitted=True,
        route=route.name,
        inbound=route.inbound,
        outbound=route.outbound,
        connector=route.connector,
        table=policies.inbound[route.inbound].table,
    )


def _is_young_enough(pair: Pair, policies: Policies, knowledge: Knowledge) -> bool:
    """Say whether a Case is due by its age; what is over counts as open where it was when it was first seen."""
    created, stage = pair.case.created_at, policies.case_stage(pair.case) or Stage.OPEN
    looked_back_to = knowledge.origin - policies.first_lookback
    floor = knowledge.since or looked_back_to
    if created >= looked_back_to and min(stage, pair.link.case_low or stage) < Stage.RESOLVED:
        return True
    if stage >= Stage.RESOLVED:
        return created > knowledge.origin or (knowledge.include_resolved and created >= floor)
    return created >= floor
