"""Simulated ServiceNow instances that have everything a config names: tables, fields, states, groups and people.

A simulation shows what a config would do; whether the real instance fits it is checked by ``check --live``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.sandbox.both import SCRIPT
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.servicenow.journal import Denial
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import STATE_WORDS, Lifecycle, Schema, plain_schema
from reconciler.sandbox.servicenow.tables.task_tables import custom_table, further_task_tables
from reconciler.sandbox.servicenow.world import ServiceNowWorld

OBLIGING = Switches(unlisted_choice="keep", close_info="optional", invalid_query="no_rows")


def make_instance(
    connector: str, policies: Policies, fields: Mapping[str, Sequence[str]], clock: SandboxClock
) -> ServiceNowWorld:
    """Make the instance of one connector; ``fields`` are those that policies write or read, by table."""
    world = ServiceNowWorld(clock, FaultPlan(), switches=OBLIGING)
    usual = {table.name: table for table in further_task_tables()}
    usual["incident"] = world.tables.named("incident").schema
    for name in sorted({one.table for one in policies.inbound.values()} - {EVENT_TABLE}):
        schema = usual.get(name) or custom_table(name)
        states = {**policies.states.get(connector, {}), **_states_of(policies, name)}
        world.tables.register(_obliging(schema, fields.get(name, ()), states))
    return world


def _states_of(policies: Policies, table: str) -> Mapping[str, str]:
    """Return raw value -> word of the states that policies name for a table."""
    return {raw: word for one in policies.inbound.values() if one.table == table for raw, word in one.states.items()}


def _obliging(schema: Schema, fields: Collection[str], states: Mapping[str, str]) -> Schema:
    """Return a table that also has these fields, and these states where their words have none of their own."""
    cycle = schema.lifecycle or Lifecycle()
    if not schema.choices["state"].keys() >= states.keys():
        named: dict[str, Any] = {word: raw for raw, word in reversed(list(states.items())) if word in STATE_WORDS}
        cycle = replace(cycle, **named)
    return replace(
        schema,
        fields=tuple(dict.fromkeys((*schema.fields, *fields))),
        defaults={**schema.defaults, "state": cycle.new},
        lifecycle=cycle,
    )


class ObligingClient(ServiceNowClient):
    """The real client of an instance in which every name that is looked up exists."""

    def __init__(
        self,
        world: ServiceNowWorld,
        connector: str,
        http: HttpService,
        *,
        owner: str,
        extra_fields: Mapping[str, Sequence[str]],
    ) -> None:
        super().__init__(connector, http, owner=owner, extra_fields=extra_fields)
        self._world = world

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        """Add the rows that are not there, and find them by name."""
        with self._world.lock:
            known = {row[name_field].casefold() for row in self._rows_of(table, name_field)}
            for name in dict.fromkeys(names):
                if name.strip() and name.casefold() not in known:
                    self._world.writes.insert(table, {name_field: name, "active": "true"}, SCRIPT)
        return super().reference(table, name_field, names)

    def _rows_of(self, table: str, name_field: str) -> Sequence[Mapping[str, str]]:
        try:
            if name_field in self._world.tables.named(table).schema.names:
                return self._world.records(table)
        except Denial:
            pass
        self._world.tables.register(plain_schema(table, f"{name_field} active"))
        return ()
