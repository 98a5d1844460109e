"""Which Cases get a record at all: those that a route takes, that ever became active, and that are not too old.

A Case that was admitted once stays admitted: what happened to it while nobody could write does not take its
record away. One for which a record was, or may have been, made stays where that is: routes and ``create_when`` decide
about new records alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciler.core.lifecycle import PENDING, shows_activity
from reconciler.core.model import Link, Pair, Skip, SkipReason, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.policies import Policies


def gone(here: Standing, _: Knowledge) -> Skip | None:
    """Make no record for a Case that answered 404."""
    return (
        here.skip(SkipReason.CASE_MISSING, "Coralogix answered 404 for this Case") if here.link.case_absence else None
    )


def never_active(here: Standing, _: Knowledge) -> Skip | None:
    """Wait for a Case until it is active: many never are."""
    if here.case.status == PENDING or (here.case_stage and not here.link.was_active):
        return here.skip(SkipReason.PENDING_ACTIVATION, "the Case was never active")
    return None


def unknown_status(here: Standing, _: Knowledge) -> Skip | None:
    """Hold a Case with a status that this program does not know; it is never guessed."""
    if here.case_stage is None:
        return here.skip(SkipReason.UNKNOWN_STATE, f"the Case has the unknown status {here.case.status!r}")
    return None


def lost_its_rules(here: Standing, _: Knowledge) -> Skip | None:
    """Hold a Case whose record is there, or may be, when the rules by which it was made are gone."""
    if _keeps_its_place(here) and here.lost_rules:
        return here.skip(SkipReason.NOT_ROUTED, here.lost_rules)
    return None


def too_old(here: Standing, knowledge: Knowledge) -> Skip | None:
    """Leave out what is older than this installation, unless a person asked for it."""
    if here.link.admitted or _is_there(here) or _is_young_enough(here, knowledge):
        return None
    created = here.case.created_at.isoformat()
    return here.skip(SkipReason.BEFORE_ORIGIN, f"created {created}; `once --since` takes older Cases in")


def not_routed(here: Standing, _: Knowledge) -> Skip | None:
    """Leave out a Case that no route takes."""
    if _keeps_its_place(here) or here.route:
        return None
    return here.skip(SkipReason.NOT_ROUTED, "no route took the Case")


def not_wanted(here: Standing, _: Knowledge) -> Skip | None:
    """Leave out a Case for which the policy of its route makes no record."""
    route = None if _is_there(here) else here.route
    if route is None or here.policies.inbound[route.inbound].create_when.holds(here.context):
        return None
    return here.skip(SkipReason.NOT_ROUTED, f"create_when of [inbound.{route.inbound}] does not hold")


ADMISSION: tuple[Callable[[Standing, Knowledge], Skip | None], ...] = (
    gone,
    never_active,
    unknown_status,
    lost_its_rules,
    too_old,
    not_routed,
    not_wanted,
)
"""The first that keeps a Case out is told."""


def admit(here: Standing, knowledge: Knowledge) -> Link | Skip:
    """Give the link of a Case that gets a record, with its route; or say why it gets none."""
    kept_out = next((found for rule in ADMISSION if (found := rule(here, knowledge))), None)
    route = None if kept_out else here.route
    if route is None or _keeps_its_place(here):
        return kept_out or here.link
    return replace(
        here.link,
        admitted=True,
        route=route.name,
        inbound=route.inbound,
        outbound=route.outbound,
        connector=route.connector,
        table=here.policies.inbound[route.inbound].table,
    )


def as_first_seen(pair: Pair, policies: Policies, now: datetime) -> Pair:
    """Give a Case as a first start would remember it now, for a database that only observed so far.

    A record that it has, what a person asked about it, and that it is gone, stay: a first start would learn the last by
    not seeing it.
    """
    link, stage = pair.link, policies.case_stage(pair.case)
    if link.sys_id:
        return pair
    anew = Link(
        case_id=link.case_id,
        case_peak=stage,
        was_active=shows_activity(pair.case),
        case_absence=link.case_absence,
        ignored_fingerprint=link.ignored_fingerprint,
        case_low=stage or Stage.OPEN,
        first_seen_at=now,
    )
    return replace(pair, link=anew)


def _is_there(here: Standing) -> bool:
    """Say whether a record was, or may have been, made: then it stays where that is."""
    return bool(here.further) or _keeps_its_place(here)


def _keeps_its_place(here: Standing) -> bool:
    """Say whether a record was made, or a create was sent, by rules that the link remembers."""
    return bool(here.link.inbound and (here.link.create_in_doubt_since or here.link.earlier or here.further))


def _is_young_enough(here: Standing, knowledge: Knowledge) -> bool:
    """Say whether a Case is due by its age; what is over counts as open where it was when it was first seen."""
    created, stage = here.case.created_at, here.case_at
    looked_back_to = knowledge.origin - here.policies.first_lookback
    floor = knowledge.since or looked_back_to
    if created >= looked_back_to and min(stage, here.link.case_low or stage) < Stage.RESOLVED:
        return True
    if stage >= Stage.RESOLVED:
        return created > knowledge.origin or (knowledge.include_resolved and created >= floor)
    return created >= floor
