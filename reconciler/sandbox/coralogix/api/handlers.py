"""What each route of the Cases API does to a world, once the request is known to be valid.

Each handler takes the host (a world, how to write it, who calls) and a call, and gives the body of a 200. They raise
the world's own errors; the face turns those into answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from reconciler.core.frozen import dataclass
from reconciler.core.model import Case, JsonObject
from reconciler.sandbox.coralogix.api.filters import condition
from reconciler.sandbox.coralogix.api.json_shapes import CaseWriter
from reconciler.sandbox.coralogix.lifecycle import Step
from reconciler.sandbox.coralogix.records import Actor, NoSuchCaseError
from reconciler.sandbox.coralogix.shelf import DEFAULT_PAGE_SIZE, ListQuery, SortField
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultKind

SORT_FIELDS: Mapping[str, SortField] = {
    "CASE_ORDER_BY_FIELD_UPDATED_AT": SortField.UPDATED,
    "CASE_ORDER_BY_FIELD_CREATED_AT": SortField.CREATED,
    "CASE_ORDER_BY_FIELD_PRIORITY": SortField.PRIORITY,
    "CASE_ORDER_BY_FIELD_STATUS": SortField.STATUS,
    "CASE_ORDER_BY_FIELD_CATEGORY": SortField.CATEGORY,
    "CASE_ORDER_BY_FIELD_DURATION": SortField.DURATION,
}


class Host(Protocol):
    """What a handler needs of the face that calls it."""

    world: CoralogixWorld
    writer: CaseWriter
    actor: Actor


@dataclass(frozen=True, kw_only=True)
class RouteCall:
    """One valid request."""

    id: str
    """the Case or event id of the path; empty where the path has none"""
    body: JsonObject
    query: Mapping[str, str]
    fault: FaultKind | None = None
    """what struck this call, for the kinds that change what is done"""


Handler = Callable[[Host, RouteCall], JsonObject]


def list_cases(host: Host, call: RouteCall) -> JsonObject:
    """Return one page of Cases."""
    order = call.body.get("orderBy") or {}
    pages = call.body.get("pagination") or {}
    query = ListQuery(
        field=SORT_FIELDS.get(order.get("field") or "", SortField.CREATED),
        ascending=order.get("direction") == "CASE_ORDER_BY_DIRECTION_ASCENDING",
        page_size=pages.get("pageSize") or DEFAULT_PAGE_SIZE,
        page_token=pages.get("pageToken"),
        skip=pages.get("skip") or 0,
        matches=condition(call.body.get("filters"), host.world),
    )
    listing = host.world.ledger.list_cases(query, stale=call.fault is FaultKind.STALE_LIST)
    if call.fault is FaultKind.HIDDEN_ROWS:
        return {"cases": [], "pagination": {}, "pbacTruncated": True}
    return {
        "cases": _show_many(host, listing.cases),
        "pagination": {"nextPageToken": listing.next_token} if listing.next_token else {},
        **({"pbacTruncated": True} if listing.truncated else {}),
    }


def get_case(host: Host, call: RouteCall) -> JsonObject:
    """Return one Case."""
    return _show(host, host.world.ledger.visible_case(call.id))


def update_case(host: Host, call: RouteCall) -> JsonObject:
    """Change title and resolution reason, those that were sent; both are trimmed."""
    case = host.world.ledger.visible_case(call.id)
    if call.body.get("title"):
        case = host.world.set_title(call.id, call.body["title"].strip(), host.actor)
    if call.body.get("resolutionReason"):
        case = host.world.set_reason(call.id, call.body["resolutionReason"].strip(), host.actor)
    return _show(host, case)


def one_step(step: Step) -> Handler:
    """Make the handler that takes a step with one Case."""

    def handle(host: Host, call: RouteCall) -> JsonObject:
        if call.fault is FaultKind.NO_CHANGE_200:
            return _show(host, host.world.ignore(call.id, step, host.actor, FaultKind.NO_CHANGE_200))
        return _show(host, host.world.step(call.id, step, host.actor, call.body.get("reason") or ""))

    return handle


def assign(host: Host, call: RouteCall) -> JsonObject:
    """Assign one Case."""
    return _show(host, host.world.assign(call.id, call.body["assignee"].get("userId") or "", host.actor))


def unassign(host: Host, call: RouteCall) -> JsonObject:
    """Take the assignee of one Case away."""
    return _show(host, host.world.assign(call.id, "", host.actor))


def set_priority(host: Host, call: RouteCall) -> JsonObject:
    """Override the priority of one Case."""
    return _show(host, host.world.set_priority(call.id, _short_priority(call), host.actor))


def clear_priority(host: Host, call: RouteCall) -> JsonObject:
    """Go back to the system's priority for one Case."""
    return _show(host, host.world.set_priority(call.id, "", host.actor))


def by_indicator(host: Host, call: RouteCall) -> JsonObject:
    """Find the Case behind one alert of an Alertmanager, by its fingerprint and the time at which it began."""
    wanted = call.body.get("prometheusAlert") or {}
    started_at = datetime.fromisoformat(wanted.get("startedAt") or "0001-01-01T00:00:00Z")  # no alert began then
    for case in host.world.ledger.visible_cases():
        for indicator in case.indicators:
            is_meant = indicator.kind == "prometheus" and indicator.id == wanted.get("fingerprint")
            if is_meant and indicator.triggered_at == started_at:
                return _show(host, case)
    raise NoSuchCaseError(str(wanted.get("fingerprint", "")))


def sync_thread(host: Host, call: RouteCall) -> JsonObject:
    """Accept the request to read an outside thread's comments; there is no such thread, so nothing changes."""
    host.world.ledger.visible_case(call.id)
    return {"syncRegistered": False}


def deep_links(host: Host, call: RouteCall) -> JsonObject:
    """Return the addresses of one Case in the console."""
    case = host.world.ledger.visible_case(call.id)
    return {
        "deepLinks": {"detail": host.world.ledger.console_url(case.id), "alertIndicators": {}, "impactedEntities": []}
    }


def list_events(host: Host, call: RouteCall) -> JsonObject:
    """Return all events of one Case."""
    case = host.world.ledger.visible_case(call.id)
    return {"events": [host.writer.event(event) for event in host.world.ledger.events(case.id)]}


def get_event(host: Host, call: RouteCall) -> JsonObject:
    """Return one event."""
    return {"event": host.writer.event(host.world.ledger.event(call.id))}


def add_comment(host: Host, call: RouteCall) -> JsonObject:
    """Write a comment on one Case."""
    return {"event": host.writer.event(host.world.comment(call.id, call.body["text"], host.actor))}


def edit_comment(host: Host, call: RouteCall) -> JsonObject:
    """Change the words of a comment."""
    return {"event": host.writer.event(host.world.edit_comment(call.id, call.body["text"], host.actor))}


def delete_comment(host: Host, call: RouteCall) -> JsonObject:
    """Remove a comment."""
    host.world.delete_comment(call.id, host.actor)
    return {}


def deliveries(host: Host, call: RouteCall) -> JsonObject:
    """Say what the official integration was told, under each id as it was sent."""
    found = {case_id: host.world.ledger.deliveries(case_id) for case_id in call.body["caseIds"]}
    return {
        "deliveriesByCase": {
            case_id: {"notificationDeliveries": [host.writer.delivery(delivery) for delivery in several]}
            for case_id, several in found.items()
        }
    }


def filter_values(host: Host, call: RouteCall) -> JsonObject:
    """Count Cases by priority, category and status; the other groups stay empty."""
    fits = condition(call.body.get("filters"), host.world)
    cases = [case for case in host.world.ledger.cases() if fits(case)]
    empty = ("groupingAggregations", "labelAggregations", "flatLabelsAggregation", "alertIdAggregations")
    return {
        "priorityAggregations": _counts("priority", [f"CASE_PRIORITY_{case.priority}" for case in cases]),
        "categoryAggregations": _counts("category", [f"CASE_CATEGORY_{case.category}" for case in cases]),
        "statusAggregations": _counts("status", [f"CASE_STATUS_{case.status}" for case in cases]),
        **{name: [] for name in empty},
    }


def grouping_keys(host: Host, _: RouteCall) -> JsonObject:
    """Name the keys by which Cases are grouped."""
    return {"groupingKeys": sorted({key for case in host.world.ledger.cases() for key in case.groupings})}


def active_settings(_: Host, __: RouteCall) -> JsonObject:
    """Return the settings of the team: resolved Cases are closed after a week."""
    lifecycle = {
        "suppressionPeriod": "0s",
        "resolutionSnoozePeriod": "0s",
        "autoResolve": {"enabled": False},
        "autoClose": {"postResolutionPeriod": "604800s"},
        "alertSuppressionStrategy": "ALERT_SUPPRESSION_STRATEGY_IGNORE",
    }
    indicators = {"enabled": True, "filteringConditions": []}
    return {"caseSettings": {"name": "sandbox", "caseLifecycle": lifecycle, "globalIndicatorSettings": indicators}}


def whoami(host: Host, _: RouteCall) -> JsonObject:
    """Say whose key it is."""
    return {"team_id": 1, "team_name": "sandbox", "user_name": host.actor.name}


def _show(host: Host, case: Case) -> JsonObject:
    return {"case": host.writer.case(case, now=host.world.clock.now())}


def _show_many(host: Host, cases: Sequence[Case]) -> list[JsonObject]:
    now = host.world.clock.now()
    return [host.writer.case(case, now=now) for case in cases]


def _short_priority(call: RouteCall) -> str:
    return str(call.body["priority"]).removeprefix("CASE_PRIORITY_")


def _counts(name: str, words: Sequence[str]) -> list[JsonObject]:
    return [{name: word, "count": count} for word, count in sorted(Counter(words).items())]
