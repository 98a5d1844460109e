"""Each side with its own workers: one that hangs holds up no other, and none has more than it was given."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from reconciler.core.model import ActionKind, Incident, Result
from reconciler.engine.acting.lanes import LINKS_READ_AT_ONCE
from reconciler.engine.context import Settings
from reconciler.remotes.ports import IDS_A_REQUEST
from reconciler.sandbox.faults import FaultKind
from reconciler.store.store import Store
from tests.clients import IncidentsInProcess
from tests.scenario.wild_support import WildWorld, two_instances
from tests.world import FIELDS, results

PATIENCE_SECONDS = 20.0
SECURITY = 'case.category == "SECURITY"'
MANY = 2 * LINKS_READ_AT_ONCE + 10


class Counting(IncidentsInProcess):
    """An instance that knows how many creates are under way at one time, and holds each until ``meet`` are."""

    meet: int = 1
    most: int = 0

    def begin(self) -> None:
        self.under_way = 0
        self.counted = threading.Condition()

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        with self.counted:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.counted.notify_all()
            assert self.counted.wait_for(lambda: self.most >= self.meet, PATIENCE_SECONDS)
        made = super().create(table, fields)
        with self.counted:
            self.under_way -= 1
        return made


class Hanging(IncidentsInProcess):
    """An instance whose creates hang until somebody lets go."""

    def begin(self) -> None:
        self.let_go = threading.Event()

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        assert self.let_go.wait(PATIENCE_SECONDS)
        return super().create(table, fields)


class Freeing(IncidentsInProcess):
    """An instance that, once it has made so many records, lets a neighbour go."""

    neighbour: Hanging
    enough: int

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        made = super().create(table, fields)
        if self.requests["records.create"] == self.enough:
            self.neighbour.let_go.set()
        return made


def with_workers(world: WildWorld, **workers_of: int) -> WildWorld:
    world.settings = replace(world.settings, workers_of=workers_of)
    return world


def test_a_connector_whose_writes_hang_holds_up_no_other() -> None:
    """The second connector gets every record that it should have while the first has not made one."""
    world, instance = two_instances(SECURITY)
    with_workers(world, coralogix=2, main=2, second=2)
    hanging = Hanging(world.servicenow, extra_fields=FIELDS)
    hanging.begin()
    freeing = Freeing(instance, "second", extra_fields=FIELDS)
    freeing.neighbour, freeing.enough = hanging, MANY
    world.incidents, world.further = hanging, {"second": freeing}
    world.cycle()
    for number in range(MANY):
        world.new_case(f"here {number}")
        world.new_case(f"there {number}", category="SECURITY")
    report = world.cycle(limits_on=False)
    assert Counter(results(report)) == {Result.DONE: 2 * MANY}
    assert hanging.let_go.is_set()
    assert len(instance.records()) == len(world.servicenow.records()) == MANY


def test_coralogix_has_workers_of_its_own() -> None:
    """A Case is resolved while the creates of an instance hang."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    hanging = Hanging(world.servicenow, extra_fields=FIELDS)
    hanging.begin()
    world.incidents = hanging
    with_workers(world, coralogix=1, main=1)
    world.once("after resolve", hanging.let_go.set)
    world.servicenow.people.resolve(sys_id)
    world.new_case("another")
    assert results(world.cycle()) == [Result.DONE, Result.DONE]
    assert world.both(case_id) == ("RESOLVED", "6")


@pytest.mark.parametrize("workers", [1, 3])
def test_the_workers_of_a_connector_are_what_it_says_whatever_another_has(workers: int) -> None:
    world, instance = two_instances(SECURITY)
    with_workers(world, coralogix=1, main=workers, second=9)
    counting = Counting(world.servicenow, extra_fields=FIELDS)
    counting.begin()
    counting.meet = workers
    world.incidents = counting
    world.cycle()
    for number in range(12):
        world.new_case(f"here {number}")
        world.new_case(f"there {number}", category="SECURITY")
    assert Counter(results(world.cycle())) == {Result.DONE: 24}
    assert counting.most == workers
    assert len(instance.records()) == 12


def test_what_ended_is_written_down_behind_the_start_of_the_next() -> None:
    """No worker waits for the journal: each action's row is committed before the row of the one before is ended."""
    world = with_workers(WildWorld(), coralogix=1, main=1)
    world.cycle()
    for number in range(3):
        world.new_case(f"Case {number}")
    world.cycle()
    assert [entry.key for entry in world.store.ledger.entries() if entry.table == "actions"] == [1, 2, 1, 3, 2, 3]


def test_records_that_are_taken_in_wait_for_no_worker() -> None:
    """They were read together, and nothing is sent for any: each is written down once, with what came of it."""
    world = with_workers(WildWorld(), coralogix=1, main=1)
    for number in range(3):
        world.new_case(f"Case {number}")
    world.cycle()
    elsewhere = Store.in_memory()
    report = world.cycle_of(elsewhere)
    assert [action.kind for action in report.plan.actions] == [ActionKind.ADOPT_INCIDENT] * 3
    assert [entry.key for entry in elsewhere.ledger.entries() if entry.table == "actions"] == [1, 2, 3]


def test_one_cycle_takes_in_more_records_than_one_request_reads() -> None:
    world = with_workers(WildWorld(), coralogix=1, main=1)
    for number in range(IDS_A_REQUEST + 1):
        world.new_case(f"Case {number}")
    world.cycle(limits_on=False)
    report = world.cycle_of(Store.in_memory())
    assert results(report) == [Result.DONE] * (IDS_A_REQUEST + 1)


def test_after_two_writes_without_an_answer_a_side_gets_no_more_in_that_cycle() -> None:
    world, instance = two_instances(SECURITY)
    with_workers(world, coralogix=1, main=1, second=1)
    world.cycle()
    case_ids = [world.new_case(f"here {number}") for number in range(30)]
    for number in range(30):
        world.new_case(f"there {number}", category="SECURITY")
    world.strike_records(FaultKind.TIMEOUT, "records.create", times=None)
    told = Counter(results(world.cycle()))
    assert told == {Result.UNKNOWN: 2, Result.RETRY: 28, Result.DONE: 30}
    assert world.incidents.requests["records.create"] == 2
    assert len(instance.records()) == 30
    world.record_faults.clear()
    world.run_until_quiet()
    assert all(len(world.servicenow.incidents_for(case_id)) == 1 for case_id in case_ids)


def test_one_worker_for_all_takes_the_plan_in_its_order() -> None:
    world = WildWorld(settings=Settings(workers=1))
    world.cycle()
    for number in range(LINKS_READ_AT_ONCE + 5):
        world.new_case(f"Case {number}")
    report = world.cycle()
    assert len(report.outcomes) == LINKS_READ_AT_ONCE + 5
    assert [one.action.case_id for one in report.outcomes] == [action.case_id for action in report.plan.actions]
