"""Which Cases get a record at all: those that a route takes, that ever became active, and that are not too old.

A Case that was admitted once stays admitted: what happened to it while nobody could write does not take its
record away. One for which a record was, or may have been, made stays where that is: routes and ``create_when`` decide
about new records alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciler.core.expressions.filters import TemplateFailed
from reconciler.core.lifecycle import PENDING, shows_activity
from reconciler.core.model import Elsewhere, Incident, Link, Pair, Skip, SkipReason, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Question
from reconciler.core.planning.standing import Standing
from reconciler.core.policies.existing import Terms
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


def kept_elsewhere(here: Standing, knowledge: Knowledge) -> Decision | None:
    """Decide about a Case that may have a record by other means: it has one, or that has to be asked for.

    None where nothing keeps it from getting one. What was found is asked for again when the query for this Case is
    another one, or by a drift check; that it is gone is believed the second time.
    """
    existing, known = here.inbound.existing, here.link.elsewhere
    if existing is None:
        return None
    try:
        terms = existing.terms(here.context)
    except TemplateFailed as failure:
        words = f"existing of [inbound.{here.link.inbound}] cannot be asked: {failure}"
        return Decision(link=here.link, skip=here.skip(SkipReason.REJECTED, words))
    found = knowledge.existing.get((here.link.connector, here.case.id))
    if found is None:
        is_believed = known is not None and known.query == _text(terms) and not knowledge.looks_again
        return _kept(here, known) if known and is_believed else _asked(here, terms)
    if found:
        return _kept(here, _elsewhere(found[0], terms))
    return _kept(here, replace(known, is_missed=True)) if known and not known.is_missed else None


def _asked(here: Standing, terms: Terms) -> Decision:
    question = Question(connector=here.link.connector, table=here.link.table, name=here.case.id, terms=terms)
    return Decision(link=here.link, questions=(question,))


def _kept(here: Standing, there: Elsewhere) -> Decision:
    detail = f"{there.connector}/{there.table} {there.number} stands for this Case, by other means"
    if there.is_missed:
        detail += "; it was not found at the last look, and the next drift check looks once more"
    link = replace(here.link, elsewhere=there)
    return Decision(link=link, skip=here.skip(SkipReason.KEPT_ELSEWHERE, detail))


def _elsewhere(record: Incident, terms: Terms) -> Elsewhere:
    return Elsewhere(
        connector=record.connector,
        table=record.table,
        sys_id=record.sys_id,
        number=record.number,
        query=_text(terms),
    )


def _text(terms: Terms) -> str:
    return "^".join(f"{term.field}{term.operator}{term.value}" for term in terms)


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
    is_before_the_end = knowledge.until is None or created <= knowledge.until
    is_asked_for = created >= (knowledge.since or looked_back_to) and is_before_the_end
    is_asked_for = is_asked_for or here.case.id in knowledge.named
    if created >= looked_back_to and min(stage, here.link.case_low or stage) < Stage.RESOLVED:
        return True
    if stage >= Stage.RESOLVED:
        return created > knowledge.origin or (knowledge.include_resolved and is_asked_for)
    return is_asked_for
