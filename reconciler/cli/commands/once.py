"""The command ``once``: one cycle, or a backfill."""

from __future__ import annotations

from datetime import datetime

import click

from reconciler.cli.cycles import carry_out
from reconciler.cli.options import Globals, brief_option, json_option, limits_option, resolved_option, since_option
from reconciler.engine.report import CycleRequest


@click.command()
@since_option
@resolved_option
@limits_option
@click.option("--accept-config", is_flag=True, help="Let changed routes and policies through, this once.")
@json_option
@brief_option
@click.pass_obj
def once(
    options: Globals,
    since: datetime | None,
    include_resolved: bool,
    limits: str,
    accept_config: bool,
    as_json: bool,
    brief: bool,
) -> int:
    """Run one cycle, or a backfill from WHEN.

    \b
    Examples:
      reconciler once
      reconciler once --since 30d        # older open Cases, too
      reconciler once --limits off       # past a brake, after a look at `reconciler plan`
    """
    request = CycleRequest(
        since=since, include_resolved=include_resolved, limits_on=limits == "on", accept_config=accept_config
    )
    return carry_out(options, request, "once", as_json=as_json, is_brief=brief)
