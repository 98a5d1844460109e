"""Faults in what is told to a person: the log, the metrics, the messages."""

from __future__ import annotations

from tests.mutants.fault import fault

LOG = "tests/scenario/test_told_in_the_log.py"
MESSAGES = "tests/scenario/test_messages_sent.py"

TELLING = (
    fault(
        "a hold that stands is told in every cycle",
        "news:tell_holds",
        "before.get(case_id) != reason",
        "reason",
        f"{LOG}::test_a_new_hold_is_a_warning_once_and_its_end_is_told",
    ),
    fault(
        "a write that went wrong is told like any other",
        "news:tell_outcome",
        "logging.INFO if ended_well(outcome) else logging.WARNING",
        "logging.INFO",
        f"{LOG}::test_a_write_is_told_by_what_came_of_it",
    ),
    fault(
        "a plan that is only made tells of holds",
        "cycle:_Cycle._record",
        "if self.request.carry_out:\n    self._tell()",
        "self._tell()",
        f"{LOG}::test_a_plan_that_is_only_made_tells_of_no_hold",
    ),
    fault(
        "how long a cycle took makes it news",
        "schedule:Daemon._note_success",
        "result.counts != self._last_counts",
        "True",
        "tests/unit/daemon/test_schedule.py::test_what_was_counted_is_news_and_how_long_it_took_is_not",
    ),
    fault(
        "a character that cannot be shown ends a call",
        "cli/app:run",
        "stream.reconfigure(errors='backslashreplace')",
        "None",
        "tests/system/test_failures.py::test_a_terminal_that_lacks_a_character_ends_no_call",
    ),
    fault(
        "a new address is taken before the old one is let go",
        "telling.telling:Telling._moved_server",
        "before.close()",
        "pass",
        "tests/unit/cli/telling/test_telling.py::test_the_address_moves_with_the_config_also_on_the_same_port_and_off",
    ),
    fault(
        "an address that cannot be had ends the one before",
        "telling.telling:Telling._moved_server",
        "before is not None and self._measuring is not None",
        "False",
        "tests/unit/cli/telling/test_telling.py::test_what_cannot_be_had_leaves_all_as_it_was",
    ),
    fault(
        "once counts from nothing in its text file",
        "telling.measure:Measuring._resume",
        "self.metrics.resume(text)",
        "pass",
        "tests/system/test_metrics.py::test_once_counts_on_in_its_text_file",
    ),
    fault(
        "the lag of old actions is observed again",
        "telling.measure:measure_cycle",
        "context.store.reports.lags(since=report.started_at)",
        "context.store.reports.lags(since=report.started_at.replace(year=2000))",
        "tests/scenario/test_measured.py::test_what_a_cycle_did_is_counted_and_its_lag_observed_by_direction",
    ),
    fault(
        "what was told is forgotten at the end",
        "messages:Messages.cycle_ended",
        "self._remember(after)",
        "pass",
        f"{MESSAGES}::test_a_burst_is_one_message_and_a_restart_or_another_try_repeats_none",
    ),
    fault(
        "what nobody took before the end is never told",
        "messages:Messages.close",
        "self._remember(lost[0][0])",
        "pass",
        f"{MESSAGES}::test_what_nobody_took_before_the_end_is_told_by_the_next_start",
    ),
    fault(
        "each hold of a burst is a message",
        "messages:Messages.cycle_ended",
        "not self._senders or is_early",
        "not self._senders",
        f"{MESSAGES}::test_what_comes_close_behind_a_message_is_told_together_a_little_later",
    ),
    fault(
        "the heart beats after a cycle that was not whole",
        "messages:Messages.cycle_ended",
        "report.error is None",
        "True",
        f"{MESSAGES}::test_the_heart_beats_after_whole_cycles_alone",
    ),
    fault(
        "the words of a failing address are logged",
        "notifications:MessageSender._tried",
        "type(error).__name__",
        "str(error)",
        "tests/unit/telemetry/test_notifications.py"
        "::test_an_address_that_raises_is_tried_again_and_its_words_are_not_told",
    ),
    fault(
        "an address that changed in its file is not taken up",
        "telling.telling:Telling._messages_of",
        "not secrets or made_of == self._made_of",
        "not secrets or self._messages",
        "tests/unit/cli/telling/test_telling.py::test_an_address_that_changes_in_its_file_is_taken_up",
    ),
    fault(
        "what goes wrong in telling fails the cycle",
        "telling.telling:Telling.cycle_ended",
        "log.exception('nobody could be told of a cycle')",
        "raise",
        "tests/unit/cli/telling/test_telling.py::test_what_goes_wrong_in_telling_fails_no_cycle",
    ),
    fault(
        "a write that a killed process left open is told by nobody",
        "cycle:close_unfinished",
        "tell_outcome(one.outcome)",
        "pass",
        f"{LOG}::test_a_write_that_a_killed_process_left_open_is_a_warning_of_the_next_cycle",
    ),
    fault(
        "a change ticket lacks what is said beside an action",
        "review:_markdown_block",
        "['', _cell(row.detail)] if row.detail else []",
        "[]",
        "tests/unit/cli/showing/test_review.py::test_every_format_has_the_detail_of_an_action",
    ),
)
