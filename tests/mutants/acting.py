"""Faults in what acts and remembers."""

from __future__ import annotations

from tests.mutants.fault import FLOW, HTTP, MAIN, PROMISES, WILD, fault

ACTING = (
    fault(
        "an ambiguous create is not looked for",
        "perform:Performer._create",
        "return self._look_for(action, here, error)",
        "raise",
        f"{MAIN}::test_a_create_that_timed_out_after_it_succeeded_makes_one_record",
    ),
    fault(
        "records that are taken in wait for a worker",
        "lanes:Lanes.starting",
        "lane.busy < lane.workers or asks_nothing(lane.ready[0])",
        "lane.busy < lane.workers",
        "tests/scenario/test_side_by_side.py::test_records_that_are_taken_in_wait_for_no_worker",
    ),
    fault(
        "the workers wait until what ended is written down",
        "acting.apply:Applier._run",
        "self._came_back([one for _, _, one in ended], lanes)",
        "self._came_back([one for _, _, one in ended], lanes)\nself._finish(ended, lanes)\nended = []",
        "tests/scenario/test_side_by_side.py::test_what_ended_is_written_down_behind_the_start_of_the_next",
    ),
    fault(
        "a long overlap is never read again",
        "window:Reach.is_deep_due",
        "window.overlap / 2",
        "window.overlap * 1000",
        "tests/unit/engine/reading/test_window.py::test_a_long_overlap_is_read_again_every_half_overlap",
    ),
    fault(
        "look only by id, not by key",
        "perform:Performer._existing",
        "found[0] if len(found) == 1 else None",
        "None",
        f"{PROMISES}::test_an_error_with_the_record_there",
    ),
    fault(
        "a failed look leaves nothing unsettled",
        "perform:Performer._look_for",
        "replace(here.link, create_in_doubt_since=self.clock())",
        "here.link",
        f"{PROMISES}::test_an_error_and_then_no_look_either",
    ),
    fault(
        "stripped ids are not remembered",
        "acting.apply:Applier._learn",
        "record.sys_id.lower() != record_id(self.context.policies.owner, action.case_id, link.generation)",
        "not record.sys_id",
        f"{PROMISES}::test_an_error_and_then_no_look_either",
    ),
    fault(
        "an error is read as empty",
        "lookups:Lookups._in_halves",
        "self.failed[connector] = error",
        (
            "empty = {(connector, name): () for name in names}\n"
            "self.knowledge = replace(self.knowledge, records={**self.knowledge.records, **empty})"
        ),
        f"{WILD}::test_error_read_as_empty",
    ),
    fault(
        "no read before the write",
        "perform:Performer._change_incident",
        "client.get(action.table, action.sys_id) if is_stuck or fresh is None else fresh",
        "pair.incident or fresh or client.get(action.table, action.sys_id)",
        f"{WILD}::test_closed_record_updated_in_the_same_cycle",
    ),
    fault(
        "not decided again before the write",
        "perform:Performer._still",
        "next((now for now in again if now.kind in kinds and now.to_stage <= action.to_stage), None)",
        "action",
        f"{WILD}::test_closed_record_updated_in_the_same_cycle",
    ),
    fault(
        "a 200 is believed",
        "perform:Performer._changed",
        "not _arrived(action, here, before)",
        "after is before",
        f"{WILD}::test_200_without_change",
    ),
    fault(
        "a verb's 200 is believed",
        "perform:Performer._advance_case",
        "not _reached(here, verb)",
        "case is None",
        f"{WILD}::test_200_without_change_of_a_case",
    ),
    fault(
        "an ambiguous update is believed",
        "perform:Performer._look_after",
        "(is_ours_alone or shows_it) and _arrived(action, here, before)",
        "_arrived(action, here, before)",
        f"{PROMISES}::test_an_update_that_timed_out_before_it_arrived",
    ),
    fault(
        "races are not noticed",
        "perform:Performer._changed",
        "after.mod_count <= before.mod_count + 1",
        "after.mod_count >= 0",
        f"{PROMISES}::test_a_person_who_moves_the_record_during_our_write",
    ),
    fault(
        "our own write is not known where the login names no user",
        "perform:Performer._wrote_last",
        "{self.users.get(action.connector), record.created_by}",
        "{self.users.get(action.connector)}",
        "tests/scenario/test_rewritten_values.py::test_an_answer_that_shows_another_write_before_ours_is_the_base",
    ),
    fault(
        "a 404 is forgotten",
        "perform:Performer._absent",
        "Outcome(action=action, result=Result.RETRY, detail=str(error), link=link)",
        "Outcome(action=action, result=Result.RETRY, detail=str(error))",
        f"{PROMISES}::test_a_record_that_answers_404_twice",
    ),
    fault(
        "an absence is never lifted",
        "ingest:_end_incident_absences",
        "back = [(row[0],) for row in absent if tuple(row[1:]) in seen]",
        "back: list[tuple[str]] = []",
        f"{PROMISES}::test_a_record_that_answers_404_and_comes_back",
    ),
    fault(
        "hidden rows are not noticed",
        "pull:pull_incidents",
        (
            "if reading.hidden:\n"
            "    partial = f'ServiceNow ({connector}) counts"
            " {reading.hidden} rows of {table} that it does not show'"
        ),
        (
            "if reading.hidden < 0:\n"
            "    partial = f'ServiceNow ({connector}) counts"
            " {reading.hidden} rows of {table} that it does not show'"
        ),
        f"{WILD}::test_hidden_rows",
    ),
    fault(
        "pbacTruncated is not noticed",
        "pull:pull_cases",
        "not context.settings.accept_partial_view",
        "context.settings.accept_partial_view",
        f"{WILD}::test_hidden_cases",
    ),
    fault(
        "a partial pull moves its cursor",
        "pull:pull_incidents",
        "() if partial else (_record_cursor(name, cursor, start, reading, window),)",
        "(_record_cursor(name, cursor, start, reading, window),)",
        f"{HTTP}::test_hidden_rows",
    ),
    fault(
        "the cursor looks past its own second",
        "window:deep_floor",
        "reach.deep_head",
        "reach.deep_head + timedelta(seconds=1)",
        f"{WILD}::test_same_second_cursor",
    ),
    fault(
        "a long pull forgets where it stopped",
        "window:resume_position",
        "reach.unfinished or not reach.is_deep_due(window)",
        "not reach.is_deep_due(window)",
        f"{FLOW}::test_backlog_above_the_cap_of_one_pull",
    ),
    fault(
        "one page is the whole pull",
        "pull:_read_records",
        "page.last is None or page.is_whole or reading.hidden > 0",
        "True",
        f"{WILD}::test_same_second_cursor",
    ),
    fault(
        "no drift check",
        "drift:is_due",
        "not timedelta() <= now - datetime.fromisoformat(last) < every",
        "now < datetime.fromisoformat(last)",
        f"{WILD}::test_steady_divergence_that_no_change_announces",
    ),
    fault(
        "an unfinished action counts as done",
        "cycle:close_unfinished",
        "Result.UNKNOWN",
        "Result.DONE",
        f"{FLOW}::test_a_stale_intent_replayed",
    ),
    fault(
        "older snapshots are taken",
        "ingest:case_is_older",
        "case.updated_at < known.updated_at",
        "False",
        f"{PROMISES}::test_case_lists_lag_behind_writes",
    ),
    fault(
        "a clock that was set back is not asked about",
        "pull:Pull._remember_cases",
        "read_cases(self.context, doubtful[:DOUBTFUL_READS_PER_CYCLE])",
        "",
        f"{FLOW}::test_a_clock_that_is_set_back_by_ten_minutes",
    ),
    fault(
        "a refused login stops nothing",
        "acting.apply:Applier._came_back",
        "self._stop_side(side, one.refused)",
        "pass",
        f"{FLOW}::test_a_login_that_is_refused",
    ),
)
