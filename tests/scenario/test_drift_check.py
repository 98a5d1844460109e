"""What the full comparison finds although no time announces it, and what it does not conclude."""

from __future__ import annotations

from datetime import timedelta

from reconciler.core.model import Result, SkipReason
from reconciler.core.policies.policies import Limits
from reconciler.engine.context import Settings
from reconciler.engine.report import CycleKind, CycleResult
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Switches
from tests.builders import an_inbound, policies
from tests.scenario.wild_support import WildWorld, after_a_drift_check
from tests.world import results


def test_a_change_that_bears_an_older_time_than_is_remembered() -> None:
    """Coralogix's clock was set back further than any pull looks; the comparison reads such Cases by themselves."""
    one_row = Settings(workers=1, case_overlap=timedelta(seconds=60), case_page_rows=1, all_cases_page_rows=1)
    world = WildWorld(settings=one_row)
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.clock.advance(seconds=30)
    world.new_case("between")
    world.cycle(seconds=300)
    for number in range(3):
        world.new_case(f"later {number}")
    world.run_until_quiet()
    world.ahead = timedelta(minutes=20)
    world.clock.advance(minutes=-20)
    world.coralogix.resolve(case_id, "done")
    world.clock.advance(seconds=90)
    after_a_drift_check(world)
    assert world.both(case_id) == ("RESOLVED", "6")


def test_a_clock_that_was_ahead_once_does_not_put_the_checks_off() -> None:
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.ahead = timedelta(days=400)
    world.cycle(seconds=1000)
    world.ahead = timedelta()
    world.run_until_quiet()
    world.servicenow.people.silent_edit(sys_id, state="6")
    after_a_drift_check(world)
    assert world.status(case_id) == "RESOLVED"


def test_what_one_listing_leaves_out_is_asked_for_by_itself() -> None:
    """A row that a listing does not show is no 404; the record is there, and nothing is concluded."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.run_until_quiet()
    client = world.incidents
    real, client.get_many = client.get_many, lambda *_: ()  # type: ignore[method-assign]
    assert world.cycle(seconds=1000).kind.value == "drift"
    client.get_many = real  # type: ignore[method-assign]
    assert world.pair(case_id).link.incident_absence is None
    world.servicenow.people.remove(sys_id)
    world.cycle(seconds=1000)
    assert world.skip(case_id) is SkipReason.SETTLING
    world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_MISSING


def test_a_case_that_is_closed_is_not_asked_for_while_its_record_is_open() -> None:
    """It stands in no list of open Cases, and nothing more can become of it."""
    world = WildWorld(rules=policies(inbound=an_inbound(on_close=None)))
    case_id, _ = world.link_one()
    world.coralogix.resolve(case_id, "done")
    world.run_until_quiet()
    world.coralogix.close(case_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "6")
    before = world.cases.requests["cases.get"]
    assert world.cycle(seconds=1000).kind.value == "drift"
    assert world.cases.requests["cases.get"] == before


def test_the_nightly_check_lists_open_cases_of_any_age() -> None:
    """None of them is asked for one by one, however old it is."""
    world = WildWorld()
    for number in range(5):
        world.new_case(f"old {number}")
    world.cycle()
    world.run_until_quiet()
    world.clock.advance(days=40)
    before = world.cases.requests["cases.get"]
    assert world.cycle().kind.value == "full"
    assert world.cases.requests["cases.get"] == before


def test_a_403_on_a_change_that_took_effect_is_no_rejection() -> None:
    world = WildWorld()
    case_id, _ = world.link_one()
    world.run_until_quiet()
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update", after_effect=True)
    report = world.cycle()
    assert [result.value for result in results(report)] == ["done"]
    assert world.skip(case_id) is None


def test_a_403_on_a_change_that_had_none_is_held_with_its_words() -> None:
    world = WildWorld()
    case_id, _ = world.link_one()
    world.run_until_quiet()
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update")
    report = world.cycle()
    assert [result.value for result in results(report)] == ["rejected"]
    assert world.skip(case_id) is SkipReason.REJECTED
    assert world.state(case_id) == "1"


def test_a_record_that_was_made_and_may_not_be_read_is_not_made_again() -> None:
    """The right to read its key is missing from the first create on, and the instance chooses ids itself."""
    world = WildWorld(switches=Switches(sys_id_on_post="strip", invalid_query="no_rows"))
    world.cycle()
    case_id = world.new_case()
    world.servicenow.access.protect("incident", unreadable=("correlation_id",))
    world.cycle()
    made = world.store.links.pair(case_id)
    assert made is not None
    assert made.link.sys_id == world.sys_id(case_id)
    for _ in range(10):
        world.cycle(seconds=3600)
    assert len(world.servicenow.incidents_for(case_id)) == 1
    world.servicenow.access.protect("incident")
    after_a_drift_check(world)
    world.run_until_quiet()
    assert world.skip(case_id) is None
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")


def test_a_comparison_of_everything_reads_large_pages() -> None:
    world = WildWorld()
    for number in range(120):
        world.new_case(f"Case {number}")
    world.cycle(limits_on=False)
    world.run_until_quiet()
    before = world.cases.requests["cases.list"]
    world.cycle(seconds=900)
    pulled = 2  # in large pages, too: the pause was longer than the overlap
    assert world.cases.requests["cases.list"] - before == pulled + 1


def due_with_a_silent_edit() -> tuple[WildWorld, str]:
    """Let a check be due that finds a record resolved, which no pull shows: its time of change is too old."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.clock.advance(seconds=1000)
    world.link_one()
    world.run_until_quiet()
    world.servicenow.people.silent_edit(sys_id, state="6")
    return world, case_id


def test_what_is_news_is_written_before_everything_open_is_read() -> None:
    world, case_id = due_with_a_silent_edit()
    young, listed = world.new_case("young"), world.cases.requests["cases.list"]
    when_made: list[int] = []
    world.once("before create", lambda: when_made.append(world.cases.requests["cases.list"] - listed))
    report = world.cycle(seconds=1000)
    assert report.kind is CycleKind.DRIFT
    assert when_made == [2]
    assert world.cases.requests["cases.list"] - listed == 3
    assert len(world.servicenow.incidents_for(young)) == 1
    assert world.status(case_id) == "RESOLVED"
    assert results(report) == [Result.DONE] * 2
    assert {action.case_id for action in report.plan.actions} == {young, case_id} == report.pairs.keys()


def test_a_check_does_not_act_again_on_what_its_cycle_acted_on() -> None:
    world, case_id = due_with_a_silent_edit()
    young = world.new_case("young")
    made = world.incidents.requests["records.create"]
    world.strike_records(FaultKind.ERROR_500, "records.create", times=1)
    assert results(world.cycle(seconds=1000)) == [Result.UNKNOWN, Result.DONE]
    assert world.incidents.requests["records.create"] == made + 1
    assert world.status(case_id) == "RESOLVED"
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(young)) == 1


def test_the_brakes_count_what_the_whole_cycle_does() -> None:
    """One Case may be resolved in a cycle. The one that is news is; the one that the check finds waits."""
    world, silent = due_with_a_silent_edit()
    told, sys_id = world.link_one()
    world.rules = policies(limits=Limits(max_case_resolves_per_cycle=1))
    world.servicenow.people.resolve(sys_id)
    report = world.cycle(seconds=1000)
    assert report.result is CycleResult.REFUSED
    assert "But for 1 action that this cycle did before, nothing was written" in str(report.error)
    assert (world.status(told), world.status(silent)) == ("RESOLVED", "ACTIVE")
    world.cycle()
    assert world.status(silent) == "RESOLVED"


def test_what_was_read_and_had_not_changed_is_not_planned_again() -> None:
    """Three pairs are at rest, one was edited without a time of change. That one alone is decided about."""
    world = WildWorld()
    pairs = [world.link_one() for _ in range(3)]
    after_a_drift_check(world)
    world.servicenow.people.silent_edit(pairs[0][1], urgency="1")
    report = world.cycle(seconds=1000)
    assert report.kind is CycleKind.DRIFT
    assert [decision.link.case_id for decision in report.plan.decisions] == [pairs[0][0]]
