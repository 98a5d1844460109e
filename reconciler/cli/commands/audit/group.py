"""The command ``audit``: a file for each thing that it proves."""

from __future__ import annotations

import click

from reconciler.cli.lazy import LazyGroup

COMMANDS = {
    "verify": ("audit.verify:verify_command", "Check that what is remembered is as it was written."),
    "coverage": ("audit.coverage:coverage_command", "Account for every Case and record of a window, read afresh."),
    "export": ("audit.export:export_command", "Write a view, or all, as files with a manifest."),
    "serve": (
        "audit.serve:serve_command",
        "Show the database in a browser: charts, questions, views, and the story of each Case.",
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def audit() -> None:
    """Prove what was done: nothing here writes to the database or to either service."""
