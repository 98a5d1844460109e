"""Readings of many pages that break off, or are asked to: what was read is kept, and nothing is passed over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from reconciler.core.errors import CycleFailed, Transient
from reconciler.engine.context import Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.remotes.ports import IncidentPage, Position
from tests.clients import IncidentsInProcess
from tests.world import FIELDS, World

PAGE_ROWS = 10
RECORDS = 95


class Flaky(IncidentsInProcess):
    """An instance of which every third listing fails."""

    listings = 0

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = 500
    ) -> IncidentPage:
        self.listings += 1
        if self.listings % 3 == 0:
            raise Transient("Transaction cancelled", system="servicenow", status=500)
        return super().changed(table, since=since, after=after, limit=limit)


def test_a_backlog_on_a_flaky_instance_gets_on_with_each_cycle() -> None:
    """Two pages come in each cycle; the next one goes on behind them."""
    world = World(settings=Settings(workers=1, incident_page_rows=PAGE_ROWS))
    world.cycle()
    keys = [f"00000000-0000-4000-8000-{number:012}" for number in range(RECORDS)]
    for key in keys:
        world.servicenow.people.open_incident("by hand", correlation_id=key, correlation_display="Coralogix")
    world.incidents = Flaky(world.servicenow, extra_fields=FIELDS)
    remembered: list[int] = []
    for _ in range(7):
        assert "Transaction cancelled" in str(world.cycle().error) or len(remembered) > 3
        remembered.append(len(world.store.links.known_records(keys)))
    assert remembered[:5] == [20, 40, 60, 80, RECORDS]
    assert remembered[-1] == RECORDS


def test_a_long_reading_ends_between_two_pages_when_the_program_is_to_stop() -> None:
    world = World(settings=Settings(workers=1, case_page_rows=PAGE_ROWS))
    world.cycle()
    for number in range(3 * PAGE_ROWS):
        world.new_case(f"Case {number}")
    world.clock.advance(seconds=30)
    before = world.store.snapshots.cursors()
    listed = world.cases.requests["cases.list"]
    context = replace(world.context, should_stop=lambda: world.cases.requests["cases.list"] > listed)
    report = run_cycle(context, CycleRequest(), cycle_id="stopped")
    assert isinstance(report.error, CycleFailed)
    assert "asked to stop" in str(report.error)
    assert world.cases.requests["cases.list"] == listed + 1
    assert world.store.snapshots.cursors() == before
    assert len(world.cycle(limits_on=False).outcomes) == 3 * PAGE_ROWS
