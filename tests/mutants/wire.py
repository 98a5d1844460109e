"""Faults in what is made of answers and of their absence, and in how a service is treated."""

from __future__ import annotations

from tests.mutants.fault import FIELDS, fault

REMOTES = "tests/unit/remotes"
ECHOES = f"{REMOTES}/http/test_echoes.py"
WATCH = f"{REMOTES}/http/test_watch.py"
FAILURES = f"{REMOTES}/http/test_failures.py"
OUTCOMES = f"{REMOTES}/http/test_outcomes.py"
CHANGES = f"{REMOTES}/servicenow/test_changes.py"
CASES = f"{REMOTES}/coralogix/test_codec.py"
THROTTLE = f"{REMOTES}/http/test_throttle.py"
PACING = f"{REMOTES}/http/test_pacing.py"
SECRETS = "tests/unit/config/test_secrets.py"
TELEMETRY = "tests/unit/telemetry/test_log.py"
AHEAD = "tests/scenario/test_times_ahead.py"
GUEST = "tests/scenario/test_good_guest.py"
SIDES = "tests/scenario/test_side_by_side.py"
OWN_STEPS = "tests/scenario/test_own_steps.py"

WIRE_FAULTS = (
    fault(
        "a refusal may repeat the session",
        "http.client:HttpService._cleaned",
        "Echoes(sessions, shortest=SHORTEST_IN_DATA).clean(without_login)",
        "without_login",
        "tests/unit/remotes/http/test_echoes.py::test_a_refusal_that_repeats_a_session_tells_nothing_of_it",
    ),
    fault(
        "a listing that does not end is read for ever",
        "remotes/ports:case_pages",
        "token in seen",
        "False",
        f"{REMOTES}/coralogix/test_client.py::test_a_listing_that_does_not_end_is_read_no_further",
    ),
    fault(
        "an echo in data is let in",
        "echoes:Echoes.clean",
        "not self.are_in(answer.body)",
        "answer.status < 300",
        f"{ECHOES}::test_data_that_repeats_a_secret_comes_in_without_it",
    ),
    fault(
        "Base64 is looked for at one offset",
        "echoes:_base64_cores",
        "enumerate((0, 2, 3))",
        "enumerate((0,))",
        f"{ECHOES}::test_a_refusal_that_repeats_a_secret_tells_nothing_of_it",
    ),
    fault(
        "the escapes of JSON hide a secret",
        "echoes:Echoes.are_in",
        "_JSON_ESCAPE.sub(_unescaped, data)",
        "data",
        f"{ECHOES}::test_a_secret_behind_the_escapes_of_json_is_found",
    ),
    fault(
        "a token that is given again is an echo",
        "http.client:HttpService._cleaned",
        "sending.is_grant and is_success",
        "sending.is_grant and not is_success",
        f"{ECHOES}::test_a_token_that_is_given_again_still_works",
    ),
    fault(
        "a login does not know its password",
        "auth:basic_login",
        "[password, pair]",
        "[pair]",
        f"{ECHOES}::test_a_refusal_that_repeats_a_secret_tells_nothing_of_it",
    ),
    fault(
        "each read has its own limit alone",
        "watch:Watch._nap_seconds",
        "left_seconds <= 0",
        "left_seconds <= 0 and self._is_stopping",
        f"{WATCH}::test_a_body_that_ends_too_late_is_cut_off",
    ),
    fault(
        "a stop waits for the whole answer",
        "watch:Watch._nap_seconds",
        "min(self._deadline, now + self.silence_seconds)",
        "self._deadline",
        f"{WATCH}::test_a_stop_ends_an_answer_that_drips_within_the_limit_of_one_read",
    ),
    fault(
        "what failed in the handshake may have landed",
        "failures:failure_of",
        "was_connecting or any(isinstance(one, NewConnectionError) for one in _inside(error))",
        "any(isinstance(one, NewConnectionError) for one in _inside(error))",
        f"{FAILURES}::test_an_authority_that_is_not_known",
    ),
    fault(
        "what was cut behind a proxy was never sent",
        "watch:_connecting",
        "watch.is_connecting = False",
        "watch.is_connecting = True",
        f"{FAILURES}::test_a_connection_cut_behind_a_proxy_leaves_a_write_unknown",
    ),
    fault(
        "a number without end is read",
        "outcomes:_int_or_text",
        "len(digits) <= LONGEST_INTEGER",
        "True",
        f"{OUTCOMES}::test_a_number_beyond_all_bounds_costs_no_more_than_its_own_record",
    ),
    fault(
        "a date of the year 9999 with an offset is a traceback",
        "outcomes:read_http_date",
        "(ValueError, OverflowError, TypeError, IndexError)",
        "ValueError",
        f"{OUTCOMES}::test_a_date_that_no_clock_shows_is_none_and_told",
    ),
    fault(
        "a wrong count of an empty page is believed at once",
        "servicenow.client:ServiceNowClient._changed",
        "if _hidden(reply, limit):\n    reply = self._listing(table, asked, self._fields(table), limit)",
        "",
        f"{CHANGES}::test_a_count_that_is_wrong_once_is_no_lack_of_rights",
    ),
    fault(
        "a far time makes a listing end",
        "servicenow.codec:_position",
        "read_any_time(value_of(row, 'sys_updated_on'))",
        "read_time(value_of(row, 'sys_updated_on'))",
        f"{CHANGES}::test_a_time_that_no_record_can_have_costs_that_record_alone",
    ),
    fault(
        "a Case of the year 9999 is taken",
        "coralogix.codec:_moment",
        "_FAR_AHEAD.match(text)",
        "False",
        f"{CASES}::test_a_time_far_ahead_puts_its_case_aside",
    ),
    fault(
        "a record from the future moves the cursor",
        "pull:_read_records",
        "_sound_end(page) or reading.last",
        "page.last or reading.last or start",
        f"{AHEAD}::test_a_record_from_the_year_2099_does_not_poison_its_cursor",
    ),
    fault(
        "a Case from the future is the head",
        "pull:_sweep_cases",
        "[time for time in times if not _is_ahead(time, page.server_time)]",
        "times",
        f"{AHEAD}::test_a_case_from_the_year_2099_does_not_poison_its_cursors",
    ),
    fault(
        "a pause is not kept",
        "throttle:Throttle.enter",
        "left > ALMOST_OVER",
        "False",
        f"{GUEST}::test_a_long_wait_is_honoured_by_this_cycle_by_the_next_ones_and_over_restarts",
    ),
    fault(
        "a day is waited where a service says so",
        "throttle:Throttle._complain",
        "min(seconds, LONGEST_PAUSE.total_seconds())",
        "seconds",
        f"{THROTTLE}::test_nothing_leaves_until_the_wait_that_was_asked_for_is_over",
    ),
    fault(
        "all go at once behind a pause",
        "throttle:Throttle.enter",
        "self._probing is not None",
        "False",
        f"{THROTTLE}::test_behind_a_pause_one_request_goes_first_alone",
    ),
    fault(
        "each of eight workers makes a complaint of its own",
        "throttle:Throttle.leave",
        "self._complain(outcome.retry_after_seconds, is_news=ticket == self._complaints)",
        "self._complain(outcome.retry_after_seconds, is_news=True)",
        f"{THROTTLE}::test_what_was_under_way_when_a_complaint_came_makes_no_second_one",
    ),
    fault(
        "a restart forgets a pause",
        "cycle:_Cycle._record",
        "remember_sides(self.context)",
        "",
        f"{GUEST}::test_a_long_wait_is_honoured_by_this_cycle_by_the_next_ones_and_over_restarts",
    ),
    fault(
        "a look behind a write that was turned away waits for the end of a short pause",
        "throttle:Throttle.enter",
        "None if self._complained_in_cycle else left.total_seconds()",
        "left.total_seconds()",
        f"{THROTTLE}::test_who_only_meets_a_short_pause_does_not_wait_for_its_end",
    ),
    fault(
        "a read waits out its own pause within its cycle",
        "http.client:HttpService._once",
        "bool(outcome.retry_after_seconds) and self._throttle.is_in_cycle",
        "False",
        f"{THROTTLE}::test_in_a_cycle_no_read_waits_for_the_end_of_a_pause_that_was_asked_for",
    ),
    fault(
        "what a side tells of steps is asked for behind its complaint",
        "reading.steps:_is_paused",
        "context.sides()[side].is_troubled",
        "False",
        f"{OWN_STEPS}::test_a_side_that_complained_in_this_cycle_is_not_asked_for_steps",
    ),
    fault(
        "a side that complained gets the rest of the plan",
        "acting.apply:Applier._leave_alone",
        "side.is_troubled",
        "False",
        f"{GUEST}::test_a_service_that_complains_gets_no_more_in_this_cycle",
    ),
    fault(
        "all sides share one lane",
        "lanes:Lanes._lane",
        "self._lanes.get(side, self._lanes[SHARED])",
        "self._lanes[SHARED]",
        f"{SIDES}::test_a_connector_whose_writes_hang_holds_up_no_other",
    ),
    fault(
        "a side has as many workers as it has links",
        "lanes:Lanes.starting",
        "lane.ready and lane.busy < lane.workers",
        "lane.ready",
        "tests/unit/engine/acting/test_lanes.py::test_a_side_starts_as_many_as_it_has_workers_and_the_next_as_one_ends",
    ),
    fault(
        "a side that does not answer gets all the same",
        "acting.apply:Applier._leave_alone",
        "side.writes_unanswered - self._unanswered[name] >= WRITES_UNANSWERED",
        "False",
        f"{SIDES}::test_after_two_writes_without_an_answer_a_side_gets_no_more_in_that_cycle",
    ),
    fault(
        "a refused login is tried in each cycle",
        "throttle:Throttle.enter_login",
        "self._state.refused_logins < REFUSALS_IN_A_ROW",
        "True",
        f"{GUEST}::test_a_refused_login_is_tried_every_quarter_of_an_hour",
    ),
    fault(
        "a changed login waits for the refused one",
        "http.client:HttpService.resume",
        "not self._throttle.is_refused(self._identity)",
        "False",
        f"{THROTTLE}::test_a_restart_honours_refusals_of_this_login_alone",
    ),
    fault(
        "a cancelled transaction is no reason to go slower",
        "throttle:Throttle.leave",
        "CANCELLED in outcome.error.words",
        "False",
        f"{THROTTLE}::test_a_cancelled_transaction_makes_the_pace_slower_and_no_pause",
    ),
    fault(
        "the pace never rises again",
        "pacing:Pace._rise",
        "steps > 0 or now < self._changed_at",
        "False",
        f"{PACING}::test_it_rises_slowly_and_no_higher_than_its_ceiling",
    ),
    fault(
        "a name is believed for ever",
        "cycle:_Cycle._knowledge",
        "NAMES_BELIEVED_FOR",
        "None",
        f"{FIELDS}::test_a_name_is_believed_for_a_day_and_then_looked_up_again",
    ),
    fault(
        "a name whose row was retired is believed again",
        "lookups:Lookups._look_up_names",
        "facts.forget_references(connector, table, gone)",
        "pass",
        f"{FIELDS}::test_a_name_whose_row_was_retired_is_no_name_any_more",
    ),
    fault(
        "each old name is looked up by itself",
        "lookups:Lookups._answer",
        "names |= self._stale(connector, table)",
        "pass",
        f"{FIELDS}::test_names_of_a_table_are_looked_up_again_together",
    ),
    fault(
        "a full page is whole",
        "servicenow.client:ServiceNowClient._changed",
        "reply.total_count == len(_rows(reply))",
        "True",
        f"{CHANGES}::test_a_page_is_whole_where_the_service_counts_no_more_than_it_shows",
    ),
    fault(
        "a secret file is read whole",
        "secrets:_text_of",
        "file.read(_MOST_BYTES + 1)",
        "file.read()",
        f"{SECRETS}::test_a_file_that_is_too_long_is_read_no_further_than_its_limit",
    ),
    fault(
        "any refusal proves that the login is accepted",
        "http.client:HttpService.request",
        "Missing",
        "RemoteError",
        f"{THROTTLE}::test_a_record_that_is_not_there_proves_that_the_login_is_accepted",
    ),
    fault(
        "a record that is not there proves nothing of the login",
        "http.client:HttpService.request",
        "Missing",
        "KeyError",
        f"{THROTTLE}::test_a_record_that_is_not_there_proves_that_the_login_is_accepted",
    ),
)
