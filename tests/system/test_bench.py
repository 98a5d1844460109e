"""The benchmark runs, part by part, at a size at which it takes seconds."""

from __future__ import annotations

import pytest

from tests.bench.__main__ import SMALL, measure
from tests.bench.parts import PARTS
from tests.bench.table import HEADERS, written


@pytest.mark.parametrize("part", list(PARTS))
def test_a_part_gives_its_lines(part: str) -> None:
    rows = measure([part], SMALL)
    assert rows
    lines = written(rows).split("\n")
    assert len(lines) == len(rows) + 2
    assert {line.count("|") for line in lines} == {len(HEADERS) + 1}


def test_what_each_part_counts() -> None:
    [disk] = measure(["disk"], SMALL)
    assert disk.ours.requests == 3
    [resolved] = measure(["back"], SMALL)
    assert resolved.floor is not None
    assert resolved.script is not None
    assert resolved.floor.requests == SMALL.back + 1
    assert resolved.script.requests == 3 * SMALL.back + 1
    [taken_in] = measure(["adopt"], SMALL)
    assert taken_in.ours.requests < 12
