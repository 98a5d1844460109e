"""Faults in what an operator does before, and while, the program goes live."""

from __future__ import annotations

from tests.mutants.fault import fault

OBSERVE = "tests/scenario/test_observe.py"
OBSERVING = "tests/system/test_observing.py"
READS = "tests/contract/test_reads_only.py"

GOING_LIVE = (
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
        "Decided(link=remembered[one.link.case_id], needs_plan=needs_plan(one), skip=one.skip)",
        "Decided(link=one.link, needs_plan=False, skip=one.skip)",
        f"{OBSERVE}::test_a_pause_of_writing_ends_with_everything_that_was_missed",
    ),
    fault(
        "the first cycle that acts goes by what was observed",
        "admission:as_first_seen",
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
        "cli.cycles:carry_out",
        "config.observes and request.expected is not None",
        "False",
        f"{OBSERVING}::test_a_saved_plan_is_not_applied_until_the_mode_is_act",
    ),
)
