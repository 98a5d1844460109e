"""One part of a backfill: which Cases it takes, and where it ends.

Rules of this file: pure; the oldest Case comes first, and the next part begins after the last Case that this one looked
at, so that a part that changes nothing is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from reconciler.core.model import Pair
from reconciler.core.planning.plan import Decision, Plan
from reconciler.engine.report import CycleRequest, Reached


@dataclass(frozen=True, kw_only=True)
class Part:
    """The plan of one part, and what is left after it."""

    plan: Plan
    left: int
    """Cases after this part for which something may still be planned"""
    reached: Reached | None
    """the last Case that was looked at; None where there was none"""


def in_part(pairs: Iterable[Pair], request: CycleRequest) -> list[Pair]:
    """Return the pairs that a request is about, the oldest Case first."""
    chosen = [pair for pair in pairs if _is_asked_for(pair, request)]
    return sorted(chosen, key=_place)


def _place(pair: Pair) -> Reached:
    return (pair.case.created_at, pair.case.id)


def _is_asked_for(pair: Pair, request: CycleRequest) -> bool:
    created = pair.case.created_at
    is_named = not request.named or pair.case.id in request.named
    is_young = request.since is None or created >= request.since
    is_old = request.until is None or created <= request.until
    return is_named and is_young and is_old and (request.after is None or _place(pair) > request.after)


def cut(plan: Plan, places: dict[str, datetime], most: int | None) -> Part:
    """Keep the first ``most`` Cases with actions or questions, and every decision before the first one left out.

    ``places`` gives when each Case was created, in the order of the plan's decisions.
    """
    busy = [decision.link.case_id for decision in plan.decisions if _is_busy(decision)]
    chosen = busy if most is None else busy[:most]
    left = len(busy) - len(chosen)
    first_left = busy[len(chosen)] if left else None
    kept = tuple(takewhile(lambda decision: decision.link.case_id != first_left, plan.decisions))
    last = kept[-1].link.case_id if kept else None
    return Part(plan=replace(plan, decisions=kept), left=left, reached=(places[last], last) if last else None)


def _is_busy(decision: Decision) -> bool:
    return bool(decision.actions or decision.questions)
