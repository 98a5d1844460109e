"""The charts of the start page, in Vega-Lite. Each query reads only what its chart needs."""

from __future__ import annotations

from typing import Any

from reconciler.audit.catalogue import questions

DATABASE = "reconciler"
DAYS_SHOWN = 90

_STAGES_BY_DAY = f"""
SELECT substr(coalesce(source_time, observed_at), 1, 10) AS day, to_value AS status, count(*) AS cases
FROM audit_notifications
WHERE source = 'coralogix' AND event IN ('first_seen', 'status')
  AND observed_at >= (SELECT date(max(observed_at), '-{DAYS_SHOWN} days') FROM audit_notifications)
GROUP BY 1, 2 ORDER BY 1
"""  # noqa: S608 - a number of our own
_HOLDS = "SELECT reason, count(*) AS cases FROM audit_holds GROUP BY 1 ORDER BY 2 DESC"
_RESOLVED_BY_DAY = """
SELECT substr(case_opened_at, 1, 10) AS day,
  (julianday(coalesce(case_resolved_at, incident_resolved_at)) - julianday(case_opened_at)) * 24 AS hours
FROM audit_steps WHERE coalesce(case_resolved_at, incident_resolved_at) IS NOT NULL
  AND case_id IN (SELECT case_id FROM (SELECT case_id FROM audit_notifications ORDER BY seq DESC LIMIT 5000))
ORDER BY case_opened_at DESC LIMIT 1000
"""


def charts() -> dict[str, dict[str, Any]]:
    """Return each chart by its name: title, query, and how it is drawn."""
    lag = next(question for question in questions() if question.name == "lag_by_day")
    return {
        "stages": _chart("Steps of Cases, by day", _STAGES_BY_DAY, _bars("status")),
        "lag": _chart("How late 19 of 20 changes were carried over, by day", lag.sql.rstrip(";"), _LAG),
        "resolve": _chart("Hours to resolve, by the day on which a Case was opened", _RESOLVED_BY_DAY, _RESOLVE),
        "holds": _chart("What waits for a person", _HOLDS, _HOLD_BARS),
    }


def _chart(title: str, query: str, display: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "db": DATABASE, "query": query.strip(), "library": "vega-lite", "display": display}


def _bars(colour: str) -> dict[str, Any]:
    return {
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "x": {"field": "day", "type": "ordinal"},
            "y": {"field": "cases", "type": "quantitative"},
            "color": {"field": colour, "type": "nominal"},
        },
    }


_LAG = {
    "mark": {"type": "line", "tooltip": True, "point": True},
    "encoding": {
        "x": {"field": "day", "type": "ordinal"},
        "y": {"field": "p95_seconds", "type": "quantitative", "title": "seconds"},
        "color": {"field": "direction", "type": "nominal"},
    },
}
_RESOLVE = {
    "mark": {"type": "boxplot", "extent": "min-max"},
    "encoding": {"x": {"field": "day", "type": "ordinal"}, "y": {"field": "hours", "type": "quantitative"}},
}
_HOLD_BARS = {
    "mark": {"type": "bar", "tooltip": True},
    "encoding": {
        "x": {"field": "cases", "type": "quantitative"},
        "y": {"field": "reason", "type": "nominal", "sort": "-x"},
    },
}
