"""The command ``state prune``: old rows of the journal go."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.people import note_command
from reconciler.cli.start import glance, open_store, start
from reconciler.cli.terminal import print_json, print_lines, say
from reconciler.cli.times import WHEN, utc_now
from reconciler.core.errors import ConfigError, Locked
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.store.database.access import is_there
from reconciler.store.maintenance import Retention
from reconciler.store.opening.lock import DatabaseLock
from reconciler.store.store import Store


@click.command()
@click.option("--older-than", type=WHEN, required=True, help="Prune what is older than WHEN: 90d, or an ISO 8601 time.")
@click.option("--dry-run", is_flag=True, help="Count only.")
@json_option
@click.pass_obj
def prune(options: Globals, older_than: datetime, dry_run: bool, as_json: bool) -> None:
    """Delete old rows of the journal that no open link needs.

    Links and snapshots stay, and so does everything that `explain` tells of a link that is open or held.

    \b
    Examples:
      reconciler state prune --older-than 90d --dry-run
      reconciler state prune --older-than 90d
    """
    start(options, quiet=True)
    path = glance(options).database
    if not is_there(path):
        raise ConfigError([f"there is no database at {path}"])
    retention = Retention(requests_before=older_than, history_before=older_than)
    if dry_run:
        with Store.reading(path) as store:
            counts = store.maintenance.count_old(retention)
    else:
        with open_store(path) as store:
            counts = store.maintenance.prune(retention, now=utc_now())
            note_command(store, "state prune", ", ".join(f"{count} of {table}" for table, count in counts.items()))
    # Deleting leaves free pages in the file; VACUUM needs the lock, so a running daemon keeps the size.
    compacted = not dry_run and any(counts.values()) and _compact(path)
    document = {
        "version": DOCUMENT_VERSION,
        "older_than": older_than.isoformat(),
        "dry_run": dry_run,
        "rows": dict(counts),
        "compacted": compacted,
    }
    print_json(document) if as_json else print_prune(document)


def _compact(path: Path) -> bool:
    """Shrink the file where no other process works on it."""
    with suppress(Locked), DatabaseLock(path, command="reconciler state prune"), open_store(path) as store:
        store.maintenance.compact()
        return True
    return False


def print_prune(document: JsonObject) -> None:
    """Show what was, or would be, deleted."""
    verb = "would go" if document["dry_run"] else "deleted"
    rows = ", ".join(f"{count} of {table}" for table, count in document["rows"].items())
    print_lines(f"older than {document['older_than']}, {verb}: {rows}")
    if any(document["rows"].values()) and not document["dry_run"] and not document["compacted"]:
        say("another process works on the database: its file keeps its size, and the freed space is used again;")
        say("prune once more while it is stopped to shrink the file")
