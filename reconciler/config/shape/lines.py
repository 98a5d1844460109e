"""Find the line of each key in a TOML text, which ``tomllib`` does not tell.

``tomllib`` has read the text before, so it is valid, and nothing is checked here. A place is the path of keys and list
positions that leads to a value; values themselves are skipped and never kept, since they may be secrets.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

KeyPath = tuple[str | int, ...]
"""The way to one key, e.g. ``("route", 0, "labels", "routing.team")``."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
# A text in three quotes ends at the last three of a run: one or two quotes may stand before them.
_TEXT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r"""|"(?:[^"\\]|\\.)*"|'[^']*'""",
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}#\n]*")
"""a number, a truth value or a time: it ends where the next value, the end of its list or a comment begins"""


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Map each table, key and list element of a valid TOML text to its line, counted from 1."""
    return _Scan(text).run()


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """Return the line of a path, or of the nearest table around it; 1 when nothing of it stands in the text."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


class _Scan:
    """One scan of a text, from its first character to its last."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.tables_in_list: dict[KeyPath, int] = {}
        self._counted_to = 0
        self._line = 1

    def run(self) -> Mapping[KeyPath, int]:
        """Scan the whole text."""
        table: KeyPath = ()
        self._skip(_SPACE)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_SPACE)
        return self.lines

    def _header(self) -> KeyPath:
        """Step over ``[a.b]`` or ``[[a.b]]`` and return the table that it opens."""
        of_list = self.text.startswith("[[", self.at)  # TOML allows no blank between the two
        line = self._line_here()
        self.at += 2 if of_list else 1
        path = self._resolve(self._key(), of_list=of_list)
        self.at += 2 if of_list else 1
        self._note(path, line)
        return path

    def _resolve(self, keys: KeyPath, *, of_list: bool) -> KeyPath:
        """Put list positions into a header's keys: a name of a list means its newest element."""
        path: KeyPath = ()
        for number, key in enumerate(keys, start=1):
            path = (*path, key)
            if of_list and number == len(keys):
                self.tables_in_list[path] = self.tables_in_list.get(path, -1) + 1
            if path in self.tables_in_list:
                path = (*path, self.tables_in_list[path])
        return path

    def _pair(self, table: KeyPath) -> None:
        """Step over ``key = value``."""
        line = self._line_here()
        path = (*table, *self._key())
        self._note(path, line)
        self.at += 1  # the equals sign
        self._value(path)

    def _key(self) -> KeyPath:
        """Step over a key, dotted or not, and return its parts as the text means them."""
        parts: list[str] = []
        while match := _KEY.match(self.text, self.at):
            parts.append(_unquoted(match[1]))
            self.at = match.end()
            if self.text[self.at] != ".":
                break
            self.at += 1
        return tuple(parts)

    def _value(self, path: KeyPath) -> None:
        """Step over a value, noting what stands inside a list or an inline table."""
        self._skip(_SPACE)
        opening = self.text[self.at]
        if opening == "[":
            self._list(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            self._skip(_TEXT if opening in "\"'" else _PLAIN)

    def _list(self, path: KeyPath) -> None:
        position = 0
        while self._inside("]"):
            element = (*path, position)
            self._note(element, self._line_here())
            self._value(element)
            position += 1

    def _inline_table(self, path: KeyPath) -> None:
        while self._inside("}"):
            self._pair(path)

    def _inside(self, closing: str) -> bool:
        """Step over an opening bracket or a comma; False, and behind it, at the closing bracket."""
        self._skip(_SPACE)
        if self.text[self.at] != closing:
            self.at += 1 if self.text[self.at] in "[{," else 0
            self._skip(_SPACE)
        if self.text[self.at] != closing:
            return True
        self.at += 1
        return False

    def _note(self, path: KeyPath, line: int) -> None:
        """Remember the first line of a path and of every table around it."""
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if match := pattern.match(self.text, self.at):
            self.at = match.end()

    def _line_here(self) -> int:
        """Count lines as far as the scan has come, each character once."""
        self._line += self.text.count("\n", self._counted_to, self.at)
        self._counted_to = self.at
        return self._line


def _unquoted(part: str) -> str:
    """Read a key part as TOML means it, escapes and all."""
    if part[0] not in "\"'":
        return part
    value: str = tomllib.loads(f"k = {part}")["k"]
    return value
