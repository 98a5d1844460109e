"""What a config relies on in an instance: choice values that are sent, states that are explained, rows by name.

Only fixed values can be known before a Case comes; a value that a template computes is not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.expressions.templates import Template
from reconciler.core.frozen import dataclass
from reconciler.core.identity import SYS_ID
from reconciler.core.lifecycle import STATE_WORDS, STEPS
from reconciler.core.policies.policies import INCIDENT_TABLE, Inbound, Policies


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One value that a policy sends as it stands in the config."""

    field: str
    value: str
    where: str
    """the table of the config"""


@dataclass(frozen=True, kw_only=True, order=True)
class NamedRow:
    """One row that a policy refers to by its name."""

    table: str
    name_field: str
    name: str
    where: str
    """the key of the config"""


def parts_of(inbound: Inbound) -> Mapping[str, Mapping[str, Template]]:
    """Return the templates of a policy by the name of their table in the config, steps that are off left out."""
    steps = {step.inbound: inbound.step(step.stage) for step in STEPS}
    parts = {"fields": inbound.fields, "on_create": inbound.on_create, **steps}
    return {name: part for name, part in parts.items() if part is not None}


def sent_values(inbound: Inbound) -> Iterator[Sent]:
    """List every value that a policy sends as it stands, but for names of rows."""
    for part, templates in parts_of(inbound).items():
        for field, template in templates.items():
            if field not in inbound.references and is_fixed(template) and template.source.strip():
                yield Sent(field=field, value=template.render({}), where=f"[inbound.{inbound.name}.{part}]")


def named_rows(inbound: Inbound) -> Iterator[NamedRow]:
    """List every row that a policy names: in a template that is fixed, and as a default."""
    for field, reference in inbound.references.items():
        used = [(part, templates[field]) for part, templates in parts_of(inbound).items() if field in templates]
        names = {f"[inbound.{inbound.name}.{part}]": one.render({}) for part, one in used if is_fixed(one)}
        if used:
            names[f"[inbound.{inbound.name}.references]"] = reference.default
        for where, name in names.items():
            if name and not SYS_ID.match(name):
                yield NamedRow(
                    table=reference.table, name_field=reference.name_field, name=name, where=f"{where} {field}"
                )


def is_fixed(template: Template) -> bool:
    """Return whether a template gives the same for every Case."""
    return "{" not in template.source


def inbound_policies(policies: Policies, connector: str, table: str) -> tuple[Inbound, ...]:
    """Return the inbound policies with which routes write to one table of one connector."""
    names = dict.fromkeys(route.inbound for route in policies.routes if route.connector == connector)
    return tuple(policies.inbound[name] for name in names if policies.inbound[name].table == table)


def explained_states(policies: Policies, connector: str, table: str) -> Mapping[str, str]:
    """Map each state value of a table that a word explains to where the config does so; usual ones to nothing."""
    usual = dict.fromkeys(STATE_WORDS, "") if table == INCIDENT_TABLE else {}
    own = dict.fromkeys(policies.states.get(connector, {}), f"[servicenow.{connector}.states]")
    of_table = {
        value: f"[inbound.{inbound.name}.states]"
        for inbound in inbound_policies(policies, connector, table)
        for value in inbound.states
    }
    return usual | own | of_table
