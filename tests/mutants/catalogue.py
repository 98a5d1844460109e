"""The faults: what a tired hand could write, and the test that has to notice it."""

from __future__ import annotations

from tests.mutants.acting import ACTING
from tests.mutants.covering import COVERING
from tests.mutants.deciding import DECIDING
from tests.mutants.fault import Mutant
from tests.mutants.going_live import GOING_LIVE
from tests.mutants.keeping import KEEPING
from tests.mutants.operating import OPERATING
from tests.mutants.own_steps import OWN_STEPS
from tests.mutants.reading import READING_FAULTS
from tests.mutants.rehearsing import REHEARSING
from tests.mutants.remembering import REMEMBERING
from tests.mutants.rules import RULES
from tests.mutants.telling import TELLING
from tests.mutants.wire import WIRE_FAULTS
from tests.mutants.writing import WRITING_FAULTS

__all__ = ["MUTANTS", "Mutant"]

MUTANTS: tuple[Mutant, ...] = (
    *DECIDING,
    *ACTING,
    *KEEPING,
    *OPERATING,
    *READING_FAULTS,
    *WRITING_FAULTS,
    *RULES,
    *REMEMBERING,
    *WIRE_FAULTS,
    *TELLING,
    *GOING_LIVE,
    *OWN_STEPS,
    *COVERING,
    *REHEARSING,
)
