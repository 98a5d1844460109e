"""The brakes on a plan, and the gate between changed routes or policies and the links that exist.

Rules of this file: a plan is let through whole or not at all; a config counts as accepted once a whole plan of it
was let through, and what a refused one would do stays refused, over cycles and restarts; where links stand is
judged anew only by a config that was accepted.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.core.errors import Refused
from reconciler.core.planning.plan import Plan, changes_to_existing, over_limits
from reconciler.core.policies.policies import Limits, Policies
from reconciler.engine.context import Context
from reconciler.engine.report import CycleRequest
from reconciler.store.store import Store

ACCEPTED_CONFIG = "accepted_config"
"""The fact under which the hash of the accepted routes and policies is remembered."""


def meet_config(store: Store, policy_hash: str) -> bool:
    """Return whether the config is another one than in the last cycle; every open link is then planned again.

    What was rejected under the other one is tried once more, for the config may have been the cause.
    A database that knows of no accepted config takes that of its last cycle for accepted.
    """
    last = store.journal.config_hash()
    if last is None:
        return False
    if store.facts.get(ACCEPTED_CONFIG) is None:
        store.facts.put(ACCEPTED_CONFIG, last)
    if last != policy_hash:
        store.links.plan_again(link.case_id for link in store.links.open_links())
        store.links.release_rejected()
    return last != policy_hash


def let_through(context: Context, plan: Plan, request: CycleRequest, *, changed: bool, whole: bool) -> None:
    """Raise Refused for a plan that brakes or gate hold back; accept the config of a ``whole`` plan that passes.

    A plan is not whole where a connector did not answer: what its links would get is not known yet.
    """
    store, policies = context.store, context.policies
    brake(store, policies.limits, context.policy_hash, plan, request)
    if whole:
        accept(store, context.policy_hash, policies, changed=changed, now=context.clock())


def brake(store: Store, limits: Limits, policy_hash: str, plan: Plan, request: CycleRequest) -> None:
    """Raise Refused, with the numbers and the way out, for a plan that is not let through."""
    if not request.limits_on:
        return
    over = over_limits(plan, limits)
    if over:
        raise Refused(
            f"{'; '.join(over)}. Nothing was written. Look at it with `reconciler plan`; let it through once with "
            "`reconciler once --limits off` while no daemon runs, or raise the limit in the config"
        )
    words = "" if request.accept_config else objection(store, limits, policy_hash, plan)
    if words:
        raise Refused(
            f"{words}. Nothing was written. Look at it with `reconciler plan` and `reconciler policy replay`; let it "
            "through once with `reconciler once --accept-config`, or put the config back"
        )


def objection(store: Store, limits: Limits, policy_hash: str, plan: Plan) -> str:
    """Say why a changed config is not let through; empty for one that is accepted, new, or does little."""
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


def accept(store: Store, policy_hash: str, policies: Policies, *, changed: bool, now: datetime) -> None:
    """Remember that a config was let through, and judge by it where every link stands.

    ``changed`` says that the last cycle had another one, which may have been refused after it judged some links.
    """
    accepted = store.facts.get(ACCEPTED_CONFIG)
    if accepted != policy_hash:
        store.facts.put(ACCEPTED_CONFIG, policy_hash)
    if changed or accepted not in (None, policy_hash):
        store.snapshots.restage_all(policies, now)
