"""The command ``status``: how things stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import click

from reconciler.cli.build import read_config, start, utc_now
from reconciler.cli.options import Globals, json_option
from reconciler.cli.output import print_json, table
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.engine.reading.window import is_unfinished
from reconciler.store.store import Store
from reconciler.store.values import StatusSummary
from reconciler.telemetry.log import escape_controls


@click.command()
@json_option
@click.pass_obj
def status(options: Globals, as_json: bool) -> None:
    """Show cursors, lag, the last cycle, open links and holds."""
    start(options, quiet=True)
    config = read_config(options)
    with Store.copy_of(config.state.path) as store:
        document = status_document(store.reports.status_summary(), utc_now()) | {"database": str(config.state.path)}
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


def print_status(document: JsonObject) -> None:
    """Show the status to a person."""
    click.echo(f"database   {document['database']}")
    last = document["last_cycle"]
    if last is None:
        click.echo("last cycle none yet")
    else:
        ended = last["finished_at"] or "not finished"
        click.echo(
            f"last cycle {last['kind']} {last['result'] or 'running'}, began {last['started_at']}, ended {ended}"
        )
        if last["refused_because"]:
            click.echo(f"           {escape_controls(str(last['refused_because']))}")
    click.echo(f"links      {document['links']} in all, {document['open_links']} open, {document['waiting']} to plan")
    click.echo(f"holds      {_counts(document['holds'])}")
    click.echo(f"skips      {_counts(document['skips'])}")
    if document["quarantined"]:
        click.echo(f"quarantine {document['quarantined']} records that could not be understood")
    rows = [(name, cursor["time"], cursor["lag_seconds"]) for name, cursor in document["cursors"].items()]
    if rows:
        click.echo("\n" + table(("cursor", "read up to", "lag, s"), rows))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"
