"""The filters of the Cases list, each as a condition on a Case.

A Case matches a filter when one of its values fits, and is listed when all filters match (the second is assumed: no
source says it). An empty list is no filter. ``requests`` has checked the request, so every value has its form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.core.model import Case, JsonObject
from reconciler.sandbox.coralogix.world import CoralogixWorld

Condition = Callable[[Case], bool]

INDICATOR_KINDS: Mapping[str, str] = {
    "INDICATOR_TYPE_ALERT": "alert",
    "INDICATOR_TYPE_PROMETHEUS_ALERTMANAGER": "prometheus",
    "INDICATOR_TYPE_ERROR_TRACKING": "generic",
}


def condition(filters: JsonObject | None, world: CoralogixWorld) -> Condition:
    """Turn the filters of a request into one condition."""
    makers: Mapping[str, Callable[[Any], Condition]] = {
        **MAKERS,
        "connectorTypeFilters": lambda entries: _connectors(entries, world),
    }
    conditions = [makers[name](value) for name, value in (filters or {}).items() if value]
    return lambda case: all(fits(case) for fits in conditions)


def _words(prefix: str, attribute: str) -> Callable[[Sequence[str]], Condition]:
    def make(words: Sequence[str]) -> Condition:
        wanted = {word.removeprefix(prefix) for word in words}
        return lambda case: getattr(case, attribute) in wanted

    return make


def _assignees(options: Sequence[JsonObject]) -> Condition:
    wanted = {option.get("assignee", "") for option in options}
    return lambda case: case.assignee in wanted


def _text(words: str) -> Condition:
    return lambda case: words.lower() in case.title.lower()


def _groups(attribute: str) -> Callable[[Sequence[JsonObject]], Condition]:
    def make(groups: Sequence[JsonObject]) -> Condition:
        return lambda case: any(
            set(getattr(case, attribute).get(group["key"], ())) & set(group["values"]) for group in groups
        )

    return make


def _flat_labels(members: JsonObject) -> Condition:
    pairs = members.get("flatLabels") or []
    return lambda case: not pairs or any(pair["value"] in case.labels.get(pair["key"], ()) for pair in pairs)


def _alerts(members: JsonObject) -> Condition:
    wanted = set(members.get("alertIds") or [])
    return lambda case: not wanted or any(indicator.id in wanted for indicator in case.indicators)


def _entities(entries: Sequence[JsonObject]) -> Condition:
    wanted = {
        (kind, entry[member]["name"].lower())
        for entry in entries
        for member, kind in (("apmService", "service"), ("apmDatabase", "database"))
        if entry.get(member)
    }
    return lambda case: any((entity.kind, entity.name.lower()) in wanted for entity in case.impacted_entities)


def _breaches(words: Sequence[str]) -> Condition:
    wanted = {word.removeprefix("KPI_FILTER_").removesuffix("_BREACHED") for word in words}
    # ``KPI_FILTER_NOT_BREACHED`` becomes ``NOT``: it asks for Cases that missed no target.
    return lambda case: bool(wanted & set(case.kpi_breaches)) or ("NOT" in wanted and not case.kpi_breaches)


def _indicator_types(words: Sequence[str]) -> Condition:
    wanted = {INDICATOR_KINDS.get(word) for word in words}
    return lambda case: any(indicator.kind in wanted for indicator in case.indicators)


def _date_range(members: JsonObject) -> Condition:
    start, end = datetime.fromisoformat(members["from"]), datetime.fromisoformat(members["to"])
    if members.get("mode") == "DATE_RANGE_MODE_CREATED_AT":
        return lambda case: start <= case.created_at <= end
    # The default mode asks for Cases that were active at some time within the range.
    return lambda case: case.created_at <= end and (case.resolved_at is None or case.resolved_at >= start)


def _connectors(entries: Sequence[JsonObject], world: CoralogixWorld) -> Condition:
    types = {entry.get("connectorType") for entry in entries}
    without = any("noConnector" in entry for entry in entries)

    def fits(case: Case) -> bool:
        delivered = bool(world.ledger.deliveries(case.id))
        return (delivered and "CONNECTOR_TYPE_SERVICE_NOW" in types) or (without and not delivered)

    return fits


MAKERS: Mapping[str, Callable[[Any], Condition]] = {
    "statuses": _words("CASE_STATUS_", "status"),
    "priorities": _words("CASE_PRIORITY_", "priority"),
    "categories": _words("CASE_CATEGORY_", "category"),
    "assignees": _assignees,
    "textSearch": _text,
    "groupings": _groups("groupings"),
    "labels": _groups("labels"),
    "caseLabelsFilter": _flat_labels,
    "alertFilters": _alerts,
    "impactedEntities": _entities,
    "breached": _breaches,
    "indicatorTypes": _indicator_types,
    "dateRange": _date_range,
}
