"""The command ``check``: what a config says, warnings about it, and with ``--live`` what both services say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from reconciler.cli.build import Wire, coralogix_client, mapped_fields, servicenow_client
from reconciler.cli.options import Globals, json_option
from reconciler.cli.start import OBSERVING, read_config, start
from reconciler.cli.terminal import ProgressBar, print_json, print_lines, say, table
from reconciler.cli.times import utc_now
from reconciler.config.model import Auth, Config, PartialView, ServiceNowConfig
from reconciler.config.schema import config_schema
from reconciler.core.errors import ConfigError
from reconciler.core.expressions.context import variables
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.core.policies.lint import advice
from reconciler.core.policies.policies import Route
from reconciler.core.policies.routing import in_order
from reconciler.preflight.probes import CaseProbes, Finding, Verdict
from reconciler.preflight.records import RecordProbes
from reconciler.remotes.servicenow.codec import asked_fields

NAMING_LOGINS = frozenset({Auth.BASIC, Auth.OAUTH_PASSWORD})
"""The kinds of login that say who the user is."""


@click.command()
@click.option("--live", is_flag=True, help="Ask both services too; nothing is written.")
@click.option("--variables", "names", is_flag=True, help="List every name that a condition or template may use.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the config file, for editors.")
@json_option
@click.pass_obj
def check(options: Globals, live: bool, names: bool, schema: bool, as_json: bool) -> int:
    """Validate the config and show what will be used; with --live, ask both services whether all is set up.

    \b
    Ends with 2 for a wrong config, and where --live finds a setting or a right that has to change on either side;
    with 1 where a login was refused or a service did not answer; else with 0.
    """
    start(options, quiet=True)
    if names or schema:
        if live:
            raise ConfigError([f"{'--variables' if names else '--schema'} needs no service; leave --live out"])
        _show_names(as_json=as_json) if names else print_json(config_schema())
        return 0
    config = read_config(options, needs_secrets=live)
    document = config_document(config)
    findings = probe(config) if live else ()
    if live:
        document["probes"] = [asdict(one) for one in findings]
    print_json(document) if as_json else _print_check(document, findings)
    return exit_code(findings)


def exit_code(findings: Sequence[Finding]) -> int:
    """Give 2 if a setting has to be changed, 1 if trying again or another password may help."""
    failed = [one for one in findings if one.verdict is Verdict.FAILED]
    if any(not one.may_pass for one in failed):
        return ConfigError.exit_code
    return 1 if failed else 0


# -- what the config says ------------------------------------------------------------------------------------------


def config_document(config: Config) -> JsonObject:
    """Give a config as the document of ``check --json``; no secret is in it."""
    return {
        "version": DOCUMENT_VERSION,
        "config": str(config.source),
        "owner": config.owner,
        "mode": config.mode.value,
        "database": str(config.state.path),
        "coralogix": {"base_url": config.coralogix.base_url, "partial_view": config.coralogix.partial_view.value},
        "connectors": [_connector(one) for one in config.servicenow.values()],
        "routes": [_route(route, config) for route in in_order(config.policies.routes)],
        "limits": asdict(config.policies.limits),
        "warnings": list(advice(config.policies)),
    }


def _connector(one: ServiceNowConfig) -> JsonObject:
    return {
        "name": one.name,
        "instance_url": one.instance_url,
        "auth": one.auth.value,
        "username": one.username or None,
        "states": dict(one.states),
    }


def _route(route: Route, config: Config) -> JsonObject:
    return {
        "name": route.name,
        "fallback": route.fallback,
        "when": route.when.source,
        "labels": {key: list(values) for key, values in route.labels.items()},
        "priorities": list(route.priorities),
        "connector": route.connector,
        "table": config.policies.inbound[route.inbound].table,
        "inbound": route.inbound,
        "outbound": route.outbound or None,
    }


# -- what the services say -----------------------------------------------------------------------------------------


def probe(config: Config) -> tuple[Finding, ...]:
    """Run the probes of both services, connector by connector."""
    wire, progress = Wire(reads_only=config.observes), ProgressBar()
    client = coralogix_client(config.coralogix, wire)
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
        )
        findings += records.run()
    progress.clear()
    return tuple(findings)


# -- for a person --------------------------------------------------------------------------------------------------


def _print_check(document: JsonObject, findings: Sequence[Finding]) -> None:
    print_lines(f"config    {document['config']}", f"database  {document['database']}")
    print_lines(f"Coralogix {document['coralogix']['base_url']}")
    print_lines(*([f"mode      {OBSERVING}"] if document["mode"] == "observe" else []), "")
    connectors = [(one["name"], one["instance_url"], one["auth"], one["username"]) for one in document["connectors"]]
    print_lines(*table(("connector", "instance", "auth", "user"), connectors), "")
    print_lines(
        *table(("route", "takes", "connector/table", "inbound", "outbound"), map(_route_row, document["routes"]))
    )
    if findings:
        rows = [(one.side, one.probe, one.verdict.value.replace("_", " "), one.words) for one in findings]
        print_lines("", *table(("side", "probe", "verdict", "what was seen"), rows))
    for words in document["warnings"]:
        say(f"warning: {words}")
    for one in findings:
        if one.verdict is Verdict.FAILED:
            say(f"failed: {one.side}, {one.probe}: {one.words}; {one.advice}")


def _route_row(route: JsonObject) -> tuple[object, ...]:
    labels = [f"{key} is {' or '.join(values)}" for key, values in route["labels"].items()]
    priorities = [f"priority is {' or '.join(route['priorities'])}"] if route["priorities"] else []
    when = [route["when"]] if route["when"].strip() not in {"", "true"} else []
    takes = "what no other takes" if route["fallback"] else "; ".join([*when, *labels, *priorities]) or "every Case"
    target = f"{route['connector']}/{route['table']}"
    return (route["name"], takes, target, route["inbound"], route["outbound"] or "one-way")


def _show_names(*, as_json: bool) -> None:
    """Show every name with its meaning, and its value for an example Case and its record."""
    known = variables()
    if as_json:
        print_json({"version": DOCUMENT_VERSION, "variables": [asdict(one) for one in known]})
        return
    for one in known:
        example = f"  (for example {one.example})" if one.example else ""
        print_lines(one.name, f"    {one.about}{example}")
