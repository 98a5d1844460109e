"""What the commands of ``audit`` share: the database, with a chain, to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler.cli.start import read_store
from reconciler.cli.terminal import say
from reconciler.core.errors import ConfigError, Refused
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


def end_refused(words: str) -> None:
    """End with 3 after the result was printed; ``words`` go to standard error only."""
    say(f"reconciler: {words}")
    click.get_current_context().exit(Refused.exit_code)
