"""Further things that services do to such daemons: odd answers, wrong clocks, lost rights, people who are faster."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.core.identity import record_id
from reconciler.core.model import Result, SkipReason
from reconciler.engine.context import Settings
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.store.store import Store
from tests.builders import a_route, condition, policies
from tests.clients import IncidentsInProcess
from tests.scenario.wild_support import DRIFT_CYCLES, WildWorld, after_a_drift_check
from tests.store_helpers import empty_store
from tests.world import START, results

STRIPPING = Switches(sys_id_on_post="strip")
DOUBTFUL = (
    FaultKind.TIMEOUT,
    FaultKind.RESET,
    FaultKind.ERROR_500,
    FaultKind.FORBIDDEN_403,
    FaultKind.HTML_200,
    FaultKind.ERROR_IN_200,
    FaultKind.TRUNCATED_JSON,
)


# -- one record per Case ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DOUBTFUL)
@pytest.mark.parametrize("switches", [Switches(), STRIPPING])
def test_an_error_with_the_record_there(kind: FaultKind, switches: Switches) -> None:
    """No answer, 500 "Transaction cancelled", 403 or a page for people, and the record was made all the same.

    It is found and is the only one.
    """
    world = WildWorld(switches=switches)
    world.cycle()
    case_id = world.new_case()
    world.strike_records(kind, "records.create", after_effect=True)
    report = world.cycle()
    assert results(report) == [Result.DONE]
    assert "there all the same" in str(report.outcomes[0].detail)
    assert switches is STRIPPING or world.sys_id(case_id) == record_id("Coralogix", case_id)
    assert world.run_until_quiet() == 0
    assert len(world.servicenow.incidents_for(case_id)) == 1
    assert len(world.sent(case_id, Operation.INSERT)) == world.writes() == 1


def test_an_error_and_then_no_look_either() -> None:
    """The create times out and so does the look for it. The next create waits until the first must have ended."""
    world = WildWorld(switches=STRIPPING)
    world.link_one()
    case_id = world.new_case("another")
    world.servicenow.tables.delay_commit(100)
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    world.once("before get", lambda: world.strike_records(FaultKind.ERROR_503_HTML, "records.get"))
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.cycle()
    assert world.skip(case_id) is SkipReason.SETTLING
    world.cycle(seconds=300)
    assert world.skip(case_id) is None
    assert len(world.sent(case_id, Operation.INSERT)) == 1


def test_a_create_that_commits_after_we_gave_up() -> None:
    """The instance finishes the create long after the time-out. With the chosen id the repeat meets it."""
    world = WildWorld()
    world.cycle()
    case_id = world.new_case()
    world.servicenow.tables.delay_commit(45)
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_lists_lag_behind_writes() -> None:
    """Listings show the instance as it was half a minute ago, for ever, to two hosts. Still one record each."""
    world = WildWorld()
    other = empty_store()
    world.strike_records(FaultKind.STALE_LIST, "records.list", times=None)
    world.cycle()
    world.cycle_of(other)
    case_id = world.new_case()
    world.cycle()
    world.cycle_of(other)
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    after_a_drift_check(world)
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert len(world.servicenow.incidents_for(case_id)) == 1
    assert world.skip(case_id) is None


def test_case_lists_lag_behind_writes() -> None:
    """Coralogix lists a Case as it was before our own verb. The older answer is not taken for a step back."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.strike_cases(FaultKind.STALE_LIST, "cases.list", times=None)
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    world.servicenow.people.close(sys_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "7")
    assert world.skip(case_id) is None
    assert world.verbs(case_id) == ["resolve", "close"]


def test_yesterdays_backup(tmp_path: Path) -> None:
    """The database is restored from before the records were made and moved on. Nothing is made twice or moved back."""
    path = tmp_path / "reconciler.db"
    world = WildWorld(store=Store.open(path, now=START))
    world.cycle()
    backup = Store.copy_of(path)
    world.clock.advance(hours=1)
    case_id = world.new_case()
    world.cycle()
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.cycle()
    world.store.close()
    world.store = backup
    world.servicenow.people.reopen(world.sys_id(case_id))
    written = world.writes()
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "2")
    assert world.writes() == written
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED


# -- absence ------------------------------------------------------------------------------------------------------


def test_a_record_that_answers_404_twice() -> None:
    """A person deletes the record. Asked twice, it is held; never made again, never counted as closed."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.remove(sys_id)
    world.coralogix.acknowledge(case_id)
    assert results(world.cycle()) == [Result.RETRY]
    assert world.status(case_id) == "ACKNOWLEDGED"
    world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING
    world.coralogix.resolve(case_id)
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING
    assert (world.servicenow.incidents_for(case_id), world.verbs(case_id)) == ((), [])


def test_a_record_that_answers_404_and_comes_back() -> None:
    """An ACL hides one quiet record for a day. It is held meanwhile, and follows again when it can be read."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.link_one("a later one, which moves the cursor on")
    world.clock.advance(hours=1)
    world.new_case("and one more")
    world.run_until_quiet()
    world.servicenow.access.hide(sys_id)
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    world.servicenow.access.show(sys_id)
    after_a_drift_check(world)
    assert world.skip(case_id) is None
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_a_record_that_answers_404_once() -> None:
    """The record cannot be read at the one moment of a write. That is a suspicion, which the next cycle clears."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before get_many", lambda: world.servicenow.access.hide(sys_id))
    assert results(world.cycle()) == [Result.RETRY]
    world.servicenow.access.show(sys_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")


def test_a_quiet_record_that_is_deleted() -> None:
    """Nothing moves, and a record is gone. The drift check suspects it; only a look in the next cycle holds it."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.remove(sys_id)
    while world.skip(case_id) is None:
        world.cycle()
    assert world.skip(case_id) is SkipReason.SETTLING
    world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING


def test_a_case_that_answers_404_twice() -> None:
    """A Case is deleted. Its record is held as ``case_missing`` and stays as it is."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.delete(case_id)
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.CASE_MISSING
    world.servicenow.people.resolve(sys_id)
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.CASE_MISSING
    assert world.record(case_id)["state"] == "6"
    assert world.writes() == 1


def test_a_case_that_answers_404_and_comes_back() -> None:
    """A key that is limited on purpose loses sight of a Case, and gets it back. The record then follows again."""
    world = WildWorld(settings=Settings(workers=1, accept_partial_view=True))
    case_id, sys_id = world.link_one()
    world.coralogix.hide(case_id)
    world.servicenow.people.resolve(sys_id)
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.CASE_MISSING
    assert (world.status(case_id), world.verbs(case_id)) == ("ACTIVE", [])
    world.coralogix.hide(case_id, hidden=False)
    after_a_drift_check(world)
    assert world.both(case_id) == ("RESOLVED", "6")


def test_a_permission_that_shrank() -> None:
    """Overnight the user lost the right to read every record. Nothing is concluded or written, each cycle says so."""
    world = WildWorld()
    world.cycle()
    case_ids = [world.new_case(f"Case {number}") for number in range(5)]
    world.cycle()
    for case_id in case_ids:
        world.servicenow.access.hide(world.sys_id(case_id))
        world.coralogix.acknowledge(case_id)
    world.new_case("a new one")
    written = world.writes()
    reports = [world.cycle(seconds=150) for _ in range(DRIFT_CYCLES)]
    assert {report.exit_code for report in reports} == {3}
    assert world.writes() == written
    assert not [skip for skip in world.store.links.standing_skips() if skip.reason is SkipReason.INCIDENT_MISSING]
    for case_id in case_ids:
        world.servicenow.access.show(world.sys_id(case_id))
    world.run_until_quiet()
    assert {world.both(case_id) for case_id in case_ids} == {("ACKNOWLEDGED", "2")}


# -- races and outages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["resolve", "close", "cancel", "hold", "progress"])
def test_a_person_who_moves_the_record_before_our_write(act: str) -> None:
    """A person is faster than our write. What is read just before it makes it moot."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before get_many", lambda: getattr(world.servicenow.people, act)(sys_id))
    world.cycle()
    state = world.state(case_id)
    assert world.sent(case_id) == []
    world.run_until_quiet()
    assert world.state(case_id) == state
    assert world.agreed(case_id) is not None


def test_a_person_who_moves_the_record_during_our_write() -> None:
    """A race that no read prevents: resolved between read and write. Noticed, and then nothing more is done to it."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before update", lambda: world.servicenow.people.resolve(sys_id))
    (outcome,) = world.cycle().outcomes
    assert "somebody else wrote at the same time" in str(outcome.detail)
    world.run_until_quiet()
    assert len(world.sent(case_id)) == 1
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


@pytest.mark.parametrize("moment", ["before get_case", "after get_case"])
def test_a_person_who_moves_the_case_before_our_write(moment: str) -> None:
    """A person resolves the Case while we are about to acknowledge it. Theirs stands, and nothing is held."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.progress(sys_id)
    world.once(moment, lambda: world.coralogix.resolve(case_id, "found it"))
    world.cycle()
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert world.coralogix.ledger.case(case_id).resolution_reason == "found it"
    assert world.skip(case_id) is None
    assert world.verbs(case_id) == ([] if moment == "before get_case" else ["acknowledge"])


def test_an_unacknowledged_case_during_our_write() -> None:
    """A person takes the acknowledgement back while we resolve, for the record is resolved. Forward all the same."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    world.servicenow.people.resolve(sys_id)
    world.once("after get_case", lambda: world.coralogix.unacknowledge(case_id))
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")


@pytest.mark.parametrize("note", ["", "Still at it."])
def test_an_update_that_timed_out_before_it_arrived(note: str) -> None:
    """The new title never arrived, while a person wrote a note. It is not remembered as written, but sent again."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.set_title(case_id, "Payments are down")
    world.once("before update", lambda: world.servicenow.people.note(sys_id, note))
    world.strike_records(FaultKind.TIMEOUT, "records.update")
    assert results(world.cycle()) == [Result.UNKNOWN]
    assert results(world.cycle()) == [Result.DONE]
    assert "Payments are down" in world.record(case_id)["short_description"]


def test_an_instance_that_is_down_for_days() -> None:
    """One of two instances does not answer for days. The other's links go on, and are compared in full as ever."""
    clock = SandboxClock(START)
    dead = ServiceNowWorld(clock, FaultPlan())
    elsewhere = a_route(name="elsewhere", when=condition('case.priority == "P1"'), connector="dead")
    client = IncidentsInProcess(dead, connector="dead")
    world = WildWorld(rules=policies(routes=(elsewhere, a_route())), further={"dead": client})
    world.cycle()
    waiting = world.new_case("for the dead", priority="P1")
    case_id, sys_id = world.link_one()
    dead.faults.add(Fault(FaultKind.TIMEOUT, times=None))
    world.coralogix.acknowledge(waiting)
    world.clock.advance(minutes=10)
    world.link_one("a later one, which moves the cursor on")
    world.cycle()
    world.servicenow.people.silent_edit(sys_id, state="6", close_code="Solution provided", close_notes="By script.")
    after_a_drift_check(world)
    assert world.both(case_id) == ("RESOLVED", "6")
    assert world.cycle().exit_code == 1
    dead.faults.clear()
    world.run_until_quiet()
    assert dead.incident_for(waiting)["state"] == "2"
