"""One process at a time works on a database: an advisory lock on a file beside it.

The kernel holds the lock for the open file, so it ends with its process however that ends. The file stays: removing it
would let two processes lock two files of the same name. Its content is for people only and is never trusted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from reconciler.core.errors import Locked, StoreError
from reconciler.core.frozen import dataclass
from reconciler.core.text import escape_controls
from reconciler.store.database.connection import PRIVATE
from reconciler.store.database.version import ANOTHER_PATH

_CONTENT_LIMIT_BYTES = 4096
_NAMELESS = "a process that has not left its name yet"
_USUAL_WAY_OUT = "It must be a file of its own, in a folder on a local disk that this user may write"
_WAYS_OUT = {
    errno.ENOSPC: "Free space on that disk, then try again",
    errno.EROFS: "Make that disk writable, then try again",
}
DAEMON_COMMAND = "reconciler run"
"""what the daemon writes of itself into the lock file"""
_SIGNED = b'{"pid": '
"""The beginning of what this program writes into its lock file."""


def lock_path(database: Path) -> Path:
    """Name the lock file of a database; two paths to one file have the same."""
    real = database.resolve()
    return real.with_name(f"{real.name}.lock")


def _log_of(database: Path) -> Path:
    real = database.resolve()
    return real.with_name(f"{real.name}-wal")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who works on a database, in its own words."""

    command: str
    pid: int
    host: str
    since: str


def holder_of(database: Path) -> Holder | None:
    """Say who holds the lock of a database; None when nobody does, or when this user may not see it.

    The lock is tried, shared and for a moment: what the file says is no proof that anybody lives.
    """
    try:
        file = os.open(lock_path(database), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(file) or Holder(command=_NAMELESS, pid=0, host="", since="")
    finally:
        os.close(file)
    return None


def _read_holder(file: int) -> Holder | None:
    """Read what the holder wrote of itself; None where it is cut or empty, as while it is being written."""
    try:
        holder = json.loads(os.pread(file, _CONTENT_LIMIT_BYTES, 0))
        return Holder(command=holder["command"], pid=holder["pid"], host=holder["host"], since=holder["since"])
    except (ValueError, KeyError, TypeError):
        return None


class DatabaseLock:
    """The lock of one database for the length of a ``with`` block.

    Entering raises Locked, naming the holder, when another process has it, and StoreError when the file cannot be
    made or locked. Missing folders are made. Never waits.
    """

    def __init__(self, database: Path, *, command: str) -> None:
        self._database = database
        self._path = lock_path(database)
        self._command = command
        self._file: int | None = None
        self.was_left_open = False
        """whether the database was not closed in order by whoever had it last; known once the lock is held"""

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._locked_file()
            self.was_left_open = _log_of(self._database).exists()
        except OSError as error:
            reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise StoreError(
                f"cannot lock the database {self._database}: {self._path}: {reason}. "
                f"{_WAYS_OUT.get(error.errno or 0, _USUAL_WAY_OUT)}."
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def _locked_file(self) -> int:
        """Open the file, lock it and sign it; close it again if any of that fails."""
        # NOFOLLOW: a link in its place could point at another program's file. NONBLOCK: a pipe there must not block us.
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, PRIVATE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._refuse_foreign(file)
            _sign(file, self._command)
        except BlockingIOError:
            holder = _describe_holder(file)
            os.close(file)
            raise Locked(
                f"another process works on the database {self._database}: {holder}. "
                "Wait until it has ended or stop it, then try again."
            ) from None
        except (OSError, StoreError):
            os.close(file)
            raise
        return file

    def _refuse_foreign(self, file: int) -> None:
        """Refuse a file of another program, since writing our name truncates it."""
        status = os.fstat(file)
        ours = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if not ours or os.pread(file, len(_SIGNED), 0) not in {b"", _SIGNED}:
            raise StoreError(
                f"cannot lock the database {self._database}: {self._path} is no lock file of this program; "
                f"look at what it is, and move it away or {ANOTHER_PATH}"
            )


def _sign(file: int, command: str) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": command,
        "since": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    os.ftruncate(file, 0)
    os.pwrite(file, json.dumps(holder).encode() + b"\n", 0)


def _describe_holder(file: int) -> str:
    """Describe the holder, as it described itself."""
    holder = _read_holder(file)
    if holder is None:
        return _NAMELESS
    return escape_controls(f"`{holder.command}`, pid {holder.pid} on {holder.host}, since {holder.since}")
