"""The config that ``reconciler init`` writes: valid, whole, and true about the defaults."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.load import parse_config
from reconciler.config.shape.tables import TABLES, SecretTable
from reconciler.config.template import config_template
from reconciler.core.policies.lint import advice
from tests.unit.config.test_load import MINIMAL, read

COMMENTED = re.compile(r"^# (?=[a-z0-9_]+ = |\[)", re.MULTILINE)
EITHER_OR = re.compile(
    r"^(base_url|client_id|client_secret|ca_bundle|urls|heartbeat_url|api_key = \{ credential).*$", re.MULTILINE
)


def uncommented() -> str:
    return COMMENTED.sub("", config_template())


def tables(data: Any, pattern: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if not pattern:
        yield data
        return
    parts = data if isinstance(data, list) else [data[pattern[0]]] if pattern[0] != "*" else list(data.values())
    for part in parts:
        yield from tables(part, pattern[1:])


def test_valid_as_it_stands() -> None:
    assert read(config_template()) == read(MINIMAL.replace(".acme]", ".main]"))


def test_for_systemd_it_names_the_credentials_of_the_units(tmp_path: Path) -> None:
    for name in ("coralogix_api_key", "servicenow_password"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("a secret")
    text = config_template(systemd=True)
    config = parse_config(text, environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}, folder=tmp_path)
    assert config.coralogix.api_key.source == f"credential {tmp_path}/coralogix_api_key"
    assert len(text.splitlines()) == len(config_template().splitlines())


def test_valid_with_every_line_that_is_commented() -> None:
    config = read(EITHER_OR.sub("", uncommented()))
    assert config.schedule == read(MINIMAL).schedule
    assert config.policies.limits == read(MINIMAL).policies.limits
    assert config.coralogix.requests_per_second == read(MINIMAL).coralogix.requests_per_second
    assert config.servicenow["main"].requests_per_second == read(MINIMAL).servicenow["acme"].requests_per_second
    assert config.servicenow["main"].workers == read(MINIMAL).servicenow["acme"].workers


@pytest.mark.parametrize("pattern", TABLES, ids=".".join)
def test_every_key_is_named(pattern: tuple[str, ...]) -> None:
    data = tomllib.loads(uncommented())
    named = {key for table in tables(data, pattern) for key in table}
    assert named >= set(TABLES[pattern].model_fields)


@pytest.mark.parametrize("kind", SecretTable.model_fields)
def test_every_kind_of_secret_is_shown(kind: str) -> None:
    assert f'{{ {kind} = "' in config_template()


def test_it_raises_no_warning() -> None:
    assert advice(read(config_template()).policies) == ()
