"""Write text files that not every user of the machine may read, and tell with the right exit code where that fails."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.core.errors import ConfigError, ReconcilerError
from reconciler.store.database.connection import PRIVATE

_WRONG_PATHS = (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError)


def unwritten(error: OSError, words: str) -> ReconcilerError:
    """Make the error of what could not be written: wrong usage where the path is wrong, else a failure."""
    return ConfigError([words]) if isinstance(error, _WRONG_PATHS) else ReconcilerError(words)


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a text file that is created with its final mode; raise OSError where that fails.

    Without ``replace`` raise FileExistsError where the file exists. An existing file keeps its mode.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if replace else os.O_EXCL)
    with open(os.open(path, flags, PRIVATE), "w", encoding="utf-8") as file:  # noqa: PTH123  # it is open already
        file.write(text)
