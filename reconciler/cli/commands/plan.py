"""The command ``plan``: what ``once`` would do, shown or saved, and nothing written."""

from __future__ import annotations

import json
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import click

from reconciler.cli.build import build_context
from reconciler.cli.files import refuse_own_file, save_private
from reconciler.cli.options import Globals, brief_option, json_option, limits_option, resolved_option, since_option
from reconciler.cli.running.cycles import end, refusals_of
from reconciler.cli.showing import review
from reconciler.cli.start import read_config, start
from reconciler.cli.terminal import ProgressBar, print_json, print_lines, say
from reconciler.cli.times import utc_now
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.engine.saved_plan import saved_document
from reconciler.store.store import Store
from reconciler.telemetry.log import bind_cycle, new_cycle_id

SOMETHING_TO_DO = 4
"""The exit code of ``--detailed-exitcode`` where a plan is not empty, as other planners have it."""


class PlanFormat(StrEnum):
    """The ways in which a plan is shown."""

    BLOCKS = "blocks"
    BRIEF = "brief"
    MARKDOWN = "markdown"
    JSON = "json"


@click.command()
@since_option
@resolved_option
@limits_option
@json_option
@brief_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Markdown, for a change ticket.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 4 where there is something to do, with 0 where not.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False, writable=True), help="Save the plan for `apply`."
)
@click.pass_obj
def plan(
    options: Globals,
    since: datetime | None,
    include_resolved: bool,
    limits_on: bool,
    as_json: bool,
    brief: bool,
    as_markdown: bool,
    detailed_exitcode: bool,
    out: Path | None,
) -> int:
    """Show what `once` would do. Nothing is written: neither remotely nor to the database.

    \b
    Examples:
      reconciler plan                                # each action with each field, old and new
      reconciler plan --since 7d --out plan.json   # looked at now, then: reconciler apply plan.json
      reconciler plan --markdown                     # for a change ticket
    """
    face = _plan_format(as_json=as_json, is_brief=brief, as_markdown=as_markdown)
    start(options, quiet=True)
    config = read_config(options)
    if out:
        refuse_own_file("--out", out, config)
    request = CycleRequest(since=since, include_resolved=include_resolved, carry_out=False)
    progress, cycle_id = ProgressBar(), new_cycle_id()
    with Store.planning(config.state.path) as store, bind_cycle(cycle_id):
        report = run_cycle(build_context(config, store, progress=progress), request, cycle_id=cycle_id)
        refusals = refusals_of(config, store, report) if limits_on else []
    progress.clear()
    document = saved_document(
        report.plan, made_at=utc_now(), scope=report.kind, since=since, include_resolved=include_resolved
    )
    if out and report.error is None:
        save_private("--out", out, json.dumps(document, indent=2))
    _show_plan(report, document, face)
    for words in refusals:
        say(f"reconciler: `once` would refuse this plan: {words}")
    code = end(report)
    return SOMETHING_TO_DO if detailed_exitcode and code == 0 and report.plan.actions else code


def _plan_format(*, as_json: bool, is_brief: bool, as_markdown: bool) -> PlanFormat:
    asked = {PlanFormat.JSON: as_json, PlanFormat.BRIEF: is_brief, PlanFormat.MARKDOWN: as_markdown}
    faces = [face for face, is_asked in asked.items() if is_asked]
    if len(faces) > 1:
        raise ConfigError([f"a plan has one face at a time: --{faces[0]} or --{faces[1]}"])
    return faces[0] if faces else PlanFormat.BLOCKS


def _show_plan(report: CycleReport, document: JsonObject, face: PlanFormat) -> None:
    """Show a plan; where planning failed nothing is known, so a person is not told "nothing to do"."""
    if face is PlanFormat.JSON:
        print_json(document | {"mode": report.mode, "error": str(report.error) if report.error else None})
    elif report.error is None:
        rows, skips = review.reviewed_plan(report), report.plan.skips
        match face:
            case PlanFormat.MARKDOWN:
                print_lines(*review.markdown(rows, skips, plan_hash=document["hash"]))
            case PlanFormat.BRIEF:
                print_lines(*review.brief(rows, skips))
            case PlanFormat.BLOCKS:
                print_lines(*review.blocks(rows, skips))
