"""Faults in what reads both sides, and in what a cycle makes of it."""

from __future__ import annotations

from tests.mutants.fault import BAD_LINK, DRIFT, LONG, PLANNER, READING, UNDER_WAY, WHO, WILD, fault

READING_FAULTS = (
    fault(
        "a backfill looks back to its own time alone",
        "window:deep_floor",
        "min(floor, window.since)",
        "window.since",
        f"{READING}::test_a_backfill_of_half_an_hour_after_an_outage_of_three_loses_nothing_between",
    ),
    fault(
        "only the last listing's truncation counts",
        "pull:pull_cases",
        "any(sweep.truncated for sweep in sweeps.values())",
        "list(sweeps.values())[-1].truncated",
        f"{READING}::test_one_truncated_page_of_either_listing_is_enough",
    ),
    fault(
        "only the last page's truncation counts",
        "pull:_sweep_cases",
        "sweep.truncated or page.truncated",
        "page.truncated",
        f"{READING}::test_one_truncated_page_of_either_listing_is_enough",
    ),
    fault(
        "a reading ends amid Cases of one instant",
        "pull:_sweep_cases",
        "oldest < deep_floor(cursor, window, sweep.server_time)",
        "oldest <= deep_floor(cursor, window, sweep.server_time)",
        f"{UNDER_WAY}::test_cases_of_one_instant_over_two_pages",
    ),
    fault(
        "the cursor of Cases goes back",
        "pull:_moved",
        "_latest(cursor, sweep.head)",
        "sweep.head",
        f"{READING}::test_cursors_never_go_back",
    ),
    fault(
        "the head is that of the last page",
        "pull:_sweep_cases",
        "sweep.head or max(sound, default=None)",
        "max(sound, default=None) or sweep.head",
        f"{READING}::test_the_head_of_a_listing_is_its_newest_row",
    ),
    fault(
        "what was read before a failure is thrown away",
        "pull:_read_records",
        "reading.pages == 0",
        "reading.pages >= 0",
        f"{LONG}::test_a_backlog_on_a_flaky_instance_gets_on_with_each_cycle",
    ),
    fault(
        "a long reading cannot be stopped",
        "engine.context:Context.step",
        "self.should_stop()",
        "False",
        f"{LONG}::test_a_long_reading_ends_between_two_pages_when_the_program_is_to_stop",
    ),
    fault(
        "the origin is the local clock's",
        "pull:Pull._remember_cases",
        "side.server_time or window.now",
        "window.now",
        f"{UNDER_WAY}::test_the_origin_is_the_services_time",
    ),
    fault(
        "a Case that cannot be read stops all",
        "cases:read_cases",
        "(RemoteError, Malformed)",
        "Malformed",
        f"{BAD_LINK}::test_a_case_that_cannot_be_read_while_its_listing_lags",
    ),
    fault(
        "a refused login is tried for each Case",
        "cases:read_cases",
        (
            "try:\n"
            "    cases.append(context.cases.get_case(case_id))\n"
            "except Missing:\n"
            "    missing.add(case_id)\n"
            "except AuthFailed:\n"
            "    raise\n"
            "except (RemoteError, Malformed):\n"
            "    continue"
        ),
        (
            "try:\n"
            "    cases.append(context.cases.get_case(case_id))\n"
            "except Missing:\n"
            "    missing.add(case_id)\n"
            "except (RemoteError, Malformed):\n"
            "    continue"
        ),
        f"{READING}::test_a_refused_login_is_not_tried_for_every_link_of_a_drift_check",
    ),
    fault(
        "older times are passed over by the comparison",
        "drift:check_drift",
        "[*unlisted, *older]",
        "unlisted",
        f"{DRIFT}::test_a_change_that_bears_an_older_time_than_is_remembered",
    ),
    fault(
        "a row that a listing leaves out is a 404",
        "by_id:read_records",
        "_read_one(context, (sys_id, table, connector), reading)",
        "reading.gone.add(sys_id)",
        f"{DRIFT}::test_what_one_listing_leaves_out_is_asked_for_by_itself",
    ),
    fault(
        "the nightly check lists open Cases alone",
        "drift:_list_cases",
        ("if full:\n    reaches.append(((), context.clock() - FULL_RANGE))"),
        ("if not full:\n    reaches.append(((), context.clock() - FULL_RANGE))"),
        f"{READING}::test_a_nightly_check_reads_every_case_of_thirty_days_whatever_its_status",
    ),
    fault(
        "one connector's comparison stops all",
        "drift:_compare_records",
        ("down[connector] = error\ncontinue"),
        "raise",
        f"{BAD_LINK}::test_a_drift_check_that_one_connector_does_not_answer",
    ),
    fault(
        "one refused name stops its connector",
        "lookups:Lookups._in_halves",
        "(Rejected, PartialTruth)",
        "Malformed",
        f"{BAD_LINK}::test_one_name_that_may_not_be_looked_up_holds_its_case_alone",
    ),
    fault(
        "of two records with one key the last is taken",
        "lookups:Lookups._look_up_records",
        "found[connector, record.correlation_id] += (record,)",
        "found[connector, record.correlation_id] = (record,)",
        f"{WILD}::test_two_records_with_one_key_and_none_linked",
    ),
    fault(
        "a killed create counts as decided",
        "cycle:_in_doubt",
        "replace(link, create_in_doubt_since=begun.started_at, written=sent)",
        "link",
        f"{READING}::test_a_create_that_was_killed_waits_where_ids_are_not_kept",
    ),
    fault(
        "a refused backfill admits its Cases",
        "cycle:_Cycle._is_told_now",
        "not needs_plan(decision)",
        "True",
        f"{WHO}::test_a_refused_backfill_leaves_no_trace",
    ),
    fault(
        "everything open is read before what is news is written",
        "cycle:_Cycle.run",
        "self._acts and self.request.expected is None and not self._is_memory_old(started_at)",
        "False",
        f"{DRIFT}::test_what_is_news_is_written_before_everything_open_is_read",
    ),
    fault(
        "what is remembered from long ago is acted on",
        "cycle:_Cycle._is_memory_old",
        "self._is_due(LAST_DRIFT_CHECK, now, FULL_CHECK_EVERY)",
        "False",
        "tests/scenario/test_observe.py::test_what_is_shown_is_what_the_first_cycle_that_acts_does",
    ),
    fault(
        "a check acts again on what its cycle acted on",
        "cycle:_Cycle._carry_out",
        "self._plan(scope, now, apart_from=acted)",
        "self._plan(scope, now, apart_from=())",
        f"{DRIFT}::test_a_check_does_not_act_again_on_what_its_cycle_acted_on",
    ),
    fault(
        "a drift check has brakes of its own",
        "cycle:_Cycle._carry_out",
        "(*kept, *plan.decisions)",
        "plan.decisions",
        f"{DRIFT}::test_the_brakes_count_what_the_whole_cycle_does",
    ),
    fault(
        "a backfill reads each Case twice",
        "reading.pull:pull_cases",
        "replace(window, since=None)",
        "window",
        "tests/scenario/test_backfill_in_parts.py::test_the_listing_is_read_back_once",
    ),
    fault(
        "a saved plan is made again from what is due alone",
        "cycle:_Cycle._scope",
        "saved_scope(self.request.expected)",
        "CycleKind.CYCLE",
        f"{WHO}::test_a_plan_of_a_backfill_is_carried_out",
    ),
    fault(
        "a service that is away makes a plan stale",
        "cycle:_Cycle._check",
        ("if failure:\n    raise failure"),
        "",
        f"{WHO}::test_a_plan_that_cannot_be_made_again_is_not_called_stale",
    ),
    fault(
        "a rebuild dates its origin by the local clock",
        "rebuild.rebuild:_read",
        "first.server_time or context.clock()",
        "first.context.clock()",
        f"{READING}::test_a_rebuild_takes_its_origin_from_the_service",
    ),
    fault(
        "a Case is judged by age as it stands",
        "planning.rules:_is_young_enough",
        "min(stage, here.link.case_low or stage)",
        "stage",
        f"{WHO}::test_a_case_that_was_open_at_the_first_start_is_not_lost",
    ),
    fault(
        "what the lowest stage was is not kept",
        "ingest:",
        "'min(coalesce(case_low, excluded.case_low), excluded.case_low)'",
        "'excluded.case_low'",
        f"{WHO}::test_a_case_that_was_open_at_the_first_start_is_not_lost",
    ),
    fault(
        "yesterday's acknowledgement is forgotten",
        "standing:Standing.case_peak",
        "{Stage.RESOLVED: self.case.reactivated_at, Stage.ACKNOWLEDGED: self.case.acknowledged_at}",
        "{Stage.RESOLVED: self.case.reactivated_at}",
        f"{PLANNER}::test_a_case_that_was_acknowledged_since_it_is_known_is_not_acknowledged_again",
    ),
    fault(
        "the events of a Case come in any order",
        "coralogix.events:CoralogixEventClient.events",
        "sorted(events, key=lambda event: event.stored_at)",
        "events",
        "tests/contract/test_case_events.py::test_events_are_put_in_order_and_broken_ones_aside",
    ),
    fault(
        "an event happened when it was stored",
        "event_codec:event_from_json",
        "seen.happened_at or seen.stored_at",
        "seen.stored_at",
        "tests/contract/test_case_events.py::test_what_happened_earlier_than_it_was_stored_keeps_both_times",
    ),
    fault(
        "a console user stands for whoever acted",
        "event_codec:_actor",
        "CaseActor(kind=kind, id=_first(data, IDS), name=_first(data, NAMES))",
        'CaseActor(kind="user", id=_first(data, IDS), name=_first(data, NAMES))',
        "tests/contract/test_case_events.py::test_every_step_has_its_event_with_its_own_person",
    ),
)
