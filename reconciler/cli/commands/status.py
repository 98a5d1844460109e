"""The command ``status``: how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import click

from reconciler.cli.build import read_config, start, utc_now
from reconciler.cli.options import Globals, json_option
from reconciler.cli.reading import read_store
from reconciler.cli.terminal import print_json, print_lines, table
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.engine.reading.window import is_unfinished
from reconciler.engine.sides import side_of_store
from reconciler.store.store import Store
from reconciler.store.values import StatusSummary


@click.command()
@json_option
@click.pass_obj
def status(options: Globals, as_json: bool) -> None:
    """Show cursors, lag, the last cycle, open links and holds."""
    start(options, quiet=True)
    config = read_config(options)
    with read_store(config.state.path) as store:
        document = status_document(store.reports.status_summary(), utc_now()) | {"database": store.path}
        ceilings = {"coralogix": config.coralogix.requests_per_second}
        ceilings |= {name: one.requests_per_second for name, one in config.servicenow.items()}
        document["sides"] = sides_document(store, ceilings, utc_now())
    print_json(document) if as_json else print_status(document)


def status_document(summary: StatusSummary, now: datetime) -> JsonObject:
    """Write the summary of a database as the document of ``status --json``. Lags are in seconds."""
    cursors = {
        name: {
            "time": cursor.time.isoformat() if cursor.time else None,
            "lag_seconds": round((now - cursor.time).total_seconds(), 1) if cursor.time else None,
            "unfinished": is_unfinished(cursor),
        }
        for name, cursor in summary.cursors.items()
    }
    return {
        "version": DOCUMENT_VERSION,
        "last_cycle": dict(summary.last_cycle) if summary.last_cycle else None,
        "cursors": cursors,
        "links": summary.links,
        "open_links": summary.open_links,
        "waiting": summary.waiting,
        "holds": dict(summary.holds),
        "skips": dict(summary.skips),
        "quarantined": summary.quarantined,
        "unfinished_actions": summary.unfinished_actions,
    }


def sides_document(store: Store, ceilings: Mapping[str, float], now: datetime) -> JsonObject:
    """Say how each side wants to be treated: ``ceilings`` has the pace that the config allows, for each."""
    states = {name: side_of_store(store, name) for name in ceilings}
    return {
        name: {
            "paused_until": silent.isoformat() if (silent := state.silent_until) and silent > now else None,
            "requests_per_second": state.requests_per_second or ceilings[name],
            "refused_logins": state.refused_logins,
        }
        for name, state in states.items()
    }


def print_status(document: JsonObject) -> None:
    """Show the status to a person."""
    print_lines(f"database   {document['database']}")
    last = document["last_cycle"]
    if last is None:
        print_lines("last cycle none yet")
    else:
        ended = last["finished_at"] or "not finished"
        print_lines(
            f"last cycle {last['kind']} {last['result'] or 'running'}, began {last['started_at']}, ended {ended}"
        )
        if last["refused_because"]:
            print_lines(f"           {last['refused_because']}")
    for name, side in document["sides"].items():
        if side["paused_until"] is not None:
            print_lines(f"paused     {name}: nothing is sent before {side['paused_until']}{_refusals(side)}")
    print_lines(f"links      {document['links']} in all, {document['open_links']} open, {document['waiting']} to plan")
    print_lines(f"holds      {_counts(document['holds'])}")
    print_lines(f"skips      {_counts(document['skips'])}")
    if document["quarantined"]:
        print_lines(f"quarantine {document['quarantined']} records that could not be understood")
    rows = [(name, cursor["time"], cursor["lag_seconds"]) for name, cursor in document["cursors"].items()]
    if rows:
        print_lines("", *table(("cursor", "read up to", "lag, s"), rows))


def _refusals(side: JsonObject) -> str:
    count = side["refused_logins"]
    return f" (its login was refused {count} times in a row: look at the credentials)" if count else ""


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
