"""Whether a request to Coralogix is one that the service takes: unknown fields, bad enums, lengths, ids.

Each check takes the name of a field and its value, and raises BadRequestError in the words of the service. A null is
as good as a missing member, as in every JSON form of Protocol Buffers. Source: OpenAPI descriptions of the Cases API
v5; the wording of refusals as recorded from other Coralogix services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from uuid import UUID

from reconciler.core.model import JsonObject
from reconciler.sandbox.coralogix.lifecycle import STATUSES
from reconciler.sandbox.coralogix.records import COMMENT_LIMIT, REASON_LIMIT, TITLE_LIMIT

ID_PATTERN = r"^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Z]+-[0-9]+)$"
CASE_ID = re.compile(ID_PATTERN[1:-1])
EVENT_ID = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

Check = Callable[[str, object], None]


class BadRequestError(Exception):
    """Refuse a request; ``near`` is the text whose place in the body the answer names."""

    def __init__(self, message: str, near: str | None = None) -> None:
        super().__init__(message)
        self.near = near


def read_body(body: bytes, check: Check) -> JsonObject:
    """Read a JSON body, an empty one as ``{}``; raise BadRequestError with the message for the answer."""
    text = body.decode(errors="replace")
    try:
        document = json.loads(text) if text.strip() else {}
        check("body", document)
    except ValueError as error:
        raise BadRequestError("proto:\u00a0syntax error (line 1:1): unexpected token") from error
    except BadRequestError as error:
        if error.near is None:
            raise
        # The service puts a no-break space behind "proto:".
        place = _place(text, error.near)
        raise BadRequestError(f"proto:\u00a0({place}): {error}") from error
    return dict(document)


def require_id(case_id: str) -> None:
    """Refuse what is neither a lower-case UUID nor a readable id of at most 64 characters."""
    _case_id("id", case_id)


def require_event_id(event_id: str) -> None:
    """Refuse what is not a UUID; here the upper case is allowed."""
    if not EVENT_ID.fullmatch(event_id):
        raise _violation("event_id", "must be a UUID")


def members(required: Iterable[str] = (), /, **checks: Check) -> Check:
    """Check an object that has these members and no others."""
    needed = tuple(required)

    def check(name: str, value: object) -> None:
        if not isinstance(value, dict):
            raise _violation(name, "must be an object")
        for key, member in value.items():
            if key not in checks:
                raise BadRequestError(f'unknown field "{key}"', near=f'"{key}"')
            if member is not None:
                checks[key](key, member)
        for key in needed:
            if value.get(key) is None:
                raise _violation(key, "is required")

    return check


def one_of(prefix: str, *words: str) -> Check:
    """Check an enum whose words all bear a prefix; ``UNSPECIFIED`` is always one of them."""
    allowed = {f"{prefix}_{word}" for word in ("UNSPECIFIED", *words)}

    def check(name: str, value: object) -> None:
        if not isinstance(value, str) or value not in allowed:
            shown = json.dumps(value)
            raise BadRequestError(f"invalid value for enum field {name}: {shown}", near=shown)

    return check


def text(low: int, high: int, *, visible: bool = False) -> Check:
    """Check a text of so many characters; ``visible`` trims it first and wants one that is not a blank."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, str):
            raise _violation(name, "must be a string")
        if not low <= len(value.strip() if visible else value) <= high:
            raise _violation(name, f"must have {low} to {high} characters")

    return check


def whole(low: int, high: int) -> Check:
    """Check a whole number between two bounds."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _violation(name, f"must be a whole number from {low} to {high}")

    return check


def several(item: Check, low: int = 0, high: int = 1000) -> Check:
    """Check a list of so many items."""

    def check(name: str, value: object) -> None:
        if not isinstance(value, list) or not low <= len(value) <= high:
            raise _violation(name, f"must be a list of {low} to {high} items")
        for entry in value:
            item(name, entry)

    return check


def _case_id(name: str, value: object) -> None:
    if not isinstance(value, str) or len(value) > 64 or not CASE_ID.fullmatch(value):
        raise _violation(name, f"must match {ID_PATTERN}")


def _uuid(name: str, value: object) -> None:
    try:
        valid = isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        valid = False
    if not valid:
        raise _violation(name, "must be a lower-case UUID")


def _moment(name: str, value: object) -> None:
    try:
        valid = isinstance(value, str) and 20 <= len(value) <= 30 and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        valid = False
    if not valid:
        raise _violation(name, "must be an RFC 3339 time of 20 to 30 characters")


def _violation(name: str, why: str) -> BadRequestError:
    return BadRequestError(json.dumps({"reason": f"{name} {why}"}))


def _place(body: str, near: str) -> str:
    before = body[: max(0, body.find(near))]
    return f"line {before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
CONNECTORS = ("SLACK", "SERVICE_NOW", "PAGER_DUTY", "EMAIL", "GENERIC_HTTPS", "MICROSOFT_TEAMS")

_nothing = members()
_anything_named = members(("name",), name=text(1, 4096))
_group = members(("key", "values"), key=text(1, 4096), values=several(text(1, 4096)))
_pair = members(("key", "value"), key=text(1, 4096), value=text(1, 4096))
_user = members(userId=_uuid)
_priority = one_of("CASE_PRIORITY", *PRIORITIES)

_filters = members(
    statuses=several(one_of("CASE_STATUS", *STATUSES)),
    priorities=several(_priority),
    categories=several(one_of("CASE_CATEGORY", "AVAILABILITY", "SECURITY")),
    assignees=several(members(assignee=text(1, 256), unassigned=_nothing)),
    textSearch=text(1, 4096),
    groupings=several(_group),
    labels=several(_group),
    caseLabelsFilter=members(flatLabels=several(_pair)),
    alertFilters=members(alertIds=several(_uuid), alertVersions=several(text(1, 64))),
    impactedEntities=several(members(apmService=_anything_named, apmDatabase=_anything_named)),
    breached=several(
        one_of(
            "KPI_FILTER",
            "TIME_TO_ACKNOWLEDGE_BREACHED",
            "TIME_TO_RESOLVE_BREACHED",
            "TIME_TO_UPDATE_BREACHED",
            "NOT_BREACHED",
        )
    ),
    indicatorTypes=several(one_of("INDICATOR_TYPE", "ALERT", "PROMETHEUS_ALERTMANAGER", "ERROR_TRACKING")),
    connectorTypeFilters=several(members(connectorType=one_of("CONNECTOR_TYPE", *CONNECTORS), noConnector=_nothing)),
    dateRange=members(
        ("from", "to"),
        **{"from": _moment, "to": _moment, "mode": one_of("DATE_RANGE_MODE", "ACTIVE_WINDOW", "CREATED_AT")},
    ),
)
_order = members(
    field=one_of("CASE_ORDER_BY_FIELD", "PRIORITY", "STATUS", "UPDATED_AT", "CATEGORY", "DURATION", "CREATED_AT"),
    direction=one_of("CASE_ORDER_BY_DIRECTION", "ASCENDING", "DESCENDING"),
)
_pagination = members(pageSize=whole(1, 1000), pageToken=text(1, 4096), skip=whole(0, 1_000_000))

BODIES: Mapping[str, Check] = {
    "nothing": _nothing,
    "list": members(filters=_filters, orderBy=_order, pagination=_pagination),
    "filters": members(filters=_filters),
    "update": members(title=text(1, TITLE_LIMIT, visible=True), resolutionReason=text(1, REASON_LIMIT, visible=True)),
    "resolve": members(reason=text(1, REASON_LIMIT)),
    "assign": members(("assignee",), assignee=_user),
    "priority": members(("priority",), priority=_priority),
    "indicator": members(
        prometheusAlert=members(("fingerprint", "startedAt"), fingerprint=text(1, 256), startedAt=_moment)
    ),
    "deliveries": members(("caseIds",), caseIds=several(text(1, 64), 1)),
    "comment": members(
        ("text",), text=text(1, COMMENT_LIMIT, visible=True), attachments=several(lambda _name, _value: None, 0, 100)
    ),
}
"""The bodies by name; the routes say which one they take."""
