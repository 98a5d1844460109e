"""In each folder, imports lead down a few floors, and never round in a circle: a reader can begin at the bottom.

What stands in a folder, its files and its inner rooms, each count as one; an import leads from the one that holds it
to the one that holds what is imported, wherever in a file it stands, under ``TYPE_CHECKING`` too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.house.test_house import OURS, PACKAGE, Module

MOST_FLOORS = 6
FILES = frozenset(module.path for module in OURS)
FOLDERS = sorted({folder for module in OURS for folder in module.path.parents if folder.is_relative_to(PACKAGE)})


def file_of(target: str) -> Path | None:
    """Find the file of ours that a dotted name, of a module or of what is in it, leads to."""
    parts = target.split(".")
    if parts[0] != PACKAGE.name:
        return None
    places = (PACKAGE.joinpath(*parts[1:count]).with_suffix(".py") for count in range(len(parts), 1, -1))
    return next((place for place in places if place in FILES), None)


@cache
def imported(module: Module) -> frozenset[Path]:
    return frozenset(place for target in module.imports() if (place := file_of(target)))


def arrows(folder: Path) -> Mapping[str, set[str]]:
    """Give what is imported by each file and room of a folder, of those beside it."""
    found: dict[str, set[str]] = defaultdict(set)
    for module in OURS:
        if module.path.is_relative_to(folder) and module.path.name != "__init__.py":
            here = module.path.relative_to(folder).parts[0]
            beside = {place.relative_to(folder).parts[0] for place in imported(module) if place.is_relative_to(folder)}
            found[here] |= beside - {here}
    return found


def floors(below: Mapping[str, set[str]]) -> int:
    """Count the floors; raises CycleError for a circle."""
    heights: dict[str, int] = {}
    for one in TopologicalSorter(below).static_order():
        heights[one] = 1 + max((heights[other] for other in below.get(one, ())), default=0)
    return max(heights.values(), default=0)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(PACKAGE.parent).as_posix())
def test_a_folder_has_few_floors_and_no_circle(folder: Path) -> None:
    assert floors(arrows(folder)) <= MOST_FLOORS


def test_no_files_import_each_other_in_a_circle() -> None:
    assert floors({str(module.path): set(map(str, imported(module) - {module.path})) for module in OURS}) > MOST_FLOORS


def test_floors_and_circles_are_seen() -> None:
    assert floors({"a": {"b", "c"}, "b": {"c"}}) == 3
    with pytest.raises(CycleError):
        floors({"a": {"b"}, "b": {"a"}})
