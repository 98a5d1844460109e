"""The commands that run one cycle: ``once``, ``plan`` and ``apply``."""

from __future__ import annotations

import json
import tempfile
import uuid
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.app import Globals
from reconciler.cli.build import build_context, open_store, read_config, start, utc_now
from reconciler.cli.options import json_option
from reconciler.cli.output import ProgressBar, print_json, print_plan, print_report, say
from reconciler.cli.times import WHEN
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION, over_limits
from reconciler.engine import brakes
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.engine.saved_plan import saved_document, saved_scope
from reconciler.store.lock import DatabaseLock
from reconciler.store.store import Store
from reconciler.telemetry.log import bind_cycle

since_option = click.option("--since", type=WHEN, help="Backfill from WHEN: 30m, 12h, 7d, or an ISO 8601 time.")
resolved_option = click.option("--include-resolved", is_flag=True, help="Take in Cases that are over already.")
limits_option = click.option(
    "--limits",
    type=click.Choice(("on", "off")),
    default="on",
    show_default=True,
    help="Set the brakes aside, this once.",
)


@click.command()
@since_option
@resolved_option
@limits_option
@click.option("--accept-config", is_flag=True, help="Let changed routes and policies through, this once.")
@json_option
@click.pass_obj
def once(
    options: Globals, since: datetime | None, include_resolved: bool, limits: str, accept_config: bool, as_json: bool
) -> int:
    """Run one cycle, or a backfill from WHEN."""
    request = CycleRequest(
        since=since, include_resolved=include_resolved, limits_on=limits == "on", accept_config=accept_config
    )
    return _carry_out(options, request, "once", as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@limits_option
@json_option
@click.pass_obj
def apply(options: Globals, file: Path, limits: str, as_json: bool) -> int:
    """Carry out the plan saved in FILE, only if it is still what would be planned."""
    saved = read_saved(file)
    since = datetime.fromisoformat(saved["since"]) if saved.get("since") else None
    request = CycleRequest(
        since=since,
        include_resolved=bool(saved.get("include_resolved")),
        limits_on=limits == "on",
        expected=saved,
    )
    return _carry_out(options, request, "apply", as_json=as_json)


def read_saved(file: Path) -> JsonObject:
    """Read a saved plan; raise ConfigError when it is none."""
    try:
        saved = json.loads(file.read_text())
        is_plan = saved["version"] == DOCUMENT_VERSION and {"hash", "basis"} <= saved.keys()
        targets = [(action["kind"], action["case_id"]) for action in saved["actions"]]
        since = datetime.fromisoformat(saved["since"]) if saved.get("since") else None
        saved_scope(saved)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _no_plan(file) from error
    if not is_plan or len(targets) != len(saved["basis"]) or (since and since.tzinfo is None):
        raise _no_plan(file)
    return dict(saved)


def is_of_database(file: Path, database: Path) -> bool:
    """Say whether a file is a database, or one of the files that stand beside it while it is in use."""
    return file.resolve() in {Path(f"{database.resolve()}{end}") for end in ("", "-wal", "-shm", "-journal", ".lock")}


def save(file: Path, document: JsonObject) -> None:
    """Write a plan under its name at once and whole, or not at all; into a pipe or device as it comes."""
    text = json.dumps(document, indent=2)
    if file.exists() and not file.is_file():
        file.write_text(text)
        return
    with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".plan-") as folder:
        twin = Path(folder, file.name)
        twin.write_text(text)
        twin.replace(file)


def _no_plan(file: Path) -> ConfigError:
    return ConfigError([f"{file} is not a saved plan; make one with `reconciler plan --out FILE`"])


def _carry_out(options: Globals, request: CycleRequest, command: str, *, as_json: bool) -> int:
    start(options, quiet=True)
    config = read_config(options)
    progress = ProgressBar()
    with DatabaseLock(config.state.path, command=f"reconciler {command}"), open_store(config.state.path) as store:
        cycle_id = new_cycle_id()
        with bind_cycle(cycle_id):
            report = run_cycle(build_context(config, store, progress=progress), request, cycle_id=cycle_id)
    progress.clear()
    print_json(report.document()) if as_json else print_report(report)
    return _end(report)


def new_cycle_id() -> str:
    """Name a cycle."""
    return uuid.uuid4().hex


def _end(report: CycleReport) -> int:
    if report.error:
        say(f"reconciler: {report.error}")
    return report.exit_code


@click.command()
@since_option
@resolved_option
@limits_option
@json_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False, writable=True), help="Save the plan for `apply`."
)
@click.pass_obj
def plan(
    options: Globals, since: datetime | None, include_resolved: bool, limits: str, as_json: bool, out: Path | None
) -> int:
    """Show what `once` would do. Nothing is written: neither remotely nor to the database."""
    start(options, quiet=True)
    config = read_config(options)
    if out and is_of_database(out, config.state.path):
        raise ConfigError([f"--out {out}: that is the database of this config; name another file"])
    request = CycleRequest(since=since, include_resolved=include_resolved, carry_out=False)
    progress = ProgressBar()
    with Store.copy_of(config.state.path) as store:
        report = run_cycle(build_context(config, store, progress=progress), request, cycle_id=new_cycle_id())
        objection = brakes.objection(store, config.policies.limits, config.policy_hash, report.plan)
    progress.clear()
    document = saved_document(
        report.plan, made_at=utc_now(), scope=report.kind, since=since, include_resolved=include_resolved
    )
    if out and report.error is None:
        save(out, document)
    _show_plan(report, document, as_json=as_json)
    over = (*over_limits(report.plan, config.policies.limits), objection) if limits == "on" else ()
    for words in filter(None, over):
        say(f"reconciler: `once` would refuse this plan: {words}")
    return _end(report)


def _show_plan(report: CycleReport, document: JsonObject, *, as_json: bool) -> None:
    """Show a plan; where planning failed nothing is known, so a person is not told "nothing to do"."""
    if as_json:
        print_json(document | {"error": str(report.error) if report.error else None})
    elif report.error is None:
        print_plan(report.plan)
