"""The options that several commands share."""

from __future__ import annotations

import click

from reconciler.cli.lazy import JSON_ASKED


def _note(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> bool:
    """Leave word for the outermost group, which then writes an error as JSON too."""
    ctx.meta[JSON_ASKED] = is_asked
    return is_asked


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_note, help="Write one JSON document to standard output."
)
