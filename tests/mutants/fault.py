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
UNDER_WAY = "tests/scenario/test_plan_and_deed.py"
BETWEEN = "tests/scenario/test_between_read_and_write.py"
DOUBT = "tests/scenario/test_doubtful_creates.py"
UNCLEAR = "tests/scenario/test_unclear_records.py"
OVER_TIME = "tests/scenario/test_holds_over_time.py"
FIELDS = "tests/scenario/test_fields_and_names.py"
BAD_LINK = "tests/scenario/test_one_bad_link.py"
READING = "tests/scenario/test_reading_whole.py"
LONG = "tests/scenario/test_long_readings.py"
DRIFT = "tests/scenario/test_drift_check.py"
WHO = "tests/scenario/test_who_gets_a_record.py"


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
