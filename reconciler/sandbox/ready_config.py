"""A complete config for working on a sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from reconciler.core.frozen import dataclass
from reconciler.sandbox.both import API_USER, Credentials, Served

FIRST_LINE = "# Made by `reconciler sandbox serve`: both services are simulated on this machine."
POLL_SECONDS = 5
BASIC = "basic"
LOGINS: Mapping[str, Sequence[str]] = {
    BASIC: ("username", "password"),
    "oauth_password": ("username", "password", "client_id", "client_secret"),
    "oauth_client_credentials": ("client_id", "client_secret"),
    "api_key": ("api_key",),
}
"""the logins that ServiceNow knows, each with the keys of the config that it needs"""


@dataclass(frozen=True, kw_only=True)
class SandboxSecret:
    """One secret of a sandbox and the names under which a config finds it."""

    variable: str
    file: str
    value: str


def secrets_of(credentials: Credentials) -> Mapping[str, SandboxSecret]:
    """Return every secret that a config may name, ServiceNow's by their key, Coralogix's as ``case_key``."""
    return {
        "case_key": SandboxSecret(variable="CORALOGIX_API_KEY", file="coralogix-api-key", value=credentials.case_key),
        "password": SandboxSecret(
            variable="SERVICENOW_PASSWORD", file="servicenow-password", value=credentials.password
        ),
        "client_secret": SandboxSecret(
            variable="SERVICENOW_CLIENT_SECRET", file="servicenow-client-secret", value=credentials.client_secret
        ),
        "api_key": SandboxSecret(
            variable="SERVICENOW_API_KEY", file="servicenow-api-key", value=credentials.record_key
        ),
    }


def ready_config(served: Served, credentials: Credentials, *, auth: str, database: str, folder: str = "") -> str:
    """Write the config of a sandbox as TOML.

    ``folder`` is where the files of the secrets are; where it is empty, environment variables are named instead. The
    database has a name of its own, since a new sandbox knows nothing of an older one's Cases.
    """
    known = secrets_of(credentials)
    plain = {"username": API_USER, "client_id": credentials.client_id}
    login = [f"{key} = {_text(plain[key]) if key in plain else _reference(known[key], folder)}" for key in LOGINS[auth]]
    return f"""\
{FIRST_LINE}

[coralogix]
base_url = {_text(served.case_url)}
api_key = {_reference(known["case_key"], folder)}

[servicenow.main]
instance_url = {_text(served.record_url)}
auth = {_text(auth)}
{chr(10).join(login)}
workers = 1                            # one write at a time, so that numbers follow the order of the Cases

[state]
path = {_text(database)}

[schedule]
poll_seconds = {POLL_SECONDS}
"""


def _reference(secret: SandboxSecret, folder: str) -> str:
    if folder:
        return f"{{ file = {_text(f'{folder}/{secret.file}')} }}"
    return f"{{ env = {_text(secret.variable)} }}"


def _text(value: str) -> str:
    """Write a TOML basic string, which JSON's strings are."""
    return json.dumps(value, ensure_ascii=False)
