"""Plain values for tests: each builder gives a whole noun of which a test names only what it is about."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.core.expressions.conditions import Condition
from reconciler.core.expressions.templates import Template
from reconciler.core.model import Case, Incident, Link, Pair, Stage
from reconciler.core.planning.known import Knowledge
from reconciler.core.policies.defaults import (
    DEFAULT_FIELDS,
    DEFAULT_ON_ACKNOWLEDGE,
    DEFAULT_ON_CLOSE,
    DEFAULT_ON_CREATE,
    DEFAULT_ON_RESOLVE,
    DEFAULT_REASON,
    DEFAULT_REFERENCES,
)
from reconciler.core.policies.policies import Inbound, Limits, OnReactivate, Outbound, Policies, Route

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CASE_ID = "3f166e9f-3c88-4af2-b52e-138f339dab3e"
SYS_ID = "0123456789abcdef0123456789abcdef"
OWNER = "Coralogix"

STATUS_OF = {
    Stage.OPEN: "ACTIVE",
    Stage.ACKNOWLEDGED: "ACKNOWLEDGED",
    Stage.RESOLVED: "RESOLVED",
    Stage.CLOSED: "CLOSED",
}
STATE_OF = {Stage.OPEN: "1", Stage.ACKNOWLEDGED: "2", Stage.RESOLVED: "6", Stage.CLOSED: "7"}


def a_case(**changes: Any) -> Case:
    """Give an active Case of five minutes' age."""
    values: dict[str, Any] = {
        "id": CASE_ID,
        "key": "CASE-123",
        "title": "Payments are slow",
        "status": "ACTIVE",
        "priority": "P2",
        "category": "AVAILABILITY",
        "created_at": NOW - timedelta(minutes=5),
        "updated_at": NOW - timedelta(minutes=5),
    }
    return Case(**values | changes)


def an_incident(**changes: Any) -> Incident:
    """Give a New record that bears our mark and the key of :func:`a_case`."""
    values: dict[str, Any] = {
        "connector": "main",
        "table": "incident",
        "sys_id": SYS_ID,
        "number": "INC0010001",
        "state": "1",
        "assigned_to": "",
        "correlation_id": CASE_ID,
        "correlation_display": OWNER,
        "created_at": NOW - timedelta(minutes=4),
        "updated_at": NOW - timedelta(minutes=4),
        "updated_by": "coralogix.sync",
        "mod_count": 0,
    }
    return Incident(**values | changes)


def a_link(**changes: Any) -> Link:
    """Give a link that was routed and has its record."""
    values: dict[str, Any] = {
        "case_id": CASE_ID,
        "route": "everything",
        "inbound": "default",
        "outbound": "default",
        "connector": "main",
        "table": "incident",
        "sys_id": SYS_ID,
        "number": "INC0010001",
        "case_peak": Stage.OPEN,
        "incident_peak": Stage.OPEN,
        "admitted": True,
        "was_active": True,
    }
    return Link(**values | changes)


def an_unlinked(case: Case | None = None, **changes: Any) -> Pair:
    """Give a Case that was seen and has no record yet."""
    case = case or a_case()
    link = Link(case_id=case.id, was_active=True, case_peak=Stage.OPEN)
    return Pair(link=link, case=case, **changes)


template = functools.cache(Template.compile)
condition = functools.cache(Condition.compile)


def compiled(sources: Mapping[str, str], **more: str) -> dict[str, Template]:
    """Compile templates by field name."""
    return {name: template(source) for name, source in {**sources, **more}.items()}


def an_inbound(**changes: Any) -> Inbound:
    """Give the default inbound policy."""
    values: dict[str, Any] = {
        "name": "default",
        "create_when": condition("true"),
        "fields": compiled(DEFAULT_FIELDS),
        "on_create": compiled(DEFAULT_ON_CREATE),
        "on_acknowledge": compiled(DEFAULT_ON_ACKNOWLEDGE),
        "on_resolve": compiled(DEFAULT_ON_RESOLVE),
        "on_close": compiled(DEFAULT_ON_CLOSE),
        "references": DEFAULT_REFERENCES,
    }
    return Inbound(**values | changes)


def a_silent_inbound(**changes: Any) -> Inbound:
    """Give the default inbound policy, but for the note about a Case that is active again."""
    return an_inbound(on_reactivate=OnReactivate.HOLD, **changes)


def an_outbound(**changes: Any) -> Outbound:
    """Give the default outbound policy."""
    values: dict[str, Any] = {
        "name": "default",
        "acknowledge_on": frozenset({"assigned", "in_progress", "on_hold"}),
        "resolve_on": frozenset({"resolved"}),
        "close_on": frozenset({"closed", "canceled"}),
        "when": condition("true"),
        "reason": template(DEFAULT_REASON, roots=("incident", "case")),
    }
    return Outbound(**values | changes)


def a_route(**changes: Any) -> Route:
    """Give the route that takes everything."""
    values: dict[str, Any] = {
        "name": "everything",
        "when": condition("true"),
        "connector": "main",
        "inbound": "default",
        "outbound": "default",
    }
    return Route(**values | changes)


def policies(
    *, inbound: Inbound | None = None, outbound: Outbound | None = None, limits: Limits | None = None, **changes: Any
) -> Policies:
    """Give the default policies, with one of each kind replaced where named."""
    values: dict[str, Any] = {
        "owner": OWNER,
        "routes": (a_route(),),
        "inbound": {"default": inbound or an_inbound()},
        "outbound": {"default": outbound or an_outbound()},
        "limits": limits or Limits(),
    }
    return Policies(**values | changes)


def known(**changes: Any) -> Knowledge:
    """Give what a plan knows: nothing looked up, first start an hour ago."""
    values: dict[str, Any] = {"now": NOW, "origin": NOW - timedelta(hours=1)}
    return Knowledge(**values | changes)


def looked_up(*records: Incident, connector: str = "main", case_id: str = CASE_ID) -> Knowledge:
    """Give what is known after a look-up that found these records."""
    return known(records={(connector, case_id): records})


def a_config(secret: str) -> str:
    """Write the config of one instance, with ``reconciler.db`` beside it; ``secret`` is a variable."""
    return f"""\
[coralogix]
region = "eu2"
api_key = {{ env = "{secret}" }}
[servicenow.main]
instance_url = "https://acme.service-now.com"
username = "coralogix.sync"
password = {{ env = "{secret}" }}
[state]
path = "reconciler.db"
"""
