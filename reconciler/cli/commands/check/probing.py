"""What ``check --live`` asks, put together from the config: the probes of both services, and the one that writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from reconciler.cli.build import Wire, coralogix_service, mapped_fields, servicenow_client
from reconciler.cli.terminal import ProgressBar
from reconciler.cli.times import utc_now
from reconciler.config.model import Auth, Config, PartialView, ServiceNowConfig
from reconciler.core.policies.policies import EVENT_TABLE, Inbound
from reconciler.preflight.probes import CaseProbes, Finding
from reconciler.preflight.records import RecordProbes
from reconciler.preflight.writing import PROBE_MARK, WriteProbe
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.servicenow.codec import asked_fields

NAMING_LOGINS = frozenset({Auth.BASIC, Auth.OAUTH_PASSWORD})
"""The kinds of login that say who the user is."""


def probe(config: Config) -> tuple[Finding, ...]:
    """Run the probes of both services, connector by connector."""
    wire, progress = Wire(reads_only=config.observes), ProgressBar()
    client = CoralogixClient(coralogix_service(config.coralogix, wire))
    accepts = config.coralogix.partial_view is PartialView.ACCEPT
    findings = [*CaseProbes(cases=client, identity=client, accept_partial_view=accepts, clock=utc_now).run()]
    fields = {name: asked_fields(names) for name, names in mapped_fields(config.policies).items()}
    for place, one in enumerate(config.servicenow.values(), start=1):
        progress(f"asking {one.name}", place, len(config.servicenow))
        records = RecordProbes(
            client=servicenow_client(one, config.policies, wire),
            policies=config.policies,
            user_name=one.username if one.auth in NAMING_LOGINS else "",
            fields=fields,
            clock=utc_now,
            requests_an_hour=timedelta(hours=1) / config.schedule.poll * len(tables_written(config, one)),
        )
        findings += records.run()
    progress.clear()
    return tuple(findings)


def tables_written(config: Config, connector: ServiceNowConfig) -> dict[str, Inbound]:
    """Return the tables of a connector in which routes make records, each with the first policy that does."""
    routes = [route for route in config.policies.routes if route.connector == connector.name]
    # The last of one table stays in the dictionary below.
    policies = [config.policies.inbound[route.inbound] for route in reversed(routes)]
    return {inbound.table: inbound for inbound in policies if inbound.table != EVENT_TABLE}


def write_probes(config: Config) -> Iterator[Finding]:
    """Make, read, resolve and close one record in each table that routes write to."""
    ours = replace(config.policies, owner=PROBE_MARK)
    for one in config.servicenow.values():
        for inbound in tables_written(config, one).values():
            client = servicenow_client(one, ours, Wire(reads_only=config.observes))
            yield from WriteProbe(client=client, inbound=inbound, sys_id=uuid.uuid4().hex, key=str(uuid.uuid4())).run()
