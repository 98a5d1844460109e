"""Secrets: where each one is kept, and its value only when it is asked for.

A secret is never written in the config; it is named by one of ``{ env = … }``, ``{ file = … }``,
``{ credential = … }``. Its value is in no message, no representation and no hash. Files are read anew at each
``reveal``, so a rotated secret is taken up without a restart.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from pathlib import Path

from reconciler.core.errors import ConfigError
from reconciler.core.frozen import dataclass

LONGEST_CHARACTERS = 16_384
_MOST_BYTES = 4 * LONGEST_CHARACTERS + 5
"""As UTF-8, with a byte order mark and a line end."""

_ENV_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
_PATH_LIKE = ("/", "./", "../")
"""How a path begins that may be repeated in a message; other text may be a secret that was put there by mistake."""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret, read from where it is kept; two are equal when they are kept in the same place."""

    source: str
    """the place in words, e.g. ``env CORALOGIX_API_KEY``; never the value"""
    read: Callable[[], str] = field(repr=False, compare=False)

    def reveal(self) -> str:
        """Return the value as it is now; raise ConfigError when it cannot be read any more."""
        try:
            return self.read()
        except ValueError as error:
            raise ConfigError([f"the secret in {self.source}: {error}"]) from None


def open_secret(kind: str, place: str, *, folder: Path, environ: Mapping[str, str], is_needed: bool = True) -> Secret:
    """Make a secret of its kind (``env``, ``file``, ``credential``) and place, and read it once to be sure.

    A relative file is taken from ``folder``. Raises ValueError with one sentence, which repeats the place only where
    that cannot be the secret itself, put there by mistake. One that is not needed is looked for when it is revealed,
    and not before: its folder may not be there yet.
    """
    if not is_needed:
        later = partial(open_secret, kind, place, folder=folder, environ=environ)
        return Secret(source=f"{kind} {place}", read=lambda: later().read())
    if kind == "env":
        secret = Secret(source=f"env {place}", read=lambda: _from_env(place, environ))
    else:
        path = folder / place if kind == "file" else _credential_path(place, environ)
        shown = str(path) if place.startswith(_PATH_LIKE) else "that is named there"
        secret = Secret(source=f"{kind} {path}", read=lambda: _from_file(path, shown))
    secret.read()  # at the start, so that a secret that is missing is a problem of the config, not of the first cycle
    return secret


def _from_env(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        shown = name if _ENV_NAME.fullmatch(name) else "that is named there"
        raise ValueError(f"the environment variable {shown} is not set")
    return _usable(environ[name])


def _credential_path(name: str, environ: Mapping[str, str]) -> Path:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise ValueError("$CREDENTIALS_DIRECTORY is not set, so there are no credentials (systemd sets it)")
    if "/" in name or name in {"", ".", ".."}:
        raise ValueError("a credential is named without a folder, as in LoadCredential=")
    return Path(folder) / name


def _from_file(path: Path, shown: str) -> str:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise ValueError(f"the file {shown} cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} is not a file")
    if status.st_mode & stat.S_IROTH:
        raise ValueError(f"{path} can be read by every user of this machine; allow it with: chmod o= {path}")
    if status.st_mode & stat.S_IWOTH:
        raise ValueError(f"{path} can be written by every user of this machine; allow it with: chmod o= {path}")
    return _usable(_text_of(path))


def _text_of(path: Path) -> str:
    """Read no more of a file than a secret may have, and say of a longer one that it is too long."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {_reason(error)}") from None
    if len(raw) > _MOST_BYTES:
        raise ValueError(f"{path} is longer than the {LONGEST_CHARACTERS} characters that a secret may have")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def _usable(value: str) -> str:
    """Remove what editors and ``echo`` add (byte order mark, line end); refuse what cannot stand in an HTTP header."""
    value = value.removeprefix("\ufeff").rstrip("\r\n")
    if not value.strip():
        raise ValueError("the secret is empty")
    if len(value) > LONGEST_CHARACTERS:
        raise ValueError(f"the secret is longer than {LONGEST_CHARACTERS} characters")
    if not value.isprintable():
        raise ValueError("the secret holds a line break or another control character")
    return value


def _reason(error: Exception) -> str:
    return (error.strerror or "it cannot be opened") if isinstance(error, OSError) else "the name is not a path"
