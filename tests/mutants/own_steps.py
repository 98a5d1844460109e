"""Faults in what the services themselves tell of each step."""

from __future__ import annotations

from tests.mutants.fault import fault

OWN = "tests/scenario/test_own_steps.py"
TOLD = "tests/unit/core/test_told.py"

OWN_STEPS = (
    fault(
        "what changed is not read where a kill comes first",
        "store/ingest:ingest_cases",
        "_follow(context, System.CORALOGIX, [(('', '', each.key), each.novelty) for each in seen])",
        "pass",
        f"{OWN}::test_a_kill_forgets_nothing_and_doubles_nothing",
    ),
    fault(
        "each reading tells everything anew",
        "core/told:told_of_case",
        "step.known not in known",
        "True",
        f"{TOLD}::test_what_is_known_is_no_news_and_an_event_without_a_kind_has_a_word",
    ),
    fault(
        "a comment is gone because an event was not understood",
        "core/told:told_of_case",
        "event == CaseEventKind.COMMENT and is_whole",
        "event == CaseEventKind.COMMENT",
        f"{TOLD}::test_each_edit_of_a_comment_is_a_step_and_so_is_its_end",
    ),
    fault(
        "every change of a record is placed by where it stands now",
        "core/told:told_of_record",
        "record = _before(record, change)",
        "pass",
        f"{TOLD}::test_each_change_of_a_record_is_placed_by_what_the_record_was_then",
    ),
    fault(
        "one look is enough to call two accounts different",
        "store/steps:_keep",
        "doubt and doubt != one.due.doubt",
        "False",
        f"{OWN}::test_a_status_that_no_event_tells_is_a_row_once_it_was_looked_at_twice",
    ),
    fault(
        "events are read before the writes",
        "cycle:_Cycle._apply",
        "if plan.actions:\n    self.context.record_requests()",
        "read_steps(self.context)",
        f"{OWN}::test_events_are_read_once_for_each_change_and_behind_the_writes",
    ),
    fault(
        "a burst of writes waits for the steps",
        "reading/steps:read_steps",
        "now - LONGEST_WAIT if writes > MANY_WRITES else None",
        "None",
        f"{OWN}::test_a_burst_of_writes_leaves_the_steps_to_a_cycle_without_one_for_some_minutes_at_most",
    ),
    fault(
        "one burst behind the other, and the steps are never read",
        "reading/steps:read_steps",
        "now - LONGEST_WAIT",
        "now - 2 * LONGEST_WAIT",
        f"{OWN}::test_a_burst_of_writes_leaves_the_steps_to_a_cycle_without_one_for_some_minutes_at_most",
    ),
    fault(
        "a side that gives nothing is asked in each cycle",
        "reading/steps:_is_paused",
        "bool(pause) and context.clock() < datetime.fromisoformat(str(pause).split(' ')[1])",
        "False",
        f"{OWN}::test_a_side_that_gives_nothing_is_asked_less_and_less",
    ),
    fault(
        "one Case that is never read is read first for ever",
        "reading/steps:_goes_on",
        "len(failed) == asked",
        "True",
        f"{OWN}::test_one_case_that_is_never_read_stops_no_other_and_is_told_in_the_end",
    ),
    fault(
        "the steps may hold up the next cycle for as long as they like",
        "reading/steps:_read_cases",
        "context.should_stop() or context.clock() >= ends_at",
        "context.should_stop()",
        f"{OWN}::test_what_there_is_no_time_for_waits_for_the_next_cycle",
    ),
    fault(
        "a right that is missing is told each time",
        "reading/steps:_refuse",
        "context.store.facts.get(_refused_fact(connector)) is not None",
        "False",
        f"{OWN}::test_a_user_who_may_not_read_the_audit_is_told_once",
    ),
    fault(
        "a record's states are the usual ones",
        "store/ingest:_incident_notes",
        "context.stage_rules.incident_stage(owners[0] if owners else Link(case_id=case_id), incident)",
        "None",
        f"{OWN}::test_steps_are_placed_by_the_rules_in_force_and_not_by_the_usual_numbers",
    ),
)
