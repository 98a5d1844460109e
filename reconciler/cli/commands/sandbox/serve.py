"""The command ``sandbox serve``: both services until Ctrl-C or SIGTERM, and a config that works on them."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from reconciler.cli.commands.sandbox.config import FIRST_LINE, KEY_VARIABLE, PASSWORD_VARIABLE, SECRETS, ready_config
from reconciler.cli.commands.sandbox.ports import CASE_PORT, RECORD_PORT, URL_VARIABLE
from reconciler.cli.output import say
from reconciler.core.errors import ConfigError, ReconcilerError
from reconciler.sandbox.both import Sandbox, Served
from reconciler.sandbox.both import serve as serve_both
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.control.admin import AdminFace
from reconciler.sandbox.coralogix.lifecycle import Profile

CONFIG_NAME = "reconciler.toml"
SECRET_FILES = {KEY_VARIABLE: "coralogix-api-key", PASSWORD_VARIABLE: "servicenow-password"}
PORTS = click.IntRange(0, 65535)


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
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write reconciler.toml and the secrets into this folder, which is made where there is none.",
)
def serve(case_port: int, record_port: int, profile: str, folder: Path | None) -> None:
    """Serve both services on 127.0.0.1 and print a config that is ready to use.

    The config goes to standard output, words to standard error. Everything is in memory: a new start is an empty
    sandbox. Ctrl-C or SIGTERM ends it.
    """
    seed = secrets.randbits(32)
    world = Sandbox(SandboxClock(follow_real_time=True), profile=profile, seed=seed)
    with _until_signal() as stop, _listening(world, case_port, record_port) as served:
        database = f"sandbox-{seed:08x}.db"
        if folder is None:
            click.echo(ready_config(served, database=database), nl=False)
        else:
            click.echo(_write_folder(folder.absolute(), served, database), nl=False)
        for line in _next_steps(served, folder):
            say(line)
        stop.wait()
    say("the sandbox has ended")


@contextmanager
def _listening(world: Sandbox, case_port: int, record_port: int) -> Iterator[Served]:
    face = AdminFace(world, world.case_face())
    try:
        with serve_both(world, face, case_port=case_port, record_port=record_port) as served:
            yield served
    except OSError as error:
        if error.filename is not None:
            raise
        raise ReconcilerError(
            f"cannot listen on the ports {case_port} and {record_port} of 127.0.0.1: {error.strerror}. Another sandbox "
            "may be running; choose others with --case-port and --record-port, where 0 takes a free one"
        ) from error


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C and SIGTERM set."""
    stop = threading.Event()

    def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal handlers are called
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_folder(folder: Path, served: Served, database: str) -> str:
    """Write config and secrets into a folder and give the config; a file that is not ours is never replaced."""
    config = folder / CONFIG_NAME
    if config.exists() and not config.read_text(errors="replace").startswith(FIRST_LINE):
        raise ConfigError([f"{config} is there already and was not made by a sandbox; choose another --dir"])
    folder.mkdir(parents=True, exist_ok=True)
    for variable, name in SECRET_FILES.items():
        _write_secret(folder / name, SECRETS[variable])
    text = ready_config(
        served,
        database=str(folder / database),
        api_key=str(folder / SECRET_FILES[KEY_VARIABLE]),
        password=str(folder / SECRET_FILES[PASSWORD_VARIABLE]),
    )
    config.write_text(text)
    return text


def _write_secret(path: Path, value: str) -> None:
    """Write a file that only its owner reads, from its first byte on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{value}\n")


def _next_steps(served: Served, folder: Path | None) -> Sequence[str]:
    """Say where the services are and what to type in another terminal."""
    config = shlex.quote(str(folder.absolute() / CONFIG_NAME) if folder else CONFIG_NAME)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in SECRETS.items()] if folder is None else []
    return [
        f"Coralogix   {served.case_url}",
        f"ServiceNow  {served.record_url}",
        "",
        "In another terminal" + ("" if folder else f", with the config above saved as {CONFIG_NAME}") + ":",
        *(f"  {line}" for line in (*exports, f"export {URL_VARIABLE}={served.case_url}")),
        "  reconciler sandbox case create 'Payments are slow'",
        f"  reconciler --config {config} once",
        "  reconciler sandbox list",
        "",
        "Ctrl-C ends the sandbox.",
    ]
