"""Write text files that not every user of the machine may read, and tell with the right exit code where that fails."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE

from reconciler.config.file import is_of_database
from reconciler.config.model import Config
from reconciler.core.errors import ConfigError, ReconcilerError
from reconciler.store.database.connection import PRIVATE

_WRONG_PATHS = (FileNotFoundError, NotADirectoryError, IsADirectoryError, FileExistsError)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritten(error: OSError, words: str) -> ReconcilerError:
    """Make the error of what could not be written: wrong usage where the path is wrong, else a failure."""
    return ConfigError([words]) if isinstance(error, _WRONG_PATHS) else ReconcilerError(words)


def refuse_own_file(option: str, path: Path, config: Config) -> None:
    """Raise ConfigError where an option names the database, what stands beside it, or the config itself."""
    if is_of_database(path, config.state.path):
        raise ConfigError([f"{option} {path}: that is the database of this config; name another file"])
    if config.source is not None and os.path.realpath(path) == os.path.realpath(config.source):
        raise ConfigError([f"{option} {path}: that is the config itself; name another file"])


def save_private(option: str, path: Path, text: str) -> None:
    """Write what an option asks for, whole or not at all: what stood there before stays where it cannot be written.

    Raises ReconcilerError, which says what to do; BrokenPipeError passes.
    """
    with telling(f"{option} {path}"):
        # Links are followed, not replaced: /dev/stdout is a link, and root could replace it.
        if path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path, text, mode=S_IMODE(path.stat().st_mode) if path.exists() else PRIVATE)


def make_private(path: Path, text: str, *, replace: bool) -> None:
    """Make a file, whole or not at all; ``replace`` one that is there, which must be a file. Raises as the above."""
    if path.exists() and not path.is_file():
        raise ConfigError([f"{path} is no file; name another"])
    with telling(str(path)):
        if replace:
            _replace(path, text, mode=PRIVATE)
            return
        write_private(path, "", replace=False)
        try:
            _replace(path, text, mode=PRIVATE)
        except BaseException:
            path.unlink()
            raise


@contextmanager
def telling(named: str, another: str = "name another file") -> Iterator[None]:
    """Turn the error of a file that cannot be written into one that names what is written, and says what to do."""
    try:
        yield
    except (BrokenPipeError, FileExistsError):
        raise
    except OSError as error:  # a full disk names no file, and the twin's name says nothing to a person
        way_out = f"free space, or {another}" if error.errno in _NO_SPACE else another
        raise unwritten(error, f"{named} cannot be written: {error.strerror or error}; {way_out}") from error


def _replace(path: Path, text: str, *, mode: int) -> None:
    """Write to a twin that takes the place of the file, or of the link."""
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".twin-") as folder:
        twin = Path(folder, path.name)
        write_private(twin, text)
        twin.chmod(mode)
        twin.replace(path)


def write_private(path: Path, text: str, *, replace: bool = True) -> None:
    """Write a text file that is created with its final mode; raise OSError where that fails.

    Without ``replace`` raise FileExistsError where the file exists. An existing file keeps its mode.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if replace else os.O_EXCL)
    with open(os.open(path, flags, PRIVATE), "w", encoding="utf-8") as file:  # noqa: PTH123  # it is open already
        file.write(text)
