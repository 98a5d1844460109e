"""Faults in what an operator is told."""

from __future__ import annotations

from tests.mutants.fault import fault

FINDING = "tests/unit/store/test_finding.py"
REFS = "tests/unit/cli/test_refs.py"

OUTLOOK = "tests/unit/core/test_outlook.py"
STORY = "tests/system/test_audit_views.py"

OPERATING = (
    fault(
        "a step is explained by what came with it",
        "explain/document:_cause",
        "max((seq for seq in moves if seq is not None and int(seq) <= int(last)), default=last)",
        "last",
        f"{STORY}::test_explain_tells_which_change_led_to_which_action_by_which_rule",
    ),
    fault(
        "a step that is off is not named",
        "planning/outlook:_record_stays",
        "here.asks_of_record < here.case_at",
        "False",
        f"{OUTLOOK}::test_a_step_that_is_off_is_named",
    ),
    fault(
        "a wrong config hides what happened",
        "explain/command:_policies",
        "return None",
        "raise",
        f"{STORY}::test_explain_tells_what_happened_although_the_config_is_wrong",
    ),
    fault(
        "a policy is tried with secrets alone",
        "config/services:FileContext.secret",
        "open_secret(kind, place, folder=self.folder, environ=self.environ, is_needed=self.needs_secrets)",
        "open_secret(kind, place, folder=self.folder, environ=self.environ)",
        "tests/system/test_policy_command.py::test_policies_are_tried_without_a_secret",
    ),
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
