"""A saved plan: what was reviewed is carried out only if planning again gives the same.

Rules of this file: the hash decides, that of what the file says now; the names of what changed are for the person
who has to look again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import Plan, action_document, plan_document, plan_hash
from reconciler.engine.report import CycleKind

NAMED_CHANGES = 10
"""More than these are only counted in the message."""


def saved_document(
    plan: Plan, *, made_at: datetime, scope: CycleKind, since: datetime | None, include_resolved: bool
) -> JsonObject:
    """Write a plan as a file that ``apply`` understands."""
    return plan_document(plan) | {
        "made_at": made_at.isoformat(),
        "scope": scope.value,
        "since": since.isoformat() if since else None,
        "include_resolved": include_resolved,
        "policy_hash": plan.policy_hash,
        "basis": [action.fingerprint for action in plan.actions],
    }


def saved_scope(saved: JsonObject) -> CycleKind:
    """Return the kind of cycle that made a saved plan; raise ValueError for an unknown word."""
    return CycleKind(saved.get("scope", CycleKind.BACKFILL if saved.get("since") else CycleKind.CYCLE))


def changes_since(saved: JsonObject, plan: Plan) -> tuple[str, ...]:
    """Name what a new plan does differently from a saved one; empty when the hashes agree and the file is as it was."""
    is_as_saved = saved.get("hash") == _hash_of(saved)
    if is_as_saved and saved.get("hash") == plan.hash():
        return ()
    before = _by_target(zip(saved["actions"], saved["basis"], strict=False))
    after = _by_target((action_document(action), action.fingerprint) for action in plan.actions)
    gone = [f"no longer planned: {name}" for name in before if name not in after]
    new = [f"newly planned: {name}" for name in after if name not in before]
    both = [name for name in after if name in before]
    other = [f"decided from something else now: {name}" for name in both if before[name] != after[name]]
    config = ["the config's routes or policies changed"] if saved.get("policy_hash") != plan.policy_hash else []
    edited = [] if is_as_saved else ["the file is not as it was saved"]
    return _shortened([*edited, *config, *gone, *new, *other]) or ("the order of the actions changed",)


def _hash_of(saved: JsonObject) -> str:
    """Name what a file says, as the plan that it was saved from named itself."""
    return plan_hash(saved.get("policy_hash", ""), zip(saved["actions"], saved["basis"], strict=False))


def _by_target(rows: Iterable[tuple[JsonObject, str]]) -> Mapping[str, object]:
    return {f"{row['kind']} for {row.get('case_key') or row['case_id']}": (row, basis) for row, basis in rows}


def _shortened(names: list[str]) -> tuple[str, ...]:
    more = len(names) - NAMED_CHANGES
    return tuple(names[:NAMED_CHANGES]) + ((f"and {more} more",) if more > 0 else ())
