"""The command ``once``: one cycle, or a backfill."""

from __future__ import annotations

from typing import Any

import click

from reconciler.cli.options import Globals, brief_option, json_option, limits_option, resolved_option, since_option
from reconciler.cli.refs import REF
from reconciler.cli.running.backfill import BackfillOptions, backfill
from reconciler.cli.running.cycles import carry_out
from reconciler.cli.times import WHEN
from reconciler.core.errors import ConfigError
from reconciler.engine.parts import BackfillRequest
from reconciler.engine.report import CycleRequest


@click.command()
@since_option
@click.option("--until", type=WHEN, help="Take in no Case that was created later.")
@click.option(
    "--only", "refs", type=REF, multiple=True, metavar="REF", help="This Case alone, however old; may be repeated."
)
@click.option("--max", "most", type=click.IntRange(min=1), help="So many Cases at most.")
@click.option("--batch", type=click.IntRange(min=1), help="In portions of so many Cases, by the daemon where one runs.")
@resolved_option
@limits_option
@click.option("--accept-config", is_flag=True, help="Let changed routes and policies through, this once.")
@click.option("--yes", "is_sure", is_flag=True, help="Start a backfill without asking.")
@json_option
@brief_option
@click.pass_obj
def once(options: Globals, /, as_json: bool, brief: bool, is_sure: bool, **given: Any) -> int:
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
    asked = BackfillRequest(**given)
    if asked.until and asked.since and asked.until < asked.since:
        raise ConfigError(["--until is earlier than --since, so no Case lies between them"])
    if asked.batch is None and asked.most is None and not asked.refs and asked.until is None:
        request = CycleRequest(
            since=asked.since,
            include_resolved=asked.include_resolved,
            limits_on=asked.limits_on,
            accept_config=asked.accept_config,
        )
        return carry_out(options, request, "once", as_json=as_json, is_brief=brief)
    return backfill(options, asked, BackfillOptions(as_json=as_json, is_brief=brief, is_sure=is_sure))
