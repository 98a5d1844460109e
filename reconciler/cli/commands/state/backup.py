"""The command ``state backup``: a whole copy of a database, live or not."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.start import glance, start
from reconciler.cli.terminal import print_json, print_lines
from reconciler.core.errors import ConfigError
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.store.database.access import is_there
from reconciler.store.maintenance import TAKEN, back_up


@click.command()
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
    path = glance(options).database
    problems = [f"{file} {TAKEN}"] if file.exists() or file.is_symlink() else []
    folder = file.absolute().parent
    problems += [] if folder.is_dir() else [f"{file}: {folder} is no folder; name another place for the backup"]
    problems += [] if is_there(path) else [f"there is no database at {path}"]
    if problems:
        raise ConfigError(problems)
    document = {"version": DOCUMENT_VERSION, "database": str(path), "file": str(file), "bytes": back_up(path, file)}
    print_json(document) if as_json else print_lines(f"{file}: {document['bytes']} bytes, checked")
