"""Observe mode: what a cycle that sends nothing may store, and how the first one that acts begins.

Rules of this file: what was only planned is not stored as decided, so that it is planned again; a database on which no
cycle ever acted is planned, and later begins, as a fresh one would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.core.copies import replace
from reconciler.core.lifecycle import shows_activity
from reconciler.core.model import Link, Pair, Stage
from reconciler.core.planning.plan import Decision
from reconciler.core.policies.policies import Policies
from reconciler.engine.acting.decisions import needs_plan, store_decisions
from reconciler.engine.context import Context
from reconciler.store.values import Decided

ONLY_OBSERVED = "only_observed"
"""The fact that no cycle acted on this database yet."""
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC).isoformat()


def has_only_observed(context: Context) -> bool:
    """Return whether no cycle ever acted on this database, though one observed."""
    return context.store.facts.get(ONLY_OBSERVED) is not None


def begin(context: Context, *, drift_fact: str) -> None:
    """Note that a database is only observed; make the first cycle that acts on it begin like a first start.

    While a database is only observed, each cycle sets the origin again. ``drift_fact`` is the fact with the time of the
    last drift check: the first cycle that acts makes one, since a listing does not show what was deleted meanwhile.
    """
    facts = context.store.facts
    if context.observes and facts.origin() is None:
        facts.put(ONLY_OBSERVED, context.clock().isoformat())
    elif has_only_observed(context):
        facts.forget_origin()
        if not context.observes:
            facts.put(drift_fact, _LONG_AGO)
            _begin_afresh(context)


def _begin_afresh(context: Context) -> None:
    now, links = context.clock(), context.store.links
    afresh = [_as_first_seen(pair, context.policies, now).link for pair in links.all_pairs(open_only=False)]
    context.store.snapshots.begin_afresh(afresh, now)
    context.store.facts.forget(ONLY_OBSERVED)


def as_of_first_start(context: Context, pairs: Iterable[Pair]) -> dict[str, Pair]:
    """Return pairs by Case id as the plan should see them."""
    now = context.clock()
    if not has_only_observed(context):
        return {pair.case.id: pair for pair in pairs}
    return {pair.case.id: _as_first_seen(pair, context.policies, now) for pair in pairs}


def store_observed(context: Context, decisions: Sequence[Decision], remembered: Mapping[str, Link]) -> None:
    """Store what a cycle that sends nothing decided: for planned actions only that the link is planned again.

    ``remembered`` is each link as it is stored.
    """
    is_first = has_only_observed(context)
    finished = [one for one in decisions if not (is_first or needs_plan(one))]
    store_decisions(context, finished)
    kept = [
        Decided(
            link=replace(remembered[one.link.case_id], elsewhere=one.link.elsewhere),
            needs_plan=needs_plan(one),
            skip=one.skip,
        )
        for one in decisions
        if is_first or needs_plan(one)
    ]
    context.store.links.keep_decisions(kept, now=context.clock())


def _as_first_seen(pair: Pair, policies: Policies, now: datetime) -> Pair:
    """Return a pair as a first start would see it now, for a database that was only observed so far.

    Its record, what a person asked about it, and that the Case is missing are kept; a first start would learn the last
    by not seeing the Case.
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
