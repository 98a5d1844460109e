"""The config file itself: where it is found, its text, its TOML, and where it says that the database is.

Errors are raised ``from None``: the cause would show the text around it, which may hold a secret put there by mistake.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from reconciler.core.errors import ConfigError

FILE_NAME = "reconciler.toml"
SYSTEM_FILE = Path("/etc/reconciler") / FILE_NAME
FILE_VARIABLE = "RECONCILER_CONFIG"
DATABASE_NAME = "reconciler.db"

MOST_BYTES = 1_000_000

_LONG_NUMBER = re.compile(r"[0-9][0-9_]{4000}")
_SYNTAX_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


def find_config(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Find the config: the one named, ``$RECONCILER_CONFIG``, ``./reconciler.toml``, then the system's.

    Raises ConfigError when the one that is named, or every place, has no file.
    """
    variable = environ.get(FILE_VARIABLE)
    if explicit is not None:
        return _existing(explicit, f"--config names {explicit}")
    if variable:
        return _existing(Path(variable), f"${FILE_VARIABLE} names {variable}")
    places = (Path(FILE_NAME), SYSTEM_FILE)
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise ConfigError([f"no config: looked for {looked}; `reconciler init` writes one to start from"])


def _existing(path: Path, words: str) -> Path:
    if not path.is_file():
        raise ConfigError([f"{words}, and there is no such file"])
    return path


def text_of(path: Path) -> str:
    """Read a config file as text; raise ConfigError where it cannot be, or must not be trusted."""
    try:
        # Some editors begin a file with a byte order mark, which TOML does not know.
        return _bytes_of(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8 text"]) from None


def _bytes_of(path: Path) -> bytes:
    """Read no more of a file than a config may have; refuse one that anybody could have written."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MOST_BYTES + 1)  # one more than allowed shows that it is too long
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    if mode & stat.S_IWOTH:
        raise ConfigError(
            [f"{path}: can be written by every user of this machine; take that away with: chmod o-w {path}"]
        )
    if len(raw) > MOST_BYTES:
        raise ConfigError([f"{path}: is longer than {MOST_BYTES} bytes, the most that a config may have"])
    return raw


def parsed(text: str, file: str) -> dict[str, object]:
    """Read TOML; raise ConfigError for a syntax error, one problem with its line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        place = _SYNTAX_PLACE.search(words)
        line = (place and place["line"]) or text.count("\n") + 1
        column = f"column {place['column']}: " if place and place["column"] else ""
        said = words[: place.start()] if place else words
        raise ConfigError([f"{file}:{line}: {column}no valid TOML: {said}"]) from None
    except RecursionError:
        raise nested_too_deeply(file) from None
    except ValueError:  # of int(): tomllib lets it through
        number = _LONG_NUMBER.search(text)
        line = text.count("\n", 0, number.start()) + 1 if number else 1
        raise ConfigError([f"{file}:{line}: no valid TOML: a number is too large"]) from None


def nested_too_deeply(file: str) -> ConfigError:
    """Make the error of a file that nests too deeply to be read."""
    return ConfigError([f"{file}:1: no valid TOML: lists or tables nested too deeply"])


def database_path(given: str | None, *, folder: Path, environ: Mapping[str, str]) -> Path:
    """Place the database: as ``[state] path`` says, else in systemd's folder, else in ``state/`` beside the config."""
    if given is not None:
        return folder / given
    own = environ.get("STATE_DIRECTORY", "").split(":")[0]
    return (Path(own) if own else folder / "state") / DATABASE_NAME


def is_of_database(file: Path, database: Path) -> bool:
    """Return whether a file is a database, or one of the files that stand beside it while it is in use."""
    try:
        real, whole = os.path.realpath(file), os.path.realpath(database)
    except ValueError:  # a path that the system cannot take is told by who reads it
        return False
    return real in {f"{whole}{end}" for end in ("", "-wal", "-shm", "-journal", ".lock")}


def is_file_path(given: str, path: Path) -> bool:
    """Return whether a path is one of a file, no folder and no device; where nothing is yet, a file may be made."""
    if not given.strip() or "\0" in given:
        return False
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True
    except PermissionError:  # told by who opens it, with the folder that this user may not enter
        return True
    except OSError:  # none that the system can take
        return False
