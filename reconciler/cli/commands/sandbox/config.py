"""The config with which the reconciler works on a sandbox: complete, and in need of nothing else."""

from __future__ import annotations

import json

from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER, Served

KEY_VARIABLE = "CORALOGIX_API_KEY"
PASSWORD_VARIABLE = "SERVICENOW_PASSWORD"  # noqa: S105 - the name of a variable
SECRETS = {KEY_VARIABLE: API_KEY, PASSWORD_VARIABLE: API_PASSWORD}
FIRST_LINE = "# Made by `reconciler sandbox serve`: both services are simulated on this machine."
POLL_SECONDS = 5


def ready_config(served: Served, *, database: str, api_key: str = "", password: str = "") -> str:
    """Write the config of a sandbox as TOML.

    ``api_key`` and ``password`` name the files of the secrets; where they are empty, environment variables are
    named instead. The database has a name of its own, since a new sandbox knows nothing of an older one's Cases.
    """
    return f"""\
{FIRST_LINE}

[coralogix]
base_url = {_text(served.case_url)}
api_key = {_secret(api_key, KEY_VARIABLE)}

[servicenow.main]
instance_url = {_text(served.record_url)}
auth = "basic"
username = {_text(API_USER)}
password = {_secret(password, PASSWORD_VARIABLE)}

[state]
path = {_text(database)}

[schedule]
poll_seconds = {POLL_SECONDS}
"""


def _secret(file: str, variable: str) -> str:
    return f"{{ file = {_text(file)} }}" if file else f"{{ env = {_text(variable)} }}"


def _text(value: str) -> str:
    """Write a TOML basic string, which JSON's strings are."""
    return json.dumps(value, ensure_ascii=False)
