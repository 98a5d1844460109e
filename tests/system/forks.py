"""Many runs of the real command in little time: forks of one process that has imported the program already.

A fork is a process of its own, with its own arguments, folder, environment and output, and ends as the command ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.system.support import THIS_PROGRAM, Ran, run

ROOT = Path(__file__).resolve().parents[2]


class Forks:
    """Run commands as forks of one process; a context manager."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.system.fork_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        kill_at: tuple[int, str] | None = None,
        heard: Callable[[int], object] = lambda _pid: None,
    ) -> Ran:
        """Run one command line to its end; one of another program runs as it stands.

        ``kill_at`` is the number of a commit and ``before`` or ``after``; ``heard`` is told the process id.
        """
        if list(command[: len(THIS_PROGRAM)]) != THIS_PROGRAM:
            return run(command, folder, environment)
        order = {
            "arguments": command[len(THIS_PROGRAM) - 1 :],
            "folder": str(folder),
            "environment": dict(environment),
            "kill_at": kill_at,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        heard(self._answer()["pid"])
        answer = self._answer()
        return Ran(code=answer["code"], out=answer["out"], err=answer["err"])

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())
