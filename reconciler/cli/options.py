"""The options that several commands share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler.cli.times import A_WHEN, WHEN
from reconciler.core.frozen import dataclass


@dataclass(frozen=True, kw_only=True)
class Globals:
    """The options that every command takes."""

    config: Path | None = None
    log_level: str = ""
    """empty where none was chosen: then INFO, or WARNING for commands that answer a person"""
    log_format: str = "text"


JSON_ASKED = "reconciler.json"
"""The key in a click context's ``meta`` that is true with ``--json``."""
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def global_options(*, outermost: bool = False) -> list[click.Parameter]:
    """Make the three options that are accepted before and after the command; after it they are hidden in its help.

    Only the outermost ones read the environment, so that the environment never overrides what was typed.
    """
    return [
        _GlobalOption("config", click.Path(path_type=Path), "The config file (reconciler.toml).", outermost=outermost),
        _GlobalOption(
            "log_level",
            click.Choice(LEVELS, case_sensitive=False),
            "How much is told on standard error.  [default: INFO; WARNING for what answers you]",
            outermost=outermost,
        ),
        _GlobalOption(
            "log_format",
            click.Choice(("text", "json"), case_sensitive=False),
            "How it is written.  [default: text]",
            outermost=outermost,
        ),
    ]


class _GlobalOption(click.Option):
    """One of the options in ``Globals``; it applies to its command and all subcommands."""

    def __init__(self, name: str, kind: click.ParamType[Any], words: str, *, outermost: bool) -> None:
        is_from_environment = outermost and name != "config"
        super().__init__(
            [f"--{name.replace('_', '-')}"],
            type=kind,
            expose_value=False,
            callback=_keep,
            hidden=not outermost,
            help=words,
            metavar="PATH" if name == "config" else None,
            envvar=f"RECONCILER_{name.upper()}" if is_from_environment else None,
            show_envvar=is_from_environment,
        )


def _keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value is not None:
        ctx.obj = replace(ctx.obj or Globals(), **{str(parameter.name): value})


def _note(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> bool:
    """Record that JSON was asked for, so that an error is written as JSON too."""
    ctx.meta[JSON_ASKED] = is_asked
    return is_asked


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_note, help="Write one JSON document to standard output."
)

since_option = click.option("--since", type=WHEN, help=f"Backfill from WHEN: {A_WHEN}.")
resolved_option = click.option("--include-resolved", is_flag=True, help="Take in Cases that are over already.")
limits_option = click.option(
    "--limits",
    "limits_on",
    callback=lambda _ctx, _parameter, word: word == "on",
    type=click.Choice(("on", "off")),
    default="on",
    show_default=True,
    help="`off` sets the brakes aside, this once.",
)
brief_option = click.option("--brief", is_flag=True, help="One line for each action.")
