"""Case JSON of the Cases API v5 -> our Case.

Lenient where no decision depends on it: members may be missing, null, of another shape or new. Strict in what identity
and order depend on: id, status and creation time. An unknown enum word is kept, never guessed.
Source: ``cases_service.openapi.json`` of coralogix/coralogix-management-sdk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reconciler.core.errors import Malformed
from reconciler.core.identity import CASE_ID
from reconciler.core.model import Case, Entity, Indicator

FIRST_YEAR = 1970
_FAR_AHEAD = re.compile(r"\+?\d{5,}-|(?:2[2-9]|[3-9]\d)\d\d-", re.ASCII)
"""From the year 2200 on."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> object:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object_or_none(value: object) -> object:
    return value if isinstance(value, dict) else None


def _texts(value: object) -> object:
    return {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}


def _moment(value: object) -> datetime | None:
    """Read RFC 3339 with 0 to 9 fractional digits, cut to microseconds; None for anything else, and before 1970.

    Services written in Go send an unset time as year 1. Raises ValueError for a time far in the future, which no Case
    can have, and which would sort before every other in a listing by time.
    """
    text = _text(value)
    if _FAR_AHEAD.match(text):
        raise ValueError("no time that a clock shows")
    try:
        read = datetime.fromisoformat(text)
        moment = read.astimezone(UTC) if read.tzinfo else None
    except (ValueError, OverflowError):  # OverflowError: 0001-01-01 with an offset
        return None
    return moment if moment and moment.year >= FIRST_YEAR else None


def _case_id(value: str) -> str:
    if not CASE_ID.fullmatch(value):
        raise ValueError("not a lower-case UUID")
    return value


def _short(prefix: str) -> BeforeValidator:
    return BeforeValidator(lambda value: _text(value).removeprefix(prefix))


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[dict[str, str], BeforeValidator(_texts)]
Moment = Annotated[AwareDatetime | None, BeforeValidator(_moment)]
Objects = BeforeValidator(_objects)
Object = BeforeValidator(_object)
ObjectOrNone = BeforeValidator(_object_or_none)
Status = Annotated[str, _short("CASE_STATUS_")]
Priority = Annotated[str, _short("CASE_PRIORITY_")]
IndicatorPriority = Annotated[str, _short("INDICATOR_PRIORITY_")]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True)


def _absent(made: type[_Lenient], alias: str | None = None) -> Any:
    """Make the default of a member that may be missing: one for all, since none can change, made when first needed."""
    return Field(default_factory=cache(made), alias=alias)


class _Pair(_Lenient):
    key: Text = ""
    value: Text = ""


class _PriorityDetails(_Lenient):
    system: Priority = ""
    override: Priority = ""


class _Resolution(_Lenient):
    reason: Text = ""
    resolve_time: Moment = Field(default=None, alias="resolveTime")
    resolved_by: Annotated[dict[str, Any], Object] = Field(default={}, alias="resolvedBy")


class _Person(_Lenient):
    user_id: Text = Field(default="", alias="userId")


class _Named(_Lenient):
    name: Text = ""
    language: Text = ""
    system: Text = ""


class _Entity(_Lenient):
    service: Annotated[_Named | None, ObjectOrNone] = Field(default=None, alias="apmService")
    database: Annotated[_Named | None, ObjectOrNone] = Field(default=None, alias="apmDatabase")


class _Kpi(_Lenient):
    kind: Annotated[str, _short("KPI_TYPE_")] = Field(default="", alias="kpiType")


class _KpiBreaches(_Lenient):
    breached: Annotated[tuple[_Kpi, ...], Objects] = Field(default=(), alias="breachedKpis")


class _Relationship(_Lenient):
    parent_id: Text = Field(default="", alias="parentCaseId")


class _Permutation(_Lenient):
    permutation: Texts = {}


class _Alert(_Lenient):
    id: Text = Field(default="", alias="alertId")
    state: Annotated[str, _short("INDICATOR_STATE_")] = ""
    priority: IndicatorPriority = ""
    triggered_at: Moment = Field(default=None, alias="triggerTime")
    resolved_at: Moment = Field(default=None, alias="resolveTime")
    permutations: Annotated[tuple[_Permutation, ...], Objects] = ()


class _Generic(_Lenient):
    id: Text = ""
    name: Text = Field(default="", alias="externalId")
    state: Annotated[str, _short("GENERIC_INDICATOR_STATUS_")] = Field(default="", alias="status")
    priority: IndicatorPriority = ""
    triggered_at: Moment = Field(default=None, alias="lastTriggeredAt")
    resolved_at: Moment = Field(default=None, alias="lastResolvedAt")
    labels: Annotated[tuple[_Pair, ...], Objects] = ()


class _Since(_Lenient):
    triggered_at: Moment = Field(default=None, alias="triggeredAt")
    resolved_at: Moment = Field(default=None, alias="resolvedAt")


class _PrometheusStatus(_Lenient):
    triggered: Annotated[_Since | None, ObjectOrNone] = None
    resolved: Annotated[_Since | None, ObjectOrNone] = None


class _PrometheusAlert(_Lenient):
    id: Text = Field(default="", alias="fingerprint")
    name: Text = Field(default="", alias="alertName")
    priority: IndicatorPriority = ""
    labels: Texts = {}
    status: Annotated[_PrometheusStatus, Object] = _absent(_PrometheusStatus)


class _PrometheusGroup(_Lenient):
    alerts: Annotated[tuple[_PrometheusAlert, ...], Objects] = ()


class _Indicators(_Lenient):
    alerts: Annotated[tuple[_Alert, ...], Objects] = Field(default=(), alias="alertIndicators")
    generic: Annotated[tuple[_Generic, ...], Objects] = Field(default=(), alias="genericIndicators")
    prometheus: Annotated[tuple[_PrometheusGroup, ...], Objects] = Field(default=(), alias="prometheusAlertIndicators")


class _Case(_Lenient):
    id: Annotated[str, AfterValidator(_case_id)]
    status: Annotated[str, Field(min_length=1), _short("CASE_STATUS_")]
    created_at: Annotated[AwareDatetime, BeforeValidator(_moment)] = Field(alias="createTime")
    key: Text = Field(default="", alias="readableId")
    title: Text = ""
    priority: Priority = ""
    category: Annotated[str, _short("CASE_CATEGORY_")] = ""
    updated_at: Moment = Field(default=None, alias="updateTime")
    acknowledged_at: Moment = Field(default=None, alias="acknowledgeTime")
    reactivated_at: Moment = Field(default=None, alias="lastReactivatedAt")
    assignee: Annotated[_Person, Object] = _absent(_Person)
    priorities: Annotated[_PriorityDetails, Object] = _absent(_PriorityDetails, "priorityDetails")
    resolution: Annotated[_Resolution, Object] = _absent(_Resolution, "resolutionDetails")
    labels: Annotated[tuple[_Pair, ...], Objects] = ()
    groupings: Annotated[tuple[_Pair, ...], Objects] = ()
    entities: Annotated[tuple[_Entity, ...], Objects] = Field(default=(), alias="impactedEntities")
    indicators: Annotated[_Indicators, Object] = _absent(_Indicators, "caseIndicators")
    kpis: Annotated[_KpiBreaches, Object] = _absent(_KpiBreaches, "kpiBreaches")
    relationship: Annotated[_Relationship, Object] = _absent(_Relationship)


def case_from_json(raw: object) -> Case:
    """Read one Case; raise Malformed where id, status or creation time cannot be read."""
    try:
        seen = _Case.model_validate(raw)
    except ValidationError as error:
        raise _malformed(raw, error) from error
    return Case(
        id=seen.id,
        key=seen.key or None,
        title=seen.title,
        status=seen.status,
        priority=seen.priority,
        category=seen.category,
        created_at=seen.created_at,
        updated_at=seen.updated_at,
        acknowledged_at=seen.acknowledged_at,
        resolved_at=seen.resolution.resolve_time,
        resolved_by=next((who for who, mark in seen.resolution.resolved_by.items() if mark is not None), ""),
        resolution_reason=seen.resolution.reason,
        assignee=seen.assignee.user_id,
        priority_system=seen.priorities.system,
        priority_override=seen.priorities.override,
        labels=_by_key(seen.labels),
        groupings=_by_key(seen.groupings),
        impacted_entities=tuple(_entities(seen.entities)),
        indicators=tuple(_indicators(seen.indicators)),
        kpi_breaches=tuple(kpi.kind for kpi in seen.kpis.breached if kpi.kind),
        parent_id=seen.relationship.parent_id,
        reactivated_at=seen.reactivated_at,
    )


def _malformed(raw: object, error: ValidationError) -> Malformed:
    """Name what cannot be read, without the values."""
    names = ", ".join(dict.fromkeys(str(problem["loc"][0]) for problem in error.errors() if problem["loc"]))
    record_id = raw.get("id") if isinstance(raw, dict) else None
    words = f"a Case cannot be understood: {names} missing or not readable" if names else "a Case is no JSON object"
    return Malformed(words, record_id=record_id if isinstance(record_id, str) else None, raw=raw)


def _by_key(pairs: Iterable[_Pair]) -> Mapping[str, tuple[str, ...]]:
    """Gather the values of each key, since a key may repeat."""
    values: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        values[pair.key] = (*values.get(pair.key, ()), pair.value)
    return values


def _entities(entities: Iterable[_Entity]) -> Iterable[Entity]:
    for entity in entities:
        if entity.service is not None:
            yield Entity(kind="service", name=entity.service.name, detail=entity.service.language)
        elif entity.database is not None:
            yield Entity(kind="database", name=entity.database.name, detail=entity.database.system)


def _indicators(seen: _Indicators) -> Iterable[Indicator]:
    yield from map(_alert, seen.alerts)
    yield from map(_generic, seen.generic)
    for group in seen.prometheus:
        yield from map(_prometheus, group.alerts)


def _alert(alert: _Alert) -> Indicator:
    """Read one alert indicator; its labels are those of its first permutation. It has no name."""
    return Indicator(
        kind="alert",
        id=alert.id,
        state=alert.state,
        priority=alert.priority,
        triggered_at=alert.triggered_at,
        resolved_at=alert.resolved_at,
        labels=alert.permutations[0].permutation if alert.permutations else {},
    )


def _generic(signal: _Generic) -> Indicator:
    return Indicator(
        kind="generic",
        id=signal.id,
        name=signal.name,
        state=signal.state,
        priority=signal.priority,
        triggered_at=signal.triggered_at,
        resolved_at=signal.resolved_at,
        labels={pair.key: pair.value for pair in signal.labels},
    )


def _prometheus(alert: _PrometheusAlert) -> Indicator:
    since, state = _Since(), ""
    if alert.status.resolved:
        since, state = alert.status.resolved, "RESOLVED"
    elif alert.status.triggered:
        since, state = alert.status.triggered, "TRIGGERED"
    return Indicator(
        kind="prometheus",
        id=alert.id,
        name=alert.name,
        state=state,
        priority=alert.priority,
        triggered_at=since.triggered_at,
        resolved_at=since.resolved_at,
        labels=alert.labels,
    )
