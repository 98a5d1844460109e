"""The command ``policy test``: what routes and policies make of one Case, before anything acts."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.refs import REF, find_case
from reconciler.cli.start import read_config, start
from reconciler.cli.terminal import print_json, print_lines, table
from reconciler.cli.times import utc_now
from reconciler.config.model import Config
from reconciler.core.errors import ConfigError, Malformed
from reconciler.core.expressions.context import EXAMPLE_CASE
from reconciler.core.model import Action, Case, JsonObject, Pair
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import DOCUMENT_VERSION, action_document, skip_document
from reconciler.core.planning.preview.trial import Rendered, Trial, answered, try_out
from reconciler.core.policies.policies import Policies
from reconciler.engine.acting.lookups import remembered_knowledge
from reconciler.remotes.coralogix.codec import case_from_json
from reconciler.store.store import Store


@click.command()
@click.argument("ref", required=False, type=REF)
@click.option(
    "--case",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help='A Case as the Coralogix API gives it: the object, or {"case": {…}}.',
)
@json_option
@click.pass_obj
def test(options: Globals, ref: str | None, file: Path | None, as_json: bool) -> None:
    """Show which route takes a Case, why the others do not, each field, and the request that follows.

    REF is a Case that is remembered: its id, CASE-123, INC0010001, CONNECTOR/INC0010001, a sys_id, or six signs or more
    from the beginning of an id. Without REF and --case an example serves. Nothing is sent and nothing is written; a row
    that would be looked up by its name is shown as <table name>.

    \b
    Examples:
      reconciler policy test CASE-123
      reconciler policy test --case case.json
      reconciler --config proposed.toml policy test CASE-123
    """
    start(options, quiet=True)
    if ref and file:
        raise ConfigError(["name a Case by REF or by --case, not by both"])
    config = read_config(options, needs_secrets=False)
    with Store.reading(config.state.path) as store:
        pair = store.links.pair(find_case(store, ref)) if ref else None
        knowledge = remembered_knowledge(store, config.policies, utc_now())
    case, incident = (pair.case, pair.incident) if pair else (EXAMPLE_CASE, None)
    if file:
        case = read_case(file)
    trial = try_out(case, config.policies, knowledge, incident)
    document = trial_document(trial, config) | {"link": _link(pair, config.policies, knowledge)}
    print_json(document) if as_json else print_trial(trial, document)


def read_case(file: Path) -> Case:
    """Read a Case from a file; raise ConfigError when it is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return case_from_json(document["case"] if isinstance(document, dict) and "case" in document else document)
    except (ValueError, Malformed) as error:
        raise ConfigError([f"{file} is no Case as the Coralogix API gives it: {error}"]) from error


def trial_document(trial: Trial, config: Config) -> JsonObject:
    """Write a trial as the document of ``policy test --json``."""
    link = trial.link
    return {
        "version": DOCUMENT_VERSION,
        "case": {"id": trial.case.id, "key": trial.case.key, "title": trial.case.title},
        "routes": [
            {"name": trace.route, "fallback": trace.fallback, "took": trace.took, "why": trace.words}
            for trace in trial.routes
        ],
        "skip": skip_document(trial.refusal) if trial.refusal else None,
        "target": {
            "connector": link.connector,
            "instance_url": config.servicenow[link.connector].instance_url,
            "table": link.table,
            "inbound": link.inbound,
            "outbound": link.outbound or None,
        }
        if link
        else None,
        "rendered": [_rendered(one) for one in trial.rendered],
        "request": action_document(trial.request) if trial.request else None,
        "problem": trial.problem or None,
        "update_withheld": trial.withheld or None,
        "way_back": _way_back(trial),
    }


def _rendered(one: Rendered) -> JsonObject:
    return {"part": one.part, "field": one.field, "value": one.value, "problem": one.problem or None}


def _way_back(trial: Trial) -> JsonObject | None:
    if trial.asks is None:
        return None
    return {
        "asks": {word: stage.word for word, stage in trial.asks.items()},
        "reason": trial.reason,
        "full_reason": trial.full_reason if trial.full_reason != trial.reason else None,
    }


def _link(pair: Pair | None, policies: Policies, knowledge: Knowledge) -> JsonObject | None:
    """Show what would be done now about a Case that has a record; it stays with that record."""
    if pair is None or not pair.link.sys_id:
        return None
    decision = answered(pair, policies, knowledge)
    return {
        "route": pair.link.route,
        "connector": pair.link.connector,
        "table": pair.link.table,
        "number": pair.link.number,
        "actions": [action_document(action) for action in decision.actions],
        "skip": skip_document(decision.skip) if decision.skip else None,
    }


def print_trial(trial: Trial, document: JsonObject) -> None:
    """Show a trial to a person."""
    case = trial.case
    print_lines(f"{case.key or case.id}  {case.title}", "")
    print_lines(*table(("route", "verdict"), [(trace.route, trace.words) for trace in trial.routes]))
    if trial.refusal:
        words = f"no record: {trial.refusal.reason.value}: {trial.refusal.detail or ''}"
        print_lines("", words)
    if trial.rendered:
        rows = [(one.part, one.field, f"FAILS: {one.problem}" if one.problem else one.value) for one in trial.rendered]
        print_lines("", *table(("part", "field", "value"), rows))
    if trial.problem:
        print_lines("", f"nothing can be sent: {trial.problem}")
    if trial.request:
        _print_request(trial.request, document["target"]["instance_url"])
    if trial.withheld:
        print_lines("", f"a record that exists gets nothing now: {trial.withheld}")
    if trial.asks is not None:
        _print_way_back(trial)
    if document["link"]:
        _print_link(document["link"])


def _print_request(action: Action, instance_url: str) -> None:
    print_lines("", f"{action.kind.value} in {instance_url}, table {action.table}, at stage {action.to_stage.word}:")
    for name, value in action.fields.items():
        print_lines(f"  {name} = {json.dumps(value, ensure_ascii=False)}")


def _print_way_back(trial: Trial) -> None:
    asked = [(word, stage.word) for word, stage in (trial.asks or {}).items()]
    print_lines("", *(table(("a record that is", "makes its Case"), asked) if asked else ["nothing comes back"]))
    print_lines("", f"resolution reason: {trial.reason}")


def _print_link(link: JsonObject) -> None:
    words = [action["kind"] for action in link["actions"]] or ["nothing"]
    print_lines("", f"it has the record {link['number']} in {link['connector']}/{link['table']} and stays there")
    print_lines(f"the next cycle would do: {', '.join(words)}")
    if link["skip"]:
        print_lines(f"skipped: {link['skip']['reason']}: {link['skip']['detail'] or ''}")
