"""The command ``check``: what a config says, warnings about it, and with ``--live`` what both services say."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import click

from reconciler.cli.commands.check.probing import probe, tables_written, write_probes
from reconciler.cli.options import Globals, json_option
from reconciler.cli.people import note_command
from reconciler.cli.start import OBSERVING, open_store, read_config, read_store, start
from reconciler.cli.telling.trial import check_notify, send_tests
from reconciler.cli.terminal import print_json, print_lines, say, table
from reconciler.config.model import Config, ServiceNowConfig
from reconciler.config.shape.schema import config_schema
from reconciler.core.errors import ConfigError, StoreError
from reconciler.core.expressions.context import variables
from reconciler.core.findings import Code
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.core.policies.lint import Doubt, advice, takes_all
from reconciler.core.policies.policies import Route
from reconciler.core.policies.routing import count_taken, in_order
from reconciler.core.words import counted
from reconciler.preflight.probes import Finding, Verdict
from reconciler.store.database.access import is_there

CASES_COUNTED = 5000
"""at most this many remembered Cases, the last ones first seen, are tried on each route"""
ENOUGH_CASES = 20
"""from this many on, a route that takes none is a warning"""


@click.command()
@click.option("--live", is_flag=True, help="Ask both services too; nothing is written.")
@click.option("--write-probe", is_flag=True, help="With --live: make, resolve and close a record of its own, too.")
@click.option("--yes", is_flag=True, help="With --write-probe: do not ask.")
@click.option("--notify", is_flag=True, help="With --live: send a test message by each address of [notify], too.")
@click.option("--variables", "names", is_flag=True, help="List every name that a condition or template may use.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the config file, for editors.")
@json_option
@click.pass_obj
def check(
    options: Globals,
    live: bool,
    write_probe: bool,
    yes: bool,
    notify: bool,
    names: bool,
    schema: bool,
    as_json: bool,
) -> int:
    """Validate the config and show what will be used; with --live, ask both services whether all is set up.

    \b
    Ends with 2 for a wrong config, and where --live finds a setting or a right that has to change on either side;
    with 1 where a login was refused or a service did not answer; else with 0. What is found has a code, which
    `reconciler explain RC012` tells more of.

    \b
    Examples:
      reconciler check
      reconciler check --live                  # changes nothing
      reconciler check --live --write-probe    # makes a record of its own, resolves it and closes it
      reconciler check --live --notify         # sends a test message
    """
    start(options, quiet=True)
    _require_live(live, {"--write-probe": write_probe, "--notify": notify})
    if names or schema:
        if live:
            raise ConfigError([f"{'--variables' if names else '--schema'} needs no service; leave --live out"])
        _show_names(as_json=as_json) if names else print_json(config_schema())
        return 0
    config = read_config(options, needs_secrets=live)
    check_notify(config, is_asked=notify)
    if write_probe:
        ask_for_write_probe(config, is_agreed=yes)
    document = config_document(config)
    findings = probe(config) if live else ()
    findings += run_write_probes(config) if write_probe else ()
    findings += send_tests(config) if notify else ()
    if live:
        document["probes"] = [asdict(one) for one in findings]
    print_json(document) if as_json else _print_check(document, findings)
    return exit_code(findings)


def _require_live(live: bool, given: Mapping[str, bool]) -> None:
    for name, is_given in given.items():
        if is_given and not live:
            raise ConfigError([f"{name} asks the services: say --live, too"])


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 2 if a setting has to be changed, 1 if trying again or another password may help, else 0."""
    failed = [one for one in findings if one.verdict is Verdict.FAILED]
    if any(not one.may_pass for one in failed):
        return ConfigError.exit_code
    return 1 if failed else 0


# -- what the config says ------------------------------------------------------------------------------------------


def config_document(config: Config) -> JsonObject:
    """Return a config as the document of ``check --json``; no secret is in it."""
    taken = taken_by_routes(config)
    doubts = [*advice(config.policies), *takes_none(config, taken)]
    return {
        "version": DOCUMENT_VERSION,
        "config": str(config.source),
        "owner": config.owner,
        "mode": config.mode.value,
        "database": str(config.state.path),
        "coralogix": {"base_url": config.coralogix.base_url, "partial_view": config.coralogix.partial_view.value},
        "connectors": [_connector(one) for one in config.servicenow.values()],
        "leaves_cases": not any(map(takes_all, config.policies.routes)),
        "cases_not_routed": taken[""] if taken is not None else None,
        "cases_counted": sum(taken.values()) if taken is not None else None,
        "routes": [
            _route(route, config) | {"cases": taken[route.name] if taken is not None else None}
            for route in in_order(config.policies.routes)
        ],
        "limits": asdict(config.policies.limits),
        "warnings": [doubt.words for doubt in doubts],
        "warning_codes": [doubt.code.value for doubt in doubts],
    }


def taken_by_routes(config: Config) -> Counter[str] | None:
    """Count the remembered Cases that each route takes, ``""`` those that none does; None where none is remembered."""
    try:
        with read_store(config.state.path) as store:
            taken = count_taken(store.reports.latest_cases(CASES_COUNTED), config.policies.routes)
    except (ConfigError, StoreError):  # no database yet, or one that `state check` tells more of
        return None
    return taken if taken.total() else None


def takes_none(config: Config, taken: Counter[str] | None) -> Iterator[Doubt]:
    """Name each route that takes no remembered Case, where there are enough of them."""
    if taken is None or taken.total() < ENOUGH_CASES:
        return
    for route in config.policies.routes:
        if not taken[route.name] and not route.fallback:
            words = f"route {route.name!r} takes 0 of {taken.total()} remembered Cases"
            yield Doubt(code=Code.TAKES_NONE, words=words)


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


def ask_for_write_probe(config: Config, *, is_agreed: bool) -> None:
    """Ask for consent to make records; raise ConfigError without it, or in observe mode."""
    if config.observes:
        raise ConfigError(['--write-probe makes a record, and the config says mode = "observe"'])
    places = [
        f"{one.name}/{table} ({one.instance_url})"
        for one in config.servicenow.values()
        for table in tables_written(config, one)
    ]
    words = f"Make, resolve and close one record in {', '.join(places)}?"
    if is_agreed or (sys.stdin.isatty() and click.confirm(words, err=True)):
        return
    raise ConfigError([f"nothing was asked of the services, since nobody agreed. {words} Say so with --yes"])


def run_write_probes(config: Config) -> tuple[Finding, ...]:
    """Run the probe that writes, and note in the database, where there is one, that a person did."""
    findings = tuple(write_probes(config))
    if is_there(config.state.path):
        with open_store(config.state.path) as store:
            note_command(store, "write probe", "; ".join(f"{one.side}, {one.probe}: {one.words}" for one in findings))
    return findings


# -- for a person --------------------------------------------------------------------------------------------------


def _print_check(document: JsonObject, findings: Sequence[Finding]) -> None:
    print_lines(f"config    {document['config']}", f"database  {document['database']}")
    print_lines(f"Coralogix {document['coralogix']['base_url']}")
    print_lines(*([f"mode      {OBSERVING}"] if document["mode"] == "observe" else []), "")
    connectors = [(one["name"], one["instance_url"], one["auth"], one["username"]) for one in document["connectors"]]
    print_lines(*table(("connector", "instance", "auth", "user"), connectors), "")
    headers = ["route", "takes", "connector/table", "inbound", "outbound"]
    known = document["cases_counted"]
    if known is not None:
        headers.append(f"of {counted(known, 'Case')}")
    rows = [_route_row(route) for route in document["routes"]]
    if document["leaves_cases"]:
        rows.append(("", "what none of them takes", "no record (not_routed)", "", "", document["cases_not_routed"]))
    print_lines(*table(headers, [row[: len(headers)] for row in rows]))
    if findings:
        rows = [(one.side, one.probe, one.verdict.value.replace("_", " "), one.code, one.words) for one in findings]
        print_lines("", *table(("side", "probe", "verdict", "code", "what was seen"), rows))
    codes = [*document["warning_codes"], *(one.code for one in findings if one.verdict is Verdict.FAILED)]
    for code, words in zip(document["warning_codes"], document["warnings"], strict=True):
        say(f"warning {code}: {words}")
    for one in findings:
        if one.verdict is Verdict.FAILED:
            say(f"failed {one.code}: {one.side}, {one.probe}: {one.words}; {one.advice}")
    if codes:
        say(f"`reconciler explain {codes[0]}` tells more, of each code")


def _route_row(route: JsonObject) -> tuple[object, ...]:
    labels = [f"{key} is {' or '.join(values)}" for key, values in route["labels"].items()]
    priorities = [f"priority is {' or '.join(route['priorities'])}"] if route["priorities"] else []
    when = [route["when"]] if route["when"].strip() not in {"", "true"} else []
    takes = "what no other takes" if route["fallback"] else "; ".join([*when, *labels, *priorities]) or "every Case"
    target = f"{route['connector']}/{route['table']}"
    return (route["name"], takes, target, route["inbound"], route["outbound"] or "one-way", route["cases"])


def _show_names(*, as_json: bool) -> None:
    """Show every name with its meaning, and its value for an example Case and its record."""
    known = variables()
    if as_json:
        print_json({"version": DOCUMENT_VERSION, "variables": [asdict(one) for one in known]})
        return
    for one in known:
        example = f"  (for example {one.example})" if one.example else ""
        print_lines(one.name, f"    {one.about}{example}")
