"""Faults in what an operator is told."""

from __future__ import annotations

from tests.mutants.fault import fault

FINDING = "tests/unit/store/test_finding.py"
REFS = "tests/unit/cli/test_refs.py"

OPERATING = (
    fault(
        "the beginning of a name wins over a whole one",
        "store/finder:Finder.find",
        "not whole and len(signs) >= LEAST_SIGNS and _HEX.match(signs)",
        "len(signs) >= LEAST_SIGNS and _HEX.match(signs)",
        f"{FINDING}::test_the_whole_name_wins_over_what_begins_with_it",
    ),
    fault(
        "one of several Cases is taken",
        "cli/refs:find_case",
        "len(found) > 1",
        "False",
        f"{REFS}::test_one_that_means_several_cases_names_them",
    ),
    fault(
        "a shell that completes is told of errors",
        "cli/refs:Ref.shell_complete",
        "return []",
        "raise",
        f"{REFS}::test_nothing_is_offered_and_nothing_said_where_nothing_can_be_read",
    ),
)
