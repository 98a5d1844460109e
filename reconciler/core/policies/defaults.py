"""What a Case becomes in a record where the config does not say: the default templates as text.

The defaults are written as a person would write them in the config, which shows and uses them. Fields in step follow
the Case; those of a creation, and of each step forward, are written once. ``opened_at`` is left to ServiceNow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.errors import TemplateFailed
from reconciler.core.expressions.templates import Template
from reconciler.core.model import LONGEST_REASON, Stage
from reconciler.core.policies.policies import Reference
from reconciler.core.text import cut

__all__ = [
    "DEFAULT_FIELDS",
    "DEFAULT_ON_ACKNOWLEDGE",
    "DEFAULT_ON_CLOSE",
    "DEFAULT_ON_CREATE",
    "DEFAULT_ON_RESOLVE",
    "DEFAULT_REASON",
    "DEFAULT_REFERENCES",
    "DEFAULT_STEPS",
    "KNOWN_TEXTS",
    "LONGEST_COLUMN",
    "resolution_reason",
]

LONGEST_COLUMN = 4000
"""Characters of a description, and of close notes: what their columns take on a new instance."""
_CUT = f"{{% filter cut({LONGEST_COLUMN}) %}}"

_SHORT_DESCRIPTION = """\
{% filter one_line | cut(160) %}
{{ case.key ~ ": " if case.key is defined else "" }}{{ case.title }}
{% endfilter %}
"""

_DESCRIPTION = (
    _CUT
    + """
{{ case.title }}

Case: {{ case.key | default(case.id) }}
Status: {{ case.status }}
Priority: {{ case.priority }} (system {{ case.priority_system | default("not given") }}, \
override {{ case.priority_override | default("none") }})
Category: {{ case.category }}
Created: {{ case.created_at | date }} UTC
{% if case.url is defined %}
Link: {{ case.url }}
{% endif %}
{% if case.impacted_entities %}

Impacted entities:
{% for entity in case.impacted_entities[:20] %}
- {{ entity.kind }} {{ entity.name }}{{ " (" ~ entity.detail ~ ")" if entity.detail else "" }}
{% endfor %}
{% endif %}
{% if case.groupings %}

Groupings:
{{ case.groupings | lines("- ") }}
{% endif %}
{% if case.indicators.all %}

Indicators:
{% for one in case.indicators.all[:20] %}
- {{ one.name | default(one.id) | one_line | cut(120) }}: {{ one.state | default("no state") }}\
{% if one.triggered_at is defined %}, first triggered {{ one.triggered_at | date }} UTC{% endif %}

{% endfor %}
{% if case.indicators.all | length > 20 %}
- and {{ case.indicators.all | length - 20 }} more
{% endif %}
{% endif %}
{% if case.labels %}

Labels:
{{ case.labels | lines("- ") }}
{% endif %}
{% endfilter %}
"""
)

_CLOSE_NOTES = (
    _CUT
    + """
{{ case.resolution_reason | default("No resolution reason was given.") | without_html }}

Resolved in Coralogix: {{ case.resolved_by | default("-") | map_to({
    "system": "by itself, the indicators recovered", "cxUser": "by a person", "apiKey": "by a program",
    "serviceNow": "by the ServiceNow app", "slack": "by a person in Slack", "pagerDuty": "through PagerDuty",
    "microsoftTeams": "by a person in Microsoft Teams", "prometheusAlertManager": "by Prometheus Alertmanager",
}, default=case.resolved_by | default("not said by whom")) }}\
{% if case.resolved_at is defined %}, {{ case.resolved_at | date }} UTC{% endif %}

Case: {{ case.key | default(case.id) }}{{ " " ~ case.url if case.url is defined else "" }}
{% endfilter %}
"""
)

DEFAULT_FIELDS: Mapping[str, str] = {
    "short_description": _SHORT_DESCRIPTION,
    "impact": '{{ case.priority | map_to({"P1": 1, "P2": 1, "P3": 2, "P4": 2, "P5": 3}, default=3) }}',
    "urgency": '{{ case.priority | map_to({"P1": 1, "P2": 2, "P3": 2, "P4": 3, "P5": 3}, default=3) }}',
}
"""Kept in step. ServiceNow computes priority 1 to 5 from impact and urgency, by its own default rules."""

DEFAULT_ON_CREATE: Mapping[str, str] = {
    "description": _DESCRIPTION,
    "category": "software",
}
"""Written once. ``software`` is in the list of categories that every instance starts with."""

DEFAULT_ON_ACKNOWLEDGE: Mapping[str, str] = {"state": "2"}

DEFAULT_ON_RESOLVE: Mapping[str, str] = {
    "state": "6",
    "close_code": "Solution provided",
    "close_notes": _CLOSE_NOTES,
}
"""Both close fields are mandatory on an instance with the usual data policy."""

DEFAULT_ON_CLOSE: Mapping[str, str] = {**DEFAULT_ON_RESOLVE, "state": "7"}

DEFAULT_STEPS: Mapping[Stage, Mapping[str, str]] = {
    Stage.ACKNOWLEDGED: DEFAULT_ON_ACKNOWLEDGE,
    Stage.RESOLVED: DEFAULT_ON_RESOLVE,
    Stage.CLOSED: DEFAULT_ON_CLOSE,
}

DEFAULT_REASON = """\
ServiceNow {{ incident.number }}\
{% if incident.close_code | default("") %}, {{ incident.close_code }}{% endif %}\
{% if incident.close_notes | default("") %}: {{ incident.close_notes | without_html }}{% endif %}
"""
"""The reason with which a Case is resolved; what says most about the record comes first, for the end may be cut.

Many instances edit and show close notes as HTML, and Coralogix shows a reason as it stands.
"""

KNOWN_TEXTS = frozenset[str]().union(
    *(texts.values() for texts in (DEFAULT_FIELDS, DEFAULT_ON_CREATE, *DEFAULT_STEPS.values()))
)
"""Templates over a Case that need no check when a config is read: a test compiles each."""

DEFAULT_REFERENCES: Mapping[str, Reference] = {
    "assignment_group": Reference(table="sys_user_group"),
    "cmdb_ci": Reference(table="cmdb_ci"),
    "business_service": Reference(table="cmdb_ci_service"),
    "caller_id": Reference(table="sys_user", name_field="user_name"),
    "assigned_to": Reference(table="sys_user", name_field="user_name"),
}
"""Where the name that a template gives for a reference field is looked up."""


def resolution_reason(template: Template, context: Mapping[str, Any]) -> tuple[str, str]:
    """Return the reason for resolving a Case, at most 500 characters, and the full text for the audit.

    Never empty: where the template gives nothing, or cannot be rendered, the reason names the record; in the latter
    case the full text says what was wrong.
    """
    fallback = f"Resolved in ServiceNow, {context['incident']['number']}"
    try:
        full = template.render(context) or fallback
    except TemplateFailed as failure:
        return cut(fallback, LONGEST_REASON), f"{fallback} (the template of the reason failed: {failure})"
    return cut(full, LONGEST_REASON), full
