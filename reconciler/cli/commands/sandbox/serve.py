"""The command ``sandbox serve``: both services until Ctrl-C or SIGTERM, and a config that works on them."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from reconciler.cli.commands.sandbox.ports import CASE_PORT, RECORD_PORT, TOKEN_VARIABLE, URL_VARIABLE
from reconciler.cli.files import make_private, telling
from reconciler.cli.terminal import print_lines, say
from reconciler.core.errors import ConfigError, ReconcilerError
from reconciler.daemon.signals import stop_on_signal
from reconciler.sandbox.both import API_USER, Credentials, Offers, Sandbox, Served
from reconciler.sandbox.both import serve as serve_both
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.control.admin import AdminFace
from reconciler.sandbox.coralogix.lifecycle import Profile
from reconciler.sandbox.ready_config import BASIC, FIRST_LINE, LOGINS, ready_config, secrets_of
from reconciler.sandbox.servicenow.switches import Rewrite
from reconciler.sandbox.servicenow.tables.schema import PLAIN_TABLES
from reconciler.sandbox.servicenow.tables.task_tables import further_task_tables

CONFIG_NAME = "reconciler.toml"
PORTS = click.IntRange(0, 65535)
TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{1,79}")
TAKEN_NAMES = frozenset({"incident", *(schema.name for schema in (*PLAIN_TABLES, *further_task_tables()))})


def _table_names(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an invalid table name, and one that every sandbox has."""
    for name in names:
        if not TABLE_NAME.fullmatch(name):
            raise click.BadParameter(f"{name!r} is no name of a table, such as u_outage")
        if name in TAKEN_NAMES:
            raise click.BadParameter(f"every sandbox has the table {name}")
    return names


@click.command()
@click.option("--case-port", type=PORTS, default=CASE_PORT, show_default=True, help="Coralogix; 0 takes a free port.")
@click.option("--record-port", type=PORTS, default=RECORD_PORT, show_default=True, help="ServiceNow, likewise.")
@click.option(
    "--profile",
    type=click.Choice([one.value for one in Profile]),
    default=Profile.STRICT.value,
    show_default=True,
    help="The lifecycle of a Case: lenient lets an open one be closed, and repeats pass.",
)
@click.option(
    "--auth",
    type=click.Choice(list(LOGINS)),
    default=BASIC,
    show_default=True,
    help="The login that the config uses; all four open the sandbox.",
)
@click.option(
    "--table", "tables", multiple=True, metavar="NAME", callback=_table_names, help="One more task table; repeatable."
)
@click.option("--group", "groups", multiple=True, metavar="NAME", help="One more group to look up; repeatable.")
@click.option("--user", "users", multiple=True, metavar="FULL_NAME", help="One more user to look up; repeatable.")
@click.option("--ci", "items", multiple=True, metavar="NAME", help="One more configuration item; repeatable.")
@click.option(
    "--rewrite",
    "rewrites",
    type=click.Choice([one.value for one in Rewrite]),
    multiple=True,
    metavar="RULE",
    help="Let the instance change what it stores; repeatable.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write reconciler.toml and the secrets into this folder, which is made where there is none.",
)
def serve(
    case_port: int, record_port: int, profile: str, auth: str, folder: Path | None, **offered: tuple[str, ...]
) -> None:
    """Serve both services on 127.0.0.1 and print a config that is ready to use.

    The config goes to standard output, words to standard error. Everything is in memory: a new start is an empty
    sandbox with new secrets. Ctrl-C or SIGTERM ends it.

    \b
    Examples:
      reconciler sandbox serve
      reconciler sandbox serve --dir try --auth oauth_password
    """
    seed = secrets.randbits(32)
    rewrites = frozenset(Rewrite(word) for word in offered.pop("rewrites"))
    world = Sandbox(
        SandboxClock(follow_real_time=True),
        profile=profile,
        seed=seed,
        credentials=Credentials.fresh(),
        offers=Offers(rewrites=rewrites, **offered),
    )
    token = secrets.token_hex(16)
    stop = threading.Event()
    with stop_on_signal(stop, lambda: None), _listening(world, case_port, record_port, token) as served:
        database = f"sandbox-{seed:08x}.db"
        if folder is None:
            print_lines(*ready_config(served, world.credentials, auth=auth, database=database).splitlines())
        else:
            print_lines(*_write_folder(folder.absolute(), served, world.credentials, auth, database).splitlines())
        for line in _next_steps(served, folder, world.credentials, token):
            say(line)
        stop.wait()
    say("the sandbox has ended")


@contextmanager
def _listening(world: Sandbox, case_port: int, record_port: int, token: str) -> Iterator[Served]:
    face = AdminFace(world, world.case_face(), token=token)
    try:
        with serve_both(world, face, case_port=case_port, record_port=record_port) as served:
            port = served.case_url.rpartition(":")[2]
            face.hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
            yield served
    except OSError as error:
        if error.filename is not None:
            raise
        raise ReconcilerError(
            f"cannot listen on the ports {case_port} and {record_port} of 127.0.0.1: {error.strerror}. Another sandbox "
            "may be running; choose others with --case-port and --record-port, where 0 takes a free one"
        ) from error


def _write_folder(folder: Path, served: Served, credentials: Credentials, auth: str, database: str) -> str:
    """Write config and secrets into a folder and return the config; a file that is not ours is never replaced."""
    config = folder / CONFIG_NAME
    values = {folder / secret.file: secret.value for secret in secrets_of(credentials).values()}
    others = [] if _is_of_a_sandbox(config) else [path for path in (config, *values) if path.exists()]
    if others:
        raise ConfigError([f"{others[0]} is there already and was not made by a sandbox; choose another --dir"])
    text = ready_config(served, credentials, auth=auth, database=str(folder / database), folder=str(folder))
    with telling(f"--dir {folder}", "name another folder"):
        folder.mkdir(parents=True, exist_ok=True)
        make_private(config, text, replace=True)
        for path, value in values.items():
            _write_secret(path, value)
    return text


def _is_of_a_sandbox(config: Path) -> bool:
    return config.exists() and config.read_text(errors="replace").startswith(FIRST_LINE)


def _write_secret(path: Path, value: str) -> None:
    """Write a file that only its owner reads, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{value}\n")


def _next_steps(served: Served, folder: Path | None, credentials: Credentials, token: str) -> Sequence[str]:
    """Return where the services are, their credentials, and what to type in another terminal."""
    config = shlex.quote(str(folder.absolute() / CONFIG_NAME) if folder else CONFIG_NAME)
    exports = [] if folder else [(one.variable, one.value) for one in secrets_of(credentials).values()]
    exports += [(URL_VARIABLE, served.case_url), (TOKEN_VARIABLE, token)]
    return [
        f"Coralogix   {served.case_url}",
        f"ServiceNow  {served.record_url}, user {API_USER}, OAuth client {credentials.client_id}",
        "",
        "In another terminal" + ("" if folder else f", with the config above saved as {CONFIG_NAME}") + ":",
        *(f"  export {name}={shlex.quote(value)}" for name, value in exports),
        "  reconciler sandbox case create 'Payments are slow'",
        f"  reconciler --config {config} once",
        "  reconciler sandbox list",
        "",
        "Ctrl-C ends the sandbox.",
    ]
