"""What one fault is, and the tests that have to notice."""

from __future__ import annotations

from dataclasses import dataclass

MAIN = "tests/scenario/test_main_job.py"
PLANNER = "tests/unit/test_planner.py"
SPACE = "tests/unit/test_planner_space.py"
WILD = "tests/scenario/test_seen_in_the_wild.py"
FLOW = "tests/scenario/test_seen_in_the_wild_flow.py"
PROMISES = "tests/scenario/test_seen_in_the_wild_promises.py"
HTTP = "tests/scenario/test_seen_in_the_wild_http.py"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """Hold one fault: a text that stands once in a file, and what it becomes."""

    name: str
    file: str
    before: str
    after: str
    test: str


def fault(name: str, file: str, before: str, after: str, test: str) -> Mutant:
    """Write one fault in one line or two."""
    return Mutant(name=name, file=f"reconciler/{file}", before=before, after=after, test=test)
