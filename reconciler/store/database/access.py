"""Whether this user may read a database file, and where not, in words: whose it is, its mode, and what to do."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reconciler.core.errors import StoreError


def is_there(path: Path) -> bool:
    """Return whether there is a database file; raise StoreError where this user may not even see that."""
    try:
        path.stat()
    except PermissionError as error:
        raise StoreError(why_unreadable(path) or f"{path}: {error.strerror}") from error
    except OSError:
        return False
    return True


def why_unreadable(path: Path) -> str:
    """Say what keeps this user from reading a database file or its companions; empty where nothing does."""
    # By the effective user, as the kernel decides; opening one would end the locks that this process has on it.
    for folder in reversed(path.absolute().parents):
        if not os.access(folder, os.X_OK, effective_ids=True):
            return _words(path, folder, "enter", "x") if folder.is_dir() else ""
    for file in (path, *companions(path)):
        if file.is_file() and not os.access(file, os.R_OK, effective_ids=True):
            return _words(path, file, "read", "r")
    return ""


def companions(path: Path) -> tuple[Path, Path]:
    """Return the files that SQLite keeps beside a database in use: its log, and the index of that."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _words(path: Path, kept: Path, deed: str, right: str) -> str:
    """Tell of the folder, or the file, that is kept from this user."""
    status = kept.stat()
    owner, group, mode = _user(status.st_uid), _group(status.st_gid), stat.S_IMODE(status.st_mode)
    if status.st_uid == os.geteuid():
        to_do = f"give the right back: chmod u+{right} {kept}"
    elif mode & (stat.S_IXGRP if right == "x" else stat.S_IRGRP):
        to_do = f"run the command as {owner}, or as a user of the group {group}"
    else:
        to_do = f"run the command as {owner}"
    what = "it" if kept == path else str(kept)
    return (
        f"{path}: this user, {_user(os.geteuid())}, may not {deed} {what}: it belongs to {owner}, group {group}, "
        f"mode {mode:04o}; {to_do}"
    )


def _user(number: int) -> str:
    import pwd  # noqa: PLC0415 - only an error asks

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    import grp  # noqa: PLC0415 - only an error asks

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
