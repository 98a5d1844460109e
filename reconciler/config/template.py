"""The config to start from, as ``reconciler init`` writes it."""

from __future__ import annotations

from importlib.resources import files

SECRETS = ("coralogix_api_key", "servicenow_password")


def config_template(*, systemd: bool = False) -> str:
    """Return a commented config that names every key with its default, and is valid as it stands.

    It asks for the environment variables ``CORALOGIX_API_KEY`` and ``SERVICENOW_PASSWORD``; for ``systemd``, for the
    credentials of the same names in lower case, as the shipped units load them.
    """
    text = (files("reconciler.config") / "template.toml").read_text("utf-8")
    for name in SECRETS if systemd else ():
        text = text.replace(f'{{ env = "{name.upper()}" }}', f'{{ credential = "{name}" }}')
    return text
