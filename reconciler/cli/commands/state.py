"""The command ``state``: care of the database.

Rules of this file: nothing here writes to a service; what replaces or shrinks the file needs its lock, what only
reads it or deletes old rows works beside a running daemon.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import click

from reconciler.audit.chain import verify
from reconciler.cli.build import build_context, open_store, read_config, start, utc_now
from reconciler.cli.commands.audit.verify import broken_words, verified_document
from reconciler.cli.options import Globals, json_option
from reconciler.cli.people import note_deed
from reconciler.cli.reading import read_store
from reconciler.cli.terminal import ProgressBar, print_json, print_lines, say
from reconciler.cli.times import WHEN
from reconciler.config import Config
from reconciler.core.errors import ConfigError, Locked, Refused, StoreError
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.rebuild.rebuild import rebuild
from reconciler.rebuild.report import RebuildReport
from reconciler.store.lock import DatabaseLock
from reconciler.store.maintenance import Retention, back_up
from reconciler.store.schema.version import SCHEMA_VERSION
from reconciler.store.store import Store, sqlite_version
from reconciler.telemetry.log import bind_cycle, new_cycle_id


@click.group()
def state() -> None:
    """Care of the database: copy it, check it, rebuild it from both services, prune it."""


# -- rebuild -----------------------------------------------------------------------------------------------------------


@state.command("rebuild")
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
            f"{path} remembers {links} links, which a rebuild would replace with less: what was agreed and written is "
            "not in the services. `--force` does it all the same and makes a backup first"
        )
    kept = path.with_name(f"{path.name}.before-rebuild-{utc_now():%Y%m%dT%H%M%S.%fZ}")
    back_up(path, kept)
    return kept


def _rebuild(config: Config) -> RebuildReport:
    progress, cycle_id = ProgressBar(), new_cycle_id()
    with open_store(config.state.path) as store, bind_cycle(cycle_id):
        report = rebuild(build_context(config, store, progress=progress), cycle_id=cycle_id)
        note_deed(store, "state rebuild", f"{report.links} links from {report.records} records")
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
        f"{document['records']} records read, {document['links']} links, {len(document['findings'])} to look at"
    )
    if document["backup"]:
        print_lines(f"the database as it was: {document['backup']}")
    say("`reconciler plan` shows what the next cycle would do; open Cases without a record that are older than")
    say("[schedule] first_lookback_hours are taken in by `reconciler once --since WHEN` only")


# -- backup ------------------------------------------------------------------------------------------------------------


@state.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def backup(options: Globals, file: Path, as_json: bool) -> None:
    """Copy the database into FILE, whole and checked, also while a daemon runs.

    \b
    Examples:
      reconciler state backup /backup/reconciler.db
    """
    start(options, quiet=True)
    path = read_config(options).state.path
    problems = [f"{file} is there already; name another file"] if file.exists() else []
    problems += [] if path.exists() else [f"there is no database at {path}"]
    if problems:
        raise ConfigError(problems)
    document = {"version": DOCUMENT_VERSION, "database": str(path), "file": str(file), "bytes": back_up(path, file)}
    print_json(document) if as_json else print_lines(f"{file}: {document['bytes']} bytes, checked")


# -- check -------------------------------------------------------------------------------------------------------------


@state.command("check")
@json_option
@click.pass_obj
def check_command(options: Globals, as_json: bool) -> None:
    """Read every page of the database and every row of its chain, also while a daemon runs.

    Ends with 1 when a page is damaged, and with 3 when a row is not as it was written.
    """
    start(options, quiet=True)
    with read_store(read_config(options).state.path) as store:
        store.maintenance.check()
        found = verify(store.ledger)
        document = {
            "version": DOCUMENT_VERSION,
            "database": store.path,
            "bytes": store.size_bytes(),
            "schema": SCHEMA_VERSION,
            "sqlite": sqlite_version(),
            "chain": verified_document(found),
        }
    print_json(document) if as_json else print_check(document)
    if not found.is_whole:
        raise Refused(broken_words(found, store.path))


def print_check(document: JsonObject) -> None:
    """Show that the database is whole."""
    chain = document["chain"]
    print_lines(
        f"database  {document['database']}: {document['bytes']} bytes, every page can be read",
        f"schema    {document['schema']}, SQLite {document['sqlite']}",
        f"chain     {'whole' if chain['whole'] else 'broken'} since {chain['since']}, {chain['entries']} entries",
    )


# -- prune -------------------------------------------------------------------------------------------------------------


@state.command()
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
    path = read_config(options).state.path
    if not path.exists():
        raise ConfigError([f"there is no database at {path}"])
    retention = Retention(requests_before=older_than, history_before=older_than)
    if dry_run:
        with Store.reading(path) as store:
            counts = store.maintenance.count_old(retention)
    else:
        with open_store(path) as store:
            counts = store.maintenance.prune(retention, now=utc_now())
            note_deed(store, "state prune", ", ".join(f"{count} of {table}" for table, count in counts.items()))
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
