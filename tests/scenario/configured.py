"""A world whose rules come from a config file's text, with as many ServiceNow instances as it names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.config.load import parse_config
from reconciler.config.model import Config
from reconciler.engine.context import Context
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.clients import IncidentsInProcess
from tests.world import FIELDS, World

USUAL_CONNECTORS = ("main",)


def config_of(text: str, connectors: tuple[str, ...] = USUAL_CONNECTORS) -> Config:
    """Read a config that says how both services are reached, and beside it this text."""
    tables = "".join(
        f"""
[servicenow.{name}]
instance_url = "https://{name}.service-now.com"
username = "coralogix.sync"
password = {{ env = "SECRET" }}
"""
        for name in connectors
    )
    head = '[coralogix]\nregion = "eu2"\napi_key = { env = "SECRET" }\n'
    return parse_config(f"{head}{tables}\n{text}", environ={"SECRET": "s3cret"}, folder=Path("/nowhere"))


@dataclass
class ConfiguredWorld(World):
    """Play as ``World`` does, by the rules of a config; ``read`` changes the config between two cycles."""

    text: str = ""
    connectors: tuple[str, ...] = USUAL_CONNECTORS
    fields: tuple[str, ...] = FIELDS
    config: Config = field(init=False)
    instances: dict[str, ServiceNowWorld] = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.instances = {
            name: self.servicenow
            if name == "main"
            else ServiceNowWorld(self.clock, FaultPlan(self.seed + 2), switches=self.switches)
            for name in self.connectors
        }
        self.clients = {
            name: IncidentsInProcess(instance, name, extra_fields=self.fields)
            for name, instance in self.instances.items()
        }
        self.read(self.text)

    def read(self, text: str, connectors: tuple[str, ...] | None = None) -> None:
        """Put another config in place."""
        self.config = config_of(text, connectors or self.connectors)
        self.rules = self.config.policies

    @property
    def context(self) -> Context:
        clients = {name: self.clients[name] for name in self.config.servicenow}
        return replace(super().context, connectors=clients, policy_hash=self.config.policy_hash)

    def records_in(self, connector: str, case_id: str) -> tuple[TableRow, ...]:
        """Give the records of a Case in one instance."""
        return self.instances[connector].incidents_for(case_id)

    def written(self) -> int:
        """Count the writes to every instance and to Coralogix."""
        verbs = ("cases.acknowledge", "cases.resolve", "cases.close")
        return sum(client.writes for client in self.clients.values()) + sum(self.cases.requests[verb] for verb in verbs)
