"""What holds for every test: a database that nobody holds any more is closed, and a template is compiled once.

A world holds its database for as long as a test holds the world, and closes it by being forgotten. Python 3.13 and
newer warn of a connection that is forgotten open, and a warning is an error here.
"""

from __future__ import annotations

import functools
import gc
import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from reconciler.core.expressions import jinja_sandbox


class _Closing(sqlite3.Connection):
    """A connection that closes when it is forgotten."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # of one that could not be opened
            self.close()


@pytest.fixture(autouse=True, scope="session")
def databases_close_when_they_are_forgotten() -> Iterator[None]:
    """Open every database of this process in that way; any thread may be the one that clears up."""
    connect = sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(connect, factory=_Closing, check_same_thread=False))
        yield


@pytest.fixture(autouse=True, scope="session")
def a_template_is_compiled_once() -> Iterator[None]:
    """Remember the compiled templates: most configs of tests have the default ones, which take longer than the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja_sandbox, "compile_template", functools.cache(jinja_sandbox.compile_template))
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Let half as many processes more than cores share the tests: those of sockets and processes wait for much."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_finish() -> None:
    """Let the search for garbage pass over what was collected, which stays to the end."""
    gc.collect()
    gc.freeze()
