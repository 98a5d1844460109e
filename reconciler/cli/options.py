"""The options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli.lazy import JSON_ASKED
from reconciler.cli.times import WHEN


@dataclass(frozen=True, kw_only=True)
class Globals:
    """The options that every command takes."""

    config: Path | None
    log_level: str
    log_format: str


def _note(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> bool:
    """Tell the outermost group that JSON was asked for, so that an error is written as JSON too."""
    ctx.meta[JSON_ASKED] = is_asked
    return is_asked


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_note, help="Write one JSON document to standard output."
)

since_option = click.option("--since", type=WHEN, help="Backfill from WHEN: 30m, 12h, 7d, or an ISO 8601 time.")
resolved_option = click.option("--include-resolved", is_flag=True, help="Take in Cases that are over already.")
limits_option = click.option(
    "--limits",
    type=click.Choice(("on", "off")),
    default="on",
    show_default=True,
    help="Set the brakes aside, this once.",
)
