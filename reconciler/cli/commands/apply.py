"""The command ``apply``: carry out a saved plan, if it is still what would be planned."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from reconciler.cli.options import Globals, brief_option, json_option, limits_option
from reconciler.cli.running.cycles import carry_out
from reconciler.core.errors import ConfigError
from reconciler.core.model import JsonObject
from reconciler.core.planning.plan import DOCUMENT_VERSION
from reconciler.engine.report import CycleRequest
from reconciler.engine.saved_plan import saved_scope


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@limits_option
@json_option
@brief_option
@click.pass_obj
def apply(options: Globals, file: Path, limits_on: bool, as_json: bool, brief: bool) -> int:
    """Carry out the plan saved in FILE, only if it is still what would be planned.

    \b
    Examples:
      reconciler plan --out plan.json
      reconciler apply plan.json
    """
    saved = read_saved(file)
    since = datetime.fromisoformat(saved["since"]) if saved.get("since") else None
    request = CycleRequest(
        since=since,
        include_resolved=bool(saved.get("include_resolved")),
        limits_on=limits_on,
        expected=saved,
    )
    return carry_out(options, request, "apply", as_json=as_json, is_brief=brief)


def read_saved(file: Path) -> JsonObject:
    """Read a saved plan; raise ConfigError where the file is not one."""
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


def _no_plan(file: Path) -> ConfigError:
    return ConfigError([f"{file} is not a saved plan; make one with `reconciler plan --out FILE`"])
