"""The faults: what a tired hand could write, and the test that has to notice it."""

from __future__ import annotations

from tests.mutants.acting import ACTING
from tests.mutants.deciding import DECIDING
from tests.mutants.fault import Mutant

__all__ = ["MUTANTS", "Mutant"]

MUTANTS: tuple[Mutant, ...] = DECIDING + ACTING
