"""The limits on a plan, and the check of changed routes or policies against the links that exist.

Rules of this file: a plan is let through whole or not at all; a config counts as accepted once a whole plan of it was
let through; until then its plans stay refused, over cycles and restarts; the stages of links are recomputed only under
an accepted config.
"""

from __future__ import annotations

from reconciler.core.errors import Refused
from reconciler.core.planning.plan import Plan, changes_to_existing, over_limits
from reconciler.core.policies.policies import Limits
from reconciler.core.words import counted
from reconciler.engine.context import Context
from reconciler.engine.report import CycleRequest
from reconciler.store.store import Store

ACCEPTED_CONFIG = "accepted_config"
"""The fact under which the hash of the accepted routes and policies is remembered."""


def meet_config(store: Store, policy_hash: str) -> bool:
    """Return whether the config changed since the last cycle; every open link is then planned again.

    What was rejected is then tried once more, since the config may have been the cause. If no accepted config is
    stored, the last cycle's counts as accepted.
    """
    last = store.journal.config_hash()
    if last is None:
        return False
    if store.facts.get(ACCEPTED_CONFIG) is None:
        store.facts.put(ACCEPTED_CONFIG, last)
    if last != policy_hash:
        store.links.plan_again(place.case_id for place in store.links.open_places())
        store.links.release_rejected()
    return last != policy_hash


def let_through(
    context: Context, plan: Plan, request: CycleRequest, *, changed: bool, whole: bool, done: int = 0
) -> None:
    """Raise Refused for a plan that is over a limit, or does too much under a changed config; else accept the config.

    Only a ``whole`` plan accepts it: where a connector did not answer, what its links would get is not known yet.
    ``done`` of its actions were let through, and carried out, before the rest was planned.
    """
    if request.limits_on:
        _refuse(context, plan, request, done)
    if whole:
        _accept(context, changed=changed)


def _refuse(context: Context, plan: Plan, request: CycleRequest, done: int) -> None:
    """Raise Refused, with the numbers and what to do, for a plan that is not let through."""
    limits = context.policies.limits
    nothing = "nothing was written"
    before = f"But for {counted(done, 'action')} that this cycle did before, {nothing}"
    written = before if done else nothing.capitalize()
    over = over_limits(plan, limits)
    if over:
        raise Refused(
            f"{'; '.join(over)}. {written}. Look at it with `reconciler plan`; let it through once with "
            "`reconciler once --limits off` while no daemon runs, or raise the limit in the config"
        )
    words = "" if request.accept_config else objection(context.store, limits, context.policy_hash, plan)
    if words:
        raise Refused(
            f"{words}. {written}. Look at it with `reconciler plan` and `reconciler policy replay`; let it "
            "through once with `reconciler once --accept-config`, or put the config back"
        )


def objection(store: Store, limits: Limits, policy_hash: str, plan: Plan) -> str:
    """Return why a changed config is not let through; empty if it is accepted, the first, or changes little."""
    if store.facts.get(ACCEPTED_CONFIG) in (None, policy_hash):
        return ""
    kinds = changes_to_existing(plan)
    if kinds.total() <= limits.max_changes_on_new_config:
        return ""
    listed = ", ".join(f"{count} {kind.value}" for kind, count in sorted(kinds.items()))
    return (
        f"routes or policies changed, and that makes {kinds.total()} changes to records and Cases that are linked "
        f"already ({listed}); [limits] max_changes_on_new_config allows {limits.max_changes_on_new_config}"
    )


def _accept(context: Context, *, changed: bool) -> None:
    """Store that the config was let through, and recompute the stages of every link under it.

    ``changed`` says that the last cycle had another config, which may have been refused after it placed some links.
    """
    facts, policy_hash = context.store.facts, context.policy_hash
    accepted = facts.get(ACCEPTED_CONFIG)
    if accepted != policy_hash:
        facts.put(ACCEPTED_CONFIG, policy_hash)
    if changed or accepted not in (None, policy_hash):
        context.store.snapshots.restage_all(context.policies, context.clock())
