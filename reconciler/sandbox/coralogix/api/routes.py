"""The routes of the Cases API v5 as a table: verb, path, operation, right, body, and what is done.

The verbs are irregular on purpose: one Case is acknowledged with PUT, several with POST (OpenAPI descriptions).
"""

from __future__ import annotations

import re
from enum import StrEnum

from reconciler.core.frozen import dataclass
from reconciler.sandbox.coralogix.api import handlers as do
from reconciler.sandbox.coralogix.api.handlers import Handler
from reconciler.sandbox.coralogix.lifecycle import Step

PREFIX = "/mgmt/openapi/5"


class Right(StrEnum):
    """A permission of a key; resolve and close share one (OpenAPI descriptions)."""

    READ = "case:Read"
    ACKNOWLEDGE = "case:Acknowledge"
    CLOSE = "case:Close"
    COMMENT = "case:Comment"
    UPDATE = "case:Update"
    ASSIGN = "case:Assign"
    READ_SETTINGS = "case-config:Read"


@dataclass(frozen=True, kw_only=True)
class Route:
    """What one verb on one path does."""

    method: str
    path: str
    """``{id}`` stands for a Case id, ``{event_id}`` for an event id"""
    operation: str
    """the name by which faults strike it and requests are counted"""
    right: Right | None
    """None: every key may"""
    body: str
    handler: Handler


def _route(line: str, operation: str, right: Right | None, handler: Handler, body: str = "nothing") -> Route:
    method, _, path = line.partition(" ")
    return Route(method=method, path=path, operation=operation, right=right, body=body, handler=handler)


_ACKNOWLEDGE = do.one_step(Step.ACKNOWLEDGE)
_RESOLVE = do.one_step(Step.RESOLVE)

ROUTES = (
    _route(f"POST {PREFIX}/cases/cases/v1", "cases.list", Right.READ, do.list_cases, "list"),
    _route(f"GET {PREFIX}/cases/cases/v1/{{id}}", "cases.get", Right.READ, do.get_case),
    _route(f"PUT {PREFIX}/cases/cases/v1/{{id}}", "cases.update", Right.UPDATE, do.update_case, "update"),
    _route(f"PUT {PREFIX}/cases/acknowledged/v1/{{id}}", "cases.acknowledge", Right.ACKNOWLEDGE, _ACKNOWLEDGE),
    _route(
        f"DELETE {PREFIX}/cases/acknowledged/v1/{{id}}",
        "cases.unacknowledge",
        Right.ACKNOWLEDGE,
        do.one_step(Step.UNACKNOWLEDGE),
    ),
    _route(f"PUT {PREFIX}/cases/resolved/v1/{{id}}", "cases.resolve", Right.CLOSE, _RESOLVE, "resolve"),
    _route(f"POST {PREFIX}/cases/closed/v1/{{id}}", "cases.close", Right.CLOSE, do.one_step(Step.CLOSE)),
    _route(f"POST {PREFIX}/cases/assigned/v1/{{id}}", "cases.assign", Right.ASSIGN, do.assign, "assign"),
    _route(f"DELETE {PREFIX}/cases/assigned/v1/{{id}}", "cases.unassign", Right.ASSIGN, do.unassign),
    _route(
        f"PUT {PREFIX}/cases/priority-override/v1/{{id}}", "cases.priority", Right.UPDATE, do.set_priority, "priority"
    ),
    _route(
        f"DELETE {PREFIX}/cases/priority-override/v1/{{id}}", "cases.clear_priority", Right.UPDATE, do.clear_priority
    ),
    _route(f"POST {PREFIX}/cases/indicators/v1/get", "cases.by_indicator", Right.READ, do.by_indicator, "indicator"),
    _route(f"GET {PREFIX}/cases/cases/v1/{{id}}/deep-links", "cases.deep_links", Right.READ, do.deep_links),
    _route(f"GET {PREFIX}/cases/cases/v1/{{id}}/events", "cases.events", Right.READ, do.list_events),
    _route(f"GET {PREFIX}/cases/events/v1/{{event_id}}", "cases.event", Right.READ, do.get_event),
    _route(f"POST {PREFIX}/cases/cases/v1/{{id}}/comments", "cases.comment", Right.COMMENT, do.add_comment, "comment"),
    _route(
        f"PUT {PREFIX}/cases/events/v1/{{event_id}}/comments",
        "cases.edit_comment",
        Right.COMMENT,
        do.edit_comment,
        "comment",
    ),
    _route(
        f"DELETE {PREFIX}/cases/events/v1/{{event_id}}/comments",
        "cases.delete_comment",
        Right.COMMENT,
        do.delete_comment,
    ),
    _route(
        f"POST {PREFIX}/cases/cases/v1/{{id}}/sync-external-thread-comments",
        "cases.sync_thread",
        Right.COMMENT,
        do.sync_thread,
    ),
    _route(
        f"POST {PREFIX}/cases/notifications/v1/deliveries", "cases.deliveries", Right.READ, do.deliveries, "deliveries"
    ),
    _route(f"POST {PREFIX}/cases/filter-values/v1", "cases.filter_values", Right.READ, do.filter_values, "filters"),
    _route(f"GET {PREFIX}/cases/grouping-keys/v1", "cases.grouping_keys", Right.READ, do.grouping_keys),
    _route(
        f"GET {PREFIX}/cases/cases/case-settings/v1/configs:getActive",
        "cases.settings",
        Right.READ_SETTINGS,
        do.active_settings,
    ),
    _route("GET /identity/whoami", "cases.whoami", None, do.whoami),
)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(event_)?id\\\}", "([^/]+)", re.escape(path)))


_PATTERNS = tuple((route, _pattern(route.path)) for route in ROUTES)


def find_route(method: str, path: str) -> tuple[Route, str] | None:
    """Find the route of a request and the id in its path, which is empty where the route has none."""
    for route, pattern in _PATTERNS:
        match = pattern.fullmatch(path) if route.method == method else None
        if match:
            return route, match.group(1) if match.groups() else ""
    return None
