"""What conditions and templates see of a Case and of its record, as plain maps, lists and text.

A value that a Case does not have is left out, so that a condition on it is false and a template says what is
missing. Times are ISO 8601 text in UTC. The names are described in ``names``; an example shows each with a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from reconciler.core.expressions.label_values import EntityText, LabelValue
from reconciler.core.expressions.names import ROOTS, Name, roots_with_twins, with_twins
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case, Entity, Incident, Indicator

Context = Mapping[str, Any]
"""What an expression is evaluated with: one entry for each root."""


def case_context(case: Case) -> dict[str, Any]:
    """Return what an expression over a Case sees: ``case``, and Notification Center's ``_context`` and ``alertDef``."""
    labels = _labels(case.labels)
    return {
        "case": _given(_case_texts(case)) | _case_parts(case, labels),
        "_context": {"entityType": "cases", "entityLabels": labels},
        "alertDef": {"name": case.title, "priority": case.priority, "entityLabels": labels},
    }


def incident_context(incident: Incident, word: str | None) -> dict[str, Any]:
    """Return what an expression over a record sees beside the Case: ``incident``; ``word`` names its state."""
    own = {
        "number": incident.number,
        "sys_id": incident.sys_id,
        "table": incident.table,
        "connector": incident.connector,
        "state": incident.state,
        "assigned_to": incident.assigned_to,
        "updated_by": incident.updated_by,
        "created_at": _iso(incident.created_at),
        "updated_at": _iso(incident.updated_at),
        "reopen_count": str(incident.reopen_count),
    }
    return {"incident": dict(incident.fields) | own | ({"state_word": word} if word else {})}


def _case_texts(case: Case) -> dict[str, str | None]:
    return {
        "id": case.id,
        "key": case.key,
        "readable_id": case.key,
        "title": case.title,
        "status": case.status,
        "priority": case.priority,
        "case_priority": case.priority,
        "priority_system": case.priority_system,
        "priority_override": case.priority_override,
        "category": case.category,
        "created_at": _iso(case.created_at),
        "updated_at": _iso(case.updated_at),
        "acknowledged_at": _iso(case.acknowledged_at),
        "reactivated_at": _iso(case.reactivated_at),
        "assignee": case.assignee,
        "resolution_reason": case.resolution_reason,
        "resolved_by": case.resolved_by,
        "resolved_at": _iso(case.resolved_at),
        "parent_id": case.parent_id,
        "url": case.url,
        "case_detail_url": case.url,
    }


def _case_parts(case: Case, labels: Mapping[str, LabelValue]) -> dict[str, Any]:
    entities = case.impacted_entities
    parts: dict[str, Any] = {
        "labels": labels,
        "groupings": _labels(case.groupings),
        "impacted_entities": [_entity(entity) for entity in entities],
        "services": [entity.name for entity in entities if entity.kind == "service"],
        "databases": [entity.name for entity in entities if entity.kind == "database"],
        "indicators": _indicators(case.indicators),
        "kpi_breaches": list(case.kpi_breaches),
        "priority_details": _given({"system": case.priority_system, "override": case.priority_override}),
    }
    resolution = _given(
        {
            "reason": case.resolution_reason,
            "resolved_by": case.resolved_by and ("SYSTEM" if case.resolved_by == "system" else "USER"),
            "resolved_at": _iso(case.resolved_at),
        }
    )
    return with_twins(parts | ({"resolution_details": resolution} if resolution else {}))


def _indicators(indicators: Iterable[Indicator]) -> dict[str, Any]:
    every = [(one.kind, _indicator(one)) for one in indicators]

    def of_kind(kind: str) -> list[dict[str, Any]]:
        return [values for own, values in every if own == kind]

    return {
        "alerts": of_kind("alert"),
        "generic": of_kind("generic"),
        "prometheus": of_kind("prometheus"),
        "all": [values for _, values in every],
        "states": list(dict.fromkeys(values["state"] for _, values in every if "state" in values)),
        "names": list(dict.fromkeys(values["name"] for _, values in every if "name" in values)),
    }


def _indicator(indicator: Indicator) -> dict[str, Any]:
    texts = {
        "kind": indicator.kind,
        "id": indicator.id,
        "alert_definition_id": indicator.id if indicator.kind == "alert" else None,
        "name": indicator.name,
        "state": indicator.state,
        "priority": indicator.priority,
        "triggered_at": _iso(indicator.triggered_at),
        "resolved_at": _iso(indicator.resolved_at),
    }
    return _given(texts) | {"labels": dict(indicator.labels)}


def _entity(entity: Entity) -> EntityText:
    return EntityText(entity.name, kind=entity.kind, detail=entity.detail)


def _labels(labels: Mapping[str, tuple[str, ...]]) -> dict[str, LabelValue]:
    return {key: LabelValue(values) for key, values in labels.items() if values}


def _given(values: Mapping[str, str | None]) -> dict[str, Any]:
    """Leave out what a Case does not have, and add the twin of each name."""
    return with_twins({name: value for name, value in values.items() if value})


def _iso(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


EXAMPLE_CASE = Case(
    id="3f166e9f-3c88-4af2-b52e-138f339dab3e",
    key="CASE-123",
    title="CPU above 95 % on payments-api",
    status="RESOLVED",
    priority="P2",
    category="AVAILABILITY",
    created_at=datetime(2026, 1, 15, 10, 30, tzinfo=UTC),
    updated_at=datetime(2026, 1, 15, 11, 45, 10, tzinfo=UTC),
    acknowledged_at=datetime(2026, 1, 15, 10, 41, tzinfo=UTC),
    resolved_at=datetime(2026, 1, 15, 11, 45, 10, tzinfo=UTC),
    resolved_by="cxUser",
    resolution_reason="Rolled back release 41",
    assignee="8a1b2c3d-0000-4000-8000-000000000001",
    priority_system="P3",
    priority_override="P2",
    labels={"routing.team": ("sre",), "routing.environment": ("production",), "channel": ("mail", "chat")},
    groupings={"service": ("payments",)},
    impacted_entities=(
        Entity(kind="service", name="payments-api", detail="go"),
        Entity(kind="database", name="ledger", detail="postgresql"),
    ),
    indicators=(
        Indicator(
            kind="alert",
            id="5d0f7a34-6f0e-4c0d-9a53-0d8f2f6f2a11",
            name="CPU above 95 %",
            state="RESOLVED",
            priority="P2",
            triggered_at=datetime(2026, 1, 15, 10, 29, 30, tzinfo=UTC),
            resolved_at=datetime(2026, 1, 15, 11, 40, tzinfo=UTC),
            labels={"host": "payments-7"},
        ),
    ),
    kpi_breaches=("TIME_TO_ACKNOWLEDGE",),
    parent_id="0c3f2b9e-1111-4222-8333-444455556666",
    reactivated_at=datetime(2026, 1, 15, 10, 35, tzinfo=UTC),
    url="https://acme.app.eu2.coralogix.com/#/cases/3f166e9f-3c88-4af2-b52e-138f339dab3e",
)
"""A Case that has a value for every name."""

EXAMPLE_INCIDENT = Incident(
    connector="main",
    table="incident",
    sys_id="9d385017c611228701d22104cc95c371",
    number="INC0010001",
    state="6",
    assigned_to="5137153cc611227c000bbd1bd8cd2005",
    correlation_id=EXAMPLE_CASE.id,
    correlation_display="Coralogix",
    created_at=datetime(2026, 1, 15, 10, 30, 20, tzinfo=UTC),
    updated_at=datetime(2026, 1, 15, 11, 45, tzinfo=UTC),
    updated_by="admin",
    mod_count=4,
    fields={"close_code": "Solution provided", "close_notes": "Rolled back release 41"},
)
"""A record of that Case."""


@cache
def example_context() -> Context:
    """Return what every root holds in the example."""
    return case_context(EXAMPLE_CASE) | incident_context(EXAMPLE_INCIDENT, "resolved")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One name that may be used, in words for a person."""

    name: str
    about: str
    example: str
    """the value in the example, as a template prints it; empty where the example has none"""


def variables(roots: Iterable[str] = ("case", "incident")) -> tuple[Variable, ...]:
    """List every name that a condition or template may use, with its value in the example."""
    context = example_context()
    seen: set[int] = set()
    return tuple(one for root in roots_with_twins(roots) for one in _listed(ROOTS[root], root, context[root], seen))


def _listed(name: Name, path: str, value: Any, seen: set[int]) -> Iterator[Variable]:
    """Describe a name and all that can follow it, with the example walked alongside; each kind of thing once."""
    yield Variable(name=path, about=name.about, example=_shown(value))
    if name.each is not None and not (name.each.parts and id(name.each) in seen):
        seen.add(id(name.each))
        key, member = _first_member(value)
        yield from _listed(name.each, f'{path}["{key}"]' if name.keyed else f"{path}[0]", member, seen)
    for step, part in name.own_parts.items():
        inner = value.part(step) if isinstance(value, EntityText) else (value or {}).get(step)
        yield from _listed(part, f"{path}.{step}", inner, seen)


def _first_member(value: Any) -> tuple[str, Any]:
    if isinstance(value, Mapping):
        return next(iter(value.items()), ("key", None))
    return "", next(iter(value or ()), None)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(one for one in value if isinstance(one, str))
    return str(value) if isinstance(value, str | LabelValue) else ""
