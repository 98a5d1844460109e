"""What a process costs: wall time, CPU time and peak memory, measured from a small parent.

A child's peak memory counts what its parent held when it was started; so each is started by a process of its own that
has loaded nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
null = os.open(os.devnull, os.O_WRONLY)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, null, 1)])
_, status, used = os.wait4(pid, 0)
print([time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status)])
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Hold what one run cost."""

    seconds: float
    cpu_seconds: float
    megabytes: float = 0.0
    """at most, at any moment"""
    requests: int = 0


def run(words: Sequence[str], *, folder: Path, environ: Mapping[str, str], codes: Sequence[int] = (0,)) -> Cost:
    """Run a Python module with its arguments and give its cost; raise RuntimeError where it ends with another code."""
    command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, sys.executable, "-m", *words]
    environment = {"PYTHONPATH": os.getcwd(), "PATH": os.environ["PATH"], **environ}  # noqa: PTH109 - the checkout
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    seconds, cpu_seconds, kilobytes, code = json.loads(done.stdout)
    if code not in codes:
        raise RuntimeError(f"{' '.join(words)} ended with {code}: {done.stderr[-2000:]}")
    return Cost(seconds=seconds, cpu_seconds=cpu_seconds, megabytes=kilobytes / 1024)


def least(costs: Sequence[Cost]) -> Cost:
    """Give the run that took the least CPU time: what is above it is the machine's."""
    best = min(costs, key=lambda cost: cost.cpu_seconds)
    return replace(best, seconds=min(cost.seconds for cost in costs))
