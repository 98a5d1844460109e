"""Faults between a plan and its deeds."""

from __future__ import annotations

from tests.mutants.fault import BETWEEN, DOUBT, DRIFT, FIELDS, OVER_TIME, REWRITTEN, UNCLEAR, UNDER_WAY, fault

WRITING_FAULTS = (
    fault(
        "more is done than was planned",
        "perform:Performer._still",
        "now.kind in kinds and now.to_stage <= action.to_stage",
        "now.kind in kinds",
        f"{UNDER_WAY}::test_no_more_is_done_than_was_planned_and_braked",
    ),
    fault(
        "a resolve that a close follows is not braked",
        "planning.plan:needs",
        "Verb.RESOLVE in action.path",
        "action.path == (Verb.RESOLVE,)",
        f"{OVER_TIME}::test_a_resolve_that_is_followed_by_a_close_counts_for_its_brake",
    ),
    fault(
        "a record is bound that lost its key meanwhile",
        "perform:Performer._adopt",
        "if here.lost_mark:\n    return self._hold(action, here, here.lost_mark)",
        "",
        f"{UNDER_WAY}::test_the_key_goes_between_look_up_and_adoption",
    ),
    fault(
        "a link goes on behind a failed action",
        "acting.apply:Applier._go_on",
        "work.actions and outcome.result in (Result.DONE, Result.ALREADY)",
        "work.actions and outcome.result is not Result.REJECTED",
        f"{UNDER_WAY}::test_nothing_follows_a_failed_action_on_its_own_link",
    ),
    fault(
        "a batch that was read long ago is fresh",
        "lanes:Fresh.of",
        "timedelta() <= now - self.read_at <= FRESH_FOR",
        "timedelta() <= now - self.read_at",
        f"{BETWEEN}::test_a_record_that_is_closed_while_the_writes_before_it_are_under_way",
    ),
    fault(
        "a doubtful close forgets the resolve before it",
        "perform:Performer._refused",
        "return unknown",
        "raise",
        f"{BETWEEN}::test_how_far_a_case_came_is_kept_when_the_next_verb_is_in_doubt",
    ),
    fault(
        "a 403 on a change is believed unseen",
        "perform:Performer._change_incident",
        "isinstance(error, Rejected) and error.status != 403",
        "isinstance(error, Rejected)",
        f"{DRIFT}::test_a_403_on_a_change_that_took_effect_is_no_rejection",
    ),
    fault(
        "a refused create is sent each cycle",
        "perform:Performer._look_for",
        ("if error.status == 403:\n    return self._hold(action, here, str(error))"),
        "",
        f"{UNCLEAR}::test_a_create_that_is_refused_by_a_rule_is_held_and_not_sent_each_cycle",
    ),
    fault(
        "after a doubtful create any record will do",
        "perform:Performer._existing",
        "len(found) == 1",
        "found",
        f"{UNCLEAR}::test_two_records_after_a_doubtful_create_are_both_held",
    ),
    fault(
        "a record that may not be read is made again",
        "perform:Performer._made_unseen",
        "replace(sent, sys_id=sys_id, number='', create_in_doubt_since=None)",
        "sent",
        f"{DRIFT}::test_a_record_that_was_made_and_may_not_be_read_is_not_made_again",
    ),
    fault(
        "an answer that makes no sense is the end of a record",
        "perform:Performer._made_unseen",
        "found = self._existing(action, here.link)",
        "pass",
        f"{UNCLEAR}::test_a_create_whose_answer_makes_no_sense_makes_a_record_that_follows_its_case",
    ),
    fault(
        "what was sent is forgotten with an answer that makes no sense",
        "perform:Performer._made_unseen",
        "dict(action.written)",
        "{}",
        f"{UNCLEAR}::test_a_record_that_cannot_be_read_for_a_while_follows_its_case_afterwards",
    ),
    fault(
        "a Case is routed anew while its create is in doubt",
        "standing:Standing.keeps_its_place",
        "link.create_in_doubt_since or link.earlier or self.further",
        "self.further",
        f"{DOUBT}::test_a_create_in_doubt_commits_late_while_its_case_is_routed_elsewhere",
    ),
    fault(
        "create_when keeps a record from being adopted",
        "planning.rules:not_wanted",
        "None if here.may_have_record else here.route",
        "here.route",
        f"{DOUBT}::test_create_when_does_not_keep_a_known_record_of_a_new_database_from_being_adopted",
    ),
    fault(
        "a stranger's record counts as a second one",
        "standing:Standing.further",
        "self.policies.is_ours(other, self.case.id)",
        "other.correlation_id == self.case.id",
        f"{UNCLEAR}::test_a_copy_that_is_ours_no_more_frees_its_link_by_itself",
    ),
    fault(
        "a record in an unknown state is adopted",
        "planning.rules:_create_or_adopt",
        "unknown_state(found)",
        "None",
        f"{OVER_TIME}::test_a_record_in_an_unknown_state_is_not_adopted",
    ),
    fault(
        "a record that is taken in is sent once more what it was made with",
        "drafts:as_given",
        "{**here.link.written, **kept}",
        "here.link.written",
        f"{REWRITTEN}::test_a_record_that_is_taken_in_as_it_was_made_is_not_sent_the_same_again",
    ),
    fault(
        "a Case that changed before its record was taken in is not followed",
        "drafts:as_given",
        "incident is None or incident.mod_count or (case.updated_at or case.created_at) > incident.created_at",
        "incident is None or incident.mod_count",
        f"{REWRITTEN}::test_a_case_that_changed_since_its_record_was_made_is_followed_when_the_record_is_taken_in",
    ),
    fault(
        "a step is sent without the field that failed",
        "drafts:draft_changes",
        "in_step.problem or step.problem",
        "in_step.problem",
        f"{OVER_TIME}::test_a_step_whose_template_fails_is_not_sent_without_it",
    ),
    fault(
        "a step is sent before its name was looked up",
        "drafts:draft_changes",
        "in_step.questions + step.questions",
        "in_step.questions",
        f"{FIELDS}::test_a_name_in_a_step_is_looked_up_before_the_step_is_sent",
    ),
    fault(
        "a hold outlives the change that ended it",
        "decide:_hold_after",
        "here.hold if decision.link.hold else None",
        "decision.link.hold",
        f"{OVER_TIME}::test_a_rejection_that_changed_begins_its_waiting_anew",
    ),
    fault(
        "a hold begins anew with each rejection",
        "decide:next_hold",
        "previous.since if previous else now",
        "now",
        f"{OVER_TIME}::test_a_hold_keeps_the_time_since_when_it_stands",
    ),
    fault(
        "an adopted record leaves the link unsettled",
        "standing:Standing.bound",
        (
            "link = replace(self.link, connector=incident.connector, table=incident.table, sys_id=incident.sys_id,"
            " number=incident.number,"
            " kept=incident.values_of(fields_given(self.inbound)) if incident.mod_count == 0 else {},"
            " create_in_doubt_since=None)"
        ),
        (
            "link = replace(self.link, connector=incident.connector, table=incident.table, sys_id=incident.sys_id,"
            " number=incident.number)"
        ),
        f"{OVER_TIME}::test_a_link_is_settled_once_its_record_is_found",
    ),
    fault(
        "a value that a service keeps differently is a rejection",
        "perform:_arrived",
        "after.mod_count > before.mod_count or not _differences(action, after)",
        "not _differences(action, after)",
        f"{FIELDS}::test_a_value_that_the_service_keeps_differently_is_no_rejection",
    ),
    fault(
        "a row that was added is not asked about",
        "audit.chain:_compare",
        "state is None",
        "state is None and row is None",
        "tests/unit/audit/test_chain.py::test_a_row_that_is_added_is_found",
    ),
    fault(
        "the end of the chain is not held to its head",
        "audit.chain:_walk_chain",
        "evidence.head() != (seq, chain)",
        "evidence.head()[0] != seq",
        "tests/unit/audit/test_chain.py::test_a_chain_that_is_cut_or_bent_is_found",
    ),
    fault(
        "a seal covers whatever is gone",
        "audit.chain:_hold_to_seals",
        "seal is None or (len(hashes), seal_hash(hashes)) != (seal.rows, seal.hash)",
        "seal is None",
        "tests/unit/audit/test_chain.py::test_a_seal_that_covers_more_than_it_took_is_found",
    ),
)
