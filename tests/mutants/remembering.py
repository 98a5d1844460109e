"""Faults in what is remembered, of our own writes and at all, and in what is told to people."""

from __future__ import annotations

from tests.mutants.fault import REWRITTEN, fault

CAMPAIGN = "tests/scenario/test_campaign.py"
ONCE = "tests/scenario/test_told_once.py"
AGAIN = "tests/scenario/test_reactivated.py"
WHO_AND_WHEN = "tests/scenario/test_who_and_when.py"
PRUNED = "tests/system/test_state_commands.py"
FROZEN = "tests/unit/core/test_frozen.py"

REMEMBERING = (
    fault(
        "what a create sent that a killed process left open is not remembered",
        "engine/cycle:_in_doubt",
        "replace(link, create_in_doubt_since=begun.started_at, written=sent)",
        "replace(link, create_in_doubt_since=begun.started_at)",
        "tests/scenario/test_doubtful_creates.py::"
        "test_a_record_whose_create_got_no_answer_follows_its_case_though_a_person_wrote_it_first",
    ),
    fault(
        "what a record kept of what it was made with is not asked of a record that was made unseen",
        "core/planning/standing:Standing.as_made",
        "incident.mod_count",
        "True",
        "tests/scenario/test_unclear_records.py::"
        "test_a_record_that_cannot_be_read_for_a_while_follows_its_case_afterwards",
    ),
    fault(
        "what a person did to a record that is adopted counts as ours",
        "store/journal:_ours",
        "outcome.result is not Result.DONE or outcome.action.kind is ActionKind.ADOPT_INCIDENT",
        "outcome.result is not Result.DONE",
        "tests/unit/store/test_journal.py::test_a_note_of_ours_is_ours_and_what_is_adopted_is_not",
    ),
    fault(
        "a link is placed by a record that is not its own",
        "store/journal:_put_links_of",
        "link and record and record_key(record) == record_key(link)",
        "link and record",
        "tests/unit/store/test_journal.py::"
        "test_a_link_is_placed_by_the_record_that_was_seen_with_it_if_that_is_its_own",
    ),
    fault(
        "skips are not counted anew after decisions",
        "store/links:put_decisions",
        "database.skip_counts = None",
        "pass",
        "tests/unit/store/test_links.py::test_skips_are_counted_anew_only_after_decisions_were_stored",
    ),
    fault(
        "the merge base is what was sent",
        "merge:merge_field",
        "kept is not None and theirs == normal(kept)",
        "False",
        f"{REWRITTEN}::test_a_field_follows_its_case_on_an_instance_that_rewrites_it",
    ),
    fault(
        "what another wrote in between counts as kept",
        "perform:_given",
        "incident is not None and is_base",
        "incident is not None",
        f"{REWRITTEN}::test_an_answer_that_shows_another_write_is_not_the_base_where_our_user_is_not_known",
    ),
    fault(
        "a write of ours behind an error is not known by its writer",
        "perform:Performer._look_after",
        "(is_ours_alone or shows_it)",
        "shows_it",
        f"{REWRITTEN}::test_a_write_that_arrived_behind_an_error_is_known_by_its_writer",
    ),
    fault(
        "a record that was put back from before it was reopened is closed after its Case",
        "ingest:_put_incidents",
        "Stage.RESOLVED if each.after.was_reopened else 0",
        "0",
        f"{CAMPAIGN}::test_a_record_that_was_reopened_and_is_put_back_from_before_is_left_alone",
    ),
    fault(
        "the record before is taken for the next one",
        "perform:Performer._existing",
        "[one for one in client.find(action.table, [action.case_id]) if one.sys_id not in link.earlier]",
        "client.find(action.table, [action.case_id])",
        f"{AGAIN}::test_the_record_before_is_not_taken_for_the_next_one_whose_create_was_not_answered",
    ),
    fault(
        "an older version of a record tells nothing",
        "ingest:ingest_incidents",
        "_raise_peaks(context, older, links)",
        "pass",
        "tests/unit/store/test_snapshots.py::test_an_older_record_tells_how_far_it_once_came",
    ),
    fault(
        "a note is sent with each try",
        "drafts:_is_noted",
        "before is not None and here.incident is not None and here.incident.mod_count > before",
        "False",
        f"{ONCE}::test_a_note_that_arrived_behind_an_error_is_not_sent_again",
    ),
    fault(
        "a note that nobody read back has arrived",
        "perform:Performer._look_after",
        "not is_late and action.kind is not ActionKind.ADD_WORK_NOTE and not _differences(action, after)",
        "not _differences(action, after)",
        f"{AGAIN}::test_a_note_whose_answer_was_lost_is_sent_again_only_where_notes_are_counted",
    ),
    fault(
        "a lost note is sent again where nothing can show it",
        "planning.rules:has_note",
        "(here.incident.mod_count > before or is_silent)",
        "here.incident.mod_count > before",
        f"{AGAIN}::test_a_note_whose_answer_was_lost_is_sent_again_only_where_notes_are_counted",
    ),
    fault(
        "a database that was put back holds the next record for a rival",
        "planning.rules:_verdict",
        "_has_next_record(here)",
        "False",
        "tests/scenario/test_restored_backup.py::test_the_next_record_that_yesterday_does_not_know_is_no_rival",
    ),
    fault(
        "a new record is told what was before it",
        "perform:_noted",
        "words.add(told_by(case))",
        "pass",
        f"{AGAIN}::test_a_record_that_is_made_after_its_case_fired_again_gets_no_note",
    ),
    fault(
        "nobody looks what became of a killed write",
        "cycle:close_unfinished",
        "(_looked_after(context, begun, pair) if pair else None)",
        "None",
        f"{REWRITTEN}::test_what_a_record_made_of_a_write_whose_process_was_killed_is_no_persons_edit",
    ),
    fault(
        "a killed write forgets its note",
        "cycle:_in_doubt",
        "replace(link, noted={word: pair.incident.mod_count, **link.noted})",
        "link",
        f"{ONCE}::test_a_killed_process_leaves_one_note",
    ),
    fault(
        "what comes to nothing is tried for ever",
        "perform:Performer._counted",
        "times <= MOST_TRIES[outcome.result]",
        "True",
        f"{ONCE}::test_a_write_that_always_ends_in_an_error_is_held_after_four_cycles",
    ),
    fault(
        "what is found done already is planned for long",
        "perform:Performer._counted",
        "times <= MOST_TRIES[outcome.result]",
        "times <= MOST_TRIES[Result.UNKNOWN]",
        f"{ONCE}::test_a_step_that_is_found_done_twice_is_not_planned_a_third_time",
    ),
    fault(
        "tries are counted over other pairs",
        "perform:Performer._counted",
        "replace(outcome, link=replace(link, tries=None)) if link.tries else outcome",
        "outcome",
        f"{ONCE}::test_an_outage_of_two_cycles_holds_nothing",
    ),
    fault(
        "a restored record is stale for ever",
        "store/journal:Journal.finish_actions",
        "IngestContext(conn=conn, stage_rules=stage_rules, cycle_id='', now=now, read_now=True, follows=follows)",
        "IngestContext(conn=conn, stage_rules=stage_rules, cycle_id='', now=now, follows=follows)",
        f"{ONCE}::test_an_instance_restored_from_an_older_copy_is_believed",
    ),
    fault(
        "a drift check does not believe a restored record",
        "drift:_compare_records",
        "read_again(context, older)",
        "",
        f"{ONCE}::test_an_instance_restored_from_an_older_copy_is_believed",
    ),
    fault(
        "the last writer is named for every change",
        "ingest:_actor",
        "after.mod_count == (0 if before is None else before.mod_count + 1)",
        "True",
        f"{WHO_AND_WHEN}::test_two_writes_since_the_last_look_name_nobody",
    ),
    fault(
        "our own assignment is a person's",
        "policies/policies:_is_assigned",
        'bool(incident.assigned_to) and incident.assigned_to != link.kept.get("assigned_to")',
        "bool(incident.assigned_to)",
        f"{WHO_AND_WHEN}::test_a_record_that_our_template_assigned_is_not_taken_by_anybody",
    ),
    fault(
        "a backfill admits a whole batch",
        "acting/apply:Applier._look",
        "store_notes(self.context, batch)",
        "self.context.store.links.keep_decisions([decided(one) for one in batch], now=self.context.clock())",
        f"{WHO_AND_WHEN}::test_a_backfill_that_was_killed_leaves_nothing_that_it_had_not_begun",
    ),
    fault(
        "the request of a killed process is forgotten",
        "cycle:close_unfinished",
        "FinishedAction(seq=begun.seq, outcome=outcome, requests=left_open(begun.action, begun.started_at))",
        "FinishedAction(seq=begun.seq, outcome=outcome)",
        f"{WHO_AND_WHEN}::test_a_killed_process_leaves_its_request_in_the_audit",
    ),
    fault(
        "a Case that fires again is told with each cycle",
        "planning.rules:has_note",
        "is_told or here.is_over or here.is_incident_back",
        "here.is_over or here.is_incident_back",
        f"{AGAIN}::test_people_are_told_once_for_each_reactivation",
    ),
    fault(
        "a new record is made beside an open one",
        "planning.rules:_gets_next_record",
        "len(lately) < inbound.reactivations_per_day",
        "True",
        f"{AGAIN}::test_no_more_new_records_in_a_day_than_are_allowed",
    ),
    fault(
        "a lost database makes rivals of the records before the newest",
        "planning.rules:_create_or_adopt",
        "here.on(at_newest(here.link, here.policies.owner, known))",
        "here",
        f"{AGAIN}::test_a_lost_database_goes_on_with_the_newest_record",
    ),
    fault(
        "a clone is a rival",
        "standing:Standing.further",
        "link.sys_id and other.connector != link.connector",
        "False",
        f"{AGAIN}::test_a_record_that_was_cloned_into_another_instance_is_no_rival",
    ),
    fault(
        "a changed config leaves what was rejected",
        "brakes:meet_config",
        "store.links.release_rejected()",
        "",
        f"{AGAIN}::test_a_changed_config_tries_again_what_was_rejected",
    ),
    fault(
        "pruning goes on when it is asked to stop",
        "store/maintenance:Maintenance.prune",
        "if should_stop():\n    break",
        "",
        f"{PRUNED}::test_what_is_old_is_found_in_each_step_anew_and_a_stop_between_two_leaves_the_rest",
    ),
    fault(
        "the last row of a table is pruned",
        "store/maintenance:Maintenance._may_go",
        "key != last",
        "True",
        f"{PRUNED}::test_many_rows_go_in_many_steps",
    ),
    fault(
        "a value shows what is not to be shown",
        "core/frozen:_methods",
        "tuple(name for name, one in fields.items() if one.repr)",
        "tuple(fields)",
        f"{FROZEN}::test_a_value_holds_shows_and_hashes_what_the_librarys_does",
    ),
    fault(
        "values differ by what is not compared",
        "core/frozen:_methods",
        "tuple(name for name, one in fields.items() if one.compare)",
        "tuple(fields)",
        f"{FROZEN}::test_values_are_equal_by_the_fields_that_are_compared_and_by_their_class",
    ),
    fault(
        "a field that there is not is taken",
        "core/frozen:_init",
        "values.keys() != fields.keys()",
        "not values.keys() >= fields.keys()",
        f"{FROZEN}::test_a_field_that_is_missing_or_unknown_is_refused",
    ),
)
