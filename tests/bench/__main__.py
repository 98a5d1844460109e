"""Print what the program costs: ``python -m tests.bench [PART…] [--links N]``.

Each part has its peers beside it, measured in the same run: a naive script without a memory, and the floor, the same
writes sent bare by as many threads as the program has workers. The services answer from a process of their own. Wall
time depends on what else the machine does; CPU time and memory hardly do.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

from tests.bench.parts import PARTS, Sizes
from tests.bench.table import Row, written

SMALL = Sizes(links=200, burst=20, back=10, pairs=50, delay_seconds=0.01, times=1)
"""So small that a test can run it."""


def measure(parts: list[str], sizes: Sizes) -> list[Row]:
    """Run parts by name, and give their lines."""
    return [row for part in parts for row in PARTS[part](sizes)]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all where none is named")
    parser.add_argument("--links", type=int, help="links of the large database; 1000000 take minutes and 5 GB")
    parser.add_argument("--burst", type=int, help="Cases that get a record at once")
    parser.add_argument("--back", type=int, help="records that are resolved at once")
    parser.add_argument("--pairs", type=int, help="open links of the drift check, and records that are taken in")
    parser.add_argument("--folder", type=Path, help="where the databases are kept for the next run")
    parser.add_argument("--small", action="store_true", help="everything so small that it takes seconds")
    asked = parser.parse_args()
    if unknown := sorted({*asked.parts} - {*PARTS}):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    given = {field.name: getattr(asked, field.name, None) for field in fields(Sizes)}
    sizes = replace(SMALL if asked.small else Sizes(), **{name: value for name, value in given.items() if value})
    print(written(measure(asked.parts or list(PARTS), sizes)))


if __name__ == "__main__":
    main()
