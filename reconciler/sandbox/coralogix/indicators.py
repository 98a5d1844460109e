"""The alerts and signals behind a Case, completed as the service completes them.

Source: OpenAPI descriptions of the Cases API v5: which members each kind of indicator always has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciler.core.model import Indicator

TRIGGERED = "TRIGGERED"
RESOLVED = "RESOLVED"
USUAL_PRIORITY = "P2"


def complete(indicator: Indicator, created_at: datetime, shown: Callable[[datetime], datetime]) -> Indicator:
    """Fill in what every indicator has; ``shown`` cuts a time to the digits that the world shows.

    An alert has no name, and the state of a Prometheus alert follows from its times.
    """
    name, state = indicator.name, indicator.state or TRIGGERED
    match indicator.kind:
        case "alert":
            name = ""
        case "generic":
            name = name or indicator.id
        case _:
            name = name or "alert"
            state = RESOLVED if indicator.resolved_at else TRIGGERED
    return replace(
        indicator,
        name=name,
        state=state,
        priority=indicator.priority or USUAL_PRIORITY,
        triggered_at=shown(indicator.triggered_at or created_at),
        resolved_at=shown(indicator.resolved_at) if indicator.resolved_at else None,
    )
