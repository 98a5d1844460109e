"""A backlog of real size: 2,500 Cases and 12,000 records, many of one second, some moving while pages are read."""

from __future__ import annotations

import random
from collections.abc import Mapping
from uuid import UUID

import pytest

from reconciler.core.model import Case, Incident
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from tests.builders import a_route, condition, policies
from tests.campaign.schedule import CaseAct, Interrupt, When
from tests.campaign.trace import Gate
from tests.campaign.watched import Watch, WatchedCases, WatchedIncidents
from tests.clients import IncidentsInProcess
from tests.world import World

pytestmark = pytest.mark.gate

CASES, RECORDS = 2_500, 12_000
CHANGED_BETWEEN_PAGES = 25
NOBODY = policies(routes=(a_route(when=condition("false")),))


class Backlog:
    """Hold a world that was busy while nobody looked."""

    def __init__(self) -> None:
        self.random = random.Random(1)
        self.world = World(rules=NOBODY)
        self.pull([])
        self.world.clock.advance(seconds=60)
        self.case_ids = [self._case(number) for number in range(CASES)]
        self.sys_ids = [self._record(number) for number in range(RECORDS)]

    def _case(self, number: int) -> str:
        if number % 100 == 0:
            self.world.clock.advance(seconds=1)
        return self.world.new_case(f"Case {number}")

    def _record(self, number: int) -> str:
        if number % 3_000 == 0:
            self.world.clock.advance(seconds=1)
        key = str(UUID(int=number))
        return self.world.servicenow.people.open_incident(
            "by hand", correlation_display="Coralogix", correlation_id=key
        )

    def stir(self) -> None:
        """Change some of everything, in the same second."""
        for case_id in self.random.sample(self.case_ids, CHANGED_BETWEEN_PAGES):
            self.world.coralogix.set_title(case_id, f"title {self.random.random()}")
        for sys_id in self.random.sample(self.sys_ids, CHANGED_BETWEEN_PAGES):
            self.world.servicenow.people.edit(sys_id, urgency=self.random.choice("12"), short_description="moved")

    def pull(self, stirring: list[int]) -> CycleReport:
        """Let a cycle fall, with changes after some of its requests."""
        interrupts = [Interrupt("*", nth, When.AFTER, CaseAct(0, "")) for nth in stirring]
        watch = Watch(host=0, gate=Gate(interrupts, lambda _: self.stir()), events=[])
        world = self.world
        context = Context(
            cases=WatchedCases(world.cases, world.coralogix, watch),
            connectors={"main": WatchedIncidents(IncidentsInProcess(world.servicenow), watch)},
            store=world.store,
            policies=NOBODY,
            policy_hash="policies",
            clock=world.clock.now,
        )
        return run_cycle(context, CycleRequest(carry_out=False), cycle_id=f"cycle-{next(world.numbers)}")

    def remembered_cases(self) -> Mapping[str, Case]:
        """Give every Case that the store remembers."""
        pairs = self.world.store.links.all_pairs(open_only=False)
        return {pair.case.id: pair.case for pair in pairs}

    def remembered_records(self) -> Mapping[str, Incident]:
        """Give every record that the store remembers."""
        keys = [str(UUID(int=number)) for number in range(RECORDS)]
        found = self.world.store.links.known_records(keys)
        return {record.sys_id: record for records in found.values() for record in records}


def test_a_large_backlog_is_read_to_its_end_while_it_moves() -> None:
    backlog = Backlog()
    report = backlog.pull([1, 2, 3, 10, 20, 30, 40, 50])
    assert report.error is None
    backlog.world.clock.advance(seconds=30)
    backlog.pull([])
    assert backlog.remembered_cases() == {
        case_id: backlog.world.coralogix.ledger.case(case_id) for case_id in backlog.case_ids
    }
    remembered = backlog.remembered_records()
    assert len(remembered) == RECORDS
    for row in backlog.world.servicenow.records():
        seen = remembered[row["sys_id"]]
        assert (seen.updated_at.strftime("%Y-%m-%d %H:%M:%S"), str(seen.mod_count)) == (
            row["sys_updated_on"],
            row["sys_mod_count"],
        )
