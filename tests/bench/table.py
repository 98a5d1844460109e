"""The one table that is printed: ours, the naive script's, the floor's, and how they compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.measure import Cost

HEADERS = ("", "ours", "CPU s", "MB", "requests", "script", "CPU s", "floor", "script / ours", "ours / floor")


@dataclass(frozen=True, kw_only=True)
class Row:
    """Hold one line: what was measured, and what it is held against."""

    name: str
    ours: Cost
    script: Cost | None = None
    floor: Cost | None = None
    note: str = ""


def written(rows: Sequence[Row]) -> str:
    """Write the table as Markdown, in columns of one width."""
    cells = [list(HEADERS), *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    ruled = [cells[0], ["-" * width for width in widths], *cells[1:]]
    return "\n".join(f"| {' | '.join(map(str.ljust, line, widths))} |" for line in ruled)


def _cells(row: Row) -> list[str]:
    ours, script, floor = row.ours, row.script, row.floor
    return [
        row.name,
        f"{_seconds(ours.seconds)}{row.note}",
        f"{ours.cpu_seconds:.3f}",
        f"{ours.megabytes:.0f}" if ours.megabytes else "",
        str(ours.requests) if ours.requests else "",
        _seconds(script.seconds) if script else "",
        f"{script.cpu_seconds:.3f}" if script else "",
        _seconds(floor.seconds) if floor else "",
        f"{script.seconds / ours.seconds:.1f}" if script else "",
        f"{ours.seconds / floor.seconds:.1f}" if floor else "",
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
