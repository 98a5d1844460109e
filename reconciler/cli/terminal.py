"""All output to a terminal: ``print_lines``, ``say``, ``print_json`` and the progress bar.

A text of a service may hold control characters that move the cursor or change the text direction. They are escaped
here, and a test checks that no other module of this room prints. Without a terminal nothing is coloured and nothing is
cut; on a terminal tables wrap to its width, in colours unless ``NO_COLOR`` is set.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from reconciler.core.text import UNSAFE, escape_controls

if TYPE_CHECKING:
    from reconciler.core.model import JsonObject

PROGRESS_AFTER_SECONDS = 2.0
MOST_NAMES = 4
"""at most this many names stand in one line; more are counted"""
MOST_ROWS = 200
"""a table that may have any number of rows shows the first of them"""
_STYLES: dict[str, dict[str, Any]] = {
    "bold": {"bold": True},
    "dim": {"dim": True},
    "green": {"fg": "green"},
    "yellow": {"fg": "yellow"},
    "bold red": {"fg": "red", "bold": True},
}


def print_json(document: JsonObject) -> None:
    """Write one JSON document, and nothing else, to standard output."""
    _echo(_harmless_json(document, indent=2))


def print_json_line(document: JsonObject) -> None:
    """Write one JSON document on one line of standard output."""
    _echo(_harmless_json(document, indent=None))


def _echo(text: str, *, nl: bool = True) -> None:
    """Write to standard output; an OSError names it, which the system's own does not."""
    try:
        click.echo(text, nl=nl)
    except OSError as error:
        error.filename = "standard output"
        raise


def _harmless_json(document: JsonObject, *, indent: int | None) -> str:
    """Return JSON with every control character as a JSON escape, which means the same character."""
    lines = json.dumps(document, indent=indent, ensure_ascii=False).split("\n")
    return "\n".join(UNSAFE.sub(lambda sign: json.dumps(sign[0])[1:-1], line) for line in lines)


class SafeText(str):
    """Text that was escaped already, so that the colour codes in it are not escaped."""

    __slots__ = ()


def paint(text: object, style: str = "") -> SafeText:
    """Make a text harmless and, where colours are taken, return it one."""
    harmless = escape_controls(str(text))
    takes_colours = style and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return SafeText(click.style(harmless, **_STYLES[style]) if takes_colours else harmless)


def side_by_side(*parts: SafeText) -> SafeText:
    """Join texts to one line, without those that are empty."""
    return SafeText("  ".join(part for part in parts if part))


def print_lines(*lines: object) -> None:
    """Write lines to standard output, each on one line, whatever it holds."""
    if lines:
        _echo("\n".join(line if isinstance(line, SafeText) else escape_controls(str(line)) for line in lines))


def write_text(text: str) -> None:
    """Write part of a file format to standard output; escape it only on a terminal."""
    if sys.stdout.isatty():
        text = "\n".join(escape_controls(line) for line in text.splitlines()) + "\n"
    _echo(text, nl=False)


def say(*lines: object) -> None:
    """Write lines for a person to standard error, each on one line, whatever it holds."""
    for line in lines:
        click.echo(as_called(escape_controls(str(line))), err=True)


def as_called(text: str) -> str:
    """Write commands in a message as the program was called: with ``python -m`` if it runs as a module."""
    is_module = Path(sys.argv[0]).name == "__main__.py"
    return text.replace("`reconciler ", "`python -m reconciler ") if is_module else text


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, is_plain: bool = False) -> list[str]:
    """Lay out rows in columns and return the lines; no text is cut.

    ``is_plain`` ignores this terminal's width and colours, for output that is shown elsewhere.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    return _wrapped(headers, cells) if sys.stdout.isatty() and not is_plain else _in_columns([list(headers), *cells])


def print_first_rows(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table of the first rows of many, and say how many more there are."""
    print_lines(*table(headers, rows[:MOST_ROWS]))
    if len(rows) > MOST_ROWS:
        say(f"and {len(rows) - MOST_ROWS} more; `--json` has them all")


def field_names(names: Sequence[str]) -> str:
    """Name a few fields in one line; count more of them."""
    return ", ".join(names) if len(names) <= MOST_NAMES else f"{len(names)} fields"


def _cell(value: object) -> str:
    return escape_controls("" if value is None else str(value)).replace("\\n", " ")


def _in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in ruled]


def _wrapped(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    from rich import box  # noqa: PLC0415 - a tenth of a second, which only a terminal pays
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for header in headers:
        drawn.add_column(header, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    console = Console(highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    return [SafeText(line.rstrip()) for line in capture.get().splitlines()]


class ProgressBar:
    """A progress bar on a terminal; silent elsewhere, and for the first two seconds."""

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
        """Remove the bar."""
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
