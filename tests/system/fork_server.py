"""The process that forks: ``python -m tests.system.fork_server FD`` takes orders from a socket, several at once.

With an order come four files: the streams of the command, and one for two answers, a line each: the process id of the
command, and how it ended.

A command can be told to kill itself with SIGKILL at the nth commit of the database, just before COMMIT or just after
it, and to take other numbers for constants that are times, so that no test waits for them. Nothing else is changed
about the program.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from select import select
from typing import Any, NoReturn

import reconciler
from reconciler.cli import main
from reconciler.core.expressions import jinja_sandbox
from reconciler.store.database.connection import Database
from tests.scenario.configured import ConfiguredWorld


def serve(orders: socket.socket) -> None:
    """Take orders until who gives them is gone."""
    _import_the_program()
    _rehearse()
    gc.freeze()  # no fork looks for garbage in what all of them share
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as in a shell, also where all this was started by nohup
    running: dict[int, tuple[int, int]] = {}
    """by what becomes readable when a command ends: its process id, and where its end is told"""
    while True:
        ready = select([orders.fileno(), *running], [], [])[0]
        for ended in running.keys() & {*ready}:
            pid, answers = running.pop(ended)
            _answer(answers, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            os.close(answers)
            os.close(ended)
        if orders.fileno() in ready:
            text, files, _, _ = socket.recv_fds(orders, 1_000_000, 4)
            if not text:
                return
            *streams, answers = files
            pid = os.fork()
            if pid == 0:
                _close([orders.detach(), answers, *running, *(told for _, told in running.values())])
                _be_the_command(json.loads(text), *streams)
            _close(streams)
            _answer(answers, pid)
            running[os.pidfd_open(pid)] = pid, answers


def _import_the_program() -> None:
    """Import what the commands need before the first fork, so that no fork has to."""
    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        if not module.name.startswith(("reconciler.__main__", "reconciler.audit.site")):
            importlib.import_module(module.name)


def _rehearse() -> None:
    """Let one Case go through its life, so that what is made at its first use is made once for all forks.

    The models of answers and of the config, and the compiled templates, are most of the time of a short run.
    """
    jinja_sandbox.compile_template = functools.cache(jinja_sandbox.compile_template)
    world = ConfiguredWorld()
    case_id = world.started()
    world.coralogix.resolve(case_id)
    world.run_until_quiet()
    world.store.close()


def _answer(answers: int, number: int) -> None:
    with suppress(BrokenPipeError):
        os.write(answers, b"%d\n" % number)


def _close(files: Iterable[int]) -> None:
    for file in files:
        os.close(file)


def _be_the_command(order: Mapping[str, Any], *streams: int) -> NoReturn:
    """Become the command, to its end; a fork must never go on as its parent."""
    code: object = 70
    try:
        _dress(order, streams)
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - told as the interpreter would tell it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def _dress(order: Mapping[str, Any], streams: Sequence[int]) -> None:
    """Take on the arguments, folder, environment, streams and numbers of the order."""
    for target, source in enumerate(streams):
        os.dup2(source, target)
        os.close(source)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    # New, since those of the server remember what kind of file they were opened on.
    encoding = os.environ.get("PYTHONIOENCODING")
    sys.stdin, sys.stdout = open(0, encoding=encoding), open(1, "w", encoding=encoding)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding=encoding, errors="backslashreplace")  # noqa: SIM115
    sys.argv = list(order["arguments"])
    for constant, number in order["numbers"].items():
        module, _, name = constant.rpartition(".")
        assert isinstance(getattr(sys.modules[module], name), int | float), constant
        setattr(sys.modules[module], name, number)
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
    serve(socket.socket(fileno=int(sys.argv[1])))
