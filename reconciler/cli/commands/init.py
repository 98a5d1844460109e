"""The command ``init``: a config to start from."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.files import make_private
from reconciler.cli.options import Globals
from reconciler.cli.terminal import print_lines, say
from reconciler.core.errors import ConfigError


@click.command()
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@click.option("--systemd", is_flag=True, help="Name the secrets as the shipped systemd units load them.")
@click.pass_obj
def init(options: Globals, force: bool, systemd: bool) -> None:
    """Write a commented config to start from, to --config or ./reconciler.toml.

    \b
    Examples:
      reconciler init
      reconciler --config /etc/reconciler/reconciler.toml init --systemd
    """
    from reconciler.config.template import config_template  # noqa: PLC0415 - heavy

    path = options.config or Path("reconciler.toml")
    try:
        make_private(path, config_template(systemd=systemd), replace=force)
    except FileExistsError as error:
        raise ConfigError(
            [f"{path} is there already; name another with --config, or replace it with --force"]
        ) from error
    look = f"reconciler{'-by-hand' if systemd else ''} check --live"
    say(f"wrote {path}; fill in the addresses and set the secrets, then try `{look}`")
    print_lines(path)
