"""The benchmark runs, part by part, at a size at which it takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.bench.__main__ import SMALL, measure
from tests.bench.parts import PARTS
from tests.bench.table import HEADERS, Row, written

pytestmark = pytest.mark.gate


def disk_counts(rows: Sequence[Row]) -> None:
    [disk] = rows
    assert disk.ours.requests == 3


def back_counts(rows: Sequence[Row]) -> None:
    [resolved] = rows
    assert resolved.floor is not None
    assert resolved.script is not None
    assert resolved.floor.requests == SMALL.back + 1
    assert resolved.script.requests == 3 * SMALL.back + 1


def adopt_counts(rows: Sequence[Row]) -> None:
    [taken_in] = rows
    assert taken_in.ours.requests < 12


COUNTS: Mapping[str, Callable[[Sequence[Row]], None]] = {
    "disk": disk_counts,
    "back": back_counts,
    "adopt": adopt_counts,
}


@pytest.mark.parametrize("part", list(PARTS))
def test_a_part_gives_its_lines_and_counts_rightly(part: str) -> None:
    rows = measure([part], SMALL)
    assert rows
    lines = written(rows).split("\n")
    assert len(lines) == len(rows) + 2
    assert {line.count("|") for line in lines} == {len(HEADERS) + 1}
    if part in COUNTS:
        COUNTS[part](rows)
