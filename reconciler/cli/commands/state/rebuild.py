"""The command ``state rebuild``: restore the links from both services."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.build import build_context
from reconciler.cli.options import Globals, json_option
from reconciler.cli.people import note_command
from reconciler.cli.start import open_store, read_config, start
from reconciler.cli.terminal import ProgressBar, print_json, print_lines, say
from reconciler.cli.times import utc_now
from reconciler.config.model import Config
from reconciler.core.errors import Refused, StoreError
from reconciler.core.model import JsonObject
from reconciler.core.words import counted
from reconciler.rebuild.rebuild import rebuild
from reconciler.rebuild.report import RebuildReport
from reconciler.store.maintenance import back_up
from reconciler.store.opening.lock import DatabaseLock
from reconciler.telemetry.log import bind_cycle, new_cycle_id


@click.command("rebuild")
@click.option("--force", is_flag=True, help="Replace the links of a database that has some; a backup is made first.")
@json_option
@click.pass_obj
def rebuild_command(options: Globals, force: bool, as_json: bool) -> None:
    """Restore the links from the records that bear our mark, when the database is gone.

    Nothing is written to either service. Where the two sides of a link differ nothing is pushed afterwards, and the
    link is named. It may be interrupted and started again.

    \b
    Examples:
      reconciler state rebuild
    """
    start(options, quiet=True)
    config = read_config(options)
    path = config.state.path
    with DatabaseLock(path, command="reconciler state rebuild"):
        kept = _make_way(path, force=force) if path.exists() else None
        report = _rebuild(config)
    document = report.document() | {"backup": str(kept) if kept else None}
    print_json(document) if as_json else print_rebuild(document)


def _make_way(path: Path, *, force: bool) -> Path | None:
    """Refuse to replace a database that holds links; with ``force``, back it up beside itself and return the copy."""
    try:
        with open_store(path) as store:
            links = store.reports.status_summary().links
    except StoreError as error:
        raise Refused(
            f"{error}. Before a rebuild, a file that cannot be mended is moved away, with its -wal and -shm"
        ) from error
    if not links:
        return None
    if not force:
        raise Refused(
            f"{path} remembers {counted(links, 'link')}, which a rebuild would replace with less: what was agreed and "
            "written is not in the services. `--force` does it all the same and makes a backup first"
        )
    kept = path.with_name(f"{path.name}.before-rebuild-{utc_now():%Y%m%dT%H%M%S.%fZ}")
    back_up(path, kept)
    return kept


def _rebuild(config: Config) -> RebuildReport:
    progress, cycle_id = ProgressBar(), new_cycle_id()
    with open_store(config.state.path) as store, bind_cycle(cycle_id):
        report = rebuild(build_context(config, store, progress=progress), cycle_id=cycle_id)
        made = f"{counted(report.links, 'link')} from {counted(report.records, 'record')}"
        note_command(store, "state rebuild", made)
    progress.clear()
    return report


def print_rebuild(document: JsonObject) -> None:
    """Show what a rebuild found, and what to know before the next cycle."""
    for row in document["findings"]:
        name = row["case_key"] or row["case_id"] or "no Case"
        print_lines(f"{row['kind']}  {name}  {row['record']}: {row['why']}")
    if document["findings"]:
        print_lines("")
    print_lines(
        f"{counted(document['records'], 'record')} read, {counted(document['links'], 'link')}, "
        f"{len(document['findings'])} to look at"
    )
    if document["backup"]:
        print_lines(f"the database as it was: {document['backup']}")
    say("`reconciler plan` shows what the next cycle would do; open Cases without a record that are older than")
    say("[schedule] first_lookback_hours are taken in by `reconciler once --since WHEN` only")
