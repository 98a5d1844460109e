"""The command ``state check``: every page can be read, and every row is as it was written."""

from __future__ import annotations

import click

from reconciler.cli.options import Globals, json_option
from reconciler.cli.showing.evidence import broken_words, verified, verified_document
from reconciler.cli.start import glance, read_store, start
from reconciler.cli.terminal import print_json, print_lines
from reconciler.core.errors import Refused
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.store.database.version import SCHEMA_VERSION
from reconciler.store.store import sqlite_version


@click.command("check")
@json_option
@click.pass_obj
def check_command(options: Globals, as_json: bool) -> None:
    """Read every page of the database and every row of its chain, also while a daemon runs.

    Ends with 1 when a page is damaged, and with 3 when a row is not as it was written.

    \b
    Examples:
      reconciler state check
      reconciler state check --json
    """
    start(options, quiet=True)
    with read_store(glance(options).database) as store:
        store.maintenance.check()
        found = verified(store)
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
