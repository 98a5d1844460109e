"""The result of a simulation as the document of ``simulate --json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from reconciler.core.frozen import dataclass
from reconciler.core.model import ActionKind, JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION, outcome_document, skip_document
from reconciler.simulate.history import PastWindow
from reconciler.simulate.play import HOUR, Hour, SimulationResult

ASSUMED = (
    "the program started when the window began, and ServiceNow held no record of a Case then",
    "nobody worked in ServiceNow, so nothing came back to a Case that did not happen in Coralogix",
    "labels, indicators and whatever else no event tells of were as they are now",
    "every table, field, group and person that the config names exists in ServiceNow",
    "a plan that a brake held back was let through at once",
)


@dataclass(frozen=True, kw_only=True)
class Load:
    """How many requests one side would have got in an hour."""

    mean: float
    most: int
    most_at: datetime
    """when the hour with the most began"""


def loads(window: PastWindow, played: SimulationResult) -> Mapping[str, Load]:
    """Measure the requests of each side, by its name; a window shorter than an hour counts as one."""
    sides = sorted({side for hour in played.hours for side in hour.requests})
    hours = max((window.until - window.since) / HOUR, 1.0)
    return {side: _load(side, played.hours, hours) for side in sides}


def _load(side: str, counted: tuple[Hour, ...], hours: float) -> Load:
    busiest = max(counted, key=lambda hour: hour.requests[side])
    mean = sum(hour.requests[side] for hour in counted) / hours
    return Load(mean=mean, most=busiest.requests[side], most_at=busiest.begins_at)


def counts(played: SimulationResult) -> Counter[ActionKind]:
    """Count what would have been done, by kind."""
    return Counter(one.outcome.action.kind for one in played.made)


def document(window: PastWindow, played: SimulationResult) -> JsonObject:
    """Write a simulation as JSON."""
    counted = counts(played)
    return {
        "version": DOCUMENT_VERSION,
        "since": window.since.isoformat(),
        "until": window.until.isoformat(),
        "cases": len(window.histories),
        "events": sum(len(history.events) for history in window.histories),
        "malformed": window.malformed,
        "cases_hidden": window.is_truncated,
        "cycles": played.cycles,
        "counts": {kind.value: counted[kind] for kind in ActionKind},
        "actions": [
            {"at": one.at.isoformat(), "route": one.route or None, **outcome_document(one.outcome)}
            for one in played.made
        ],
        "skips": [skip_document(skip) for skip in played.skips],
        "brakes": [{"at": one.at.isoformat(), "planned": one.planned, "detail": one.words} for one in played.braked],
        "requests_per_hour": {
            side: {"mean": round(load.mean, 1), "most": load.most, "most_at": load.most_at.isoformat()}
            for side, load in loads(window, played).items()
        },
        "hours": [
            {"begins_at": hour.begins_at.isoformat(), "requests": dict(hour.requests), "actions": hour.actions}
            for hour in played.hours
        ],
        "assumed": list(ASSUMED),
    }
