"""The command ``state``: care of the database, a file for each kind.

Nothing of it writes to a service; what replaces or shrinks the file needs its lock, what only reads it or deletes old
rows works beside a running daemon.
"""

from __future__ import annotations

import click

from reconciler.cli.lazy import LazyGroup

COMMANDS = {
    "backup": ("state.backup:backup", "Copy the database into FILE, whole and checked, also while a daemon runs."),
    "check": ("state.check:check_command", "Read every page of the database and every row of its chain."),
    "rebuild": (
        "state.rebuild:rebuild_command",
        "Restore the links from the records that bear our mark, when the database is gone.",
    ),
    "prune": ("state.prune:prune", "Delete old rows of the journal that no open link needs."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def state() -> None:
    """Care of the database: copy it, check it, rebuild it from both services, prune it."""
