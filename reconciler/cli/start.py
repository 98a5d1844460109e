"""The first steps of a command: set up the log, read the config (or only part of it), open the database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.options import Globals
from reconciler.cli.times import utc_now
from reconciler.config.file import find_config
from reconciler.config.glance import Glance, glance_at
from reconciler.core.errors import ConfigError
from reconciler.store.database.access import is_there
from reconciler.store.opening.lock import DatabaseLock
from reconciler.store.store import Store
from reconciler.telemetry.log import LogFormat, configure_logging

if TYPE_CHECKING:
    from reconciler.config.model import Config

OBSERVING = "observe: everything is read and planned, nothing is sent"
TOLD_BY_THE_ANSWER = frozenset({"reconciler.engine.news"})
"""Loggers whose lines repeat what a command prints for a person."""


def start(options: Globals, *, quiet: bool = False) -> None:
    """Set up logging as the global options say.

    ``quiet`` is for commands that answer people: unless a level is chosen they log only warnings, and none that their
    output repeats.
    """
    if quiet and not options.log_level:
        configure_logging(level="WARNING", log_format=LogFormat(options.log_format), left_out=TOLD_BY_THE_ANSWER)
    else:
        configure_logging(level=options.log_level or "INFO", log_format=LogFormat(options.log_format))


def read_config(options: Globals, *, needs_secrets: bool = True) -> Config:
    """Find and load the config; raise ConfigError with every problem at once.

    Without ``needs_secrets`` a missing secret is allowed, since nothing will be sent.
    """
    from reconciler.config.load import load_config  # noqa: PLC0415 - heavy, and not needed to look

    return load_config(find_config(options.config, os.environ), os.environ, needs_secrets=needs_secrets)


def glance(options: Globals) -> Glance:
    """Find the config and read the part that read-only commands need; raise ConfigError with every problem at once."""
    return glance_at(find_config(options.config, os.environ), os.environ)


@contextmanager
def read_store(path: Path) -> Iterator[Store]:
    """Open the database as it is at this moment, to read it; raise ConfigError where there is none."""
    if not is_there(path):
        raise ConfigError([f"there is no database at {path}; the first cycle makes it"])
    with Store.reading(path) as store:
        yield store


@contextmanager
def open_store(path: Path, lock: DatabaseLock | None = None) -> Iterator[Store]:
    """Open the database for writing, and close it afterwards; check every page if it was not closed properly."""
    with Store.open(path, now=utc_now(), check=lock is not None and lock.was_left_open) as store:
        yield store
