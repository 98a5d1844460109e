"""The command ``once``: one cycle, or a backfill."""

from __future__ import annotations

from datetime import datetime

import click

from reconciler.cli.options import Globals, brief_option, json_option, limits_option, resolved_option, since_option
from reconciler.cli.refs import REF
from reconciler.cli.running.backfill import Way, backfill
from reconciler.cli.running.cycles import carry_out
from reconciler.cli.times import WHEN
from reconciler.core.errors import ConfigError
from reconciler.engine.backfill import Asked
from reconciler.engine.report import CycleRequest


@click.command()
@since_option
@click.option("--until", type=WHEN, help="Take in no Case that was created later.")
@click.option("--only", type=REF, multiple=True, metavar="REF", help="This Case alone, however old; may be repeated.")
@click.option("--max", "most", type=click.IntRange(min=1), help="So many Cases at most.")
@click.option("--batch", type=click.IntRange(min=1), help="In portions of so many Cases, by the daemon where one runs.")
@resolved_option
@limits_option
@click.option("--accept-config", is_flag=True, help="Let changed routes and policies through, this once.")
@click.option("--yes", "is_sure", is_flag=True, help="Start a backfill without asking.")
@json_option
@brief_option
@click.pass_obj
def once(
    options: Globals,
    since: datetime | None,
    until: datetime | None,
    only: tuple[str, ...],
    most: int | None,
    batch: int | None,
    include_resolved: bool,
    limits: str,
    accept_config: bool,
    is_sure: bool,
    as_json: bool,
    brief: bool,
) -> int:
    """Run one cycle, or a backfill from WHEN.

    A backfill with --batch, --max, --until or --only does nothing else that is due; unless Cases are named, it says
    first what it will cost, and asks on a terminal. With --batch it goes on in portions that stay under the brakes,
    with a pause between two; where a daemon runs, that takes one after each of its cycles. What a backfill that is
    ended early had not begun is left as it was.

    \b
    Examples:
      reconciler once
      reconciler once --since 30d                # older open Cases, too, in one cycle
      reconciler once --since 90d --batch 100  # a hundred at a time, beside the daemon
      reconciler once --only CASE-7 --only CASE-9
      reconciler once --limits off               # past a brake, after a look at `reconciler plan`
    """
    if until and since and until < since:
        raise ConfigError(["--until is earlier than --since, so no Case lies between them"])
    if batch is None and most is None and not only and until is None:
        request = CycleRequest(
            since=since, include_resolved=include_resolved, limits_on=limits == "on", accept_config=accept_config
        )
        return carry_out(options, request, "once", as_json=as_json, is_brief=brief)
    asked = Asked(
        since=since,
        until=until,
        refs=only,
        most=most,
        batch=batch,
        include_resolved=include_resolved,
        limits_on=limits == "on",
        accept_config=accept_config,
    )
    return backfill(options, asked, Way(as_json=as_json, is_brief=brief, is_sure=is_sure))
