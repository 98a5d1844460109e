"""A copy of the database in memory, taken without changing a byte of the file or of its folder.

Opening a WAL database the plain way makes files beside it and may write it back; so each case is opened in the one
way that does not. https://www.sqlite.org/wal.html, section "Read-Only Databases"; https://www.sqlite.org/uri.html
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from reconciler.core.errors import StoreError
from reconciler.store.connection import IN_MEMORY, connect, guarded

if TYPE_CHECKING:
    from reconciler.store.connection import sqlite3


def copy_into_memory(path: Path) -> sqlite3.Connection:
    """Give a connection to a copy in memory; an empty database where there is no file."""
    target = connect(IN_MEMORY)
    if not path.exists():
        return target
    try:
        with guarded(str(path)):
            _copy(path, target)
    except BaseException:
        target.close()
        raise
    return target


def _copy(path: Path, target: sqlite3.Connection) -> None:
    log, shared = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    if not log.exists():
        # Nobody has the file open, or nobody has written since: all there is stands in the file itself.
        _back_up(path, "immutable=1", target)
    elif shared.exists():
        # A process works on it, or ended without closing: read beside it without touching its index.
        _back_up(path, "mode=ro&readonly_shm=1", target)
    else:
        # Without the index SQLite would have to make one beside the file; so a copy elsewhere is opened.
        _back_up_elsewhere(path, log, target)


def _back_up_elsewhere(path: Path, log: Path, target: sqlite3.Connection) -> None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            twin = Path(folder, path.name)
            shutil.copyfile(path, twin)
            shutil.copyfile(log, Path(folder, log.name))
            _back_up(twin, "mode=rw", target)
    except OSError as error:
        raise StoreError(f"{path}: cannot be copied to a temporary folder: {error}") from error


def _back_up(path: Path, how: str, target: sqlite3.Connection) -> None:
    uri = f"file:{quote(str(path.absolute()))}?{how}"
    with closing(connect(uri, uri=True)) as source:
        # In one step: a copy in steps starts again with every write of another process.
        source.backup(target, pages=-1)
