"""Problems of a config: collected by place, told all at once, each with its line.

Each problem is one line: ``file:line: key: what was found; what is allowed``. Of each place only the first problem is
told, and none of what lies inside it: that would be noise. No message repeats a secret.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import field

from reconciler.config.shape.lines import KeyPath, line_of
from reconciler.core.frozen import dataclass
from reconciler.core.text import cut, one_line

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class Problems:
    """The problems of one file, collected while it is read."""

    file: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    _found: dict[KeyPath, str] = field(default_factory=dict)

    def add(self, path: KeyPath, words: str) -> None:
        """Add a problem, unless its place or one around it has one already.

        Words from elsewhere may quote the file, so they are put on one line that a terminal can show.
        """
        if not self.at(path):
            self._found[path] = one_line(words)

    def at(self, path: KeyPath) -> bool:
        """Return whether a place, or one around it, has a problem."""
        return any(path[:length] in self._found for length in range(1, len(path) + 1))

    def told(self) -> tuple[str, ...]:
        """List every problem as text, in the order of the file."""
        placed = sorted((line_of(self.lines, path), dotted(path), words) for path, words in self._found.items())
        return tuple(f"{self.file}:{line}: {key}: {words}" for line, key, words in placed)


def dotted(path: KeyPath) -> str:
    """Write a place as TOML writes a key; list positions are left out, since the line tells them."""
    return ".".join(key_text(part) for part in path if isinstance(part, str))


def key_text(key: str) -> str:
    """Write one key, in quotes where TOML wants them."""
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key)


def shown(value: object) -> str:
    """Show a value that was found on one line: text in quotes, long text cut, a table or list by its kind alone."""
    match value:
        case bool():  # before ``int``, of which it is one
            return "true" if value else "false"
        case str():
            text = cut(value, _LONGEST_SHOWN)
            return json.dumps(text, ensure_ascii=not text.isprintable())
        case dict():
            return "a table"
        case list():
            return "a list"
        case int() if abs(value) >= 10**_LONGEST_SHOWN:  # ``str`` refuses a number of thousands of digits
            return f"a number of about {round(value.bit_length() * math.log10(2))} digits"
        case _:
            return cut(str(value), _LONGEST_SHOWN)


def one_of(words: Iterable[str], *, last: str = "or") -> str:
    """Write a choice: ``a``, ``a or b``, ``a, b or c``."""
    *first, end = list(words) or ["nothing"]
    return f"{', '.join(first)} {last} {end}" if first else end


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Find the allowed word that is most like a wrong one; None when none is like it."""
    by_lower = {item.lower(): item for item in allowed}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def not_one_of(found: object, allowed: Iterable[str]) -> str:
    """Describe a word that is not allowed, and suggest the nearest allowed one."""
    words = list(allowed)
    close = nearest(found, words) if isinstance(found, str) else None
    hint = f" (did you mean {shown(close)}?)" if close else ""
    return f"found {shown(found)}; allowed is {one_of(map(shown, words))}{hint}"
