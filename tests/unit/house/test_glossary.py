"""One word for one thing: the glossary holds the code, and the page for maintainers names what exists."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.house.docs_pages import ROOT, code, rows, section
from tests.unit.house.test_house import parsed, walked

PACKAGE = ROOT / "reconciler"
PAGE = (PACKAGE / "README.md").read_text(encoding="utf-8")
SPEAKING = frozenset({"remotes", "sandbox"})
"""the rooms that use the two services' own words"""
UNWANTED = {word: row[0] for row in rows(section(PAGE, "Glossary")) for word in code(row[2])}
PLACES = sorted(set(re.findall(r"`([a-z_/]+\.py):(\w+)`", PAGE)))
Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def files() -> Iterator[Path]:
    return (path for path in sorted(PACKAGE.rglob("*.py")) if path.relative_to(PACKAGE).parts[0] not in SPEAKING)


def definitions(path: Path) -> Iterator[Definition]:
    return (node for node in walked(parsed(path)) if isinstance(node, Definition))


def words_of(name: str) -> set[str]:
    """Take a name apart: ``SkipReason`` and ``skip_reason`` are both ``skip`` and ``reason``."""
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def unwanted_names(names: dict[str, set[str]]) -> list[str]:
    return [
        f"{name}: {word!r}; we say {UNWANTED[word]}" for name, words in names.items() for word in words & {*UNWANTED}
    ]


def test_names_use_the_words_of_the_glossary() -> None:
    names = {str(path.relative_to(ROOT)): words_of(str(path.relative_to(PACKAGE).with_suffix(""))) for path in files()}
    for path in files():
        names |= {f"{path.relative_to(ROOT)}: {node.name}": words_of(node.name) for node in definitions(path)}
    assert unwanted_names(names) == []


@pytest.mark.parametrize("name", ["sync_cases", "TicketHelper", "_grant", "MAPPING"])
def test_a_word_that_is_not_ours_is_seen(name: str) -> None:
    assert unwanted_names({name: words_of(name)})


def test_a_class_of_the_program_shares_its_name_with_no_other() -> None:
    """The sandbox is a world of its own, which has Cases, tables and actors, too."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] != "sandbox":
            for node in parsed(path).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_word_is_said_or_not_said() -> None:
    assert len(UNWANTED) > 15
    said = {word for row in rows(section(PAGE, "Glossary")) for word in words_of(row[0])}
    assert not said & {word for word in UNWANTED if word != "settle"}


def test_a_class_has_a_name_of_its_own() -> None:
    found = defaultdict(list)
    for path in files():
        for node in definitions(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize(("place", "name"), PLACES)
def test_what_the_page_walks_through_exists(place: str, name: str) -> None:
    assert name in {node.name for node in definitions(PACKAGE / place)}


def test_the_page_walks_through_a_whole_case() -> None:
    rooms = {place.split("/")[0] for place, _ in PLACES}
    assert {"core", "remotes", "store", "engine"} <= rooms


def test_every_room_has_its_row() -> None:
    named = {part for row in rows(section(PAGE, "The rooms")) for part in code(row[0])}
    assert named == {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
