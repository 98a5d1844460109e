"""The forks that the system tests run in place of new processes: the command, with nothing to import.

A fork is a process with its own id, signals, arguments, folder, environment and output, and ends as the command ends.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from select import select
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from tests.system.support import NO_NUMBERS, PATIENCE_SECONDS, THIS_PROGRAM, Process, Processes

ROOT = Path(__file__).resolve().parents[2]


class Fork:
    """Be one fork, as far as a test needs what ``Popen`` has."""

    def __init__(self, answers: int, stdout: IO[str], stderr: IO[str]) -> None:
        self._answers = os.fdopen(answers)
        self.pid = int(self._answers.readline())
        self.returncode: int | None = None
        self.stdout: IO[str] | None = stdout
        self.stderr: IO[str] | None = stderr

    def poll(self) -> int | None:
        """Give how it ended; None where it still runs."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raise TimeoutExpired where it does not come."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("a fork", timeout or 0)
        return code

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select([self._answers], [], [], seconds)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
        return self.returncode

    def communicate(self, *, timeout: float) -> tuple[str, str]:
        """Read what it still says, and wait for its end."""
        assert self.stdout is not None
        assert self.stderr is not None
        with self.stdout, self.stderr:
            err = self.stderr.read()
            self.wait(timeout)
            self.stdout.seek(0)
            return self.stdout.read(), err

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forks(Processes):
    """Run command lines as forks of one process; a context manager."""

    def __enter__(self) -> Self:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.system.fork_server", str(theirs.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()])
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._orders.close()
        self._process.wait(PATIENCE_SECONDS)

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        numbers: Mapping[str, float] = NO_NUMBERS,
        kill_at: tuple[int, str] | None = None,
    ) -> Process:
        """Start one; one of another program runs as it stands.

        ``kill_at`` is the number of a commit and ``before`` or ``after``.
        """
        if list(command[: len(THIS_PROGRAM)]) != THIS_PROGRAM:
            return super().start(command, folder, environment)
        order = {
            "arguments": command[len(THIS_PROGRAM) - 1 :],
            "folder": str(folder),
            "environment": dict(environment),
            "numbers": dict(numbers),
            "kill_at": kill_at,
        }
        out = TemporaryFile("w+")  # noqa: SIM115 - the fork's
        (err, says), (answers, answered) = os.pipe(), os.pipe()
        with open(os.devnull) as nothing:  # noqa: PTH123 - a device
            given = [nothing.fileno(), out.fileno(), says, answered]
            socket.send_fds(self._orders, [json.dumps(order).encode()], given)
        os.close(says)
        os.close(answered)
        return Fork(answers, out, os.fdopen(err))
