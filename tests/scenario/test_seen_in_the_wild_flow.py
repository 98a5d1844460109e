"""The same for what comes in floods, at odd times, back and forth, or while the process dies: all of it, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.core.model import Result, SkipReason
from reconciler.core.policies.policies import Limits
from reconciler.engine.context import Settings
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.store.store import Store
from tests.builders import policies
from tests.scenario.wild_support import Killed, WildWorld, after_a_drift_check, kill
from tests.world import START, results

LOW = Limits(max_creates_per_cycle=2, max_case_resolves_per_cycle=2, max_incident_resolves_per_cycle=2)


def test_backlog_above_the_cap() -> None:
    """An alert storm opens more Cases than the limit allows. Refused whole, none dropped, let through by a person."""
    world = WildWorld(rules=policies(limits=LOW))
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(5)]
    for _ in range(3):
        report = world.cycle()
        assert (report.exit_code, len(report.plan.actions), report.outcomes) == (3, 5, ())
        assert "needs 5, [limits] max_creates_per_cycle allows 2" in str(report.error)
    assert world.writes() == 0
    assert results(world.cycle(limits_on=False)) == [Result.DONE] * 5
    assert all(len(world.servicenow.incidents_for(case_id)) == 1 for case_id in case_ids)


def test_backlog_above_the_cap_fits_again() -> None:
    """The same on the way back: the daemon stays up, says so each cycle, and goes on when the limit is raised."""
    world = WildWorld(rules=policies(limits=LOW))
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(5)]
    world.cycle(limits_on=False)
    for case_id in case_ids:
        world.servicenow.people.resolve(world.sys_id(case_id))
    reports = [world.cycle() for _ in range(3)]
    assert {(report.result.value, report.exit_code) for report in reports} == {("refused", 3)}
    assert all("max_case_resolves_per_cycle" in str(report.error) for report in reports)
    assert {world.status(case_id) for case_id in case_ids} == {"ACTIVE"}
    world.rules = policies(limits=replace(LOW, max_case_resolves_per_cycle=5))
    assert results(world.cycle()) == [Result.DONE] * 5


def test_backlog_above_the_cap_of_one_pull() -> None:
    """After an outage more records have changed than one cycle reads. The next ones go on where it stopped."""
    world = WildWorld(settings=Settings(workers=1, incident_page_rows=3, incident_pages_per_cycle=2))
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(20)]
    world.cycle()
    world.clock.advance(minutes=6)  # no drift check falls in this time
    for case_id in case_ids:
        world.servicenow.people.progress(world.sys_id(case_id))
        world.clock.advance(seconds=1)
    reports = [world.cycle() for _ in range(6)]
    assert max(report.pulled_incidents for report in reports) <= 6
    assert {world.status(case_id) for case_id in case_ids} == {"ACKNOWLEDGED"}


@pytest.mark.parametrize("minutes", [-10, 10])
@pytest.mark.parametrize("whose", ["records", "host"])
def test_a_clock_that_is_wrong_by_ten_minutes(whose: str, minutes: int) -> None:
    """The clock of ServiceNow, or of our host against both services, is wrong. Both sides still follow at once."""
    world = WildWorld()
    if whose == "host":
        world.ahead = timedelta(minutes=minutes)
    else:
        world.servicenow.own_clock.skew = timedelta(minutes=minutes)
    case_id, sys_id = world.link_one()
    world.servicenow.people.progress(sys_id)
    world.cycle()
    assert world.status(case_id) == "ACKNOWLEDGED"
    world.coralogix.resolve(case_id, "found it")
    world.cycle()
    assert world.both(case_id) == ("RESOLVED", "6")
    world.servicenow.people.close(sys_id)
    world.cycle()
    assert world.both(case_id) == ("CLOSED", "7")


@pytest.mark.parametrize("whose", ["records", "cases"])
def test_a_clock_that_is_set_back_by_ten_minutes(whose: str) -> None:
    """A service's clock is put right, back by ten minutes: changes bear times that were read already. All are seen."""
    world = WildWorld()
    world.servicenow.own_clock.skew = timedelta(minutes=10)
    case_id, sys_id = world.link_one()
    world.cycle()
    if whose == "records":
        world.servicenow.own_clock.skew = timedelta()
        world.servicenow.people.resolve(sys_id)
    else:
        world.clock.advance(minutes=-10)
        world.ahead = timedelta(minutes=10)
        world.coralogix.resolve(case_id, "found it")
        world.run_until_quiet()
        assert world.state(case_id) == "6"
    after_a_drift_check(world)
    assert world.both(case_id) == ("RESOLVED", "6")
    assert world.skip(case_id) is None


@pytest.mark.parametrize("seconds", [60, 240, 700])
def test_a_commit_later_than_the_cursor(seconds: float) -> None:
    """A long transaction is committed with an older time. The overlap finds it, or else the drift check."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.tables.delay_commit(seconds)
    world.servicenow.people.resolve(sys_id)
    world.cycle()
    world.link_one("a later one, which moves the cursor on")
    after_a_drift_check(world)
    assert world.both(case_id) == ("RESOLVED", "6")


def test_a_rejection_backs_off_to_a_day() -> None:
    """A business rule says no for weeks. The write is sent at longer and longer intervals, in the end once a day."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.servicenow.rules.add("frozen", lambda before, after: bool(before) and after["state"] == "2")
    world.coralogix.acknowledge(case_id)
    for _ in range(5 * 24):
        world.cycle(seconds=3600)
    times = [write.at for write in world.sent(case_id)]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == sorted(waits)
    assert timedelta(days=1) <= waits[-1] <= timedelta(days=1, hours=1)
    assert 8 <= len(times) <= 15
    assert world.skip(case_id) is SkipReason.REJECTED
    assert "frozen" in world.detail(case_id)


def test_a_rejection_is_over_when_either_side_changes() -> None:
    """The rule waits for an assignment. As soon as a person makes it, the write is sent again and goes through."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.rules.add("assigned", lambda _before, after: after["state"] == "2" and not after["assigned_to"])
    world.coralogix.acknowledge(case_id)
    assert results(world.cycle()) == [Result.REJECTED]
    assert not world.cycle().outcomes
    world.servicenow.people.edit(sys_id, urgency="1")
    assert results(world.cycle()) == [Result.REJECTED]
    world.servicenow.people.assign(sys_id)
    world.coralogix.resolve(case_id)
    assert results(world.cycle()) == [Result.DONE]
    assert world.skip(case_id) is None


def test_ping_pong() -> None:
    """Both sides move at once, again and again. Each goes forward only, with the least writes, and then it is quiet."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.servicenow.people.progress(sys_id)
    assert world.run_until_quiet() == 0
    world.coralogix.unacknowledge(case_id)
    world.servicenow.people.note(sys_id, "Still at it.")
    assert world.run_until_quiet() == 0
    world.coralogix.set_title(case_id, "our words")
    world.servicenow.people.edit(sys_id, short_description="their words")
    assert world.run_until_quiet() == 0
    world.coralogix.set_priority(case_id, "P1")
    world.servicenow.people.resolve(sys_id)
    assert world.run_until_quiet() == 1
    world.coralogix.close(case_id)
    world.servicenow.people.close(sys_id)
    assert world.run_until_quiet() == 0
    assert world.record(case_id)["short_description"] == "their words"
    assert (world.verbs(case_id), len(world.sent(case_id))) == (["resolve"], 1)


@pytest.mark.parametrize("field", ["correlation_id", "correlation_display"])
def test_record_leaves_the_filter(field: str) -> None:
    """A person takes the key or the mark off the record. It is not ours any more: no write, and that is said."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.link_one("a later one, which moves the cursor on")
    world.servicenow.people.edit(sys_id, **{field: ""})
    world.coralogix.acknowledge(case_id)
    world.cycle()
    world.servicenow.people.resolve(sys_id)
    after_a_drift_check(world)  # which sees what the record became
    assert world.skip(case_id) is SkipReason.REJECTED
    assert "does not bear this Case's key and our mark" in world.detail(case_id)
    assert (world.verbs(case_id), [write for write in world.servicenow.journal if write.via_api][2:]) == ([], [])
    world.servicenow.people.edit(sys_id, **{field: {"correlation_id": case_id}.get(field, "Coralogix")})
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


def test_record_leaves_the_filter_in_the_same_cycle() -> None:
    """The key goes between our plan and our write. The read before the write notices."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before get_many", lambda: world.servicenow.people.edit(sys_id, correlation_id=""))
    assert results(world.cycle()) == [Result.REJECTED]
    assert world.servicenow.record(sys_id)["state"] == "1"


def cycle_and_start_again(world: WildWorld) -> None:
    try:
        world.cycle()
    except Killed:
        world.cycle()


@pytest.mark.parametrize("moment", ["before create", "after create", "before update", "after update", "before find"])
def test_kill_anywhere(moment: str) -> None:
    """The process is killed around a write. The next start looks, instead of repeating or forgetting."""
    world = WildWorld()
    world.cycle()
    world.once(moment, kill)
    case_id = world.new_case()
    cycle_and_start_again(world)
    world.coralogix.acknowledge(case_id)
    cycle_and_start_again(world)
    world.run_until_quiet()
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert len(world.sent(case_id, Operation.INSERT)) == 1
    assert len(world.sent(case_id)) == 1
    assert not world.store.journal.unfinished_actions()


def test_cancel_of_an_active_case() -> None:
    """A Canceled record asks to close a Case that is open, which Coralogix refuses. It is resolved first."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.cancel(sys_id)
    assert results(world.cycle()) == [Result.DONE]
    assert world.verbs(case_id) == ["resolve", "close"]
    assert [entry.accepted for entry in world.coralogix.journal if entry.actor == "apiKey"] == [True, True]
    assert not world.cycle().plan.actions
    assert world.both(case_id) == ("CLOSED", "8")


@pytest.mark.parametrize("side", ["cases", "records"])
def test_auto_close_burst(side: str) -> None:
    """A job closes many resolved Cases, or records, at once. No brake holds that: nothing is lost by it."""
    world = WildWorld(rules=policies(limits=LOW))
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(40)]
    world.cycle(limits_on=False)
    for case_id in case_ids:
        world.coralogix.resolve(case_id, "over")
    world.cycle(limits_on=False)
    if side == "cases":
        for case_id in case_ids:
            world.coralogix.auto_close(case_id)
    else:
        world.clock.advance(days=8)
        assert world.servicenow.people.auto_close() == len(case_ids)
    report = world.cycle()
    assert (report.exit_code, results(report)) == (0, [Result.DONE] * len(case_ids))
    assert {world.both(case_id) for case_id in case_ids} == {("CLOSED", "7")}


def test_over_long_reason() -> None:
    """The close notes are longer than Coralogix takes as a reason. It is cut for the wire, and kept for the audit."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.resolve(sys_id, close_notes="because of the disk, " * 200)
    (outcome,) = world.cycle().outcomes
    assert outcome.result is Result.DONE
    assert 400 < len(world.coralogix.ledger.case(case_id).resolution_reason) <= 500
    assert len(outcome.action.detail or "") > 4000


def test_a_dry_run_that_writes(tmp_path: Path) -> None:
    """Somebody looks at the plan. Neither service is written, and the database stays as it was, byte for byte."""
    path = tmp_path / "reconciler.db"
    world = WildWorld(store=Store.open(path, now=START))
    case_id, sys_id = world.link_one()
    world.new_case("another")
    world.servicenow.people.close(sys_id)
    world.store.close()
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with Store.planning(path) as copy:
        report = world.cycle_of(copy, carry_out=False)
    assert sorted(action.kind.value for action in report.plan.actions) == ["advance_case", "create_incident"]
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before
    assert (world.writes(), world.verbs(case_id)) == (1, [])
    with Store.open(path, now=START) as store:
        assert world.cycle_of(store).plan.hash() == report.plan.hash()


def test_a_stale_intent_replayed() -> None:
    """Killed with "In Progress" in the journal; a person resolves the record meanwhile. It is decided anew."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before update", kill)
    with pytest.raises(Killed):
        world.cycle()
    (begun,) = world.store.journal.unfinished_actions()
    assert begun.action.kind.value == "advance_incident"
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert (world.sent(case_id), world.store.journal.unfinished_actions()) == ([], ())
    story = world.store.reports.story(case_id)
    assert story
    assert [row["result"] for row in story.actions] == ["done", "unknown", "done"]


@pytest.mark.parametrize("side", ["records", "cases"])
def test_a_login_that_is_refused(side: str) -> None:
    """The password is changed between two writes. That side stops for the cycle, the rest waits for the next one."""
    world = WildWorld()
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(4)]
    world.cycle()
    for case_id in case_ids:
        if side == "records":
            world.coralogix.acknowledge(case_id)
        else:
            world.servicenow.people.progress(world.sys_id(case_id))
    strike = world.strike_records if side == "records" else world.strike_cases
    strike(FaultKind.UNAUTHORIZED_401, "records.update" if side == "records" else "cases.acknowledge", times=None)
    written = world.writes()
    report = world.cycle()
    assert (report.exit_code, results(report)) == (1, [Result.RETRY] * 4)
    assert world.writes() == written + 1
    world.record_faults.clear()
    world.case_faults.clear()
    assert results(world.cycle()) == [Result.DONE] * 4
