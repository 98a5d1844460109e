"""The command ``audit export``: views as files that can be filed, and checked later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from reconciler import __version__
from reconciler.audit.catalogue import View, views
from reconciler.audit.export import (
    ExportedFile,
    Format,
    TimeRange,
    lines,
    manifest,
    read_view,
    write_files,
    write_manifest,
)
from reconciler.cli.files import unwritten
from reconciler.cli.options import Globals
from reconciler.cli.showing.evidence import read_evidence
from reconciler.cli.start import glance, start
from reconciler.cli.terminal import print_lines, write_text
from reconciler.cli.times import A_WHEN, WHEN, utc_now
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.store.database.version import SCHEMA_VERSION
from reconciler.store.store import Store, sqlite_version

ALL = "all"


@click.command("export")
@click.argument("view", metavar="VIEW")
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default="csv",
    show_default=True,
    help="How rows are written.",
)
@click.option("--since", type=WHEN, help=f"Rows of WHEN and later: {A_WHEN}.")
@click.option("--until", type=WHEN, help="Rows before WHEN.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write files, with a manifest, there.")
@click.pass_obj
def export_command(
    options: Globals, view: str, form: str, since: datetime | None, until: datetime | None, out: Path | None
) -> None:
    """Write a view, or all, as files with a manifest. VIEW is one of the audit views, or all.

    Without --out one view goes to standard output. In CSV a text that a spreadsheet would run as a formula begins with
    an apostrophe. Everything is of one moment, also while a daemon runs.

    \b
    Examples:
      reconciler audit export audit_holds
      reconciler audit export all --format ndjson --since 90d --out evidence
    """
    start(options, quiet=True)
    chosen, times = _chosen(view), TimeRange(since=since, until=until)
    if since and until and since >= until:
        raise ConfigError([f"--since {since.isoformat()} is not before --until {until.isoformat()}: no row lies there"])
    if out is None and view == ALL:
        raise ConfigError(["`all` is more than one file: say --out FOLDER"])
    with read_evidence(glance(options).database) as store:
        if out is not None:
            print_files(_write(store, chosen, out, times, Format(form)), out)
            return
        for piece in lines(chosen[0], read_view(store, chosen[0], times), Format(form)):
            write_text(piece)


def _chosen(name: str) -> Sequence[View]:
    if name == ALL:
        return tuple(views().values())
    if name not in views():
        raise ConfigError([f"there is no view {name!r}; there are {', '.join(views())}, and all"])
    return (views()[name],)


def _write(store: Store, chosen: Sequence[View], out: Path, times: TimeRange, form: Format) -> Sequence[ExportedFile]:
    try:
        files = write_files(out, chosen, store, times=times, form=form)
        write_manifest(out, manifest(files, times=times, about=_about(store)))
    except FileExistsError as error:
        words = f"{error.filename} is a file" if error.filename else error
        raise ConfigError([f"{words}; name another folder"]) from error
    except OSError as error:
        way_out = "what is there has no manifest and is not whole: take it away first"
        if not out.is_dir():
            way_out = "name another folder"
        raise unwritten(error, f"{out} cannot be written: {error.strerror or error}; {way_out}") from error
    return files


def _about(store: Store) -> JsonObject:
    seq, head = store.ledger.head()
    return {
        "version": DOCUMENT_VERSION,
        "made_at": utc_now().isoformat(),
        "database": store.path,
        "chain": {"seq": seq, "head": head.hex()},
        "versions": {"reconciler": __version__, "schema": SCHEMA_VERSION, "sqlite": sqlite_version()},
    }


def print_files(files: Sequence[ExportedFile], folder: Path) -> None:
    """Show what was written."""
    for one in files:
        print_lines(f"{one.rows:>9}  {folder / one.name}")
    print_lines(f"{folder / 'manifest.json'} has the rows, columns and SHA-256 of each, and the chain's head")
