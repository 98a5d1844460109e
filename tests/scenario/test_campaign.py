"""A few schedules of the fault campaign, and schedules that once failed.

The gate plays hundreds more; thousands are one command:
``python -m tests.campaign --schedules 2000 --seed 1 --workers 2``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Rewrite, Switches
from tests.campaign.campaign import run, seed_of
from tests.campaign.generate import generate
from tests.campaign.play import play
from tests.campaign.schedule import (
    Backup,
    CaseAct,
    Clone,
    Cycle,
    Hosts,
    Interrupt,
    Kill,
    LateCommit,
    OtherCycle,
    RecordAct,
    Restore,
    Schedule,
    Setting,
    Skew,
    Step,
    Strike,
    TurnBack,
    Wait,
    When,
)
from tests.campaign.trace import Acted, Began, Ended, Event, Request

SCHEDULES, SEED = 4, 3
"""few, that hold much; the gate plays those of another seed"""


def test_no_schedule_breaks_a_promise() -> None:
    tally = run(SCHEDULES, seed=SEED)
    assert not tally.failed, f"python -m tests.campaign --seed {SEED} --only {min(tally.failed)} --shrink"
    assert tally.kills
    assert len(tally.struck) > 10
    assert tally.requests > SCHEDULES


def test_a_seed_gives_the_same_schedule_and_the_same_story() -> None:
    schedule = generate(seed_of(7, 7))
    assert schedule == generate(seed_of(7, 7))
    assert play(schedule).events == play(schedule).events


def broken(*steps: Step, setting: Setting | None = None) -> list[str]:
    """Play steps and name what they broke."""
    return [violation.promise for violation in play(Schedule(setting or Setting(), steps)).violations]


# -- schedules that failed once ------------------------------------------------------------------------------


def test_a_retry_time_that_comes_with_a_drift_check_is_not_passed_over() -> None:
    refusing = Setting(profile="lenient", switches=Switches(close_role="admin"))
    events = play(Schedule(refusing, (CaseAct(0, "create"), CaseAct(0, "close")))).events
    a_day_later = max(index for index, event in enumerate(events) if isinstance(event, Acted))
    first = next(event for event in events[a_day_later:] if isinstance(event, Ended))
    assert [action.split()[0] for action in first.planned] == ["create_incident"]


def test_a_record_that_is_deleted_before_it_is_adopted_is_not_adopted_for_ever() -> None:
    killed = Cycle(0, (Interrupt("records.get", 1, When.BEFORE, Kill()),))
    steps = (CaseAct(0, "create"), Cycle(1), killed, RecordAct(0, "remove"))
    assert broken(*steps, setting=Setting(hosts=Hosts.TWO_DATABASES)) == []


def test_a_reactivated_case_is_not_resolved_by_a_host_that_meets_it_late() -> None:
    steps = (CaseAct(0, "create"), Cycle(1), CaseAct(0, "resolve"), Cycle(1), CaseAct(0, "reactivate"))
    played = play(Schedule(Setting(hosts=Hosts.TWO_DATABASES), steps))
    asked = [event.operation for event in played.events if isinstance(event, Request)]
    assert asked == ["records.create", "records.update"]
    assert played.violations == ()


def test_a_case_that_came_back_between_two_pulls_is_left_alone() -> None:
    steps = (CaseAct(0, "create"), Cycle(), CaseAct(0, "resolve"), CaseAct(0, "reactivate"), RecordAct(0, "progress"))
    assert broken(*steps) == []


def test_what_follows_an_adoption_is_done_in_the_same_cycle() -> None:
    setting = Setting(hosts=Hosts.TWO_DATABASES)
    steps = (CaseAct(0, "create"), Cycle(1), RecordAct(0, "resolve"), Cycle(0))
    played = play(Schedule(setting, steps))
    adopting = next(index for index, event in enumerate(played.events) if _adopts(event))
    asked = [event.operation for event in played.events[:adopting] if isinstance(event, Request)]
    assert asked == ["records.create", "cases.resolve"]


def test_a_case_that_another_host_closed_in_the_middle_is_not_closed_again() -> None:
    other = Cycle(0, (Interrupt("cases.resolve", 1, When.BEFORE, OtherCycle(1)),))
    steps = (CaseAct(0, "create"), Cycle(), RecordAct(0, "cancel"), other)
    assert broken(*steps, setting=Setting(hosts=Hosts.TWO_DATABASES)) == []


def test_our_own_acknowledgement_is_remembered_though_the_services_clock_was_set_back() -> None:
    steps = (CaseAct(0, "create"), Cycle(), Wait(-300), RecordAct(0, "progress"), Cycle(), CaseAct(0, "unacknowledge"))
    assert broken(*steps) == []


def test_a_listing_that_lags_behind_what_is_known_is_not_acted_on() -> None:
    late = (LateCommit(200), CaseAct(0, "acknowledge"), Cycle(), CaseAct(0, "recover"), Cycle())
    assert broken(CaseAct(0, "create"), Cycle(), *late) == []


def test_a_record_that_was_deleted_and_made_again_is_remembered_as_the_new_one() -> None:
    again = (RecordAct(0, "remove"), Wait(-300), CaseAct(0, "set_priority", "P1"), Cycle(1))
    assert broken(CaseAct(0, "create"), Cycle(), *again, setting=Setting(hosts=Hosts.TWO_DATABASES)) == []


def test_a_record_that_could_not_be_adopted_and_then_was_deleted_is_not_made_again() -> None:
    unread = (Cycle(1), Strike(FaultKind.RATE_429, "records.get"), Cycle(), RecordAct(0, "remove"))
    unannounced = (Wait(901), Cycle())
    assert broken(CaseAct(0, "create"), *unread, *unannounced, setting=Setting(hosts=Hosts.TWO_DATABASES)) == []


def test_a_case_that_came_back_between_our_resolve_and_our_close_is_not_resolved_again() -> None:
    between = Cycle(0, (Interrupt("cases.close", 1, When.BEFORE, CaseAct(0, "reactivate")),))
    assert broken(CaseAct(0, "create"), Cycle(), Wait(-30), RecordAct(0, "close"), between) == []


def test_a_record_that_was_reopened_and_is_put_back_from_before_is_left_alone() -> None:
    reopened = (Wait(901), RecordAct(0, "resolve", "b"), RecordAct(0, "progress", "b"), Cycle())
    put_back = (TurnBack(700, case=0), CaseAct(0, "close"))
    assert broken(CaseAct(0, "create"), Cycle(), *reopened, *put_back, setting=Setting(profile="lenient")) == []


def test_a_record_whose_assignment_went_with_an_older_copy_need_not_stand_with_its_case() -> None:
    assigned = (Wait(90000), RecordAct(0, "assign"), Cycle())
    assert broken(CaseAct(0, "create"), Cycle(), *assigned, TurnBack(90000)) == []


def test_a_side_is_left_alone_as_long_as_it_says_though_its_clock_is_wrong() -> None:
    closed = Strike(FaultKind.ERROR_503_HTML, "records.*", seconds=60)
    assert broken(Skew(-1, 600), closed, Cycle(), Cycle(), Cycle()) == []


def test_what_was_written_before_a_clone_is_ours_in_the_copy_too() -> None:
    copied = (CaseAct(0, "create"), Backup(0), Cycle(), Clone(), RecordAct(0, "drop_key"), Restore(0))
    assert broken(*copied, CaseAct(0, "set_title", "b"), setting=Setting(connectors=2)) == []


def test_a_clone_that_is_taken_in_is_held_against_the_clone() -> None:
    setting = Setting(hosts=Hosts.TWO_DATABASES, connectors=2)
    copied = (CaseAct(0, "create"), Cycle(), CaseAct(0, "acknowledge"), Clone(), RecordAct(0, "drop_key"))
    assert broken(*copied, setting=setting) == []


def test_a_clone_whose_original_is_hidden_may_be_taken_in() -> None:
    blind = Switches(total_count="after_acl")
    setting = Setting(switches=blind, hosts=Hosts.TWO_DATABASES, connectors=2)
    copied = (CaseAct(0, "create"), Cycle(), Clone(), RecordAct(0, "hide"), CaseAct(0, "acknowledge"))
    assert broken(*copied, Wait(60), Cycle(1), setting=setting) == []


def test_two_databases_may_make_one_record_each_only_where_an_instance_strips_ids() -> None:
    between = Interrupt(operation="records.list.find", nth=1, when=When.AFTER, what=OtherCycle(0))
    steps = (CaseAct(1, "create"), Cycle(1, interrupts=(between,)))
    strips = Setting(switches=Switches(sys_id_on_post="strip"), hosts=Hosts.TWO_DATABASES, on_reactivate="new_record")
    assert broken(*steps, setting=strips) == []
    one = play(Schedule(replace(strips, switches=Switches()), steps))
    assert len([each for each in one.events if isinstance(each, Request) and each.operation == "records.create"]) == 2
    assert not one.violations


def test_a_record_that_a_clone_removed_is_open_no_more_though_its_key_was_stripped() -> None:
    strips = Switches(correlation_on_post="strip")
    setting = Setting(switches=strips, hosts=Hosts.TWO_DATABASES, connectors=2, on_reactivate="new_record")
    removed = (CaseAct(0, "create"), CaseAct(1, "create"), Cycle(), Clone(), Wait(60), Cycle(1))
    assert broken(*removed, setting=setting) == []


def test_an_older_state_that_the_record_itself_shows_is_believed() -> None:
    late = (LateCommit(5), CaseAct(0, "set_title", "R&D"), Cycle(), CaseAct(0, "set_title"), Cycle())
    rewriting = Setting(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})), record_lag_seconds=5)
    assert broken(CaseAct(0, "create"), Cycle(), *late, CaseAct(0, "resolve"), Cycle(), setting=rewriting) == []


def test_another_hosts_cycle_within_a_write_takes_nothing_of_it_for_its_own() -> None:
    other = Cycle(0, (Interrupt("records.update", 1, When.AFTER, OtherCycle(1)),))
    refused = (Strike(FaultKind.RATE_429, "records.update"), CaseAct(0, "close"), Cycle())
    steps = (CaseAct(0, "create"), Cycle(), *refused, other, RecordAct(0, "resolve"), Cycle())
    events = play(Schedule(Setting(profile="lenient", hosts=Hosts.TWO_DATABASES), steps)).events
    assert sum(isinstance(event, Ended) for event in events) == sum(isinstance(event, Began) for event in events)


def test_a_value_that_another_daemon_gave_and_the_instance_folded_may_be_sent_once_more() -> None:
    folding = Setting(switches=Switches(rewrites=frozenset({Rewrite.BLANKS})), hosts=Hosts.TWO_DATABASES)
    assert broken(CaseAct(0, "create"), CaseAct(0, "set_title", "two  blanks "), Cycle(), setting=folding) == []


def test_a_step_that_an_older_listing_shows_is_not_made_again_by_us() -> None:
    """The record was closed and resolved again before anybody looked, and then put back to where it was closed."""
    unseen = (RecordAct(0, "close"), Wait(30), RecordAct(0, "resolve", "b"), Wait(30), Cycle())
    put_back = (TurnBack(35), Cycle(), CaseAct(0, "close"), RecordAct(0, "resolve", "b"))
    assert broken(CaseAct(0, "create"), Cycle(), *unseen, *put_back) == []


def test_a_step_that_an_older_record_shows_before_a_write_is_not_made_again_by_us() -> None:
    """Only the reading of many before a write shows where it was put back to; the one that follows fails."""
    unseen = (RecordAct(0, "cancel"), Wait(90000), RecordAct(0, "resolve", "b"))
    followed = (CaseAct(0, "resolve", "c"), CaseAct(0, "close"))
    failing = Strike(FaultKind.ERROR_503_HTML, "records.get", times=4)
    lost = (Strike(FaultKind.TIMEOUT, "records.update", after_effect=True), failing)
    put_back = (TurnBack(35, case=0), Cycle(), Wait(30), Cycle(), RecordAct(0, "resolve", "b"))
    assert broken(CaseAct(0, "create"), Cycle(), *unseen, *followed, *lost, Cycle(), *put_back) == []


SILENT = (RecordAct(0, "silent_title", "b"), CaseAct(0, "set_title", "c"))
"""A script that moves no count writes a title, and the Case gets another one."""


def test_what_a_script_wrote_without_a_trace_is_seen_by_who_made_the_record_alone() -> None:
    steps = (CaseAct(0, "create"), Cycle(), *SILENT)
    assert broken(*steps, setting=Setting(hosts=Hosts.TWO_DATABASES)) == []
    assert broken(*steps) == []


def test_who_takes_in_what_a_script_wrote_without_a_trace_may_write_over_it_once_another_daemon_wrote() -> None:
    scripted = (RecordAct(0, "silent_title", "b"), Cycle(1))
    steps = (CaseAct(0, "create"), Cycle(), *scripted, CaseAct(0, "set_title", "c"), CaseAct(0, "resolve", "c"))
    assert broken(*steps, setting=Setting(hosts=Hosts.TWO_DATABASES)) == []


def test_what_a_script_wrote_without_a_trace_passes_for_what_was_made_of_a_create_without_an_answer() -> None:
    lost = Strike(FaultKind.ERROR_503_HTML, "records.create", after_effect=True)
    scripted = (CaseAct(0, "set_title", "b"), RecordAct(0, "silent_title", "b"))
    assert broken(CaseAct(0, "create"), lost, Cycle(), *scripted) == []


def test_what_an_instance_made_of_a_killed_create_cannot_be_known_once_somebody_wrote() -> None:
    killed = Cycle(0, (Interrupt("records.create", 1, When.AFTER, Kill()),))
    steps = (CaseAct(0, "create"), killed, RecordAct(0, "assign"), CaseAct(0, "set_title", "plain"))
    assert broken(*steps, setting=Setting(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))) == []


NEW_RECORD = Setting(on_reactivate="new_record")


def test_a_write_that_was_refused_is_not_remembered() -> None:
    """A person's copy is taken in after the create of the next record was lost; it holds what it was made with."""
    fired = (CaseAct(0, "create"), CaseAct(0, "resolve", "c"), Cycle(), CaseAct(0, "reactivate", "d"))
    refused = Strike(FaultKind.UNAUTHORIZED_401, "records.update", after_effect=True)
    lost = (Strike(FaultKind.ERROR_500, "records.create"), refused, Cycle())
    copied = (RecordAct(0, "copy"), CaseAct(0, "set_title", "plain"), Cycle())
    assert broken(*fired, *lost, *copied, setting=NEW_RECORD) == []


def test_whether_an_instance_keeps_ids_is_learned_of_each_by_itself() -> None:
    both = Setting(switches=Switches(sys_id_on_post="strip"), hosts=Hosts.TWO_DATABASES, connectors=2)
    lost = (Strike(FaultKind.RESET, "records.create", after_effect=True), LateCommit(200), Cycle(1), Cycle(1))
    assert broken(CaseAct(0, "create"), CaseAct(1, "create"), *lost, setting=both) == []


def test_that_the_record_before_is_not_ours_any_more_may_be_seen_by_a_drift_check_only() -> None:
    """People have it open again, so that no next record is made, until they take it from us."""
    resolved = (CaseAct(0, "resolve", "c"), Cycle(), Wait(60), CaseAct(0, "reactivate", "d"), Cycle())
    steps = (CaseAct(0, "create"), *resolved, RecordAct(0, "hold"), *resolved, RecordAct(0, "drop_mark"))
    assert broken(*steps, setting=NEW_RECORD) == []


def test_a_kill_takes_along_what_the_first_create_of_all_showed() -> None:
    """That the instance keeps no ids; and what was made is listed late."""
    stripping = replace(NEW_RECORD, switches=Switches(sys_id_on_post="strip"))
    killed = Cycle(0, (Interrupt("records.create", 1, When.AFTER, Kill()),))
    assert broken(CaseAct(0, "create"), LateCommit(40), killed, Cycle(), setting=stripping) == []


def test_of_two_records_the_one_that_is_left_may_be_written() -> None:
    """The other one was read by its id, and is gone."""
    copied = (CaseAct(0, "create"), Backup(0), Cycle(), RecordAct(0, "copy"), CaseAct(0, "resolve", "c"))
    assert broken(*copied, Restore(0), Cycle(), RecordAct(0, "remove"), setting=Setting(short_rows=1)) == []


def test_a_daemon_without_memory_may_make_a_record_beside_one_that_nobody_is_shown() -> None:
    fired = (CaseAct(0, "create"), CaseAct(0, "resolve", "c"), Wait(60), CaseAct(0, "reactivate", "d"), Cycle())
    late = (TurnBack(700), LateCommit(200), Wait(60), Cycle(), Cycle(1))
    lagging = replace(NEW_RECORD, knobs=CaseKnobs(list_lag_seconds=45.0), hosts=Hosts.TWO_DATABASES)
    assert broken(*fired, *late, setting=lagging) == []


def test_a_record_that_another_daemon_made_anew_is_not_doubled() -> None:
    fired = (CaseAct(1, "create"), CaseAct(1, "resolve", "c"), Wait(60), CaseAct(1, "reactivate", "d"), Cycle())
    lost = (Wait(60), Clone(), Strike(FaultKind.TIMEOUT, "records.create", neighbour=True), Cycle(), Cycle(1))
    two = replace(NEW_RECORD, hosts=Hosts.TWO_DATABASES, connectors=2)
    assert broken(*fired, *lost, setting=replace(two, knobs=CaseKnobs(list_lag_seconds=5.0))) == []


@pytest.mark.parametrize("operation", ["records.list", "records.update"])
def test_a_time_of_2099_makes_no_older_state_the_newer_one(operation: str) -> None:
    """In a listing of an older state, or in the answer to a write of ours that is listed late."""
    odd = Strike(FaultKind.STRANGE_TIMES, operation, times=2, year=2099)
    moved = (LateCommit(40), Cycle(), CaseAct(0, "resolve", "c"), Cycle(), Cycle())
    first = (CaseAct(0, "create"), Cycle(), CaseAct(0, "acknowledge"))
    before, after = ((odd,), ()) if operation == "records.update" else ((), (odd, Cycle()))
    assert broken(*first, *before, LateCommit(40), Cycle(), *after, *moved) == []


def _adopts(event: Event) -> bool:
    return isinstance(event, Ended) and any(action.startswith("adopt") for action in event.planned)
