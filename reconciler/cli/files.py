"""Files that commands write for people: whole texts that not every user of the machine may read."""

from __future__ import annotations

import os
from pathlib import Path

from reconciler.store.database.connection import PRIVATE


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a text file that has its mode from its first byte on; raise OSError where that fails.

    Without ``replace`` raise FileExistsError where there is something already. A file that is there keeps its mode.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if replace else os.O_EXCL)
    with open(os.open(path, flags, PRIVATE), "w", encoding="utf-8") as file:  # noqa: PTH123  # it is open already
        file.write(text)
