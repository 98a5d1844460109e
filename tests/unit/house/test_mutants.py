"""The catalogue of faults fits the code as it stands; ``python -m tests.mutants`` puts them in."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS, Mutant
from tests.mutants.fault import ROOT, NoSuchPlaceError, fault

SOURCE = '''
LONGEST = 3

def outer(numbers):
    """Say how many."""
    if len(numbers) > LONGEST:
        numbers.clear()
        return 0
    match numbers:
        case [one]:
            return one
    return "far too many, far too late"

class Shelf:
    def outer(self): return (self.first
                             or 0)
'''


def test_there_are_enough_faults_and_each_has_its_own_name() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_fits_the_code_and_names_a_test_that_there_is(mutant: Mutant) -> None:
    mutant.change(ast.parse(text_of(mutant.file())))
    file, _, name = mutant.test.partition("::")
    assert f"def {name.partition('[')[0]}(" in text_of(ROOT / file)


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("function", "before", "after", "found"),
    [
        ("outer", "len(numbers)>LONGEST", "True", "if True:"),
        ("outer", "numbers.clear()\nreturn 0", "", "if len(numbers) > LONGEST:\n        pass"),
        ("outer", "case [one]", "case [one, *_]", "case [one, *_]:"),
        ("outer", "'too many'", "'too few'", "'far too few, far too late'"),
        ("", "LONGEST = 3", "LONGEST = 4", "LONGEST = 4\n"),
        ("Shelf.outer", "self.first or 0", "0", "return 0"),
    ],
)
def test_code_is_found_however_it_is_written(function: str, before: str, after: str, found: str) -> None:
    assert found in fault("one", f"module:{function}", before, after, "").put_in(SOURCE)


@pytest.mark.parametrize(
    ("where", "before", "words"),
    [
        ("module:inner", "0", "there is no module:inner"),
        ("module:outer", "LONGEST + 1", "0 places of module:outer"),
        ("module:outer", "'far too'", "2 places of module:outer"),
        ("module:Shelf.outer", "0", "nothing of module:Shelf.outer is changed"),
    ],
)
def test_a_fault_that_does_not_fit_says_so(where: str, before: str, words: str) -> None:
    with pytest.raises(NoSuchPlaceError, match=words):
        fault("one", where, before, "0" if before == "0" else "'1'", "").put_in(SOURCE)


def test_a_module_is_found_wherever_it_stands_and_must_be_the_only_one(tmp_path: Path) -> None:
    one = fault("one", "inner.one:f", "1", "2", "")
    with pytest.raises(NoSuchPlaceError, match=r"0 modules are called 'inner\.one'"):
        one.file(tmp_path)
    for place in ("a/inner", "b/inner"):
        file = tmp_path / "reconciler" / place / "one.py"
        file.parent.mkdir(parents=True)
        file.touch()
        if place == "a/inner":
            assert one.file(tmp_path) == file
    with pytest.raises(NoSuchPlaceError, match="2 modules"):
        one.file(tmp_path)
