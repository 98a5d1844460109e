"""The fixtures of the system tests: a bench whose commands are forks, and one whose commands are started from nothing.

A fork is a process with arguments, folder, environment, signals and an exit code of its own; all that it does not do
again is import the program, which is nine tenths of the time of a short command.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.forks import Forks
from tests.system.support import Bench, fast_folder


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as opened:
        yield opened


@pytest.fixture
def bench(tmp_path: Path, forks: Forks) -> Iterator[Bench]:
    with fast_folder(tmp_path) as folder, Bench(folder, runner=forks) as opened:
        yield opened


@pytest.fixture
def spawned(tmp_path: Path) -> Iterator[Bench]:
    """Give a bench whose commands are started as a user starts them."""
    with Bench(tmp_path) as opened:
        yield opened
