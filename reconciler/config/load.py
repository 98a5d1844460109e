"""Make a Config from the text of a file, or tell every problem of it at once.

Three checks, in this order: is it TOML, has it the right shape (keys, kinds, bounds), does it make sense. A syntax
error ends the reading, since nothing behind it can be understood; all other problems are told together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.config.file import nested_too_deeply, parsed, text_of
from reconciler.config.model import AuditConfig, Config, Mode
from reconciler.config.policies import policies
from reconciler.config.services import FileContext, connectors, coralogix, metrics, notify, retention, schedule, state
from reconciler.config.shape.errors import read_shape
from reconciler.config.shape.lines import KeyPath, key_lines
from reconciler.config.shape.problems import Problems
from reconciler.core.errors import ConfigError


def load_config(path: Path, environ: Mapping[str, str], *, needs_secrets: bool = True) -> Config:
    """Read a config file; raise ConfigError with every problem, each one line that begins with ``file:line:``.

    Without ``needs_secrets`` a secret that is not there is no problem until it is revealed.
    """
    folder = path.absolute().parent
    return parse_config(text_of(path), environ=environ, folder=folder, source=path, needs_secrets=needs_secrets)


def parse_config(
    text: str,
    *,
    environ: Mapping[str, str],
    folder: Path,
    source: Path | None = None,
    needs_secrets: bool = True,
) -> Config:
    """Read a config from its text; relative paths start at ``folder``. Raises ConfigError with every problem."""
    file = str(source or "config")
    data = parsed(text, file)
    problems = Problems(file=file, lines=_lines(text, file))
    reading = FileContext(folder=folder, environ=environ, problems=problems, needs_secrets=needs_secrets)
    shape = read_shape(data, problems)
    database = state(shape.state, reading)
    config = Config(
        owner=shape.owner,
        mode=Mode(shape.mode),
        coralogix=coralogix(shape.coralogix, reading),
        servicenow=connectors(shape.servicenow, reading),
        state=database,
        audit=AuditConfig(
            hides_values=shape.audit.values == "hash",
            case_events=shape.audit.case_events,
            servicenow_history=shape.audit.servicenow_history,
        ),
        retention=retention(shape.retention),
        metrics=metrics(shape.metrics, reading, database.path),
        notify=notify(shape.notify, reading),
        schedule=schedule(shape.schedule),
        policies=policies(shape, reading),
        source=source,
    )
    if told := problems.told():
        raise ConfigError(told)
    return config


def _lines(text: str, file: str) -> Mapping[KeyPath, int]:
    try:
        return key_lines(text)
    except RecursionError:
        raise nested_too_deeply(file) from None
