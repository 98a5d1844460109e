"""The process that forks: ``python -m tests.system.fork_server`` takes one order a line.

It answers with two: the process id of the fork at once, and how it ended.

A fork can be told to kill itself with SIGKILL at the nth commit of the database, just before COMMIT or just after it.
Nothing but the forking and the killing is changed about the program.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import reconciler.cli.commands
from reconciler.cli import main
from reconciler.config.load import parse_config
from reconciler.core.errors import ConfigError
from reconciler.core.expressions.templates import Template
from reconciler.store.connection import Database


def serve() -> None:
    """Take orders from standard input until it ends."""
    _import_the_commands()
    _compile_the_defaults()
    for line in sys.stdin:
        for answer in _run(json.loads(line)):
            print(json.dumps(answer), flush=True)


def _import_the_commands() -> None:
    """Import what each command needs before the first fork, so that no fork has to."""
    place = reconciler.cli.commands
    for module in pkgutil.walk_packages(place.__path__, f"{place.__name__}."):
        importlib.import_module(module.name)


def _compile_the_defaults() -> None:
    """Compile the templates of the default policies once for all forks: it is most of the time of a short run."""
    Template.compile = functools.cache(Template.compile)  # type: ignore[method-assign]
    with suppress(ConfigError):
        parse_config("", environ={}, folder=Path())


def _run(order: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        pid = os.fork()
        if pid == 0:
            _be_the_command(order, out.fileno(), err.fileno())
        yield {"pid": pid}
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        yield {"code": code, "out": out.read(), "err": err.read()}


def _be_the_command(order: Mapping[str, Any], out: int, err: int) -> NoReturn:
    """Become the command, to its end; a fork must never go on as its parent."""
    code: object = 70
    try:
        _dress(order, out, err)
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - told as the interpreter would tell it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _dress(order: Mapping[str, Any], out: int, err: int) -> None:
    """Take on the arguments, folder, environment and streams of the order."""
    for target, source in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(source, target)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = list(order["arguments"])
    if order["kill_at"]:
        _kill_at(*order["kill_at"])


def _kill_at(nth: int, side: str) -> None:
    """Let the nth transaction that this process makes end in SIGKILL."""
    numbers = count(1)
    real = Database.transaction

    @contextmanager
    def counted(self: Database) -> Iterator[Any]:
        number = next(numbers)
        with real(self) as connection:
            yield connection
            if (number, side) == (nth, "before"):
                os.kill(os.getpid(), signal.SIGKILL)
        if (number, side) == (nth, "after"):
            os.kill(os.getpid(), signal.SIGKILL)

    Database.transaction = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
