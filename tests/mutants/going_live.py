"""Faults in what an operator does before, and while, the program goes live."""

from __future__ import annotations

from tests.mutants.fault import fault

PARTS = "tests/scenario/test_backfill_in_parts.py"
OBSERVE = "tests/scenario/test_observe.py"
OBSERVING = "tests/system/test_observing.py"
EXISTING = "tests/scenario/test_existing.py"
QUERY = "tests/unit/core/policies/test_existing.py"
READS = "tests/contract/test_reads_only.py"

GOING_LIVE = (
    fault(
        "a table that is not there is called a lack of rights",
        "preflight.records:RecordProbes._no_table",
        "INVALID_TABLE in error.words",
        "False",
        "tests/unit/preflight/test_probes.py::"
        "test_a_table_that_the_instance_does_not_have_is_one_failure_with_the_nearest_name",
    ),
    fault(
        "a Case whose template names its address is held before that is asked for",
        "acting.lookups:Lookups._with_addresses",
        "decision.is_rejected and not decision.link.sys_id",
        "False",
        "tests/scenario/test_fields_and_names.py::"
        "test_a_field_may_be_the_address_of_its_case_and_a_name_that_is_looked_up_stand_beside_it",
    ),
    fault(
        "a plan that was edited is carried out as it was saved",
        "engine.saved_plan:changes_since",
        'saved.get("hash") == _hash_of(saved)',
        "True",
        "tests/system/test_commands.py::test_a_plan_that_was_edited_is_refused",
    ),
    fault(
        "who did it has to be told for the program to run",
        "preflight.records:RecordProbes._fields",
        '[name for name in fields if "." in name]',
        "[]",
        "tests/unit/preflight/test_probes.py::test_an_instance_that_does_not_tell_who_did_it_serves_all_the_same",
    ),
    fault(
        "observe mode lets writes leave",
        "http.client:HttpService._hold_back_writes",
        "self._settings.reads_only",
        "False",
        f"{READS}::test_of_coralogix_reads_leave_and_writes_do_not",
    ),
    fault(
        "a path that begins like a read is one",
        "http.reads:is_read",
        "shape.fullmatch(path)",
        "shape.match(path)",
        f"{READS}::test_what_is_not_listed_writes",
    ),
    fault(
        "observe mode carries its plan out",
        "engine.cycle:_Cycle._acts",
        "self.request.carry_out and not self.context.observes",
        "self.request.carry_out",
        f"{OBSERVE}::test_nothing_is_sent_and_every_cycle_says_what_it_would_do",
    ),
    fault(
        "what was only planned is remembered as decided",
        "observing:store_observed",
        "Decided(link=replace(remembered[one.link.case_id], elsewhere=one.link.elsewhere), needs_plan=needs_plan(one), "
        "skip=one.skip)",
        "Decided(link=one.link, needs_plan=False, skip=one.skip)",
        f"{OBSERVE}::test_a_pause_of_writing_ends_with_everything_that_was_missed",
    ),
    fault(
        "the first cycle that acts goes by what was observed",
        "engine.observing:_as_first_seen",
        "link.sys_id",
        "link",
        f"{OBSERVE}::test_acting_after_observing_makes_the_writes_of_a_fresh_start",
    ),
    fault(
        "the first cycle that acts takes deleted Cases for there",
        "observing:begin",
        "facts.put(drift_fact, _LONG_AGO)",
        "",
        f"{OBSERVE}::test_acting_after_observing_makes_the_writes_of_a_fresh_start",
    ),
    fault(
        "observing a changed config accepts it",
        "engine.cycle:_Cycle._check",
        "self._acts",
        "request.carry_out",
        f"{OBSERVE}::test_brakes_refuse_nothing_that_is_not_sent_and_hold_as_soon_as_it_would_be",
    ),
    fault(
        "a saved plan is applied while observing",
        "running.cycles:carry_out",
        "config.observes and request.expected is not None",
        "False",
        f"{OBSERVING}::test_a_saved_plan_is_not_applied_until_the_mode_is_act",
    ),
    fault(
        "a caret of a Case becomes a condition",
        "encoded_query:_condition",
        "_escaped(term.value)",
        "term.value",
        f"{QUERY}::test_a_caret_of_a_case_becomes_no_condition",
    ),
    fault(
        "an empty value asks for every record",
        "policies.existing:_term",
        "value and is_plain",
        "is_plain",
        f"{QUERY}::test_what_would_ask_for_something_else_is_refused",
    ),
    fault(
        "rows of a dropped condition stand for a Case",
        "servicenow.client:_refuse_strangers",
        "not any((all((term.fits(value_of(row, term.field)) for term in terms)) for terms in asked))",
        "False",
        f"{EXISTING}::test_a_field_that_the_instance_does_not_know_makes_no_record_and_refuses",
    ),
    fault(
        "what was found elsewhere is asked for in each cycle",
        "planning.rules:_kept_elsewhere",
        "known.query == query",
        "False",
        f"{EXISTING}::test_a_quiet_cycle_asks_for_nothing_more_and_a_changed_title_neither",
    ),
    fault(
        "one look that finds nothing makes a second record",
        "planning.rules:_kept_elsewhere",
        "known and not known.is_missed",
        "False",
        f"{EXISTING}::test_a_record_that_was_only_hidden_for_a_while_keeps_its_case",
    ),
    fault(
        "CASE-1 is found in CASE-12",
        "policies.existing:Term.names",
        "self.operator not in NAMING or self.operator is Operator.EQUALS",
        "True",
        f"{EXISTING}::test_only_the_case_that_is_meant_is_kept",
    ),
    fault(
        "a part begins where the last one began",
        "engine.parts:_is_asked_for",
        "request.after is None or _place(pair) > request.after",
        "True",
        f"{PARTS}::test_a_case_that_is_refused_does_not_come_again_in_the_next_part",
    ),
    fault(
        "each part reads back from the beginning",
        "engine.backfill:next_part",
        "progress.left is None",
        "True",
        f"{PARTS}::test_the_listing_is_read_back_once",
    ),
    fault(
        "a part is larger than the brakes allow",
        "engine.parts:part_size",
        "min(asked.batch, *brakes.values())",
        "asked.batch",
        f"{PARTS}::test_a_part_is_as_large_as_the_brakes_allow",
    ),
    fault(
        "a Case later than --until is taken in",
        "engine.parts:_is_asked_for",
        "request.until is None or created <= request.until",
        "True",
        f"{PARTS}::test_what_is_due_anyway_waits_for_its_own_cycle",
    ),
    fault(
        "the daemon goes on for a command that is gone",
        "engine.backfill:take_part",
        "context.clock() - handed.seen_at > UNHEARD_FOR",
        "False",
        "tests/system/test_backfill.py::test_a_command_that_is_killed_ends_it_too",
    ),
)
