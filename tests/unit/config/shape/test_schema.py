"""The JSON Schema that editors are given takes what the program takes, and refuses what it refuses."""

from __future__ import annotations

import tomllib
from typing import Any

import jsonschema_rs
import pytest

from reconciler.config.shape.schema import config_schema
from reconciler.config.template import config_template

MINIMAL = """
[coralogix]
region = "eu2"
api_key = { env = "KEY" }
[servicenow.main]
instance_url = "https://acme.service-now.com"
"""


def is_valid(text: str) -> bool:
    validator: Any = jsonschema_rs.Draft202012Validator(config_schema())
    return bool(validator.is_valid(tomllib.loads(text)))


@pytest.mark.parametrize(
    "text",
    [
        config_template(),
        MINIMAL,
        MINIMAL + "[inbound.default.fields]\nimpact = false",
        MINIMAL + "[inbound.default]\non_acknowledge = false",
        MINIMAL + '[[route]]\nname = "a"\nconnector = "main"\nlabels = { team = "sre", env = ["a", "b"] }',
    ],
)
def test_what_is_right_is_taken(text: str) -> None:
    assert is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL.replace("region", "regoin"),
        MINIMAL + '[schedule]\npoll_seconds = "30"',
        MINIMAL + "[schedule]\nsomething = 1",
        MINIMAL.replace('"eu2"', "false"),
        MINIMAL + "[inbound.default.fields]\nimpact = 3",
    ],
)
def test_what_is_wrong_is_refused(text: str) -> None:
    assert not is_valid(text)


def test_a_new_config_names_its_schema_in_the_first_line() -> None:
    assert config_template().startswith("#:schema ")
