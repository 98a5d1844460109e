"""What a backfill is asked to take in, and one part of it: how large, which Cases, and where it ends.

Rules of this file: pure; the oldest Case comes first, and the next part begins after the last Case that this one looked
at, so that a part that changes nothing is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile

from reconciler.core.copies import replace
from reconciler.core.errors import Refused
from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject, Pair
from reconciler.core.planning.plan import Decision, Plan
from reconciler.core.policies.policies import Limits
from reconciler.engine.report import CycleRequest, Reached

NEEDED = ("max_creates_per_cycle", "max_case_resolves_per_cycle", "max_incident_resolves_per_cycle")
"""The brakes that limit the Cases of one part."""


@dataclass(frozen=True, kw_only=True)
class BackfillRequest:
    """What a backfill is to take in."""

    since: datetime | None = None
    until: datetime | None = None
    refs: tuple[str, ...] = ()
    """only these Cases, by id or key"""
    most: int | None = None
    """at most this many Cases in all"""
    batch: int | None = None
    """at most this many Cases in one part; None: a single part"""
    include_resolved: bool = False
    limits_on: bool = True
    accept_config: bool = False

    def document(self) -> JsonObject:
        """Return it as JSON, to be stored."""
        times = {name: at.isoformat() if at else None for name, at in (("since", self.since), ("until", self.until))}
        names = ("most", "batch", "include_resolved", "limits_on", "accept_config")
        return {**times, "refs": list(self.refs), **{name: getattr(self, name) for name in names}}

    @classmethod
    def of(cls, document: JsonObject) -> BackfillRequest:
        """Read what ``document`` returned."""
        times = {name: _time(document[name]) for name in ("since", "until")}
        return cls(**{**document, **times, "refs": tuple(document["refs"])})


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def part_size(asked: BackfillRequest, limits: Limits) -> int | None:
    """Return how many Cases one part has: as many as requested, but no more than the brakes allow at once.

    Raises Refused where a brake lets nothing through.
    """
    if asked.batch is None:
        return None
    if not asked.limits_on:
        return asked.batch
    brakes: dict[str, int] = {name: getattr(limits, name) for name in NEEDED}
    shut = [name for name, count in brakes.items() if count == 0]
    if shut:
        raise Refused(f"[limits] {', '.join(shut)} = 0 lets nothing through, so a backfill would come to nothing")
    return min(asked.batch, *brakes.values())


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
