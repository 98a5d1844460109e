"""What a policy does where the file says nothing, for each kind of target table.

The texts of the templates are in ``core.policies.defaults``. A table that is not ``incident`` gets those for columns
that every task table has, and the state for each step from the words that the file gives its states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STAGE_WORDS, STEPS
from reconciler.core.model import Stage
from reconciler.core.policies import defaults
from reconciler.core.policies.policies import EVENT_TABLE, INCIDENT_TABLE, Reference

REASON = defaults.DEFAULT_REASON

OUTBOUND: Mapping[str, list[str]] = {
    "acknowledge_on": ["assigned", "in_progress", "on_hold"],
    "resolve_on": ["resolved"],
    "close_on": ["closed", "canceled"],
}
"""``[outbound.default]`` where the file has none."""

_INCIDENT_ONLY = frozenset({"caller_id", "category", "close_code", "hold_reason", "incident_state", "subcategory"})
"""Columns that ``incident`` adds to ``task``. Source: the ServiceNow dictionary of both tables."""
_EVENT_FIELDS: Mapping[str, str] = {
    "source": "Coralogix",
    "type": "Case",
    "severity": '{{ case.priority | map_to({"P1": 1, "P2": 2, "P3": 3, "P4": 4, "P5": 5}) }}',
    "description": "{{ case.title }}",
}
_CLEAR: Mapping[str, str] = {"severity": "0", "resolution_state": "Closing"}
"""what an event holds that closes its alert. Source: ``send-events-via-web-service``"""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """The defaults of one target table; a step that is None is off unless the file gives it a state."""

    fields: Mapping[str, str] = field(default_factory=dict)
    on_create: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)


def for_table(table: str, states: Mapping[str, str]) -> Usual:
    """Return the defaults of a target table whose own states, raw value to word, are these."""
    if table == EVENT_TABLE:
        return Usual(fields=_EVENT_FIELDS, steps={"on_acknowledge": {}, "on_resolve": _CLEAR, "on_close": _CLEAR})
    if table == INCIDENT_TABLE:
        return Usual(
            fields=defaults.DEFAULT_FIELDS,
            on_create=defaults.DEFAULT_ON_CREATE,
            steps={step.inbound: defaults.DEFAULT_STEPS[step.stage] for step in STEPS},
            references=defaults.DEFAULT_REFERENCES,
        )
    return Usual(
        fields=_of_task(defaults.DEFAULT_FIELDS),
        on_create=_of_task(defaults.DEFAULT_ON_CREATE),
        steps={step.inbound: _own_step(step.stage, states) for step in STEPS},
        references=defaults.DEFAULT_REFERENCES,
    )


def _of_task(templates: Mapping[str, str]) -> Mapping[str, str]:
    """Keep what every task table has."""
    return {name: source for name, source in templates.items() if name not in _INCIDENT_ONLY}


def _own_step(stage: Stage, states: Mapping[str, str]) -> Mapping[str, str] | None:
    """Move to the table's own state for a stage; None where it has none."""
    value = next((raw for raw, word in states.items() if word == STAGE_WORDS[stage]), None)
    return None if value is None else {**_of_task(defaults.DEFAULT_STEPS[stage]), "state": value}
