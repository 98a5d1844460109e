"""The one way to a terminal: ``print_lines``, ``say``, ``print_json`` and the progress bar.

A text of a service may hold signs that move the cursor or turn the writing. Here each is written as an escape, so that
nobody can forget it; a test holds every other module of this room to that.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

import click

from reconciler.core.text import UNSAFE, cut, escape_controls

if TYPE_CHECKING:
    from reconciler.core.model import JsonObject

WIDEST_COLUMN = 60
PROGRESS_AFTER_SECONDS = 2.0


def print_json(document: JsonObject) -> None:
    """Write one JSON document, and nothing else, to standard output."""
    click.echo(_harmless_json(document, indent=2))


def print_json_line(document: JsonObject) -> None:
    """Write one JSON document on one line of standard output."""
    click.echo(_harmless_json(document, indent=None))


def _harmless_json(document: JsonObject, *, indent: int | None) -> str:
    """Write JSON with every sign that a terminal obeys as an escape of JSON, which stands for the same sign."""
    lines = json.dumps(document, indent=indent, ensure_ascii=False).split("\n")
    return "\n".join(UNSAFE.sub(lambda sign: json.dumps(sign[0])[1:-1], line) for line in lines)


def print_lines(*lines: object) -> None:
    """Write lines to standard output, each on one line, whatever it holds."""
    for line in lines:
        click.echo(escape_controls(str(line)))


def say(*lines: object) -> None:
    """Tell a person something on standard error, each on one line, whatever it holds."""
    for line in lines:
        click.echo(escape_controls(str(line)), err=True)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lay rows out in columns, each text on one line and cut to a readable width; give the lines."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max(len(header), *(len(row[i]) for row in cells)) if cells else len(header) for i, header in enumerate(headers)
    ]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(headers), *cells]
    ]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _cell(value: object) -> str:
    return cut(escape_controls("" if value is None else str(value)).replace("\\n", " "), WIDEST_COLUMN)


class ProgressBar:
    """Show on a terminal how far a long call has come; silent elsewhere, and for the first two seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._began = time.monotonic()
        self._shown = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show one step: ``done`` of ``total``, which is 0 while the end is not known."""
        if not self._stream.isatty() or time.monotonic() - self._began < PROGRESS_AFTER_SECONDS:
            return
        bar = f"[{'#' * (30 * done // total):<30}] {done}/{total}" if total else f"{done}"
        self._stream.write(f"\r\x1b[K{what} {bar}")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the bar off the terminal."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
