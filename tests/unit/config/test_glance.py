"""What looking needs of a config is what the whole config says, and a wrong config is told whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.config.glance import Glance, glance_at
from reconciler.config.load import load_config
from reconciler.config.shape.keys import KEYS
from reconciler.config.shape.tables import TABLES
from reconciler.config.template import config_template
from reconciler.core.errors import ConfigError

ENVIRON = {"CORALOGIX_API_KEY": "cx-key", "SERVICENOW_PASSWORD": "sn-password"}
MINIMAL = """
[coralogix]
region = "eu2"
api_key = { env = "CORALOGIX_API_KEY" }
[servicenow.acme]
instance_url = "https://acme.service-now.com"
username = "u"
password = { env = "SERVICENOW_PASSWORD" }
"""


def glance(folder: Path, text: str, environ: dict[str, str] | None = None) -> Glance:
    file = folder / "reconciler.toml"
    file.write_text(text)
    return glance_at(file, environ or {})


def test_the_keys_are_those_of_the_shape() -> None:
    assert {place: frozenset(table.model_fields) for place, table in TABLES.items()} == KEYS


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL,
        config_template(),
        MINIMAL + '[state]\npath = "here/x.db"\n[schedule]\npoll_seconds = 5\nlag_objective_seconds = 60\n',
        MINIMAL.replace('username = "u"', 'username = "u"\nrequests_per_second = 7') + "[servicenow.b.states]\n",
    ],
)
def test_it_says_what_the_whole_config_says(tmp_path: Path, text: str) -> None:
    text = text.replace("[servicenow.b.states]\n", "")
    found = glance(tmp_path, text)
    config = load_config(tmp_path / "reconciler.toml", ENVIRON)
    assert found == Glance(
        database=config.state.path,
        poll=config.schedule.poll,
        lag_objective=config.schedule.lag_objective,
        ceilings={"coralogix": config.coralogix.requests_per_second}
        | {name: one.requests_per_second for name, one in config.servicenow.items()},
        instances={name: one.instance_url for name, one in config.servicenow.items()},
    )


def test_no_secret_is_looked_for_and_nothing_is_compiled(tmp_path: Path) -> None:
    found = glance(tmp_path, MINIMAL + '[[route]]\nwhen = "case.nothing like this("\n')
    assert found.poll == timedelta(seconds=30)


def test_systemds_folder_is_where_the_database_is(tmp_path: Path) -> None:
    assert glance(tmp_path, MINIMAL, {"STATE_DIRECTORY": "/var/lib/r:/x"}).database == Path("/var/lib/r/reconciler.db")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[state]\npaht = 'x'\n", r":10: state.paht: unknown key; the nearest of \[state\] is path"),
        ("[schedule]\npoll_seconds = 'often'\n", ":10: schedule.poll_seconds: found"),
        ("[schedule]\npoll_seconds = true\n", ":10: schedule.poll_seconds: found true"),
        ("[state]\npath = 3\n", ":10: state.path: found 3"),
        ("[state]\npath = ' '\n", ":10: state.path: found"),
        ("[coralogics]\n", ":9: coralogics: unknown key"),
        ("[[route]]\nnmae = 'x'\n", ":10: route.nmae: unknown key"),
        ("[inbound.default.references.a]\ntabel = 'x'\n", "references.a.tabel: unknown key"),
        ("[servicenow]\nrequests_per_second = 3\n", "stands in .servicenow. itself"),
        ("[servicenow.other]\nrequests_per_second = 'x'\n", "requests_per_second: found"),
        ("state = \n", ":9: .*no valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, more: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        glance(tmp_path, MINIMAL + more)


def test_a_file_without_the_two_services_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="coralogix: missing"):
        glance(tmp_path, "[servicenow.a]\n")
    with pytest.raises(ConfigError, match="servicenow: missing"):
        glance(tmp_path, "[coralogix]\n")
