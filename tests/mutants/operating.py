"""Faults in what an operator is told."""

from __future__ import annotations

from tests.mutants.fault import fault

FINDING = "tests/unit/store/test_finding.py"
REFS = "tests/unit/cli/test_refs.py"

OUTLOOK = "tests/unit/core/planning/test_outlook.py"
STORY = "tests/system/test_audit_views.py"

CHECK = "tests/system/test_check_command.py"
PROBES = "tests/unit/preflight/test_probes.py"

OPERATING = (
    fault(
        "a missing right passes as a missing Case",
        "preflight/probes:CaseProbes._refused",
        "error.status == FORBIDDEN",
        "False",
        f"{PROBES}::test_a_right_that_the_key_lacks_is_named_without_a_change",
    ),
    fault(
        "a write probe asks nobody",
        "check/command:ask_for_write_probe",
        "is_agreed or (sys.stdin.isatty() and click.confirm(words, err=True))",
        "True",
        f"{CHECK}::test_the_write_probe_wants_a_persons_word",
    ),
    fault(
        "a write probe bears our mark",
        "check/probing:write_probes",
        "replace(config.policies, owner=PROBE_MARK)",
        "config.policies",
        f"{CHECK}::test_the_write_probe_makes_resolves_and_closes_one_record_that_no_cycle_takes",
    ),
    fault(
        "a label that the route demands is warned of",
        "policies/lint:barest",
        "replace(BARE_CASE, labels=labels, priority=next(iter(route.priorities), BARE_CASE.priority))",
        "BARE_CASE",
        "tests/system/test_check_command.py::test_a_label_that_the_route_demands_raises_no_warning",
    ),
    fault(
        "a step is explained by what came with it",
        "store.journal:_action_row",
        "action.kind in _STEPS",
        "False",
        f"{STORY}::test_explain_tells_which_change_led_to_which_action_by_which_rule",
    ),
    fault(
        "a step that is off is not named",
        "planning/preview/outlook:_record_stays",
        "here.asks_of_record < here.case_at",
        "False",
        f"{OUTLOOK}::test_a_step_that_is_off_is_named",
    ),
    fault(
        "a wrong config hides what happened",
        "showing/story:_config",
        "return None",
        "raise",
        f"{STORY}::test_explain_tells_what_happened_although_the_config_is_wrong",
    ),
    fault(
        "a link at rest is explained by a config that no cycle met",
        "showing/story:_ahead",
        "story.is_at_rest and store.journal.config_hash() == config.policy_hash",
        "story.is_at_rest",
        f"{STORY}::test_explain_tells_what_a_config_that_no_cycle_met_makes_of_a_link_at_rest",
    ),
    fault(
        "a link that is to be planned is explained as one at rest",
        "store/values:Story.is_at_rest",
        "self.needs_plan or self.skip or link.hold or link.create_in_doubt_since",
        "self.skip or link.hold or link.create_in_doubt_since",
        f"{STORY}::test_explain_tells_what_is_to_be_planned_of_a_link_that_was_at_rest",
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
        "store/asked/finder:Finder.find",
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
    fault(
        "a stop that comes while the daemon loads is forgotten",
        "schedule:Daemon._is_stopped_early",
        "self._stop.set()",
        "pass",
        "tests/system/test_signals.py::test_a_daemon_that_is_stopped_while_it_loads_ends_well_before_its_first_cycle",
    ),
    fault(
        "a reload that is asked for while the daemon loads is forgotten",
        "schedule:Daemon._is_stopped_early",
        "self._signals.put(name)",
        "pass",
        "tests/system/test_signals.py::test_a_daemon_that_is_asked_to_reload_while_it_loads_starts",
    ),
    fault(
        "a signal that is ignored is held",
        "daemon.early:EarlySignals.hold",
        "signal.getsignal(each) is not signal.SIG_IGN",
        "True",
        "tests/unit/daemon/test_early.py::test_what_is_ignored_stays_ignored",
    ),
    fault(
        "a full disk is wrong usage",
        "cli.files:unwritten",
        "isinstance(error, _WRONG_PATHS)",
        "True",
        "tests/system/test_bad_input.py::test_a_wrong_path_is_wrong_usage_and_what_fails_while_it_is_written_is_not",
    ),
)
