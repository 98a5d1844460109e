"""Observe mode: all is read and planned, nothing is sent, and what was only planned never counts as done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.audit.chain import verify
from reconciler.core.model import ActionKind, SkipReason
from reconciler.engine.report import CycleResult
from tests.scenario.configured import ConfiguredWorld

LIMIT = "[limits]\nmax_creates_per_cycle = 1\n"
Story = Callable[[ConfiguredWorld, Callable[[], None]], None]
"""plays people on a world; its second argument lets time pass, with or without a cycle"""


def kinds(world: ConfiguredWorld) -> list[ActionKind]:
    return [action.kind for action in world.cycle().plan.actions]


def cells(world: ConfiguredWorld, sql: str) -> list[object]:
    return [cell for row in world.store.database.connection.execute(sql) for cell in row]


# --- stories ---------------------------------------------------------------------------------------------------------


def open_and_over(world: ConfiguredWorld, wait: Callable[[], None]) -> None:
    """Leave one of four Cases open, and bring the others as far as each can go."""
    cases = [world.new_case(title) for title in ("stays", "acknowledged", "resolved", "closed")]
    wait()
    world.coralogix.acknowledge(cases[1])
    world.coralogix.resolve(cases[2])
    world.coralogix.resolve(cases[3])
    wait()
    world.coralogix.close(cases[3])
    wait()


def fires_again(world: ConfiguredWorld, wait: Callable[[], None]) -> None:
    """Let a resolved Case come back, and un-acknowledge another."""
    again, taken = world.new_case("again"), world.new_case("taken")
    world.coralogix.acknowledge(taken)
    wait()
    world.coralogix.resolve(again)
    world.coralogix.unacknowledge(taken)
    wait()
    world.coralogix.reactivate(again)
    wait()


def deleted_and_waiting(world: ConfiguredWorld, wait: Callable[[], None]) -> None:
    """Delete a Case, and leave another waiting to be active."""
    gone = world.new_case("gone")
    world.new_case("waits", activate=False)
    wait()
    world.coralogix.delete(gone)


def retitled(world: ConfiguredWorld, wait: Callable[[], None]) -> None:
    """Change title and priority of a Case while nobody writes."""
    case_id = world.new_case("before", priority="P4")
    wait()
    world.coralogix.set_title(case_id, "after")
    world.coralogix.set_priority(case_id, "P1")
    wait()


def has_a_record_already(world: ConfiguredWorld, wait: Callable[[], None]) -> None:
    """Work on a record that an earlier installation made."""
    case_id = world.new_case("adopted")
    keys = {"correlation_id": case_id, "correlation_display": "Coralogix"}
    sys_id = world.servicenow.people.open_incident("adopted", **keys)
    wait()
    world.servicenow.people.progress(sys_id)
    wait()


def two_days(world: ConfiguredWorld, wait: Callable[[], None]) -> None:
    """Let a Case grow too old for a first start."""
    world.new_case("old")
    wait()
    world.clock.advance(hours=48)
    world.new_case("young")
    wait()


STORIES: tuple[Story, ...] = (
    open_and_over,
    fires_again,
    deleted_and_waiting,
    retitled,
    has_a_record_already,
    two_days,
)


def played(story: Story, *, observes: bool) -> ConfiguredWorld:
    """Play a story before a first cycle that acts, observed or not, and then act until nothing is left."""
    world = ConfiguredWorld(observes=observes)

    def wait() -> None:
        world.cycle() if observes else world.clock.advance(seconds=30)

    wait()
    story(world, wait)
    assert world.written() == 0
    world.observes = False
    for _ in range(4):
        world.cycle()
    return world


def outcome(world: ConfiguredWorld) -> object:
    records = [dict(row) for row in world.servicenow.records()]
    cases = [(case.title, case.status) for case in world.coralogix.ledger.cases()]
    writes = world.store.database.connection.execute(
        "SELECT kind, case_id, sys_id, from_stage, to_stage, result FROM audit_actions"
    )
    return records, cases, [tuple(row) for row in writes]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_acting_after_observing_makes_the_writes_of_a_fresh_start(story: Story) -> None:
    assert outcome(played(story, observes=True)) == outcome(played(story, observes=False))


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_is_shown_is_what_the_first_cycle_that_acts_does(story: Story) -> None:
    world = ConfiguredWorld(observes=True)
    world.cycle()

    def wait() -> None:
        world.cycle()

    story(world, wait)
    shown = world.cycle()
    world.observes = False
    done = world.cycle(seconds=0)
    there = {case.id for case in world.coralogix.ledger.cases()}
    assert [(one.action.kind, one.action.case_id) for one in done.outcomes] == [
        (action.kind, action.case_id) for action in shown.plan.actions if action.case_id in there
    ]


def test_a_plan_saved_while_observing_is_what_is_applied_when_acting() -> None:
    world = ConfiguredWorld(observes=True)
    world.cycle()
    world.new_case()
    shown = world.cycle().plan
    world.observes = False
    assert world.cycle().plan.hash() == shown.hash()


def test_nothing_is_sent_and_every_cycle_says_what_it_would_do() -> None:
    world = ConfiguredWorld(observes=True)
    world.cycle()
    case_id = world.new_case()
    for _ in range(3):
        report = world.cycle()
        assert [action.case_id for action in report.plan.actions] == [case_id]
        assert (report.outcomes, report.result, report.exit_code) == ((), CycleResult.DONE, 0)
        document = report.document()
        assert document["mode"] == "observe"
        assert [(one["kind"], one["result"]) for one in document["actions"]] == [("create_incident", None)]
    assert world.written() == 0
    assert cells(world, "SELECT count(*) FROM audit_actions") == [0]
    assert set(cells(world, "SELECT mode FROM audit_cycles")) == {"observe"}
    assert verify(world.store.ledger).is_whole


# --- beside links that exist -----------------------------------------------------------------------------------------


def test_a_pause_of_writing_ends_with_everything_that_was_missed() -> None:
    world = ConfiguredWorld()
    first, second = world.started("first"), world.started("second")
    written = world.written()
    world.observes = True
    world.servicenow.people.progress(world.sys_id(first))
    world.coralogix.resolve(second)
    new = world.new_case("new")
    assert sorted(kinds(world)) == ["advance_case", "advance_incident", "create_incident"]
    assert sorted(kinds(world)) == ["advance_case", "advance_incident", "create_incident"]
    assert world.written() == written
    world.observes = False
    assert len(world.cycle().outcomes) == 3
    assert world.run_until_quiet() == 0
    assert (world.status(first), world.state(second), world.state(new)) == ("ACKNOWLEDGED", "6", "1")


def test_a_new_record_for_a_case_that_fired_again_is_planned_until_it_is_made() -> None:
    world = ConfiguredWorld(text='[inbound.default]\non_reactivate = "new_record"\n')
    case_id = world.started()
    world.coralogix.resolve(case_id)
    world.cycle()
    world.coralogix.reactivate(case_id)
    world.observes = True
    assert [kinds(world) for _ in range(2)] == [[ActionKind.CREATE_INCIDENT]] * 2
    world.observes = False
    assert kinds(world) == [ActionKind.CREATE_INCIDENT]
    assert len(world.servicenow.incidents_for(case_id)) == 2


def test_a_hold_ends_and_begins_while_observing() -> None:
    world = ConfiguredWorld()
    case_id = world.started()
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    world.observes = True
    world.servicenow.people.reopen(world.sys_id(case_id))
    world.cycle()
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED
    world.servicenow.people.close(world.sys_id(case_id))
    assert kinds(world) == [ActionKind.ADVANCE_CASE]
    assert world.skip(case_id) is None
    world.observes = False
    world.run_until_quiet()
    assert world.status(case_id) == "CLOSED"


def test_brakes_refuse_nothing_that_is_not_sent_and_hold_as_soon_as_it_would_be() -> None:
    world = ConfiguredWorld(text=LIMIT, observes=True)
    world.cycle()
    world.new_case("one")
    world.new_case("two")
    assert world.cycle().exit_code == 0
    world.observes = False
    report = world.cycle()
    assert report.exit_code == 3
    assert "max_creates_per_cycle" in str(report.error)


def test_a_changed_config_is_not_accepted_by_observing_it() -> None:
    world = ConfiguredWorld(text="[limits]\nmax_changes_on_new_config = 0\n")
    world.started()
    world.observes = True
    world.read('[limits]\nmax_changes_on_new_config = 0\n[inbound.default.fields]\nurgency = "3"')
    assert kinds(world) == [ActionKind.UPDATE_INCIDENT]
    world.observes = False
    assert world.cycle().exit_code == 3


def test_a_quiet_cycle_asks_no_more_than_one_that_acts() -> None:
    def asked(*, observes: bool) -> int:
        world = ConfiguredWorld(observes=observes)
        world.cycle()
        world.cycle()
        before = world.cases.requests.total() + world.incidents.requests.total()
        world.cycle()
        return world.cases.requests.total() + world.incidents.requests.total() - before

    assert asked(observes=True) == asked(observes=False)


def test_a_backfill_while_observing_admits_nothing() -> None:
    world = ConfiguredWorld(observes=True)
    case_id = world.new_case("old")
    world.clock.advance(hours=100)
    world.cycle()
    since = world.clock.now().replace(year=2025)
    assert [one.case_id for one in world.cycle(since=since).plan.actions] == [case_id]
    assert kinds(world) == []
    world.observes = False
    assert kinds(world) == []
