"""How a Coralogix world looks as JSON: Cases, events and deliveries, spelled as the Cases API v5 spells them.

Rules: enum words get their full prefix, known or not; required arrays are there when empty; an optional member
without a value is left out, or an explicit null where the world's knobs say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from reconciler.core.case_events import CaseEventKind
from reconciler.core.model import Case, Entity, Indicator, JsonObject
from reconciler.sandbox.coralogix.records import NAMESPACE, Actor, CaseKnobs, Delivery, Event
from reconciler.sandbox.coralogix.shelf import duration_ms

FUTURE_MEMBERS: JsonObject = {"muteState": "MUTE_STATE_UNMUTED", "futureMember": {"anything": [1, "two"]}}
"""Members that no description names, as a later version of the service may have them."""


class CaseWriter:
    """Write the values of one world as JSON objects, by its knobs."""

    def __init__(self, knobs: CaseKnobs) -> None:
        self._knobs = knobs

    def time(self, moment: datetime) -> str:
        """Write a time with the digits that this world shows."""
        return wire_time(moment, self._knobs.fractional_digits)

    def case(self, case: Case, *, now: datetime) -> JsonObject:
        """Write one Case."""
        required: JsonObject = {
            "id": case.id,
            "title": case.title,
            "status": f"CASE_STATUS_{case.status}",
            "priority": f"CASE_PRIORITY_{case.priority}",
            "category": f"CASE_CATEGORY_{case.category}",
            "createTime": self.time(case.created_at),
            "labels": _pairs(case.labels),
            "groupings": _pairs(case.groupings),
            "impactedEntities": [_entity(entity) for entity in case.impacted_entities],
        }
        return required | self._optional(self._optional_members(case, now))

    def event(self, event: Event) -> JsonObject:
        """Write one event."""
        stored = self.time(event.time)
        required: JsonObject = {
            "eventId": event.id,
            "eventData": {event.key.value: _event_data(event)},
            "actor": {event.actor.kind: _actor(event.actor)},
            "createTime": stored,
            "eventTime": stored,
        }
        return required | self._optional({"updateTime": event.edited_at and self.time(event.edited_at)})

    def delivery(self, delivery: Delivery) -> JsonObject:
        """Write one delivery of the official integration."""
        outcome = (
            {"success": {"evidenceUrl": delivery.evidence_url}}
            if delivery.evidence_url
            else {"failure": {"errorMessage": "the instance did not answer"}}
        )
        connector = {
            "connectorId": "c1",
            "connectorType": "CONNECTOR_TYPE_SERVICE_NOW",
            "connectorName": "ServiceNow",
        }
        return {
            "timestamp": self.time(delivery.time),
            "attempted": {
                "router": {"routerId": "router_default", "routerName": "default"},
                "attempts": [{"connector": connector, "outcome": outcome}],
            },
        }

    def _optional(self, members: Mapping[str, Any]) -> JsonObject:
        kept = {name: value for name, value in members.items() if value is not None or self._knobs.null_optionals}
        return kept | FUTURE_MEMBERS if self._knobs.extra_fields else kept

    def _optional_members(self, case: Case, now: datetime) -> JsonObject:
        return {
            "readableId": case.key,
            "updateTime": self._maybe_time(case.updated_at),
            "acknowledgeTime": self._maybe_time(case.acknowledged_at),
            "assignee": {"userId": case.assignee} if case.assignee else None,
            "priorityDetails": _priorities(case.priority_system, case.priority_override),
            "resolutionDetails": self._resolution(case),
            "duration": str(duration_ms(case, now)),
            "kpiBreaches": self._kpi_breaches(case),
            "caseIndicators": self._indicators(case),
            "relationship": {"type": "CHILD", "parentCaseId": case.parent_id} if case.parent_id else None,
            "lastReactivatedAt": self._maybe_time(case.reactivated_at if self._knobs.tells_reactivation else None),
        }

    def _maybe_time(self, moment: datetime | None) -> str | None:
        return None if moment is None else self.time(moment)

    def _resolution(self, case: Case) -> JsonObject | None:
        details: JsonObject = {"reason": case.resolution_reason} if case.resolution_reason else {}
        if case.resolved_at is not None:
            details |= {"resolveTime": self.time(case.resolved_at), "resolvedBy": {case.resolved_by: {}}}
        return details or None

    def _kpi_breaches(self, case: Case) -> JsonObject | None:
        if not case.kpi_breaches:
            return None
        moment = self.time(case.created_at)
        breaches = [
            {
                "id": str(uuid5(NAMESPACE, f"{case.id}/{number}")),
                "kpiType": f"KPI_TYPE_{kpi}",
                "casePriority": f"KPI_PRIORITY_{case.priority}",
                "breachedAt": moment,
                "createdAt": moment,
                "breachStatus": "BREACH_STATUS_BREACHED",
            }
            for number, kpi in enumerate(case.kpi_breaches)
        ]
        return {"breachedKpis": breaches}

    def _indicators(self, case: Case) -> JsonObject:
        writers = {"alert": self._alert, "generic": self._generic, "prometheus": self._prometheus}
        written: dict[str, list[JsonObject]] = {kind: [] for kind in writers}
        for indicator in case.indicators:
            written[indicator.kind].append(
                writers[indicator.kind](indicator, indicator.triggered_at or case.created_at)
            )
        members: JsonObject = {"alertIndicators": written["alert"]}
        if written["generic"]:
            members["genericIndicators"] = written["generic"]
        if written["prometheus"]:
            members["prometheusAlertIndicators"] = written["prometheus"]
        return members

    def _alert(self, indicator: Indicator, triggered_at: datetime) -> JsonObject:
        members: JsonObject = {
            "alertId": indicator.id,
            "latestAlertVersion": "1",
            "alertVersions": ["1"],
            "groupingType": "GROUPING_TYPE_NONE",
            "priority": f"INDICATOR_PRIORITY_{indicator.priority}",
            "state": f"INDICATOR_STATE_{indicator.state}",
            "triggerTime": self.time(triggered_at),
            "permutations": [{"permutation": dict(indicator.labels)}] if indicator.labels else [],
        }
        return members | self._optional_time("resolveTime", indicator.resolved_at)

    def _generic(self, indicator: Indicator, triggered_at: datetime) -> JsonObject:
        members: JsonObject = {
            "id": indicator.id,
            "externalId": indicator.name,
            "indicatorType": "GENERIC_INDICATOR_TYPE_ERROR_TRACKING",
            "status": f"GENERIC_INDICATOR_STATUS_{indicator.state}",
            "priority": f"INDICATOR_PRIORITY_{indicator.priority}",
            "lastTriggeredAt": self.time(triggered_at),
            "entityLinks": [],
            "labels": [{"key": key, "value": value} for key, value in indicator.labels.items()],
        }
        return members | self._optional_time("lastResolvedAt", indicator.resolved_at)

    def _prometheus(self, indicator: Indicator, triggered_at: datetime) -> JsonObject:
        moment = self.time(triggered_at)
        shared: JsonObject = {
            "alertGroupId": f"group-{indicator.id}",
            "priority": f"INDICATOR_PRIORITY_{indicator.priority}",
            "updatedAt": moment,
            "status": self._prometheus_status(indicator, moment),
        }
        alert = shared | {
            "alertName": indicator.name,
            "fingerprint": indicator.id,
            "labels": dict(indicator.labels),
            "annotations": {},
            "generatorUrl": "https://prometheus.example/graph",
            "createdAt": moment,
        }
        group = {
            "groupLabels": {},
            "receiver": "coralogix",
            "externalUrl": "https://alertmanager.example",
            "receivedAt": moment,
        }
        return shared | group | {"alerts": [alert]}

    def _prometheus_status(self, indicator: Indicator, triggered_at: str) -> JsonObject:
        if indicator.resolved_at is None:
            return {"triggered": {"triggeredAt": triggered_at}}
        return {"resolved": {"triggeredAt": triggered_at, "resolvedAt": self.time(indicator.resolved_at)}}

    def _optional_time(self, name: str, moment: datetime | None) -> JsonObject:
        return {} if moment is None else {name: self.time(moment)}


def wire_time(moment: datetime, digits: int) -> str:
    """Write a time as RFC 3339 in UTC with 0 to 9 digits of a second; those beyond microseconds are zeros."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{moment.microsecond:06d}000"[:digits]  # services in Go write nine digits, Python knows six
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def _pairs(values: Mapping[str, Sequence[str]]) -> list[JsonObject]:
    return [{"key": key, "value": value} for key, several in values.items() for value in several]


def _entity(entity: Entity) -> JsonObject:
    member, detail = ("apmDatabase", "system") if entity.kind == "database" else ("apmService", "language")
    return {member: {"name": entity.name} | ({detail: entity.detail} if entity.detail else {})}


def _priorities(system: str, override: str) -> JsonObject:
    members = {"system": system, "override": override}
    return {name: f"CASE_PRIORITY_{word}" for name, word in members.items() if word}


def _actor(actor: Actor) -> JsonObject:
    writer = ACTOR_WRITERS.get(actor.kind)
    return _given(writer(actor)) if writer else {}


def _event_data(event: Event) -> JsonObject:
    return EVENT_WRITERS[event.key](event.data)


def _assignment(data: Mapping[str, Any]) -> JsonObject:
    return _given({"assigneeUserId": data["to"], "previousAssigneeUserId": data["from"]})


def _kpi_breach(data: Mapping[str, Any]) -> JsonObject:
    return {
        "kpiType": f"KPI_TYPE_{data['kpi']}",
        "priority": f"CASE_PRIORITY_{data['priority']}",
        "threshold": "300s",
    }


def _given(members: Mapping[str, Any]) -> JsonObject:
    return {name: value for name, value in members.items() if value}


ACTOR_WRITERS: Mapping[str, Callable[[Actor], JsonObject]] = {
    "user": lambda actor: {"id": actor.id},
    "apiKey": lambda actor: {"id": actor.id, "name": actor.name},
    "serviceNow": lambda actor: {"id": actor.id, "username": actor.name, "userEmail": f"{actor.name}@example.com"},
    "slack": lambda actor: {"slackUserId": actor.id, "displayName": actor.name},
    "microsoftTeams": lambda actor: {"teamsUserId": actor.id, "displayName": actor.name},
    "pagerDuty": lambda actor: {"pagerDutyUserId": actor.id, "displayName": actor.name},
    "prometheusAlertManager": lambda actor: {"receiverName": actor.name},
}
"""How each kind of actor is written; ``system`` is an empty object, so it has no writer here."""

EVENT_WRITERS: Mapping[CaseEventKind, Callable[[Mapping[str, Any]], JsonObject]] = {
    CaseEventKind.CREATED: lambda data: {"priority": f"CASE_PRIORITY_{data['priority']}"},
    CaseEventKind.STATUS: lambda data: {
        "oldStatus": f"CASE_STATUS_{data['from']}",
        "newStatus": f"CASE_STATUS_{data['to']}",
    },
    CaseEventKind.PRIORITY: lambda data: {"from": _priorities(*data["from"]), "to": _priorities(*data["to"])},
    CaseEventKind.ASSIGNED: _assignment,
    CaseEventKind.UNASSIGNED: _assignment,
    CaseEventKind.TITLE: _given,
    CaseEventKind.REASON: _given,
    CaseEventKind.COMMENT: lambda data: {"unsafeText": data["text"], "attachments": []},
    CaseEventKind.KPI: _kpi_breach,
    CaseEventKind.NOTIFIED: lambda data: {"notificationRequestId": data["request"], "notifications": []},
    CaseEventKind.NOT_NOTIFIED: _given,
    CaseEventKind.ASSIGN_FAILED: lambda data: {"unknownAssigneeError": {"unknownAssigneeEmail": data["email"]}},
}
"""How the data of each kind of event is written."""
