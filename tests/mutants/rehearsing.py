"""Faults in what a simulation makes of Cases that happened."""

from __future__ import annotations

from tests.mutants.fault import fault

SCRIPT = "tests/unit/simulate/test_script.py"
PLAY = "tests/unit/simulate/test_play.py"
HISTORY = "tests/unit/simulate/test_history.py"

REHEARSING = (
    fault(
        "a Case enters as it is now",
        "script:_as_it_was",
        "reversed(later)",
        "()",
        f"{SCRIPT}::test_a_case_enters_as_it_was_when_it_was_opened",
    ),
    fault(
        "what a Case has not yet is kept",
        "script:_as_it_was",
        "NOT_YET.get(case.status, {})",
        "{}",
        f"{SCRIPT}::test_a_case_enters_as_it_was_when_it_was_opened",
    ),
    fault(
        "a simulation ends at a brake",
        "simulate.play:Playback._run",
        "CycleRequest(lists_skips=False, limits_on=False)",
        "CycleRequest(lists_skips=False)",
        f"{PLAY}::test_a_brake_that_would_have_acted_is_told_and_the_rest_is_seen_all_the_same",
    ),
    fault(
        "cycles that find nothing cost nothing",
        "simulate.play:Playback._remember_cost",
        "self.quiet_cost = cost",
        "self.quiet_cost = type(cost)()",
        f"{PLAY}::test_it_counts_the_requests_that_the_program_made",
    ),
    fault(
        "the whole past is read for a window",
        "simulate.history:_pages",
        "any(_time_of(case, order) < since for case in page.cases)",
        "False",
        f"{HISTORY}::test_reading_ends_where_the_window_ends",
    ),
)
