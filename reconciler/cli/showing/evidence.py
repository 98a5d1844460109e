"""The database with its chain, to read, and what a look at the chain found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler.audit.chain import Broken, Verified, verify
from reconciler.cli.start import read_store
from reconciler.cli.terminal import say
from reconciler.core.errors import ConfigError, Refused
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.store.database.connection import guarded
from reconciler.store.store import Store


@contextmanager
def read_evidence(path: Path) -> Iterator[Store]:
    """Open the database to read it at one moment; raise ConfigError where there is none, or it has no chain yet."""
    with read_store(path) as store:
        if store.is_copy:
            raise ConfigError(
                [f"{store.path} has no chain yet: an older version made it, and the next cycle begins it"]
            )
        yield store


def verified(store: Store, *, head: str | None = None) -> Verified:
    """Hold every row to the chain; raise StoreError where the database cannot be read to its end."""
    with guarded(store.path):
        return verify(store.ledger, head=head)


def end_refused(words: str) -> None:
    """End with 3 after the result was printed; ``words`` go to standard error only."""
    say(f"reconciler: {words}")
    click.get_current_context().exit(Refused.exit_code)


def verified_document(found: Verified) -> JsonObject:
    """Write what was found as the document of ``audit verify --json``."""
    return {
        "version": DOCUMENT_VERSION,
        "whole": found.is_whole,
        "since": found.since,
        "entries": found.entries,
        "rows": found.rows,
        "pruned": found.pruned,
        "head": found.head,
        "head_seq": found.head_seq,
        "head_found": found.finds_head,
        "broken": [{"seq": one.seq, "table": one.table, "key": one.key, "what": one.words} for one in found.broken],
    }


def broken_line(one: Broken) -> str:
    """Return one line that names a row or table, and says what is wrong with it."""
    place = f"{one.table} {one.key}" if one.key is not None else one.table or "the database"
    return f"{place}: {one.words}"


def broken_words(found: Verified, path: str) -> str:
    """Say what is not as it was written, and what to do."""
    if found.broken:
        more = f", and {found.problems - 1} more" if found.problems > 1 else ""
        return (
            f"{path} is not as it was written: {broken_line(found.broken[0])}{more}. Keep the file for a look, and "
            "compare it with a backup: `audit verify` on that shows since when"
        )
    return f"{path}: the head that was noted does not lie in its chain: the file was put back, or written anew"
