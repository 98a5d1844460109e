"""Read a database file in place, beside a process that works on it, without changing a byte of its folder."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import StoreError
from reconciler.store.database.access import companions, is_there, why_unreadable
from reconciler.store.database.connection import IN_MEMORY, connect, connect_to, guarded

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3


def open_in_place(path: Path) -> sqlite3.Connection:
    """Open a database file to read it where it is, whatever process works on it, without changing a byte of its folder.

    Opening a WAL database the plain way makes files beside it and may write it back; so each case is opened in the one
    way that does not. https://www.sqlite.org/wal.html, section "Read-Only Databases"; https://www.sqlite.org/uri.html
    """
    path = path.resolve()
    log, shared = companions(path)
    with guarded(str(path)):
        if not log.exists():
            # Nobody has the file open, or nobody has written since: all there is stands in the file itself.
            return connect_to(path, "immutable=1")
        if shared.exists():
            # A process works on it, or ended without closing: read beside it without touching its index.
            return connect_to(path, "mode=ro&readonly_shm=1")
        # Without the index SQLite would have to make one beside the file; so a copy elsewhere is opened.
        return _copy_elsewhere(path, log)


def copy_into_memory(path: Path) -> sqlite3.Connection:
    """Return a connection to a copy in memory; an empty database where there is no file."""
    target = connect(IN_MEMORY)
    if is_there(path):
        try:
            with guarded(str(path)), closing(open_in_place(path)) as source:
                # In one step: a copy in steps starts again with every write of another process.
                source.backup(target, pages=-1)
        except BaseException:
            target.close()
            raise
    return target


def _copy_elsewhere(path: Path, log: Path) -> sqlite3.Connection:
    try:
        with tempfile.TemporaryDirectory() as folder:
            twin = Path(folder, path.name)
            shutil.copyfile(path, twin)
            shutil.copyfile(log, Path(folder, log.name))
            target = connect(IN_MEMORY)
            with closing(connect_to(twin, "mode=rw")) as source:
                source.backup(target, pages=-1)
            return target
    except OSError as error:
        if why := why_unreadable(path):
            raise StoreError(why) from error
        raise StoreError(f"{path}: cannot be copied to a temporary folder: {error}") from error
