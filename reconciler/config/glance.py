"""What the commands that only look need of a config, without the checks that acting needs.

No condition and no template is compiled and no secret is looked for, so that these commands answer at once, and while
the config is being worked on. What they need must be right, and every key must be one that the file may have; where
that is not so, the whole config is read, which tells every problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from reconciler.config.file import database_path, is_file_path, parsed, text_of
from reconciler.config.shape.keys import KEYS, MODES
from reconciler.core.frozen import dataclass
from reconciler.core.usual import LAG_OBJECTIVE_SECONDS, POLL_SECONDS, REQUESTS_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What is shown of a config."""

    database: Path
    poll: timedelta
    lag_objective: timedelta
    ceilings: Mapping[str, float]
    """side -> requests a second that the config allows; ``coralogix`` and each connector"""
    instances: Mapping[str, str]
    """connector -> ``https://host`` of its ServiceNow"""
    mode: str = "act"
    """``act`` or ``observe``"""


def glance_at(path: Path, environ: Mapping[str, str]) -> Glance:
    """Read what looking needs of a config file; raise ConfigError with every problem where something is not right."""
    data = parsed(text_of(path), str(path))
    found = _glance(data, path.absolute().parent, environ)
    if found is not None and all(key in KEYS[place] for place, key in _keys(data)):
        return found
    from reconciler.config.load import load_config  # noqa: PLC0415 - heavy, and only a wrong config needs it

    config = load_config(path, environ)
    ceilings = {"coralogix": config.coralogix.requests_per_second}
    ceilings |= {name: one.requests_per_second for name, one in config.servicenow.items()}
    return Glance(
        database=config.state.path,
        poll=config.schedule.poll,
        lag_objective=config.schedule.lag_objective,
        ceilings=ceilings,
        instances={name: one.instance_url for name, one in config.servicenow.items()},
        mode=config.mode.value,
    )


def _glance(data: Mapping[str, Any], folder: Path, environ: Mapping[str, str]) -> Glance | None:
    """Return None where anything that is needed is missing or of a wrong kind."""
    state, schedule = data.get("state", {}), data.get("schedule", {})
    connectors = _table(data.get("servicenow"))
    sides = {"coralogix": data.get("coralogix"), **connectors}
    if not connectors or not all(isinstance(table, dict) for table in (state, schedule, *sides.values())):
        return None
    given, poll = state.get("path"), schedule.get("poll_seconds", POLL_SECONDS)
    objective = schedule.get("lag_objective_seconds", LAG_OBJECTIVE_SECONDS)
    rates = {name: table.get("requests_per_second", REQUESTS_PER_SECOND) for name, table in sides.items()}
    # By its type, since True is an int, too.
    if not all(type(number) in {int, float} and 0 < number < 1e6 for number in (poll, objective, *rates.values())):
        return None
    if given is not None and not (isinstance(given, str) and is_file_path(given, folder / given)):
        return None
    instances = {name: table.get("instance_url") for name, table in connectors.items()}
    if not all(isinstance(address, str) for address in instances.values()):
        return None
    mode = data.get("mode", "act")
    if mode not in MODES:
        return None
    return Glance(
        database=database_path(given, folder=folder, environ=environ),
        poll=timedelta(seconds=poll),
        lag_objective=timedelta(seconds=objective),
        ceilings=rates,
        instances=instances,
        mode=mode,
    )


def _keys(data: Mapping[str, Any]) -> Iterable[tuple[tuple[str, ...], str]]:
    """List every key of every table that has fixed ones."""
    for place in KEYS:
        found: list[Any] = [data]
        for part in place:
            found = [inner for table in found for inner in _inside(table, part)]
        yield from ((place, key) for table in found for key in _table(table))


def _inside(table: Any, part: str) -> Iterable[Any]:
    """List what one part of a place leads to: the value of a key, or for ``*`` every value or member."""
    if part != "*":
        return [table[part]] if part in _table(table) else []
    return table if isinstance(table, list) else _table(table).values()


def _table(value: Any) -> Mapping[str, Any]:
    """Take what is no table for an empty one; the shape check tells of it."""
    return value if isinstance(value, dict) else {}
