"""What the commands share that only look: the database, read in place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.core.errors import ConfigError
from reconciler.store.store import Store


@contextmanager
def read_store(path: Path) -> Iterator[Store]:
    """Open the database as it is at this moment, to read it; raise ConfigError where there is none."""
    if not path.exists():
        raise ConfigError([f"there is no database at {path}; the first cycle makes it"])
    with Store.reading(path) as store:
        yield store
