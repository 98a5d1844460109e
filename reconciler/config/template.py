"""The config to start from, as ``reconciler init`` writes it."""

from __future__ import annotations

from importlib.resources import files


def config_template() -> str:
    """Give a commented config that names every key with its default, and is valid as it stands.

    It asks for the environment variable ``CORALOGIX_API_KEY`` and ``SERVICENOW_PASSWORD``.
    """
    return (files("reconciler.config") / "template.toml").read_text("utf-8")
