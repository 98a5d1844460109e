"""What administrators do with copies: records go back to how they were, or one instance becomes a copy of another.

For the service this is no write: no rule is asked, and times and counts are those of the copy. Each record that is
replaced leaves an entry in the journal, so that tests know of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reconciler.sandbox.servicenow.journal import Operation, Write
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.tables.table import Table
from reconciler.sandbox.servicenow.world import ServiceNowWorld

BY = "system"


def restore(world: ServiceNowWorld, at: datetime) -> None:
    """Put every task record back to how it stood at a time of the world, as restoring last night's copy does.

    Records that were made since are gone; numbers are not given twice.
    """
    with world.lock:
        for place in world.tables.tasks():
            _become(world, place, list(place.as_of(at)))


def turn_back(world: ServiceNowWorld, sys_id: str, at: datetime) -> None:
    """Put one record back to how it stood at a time, as importing a table again does; raise LookupError."""
    with world.lock:
        world.record(sys_id)
        for place in world.tables.tasks():
            older = place.as_of(at).get(sys_id)
            if older is not None:
                _put(world, place, older)


def clone(source: ServiceNowWorld, over: ServiceNowWorld) -> None:
    """Make one instance's records those of another, sys_ids and keys included, as cloning PROD over TEST does."""
    with source.lock, over.lock:
        for place in source.tables.tasks():
            _become(over, over.tables.named(place.schema.name), list(place))


def _become(world: ServiceNowWorld, place: Table, rows: Iterable[TableRow]) -> None:
    kept = {row["sys_id"].lower(): row for row in rows}
    for row in [row for row in place if row["sys_id"].lower() not in kept]:
        place.remove(row["sys_id"], world.clock.now())
        _enter(world, place, row, TableRow())
    for row in kept.values():
        _put(world, place, row)


def _put(world: ServiceNowWorld, place: Table, row: TableRow) -> None:
    before = place.get(row["sys_id"])
    if before != row:
        place.put(row, world.clock.now())
        _enter(world, place, before or TableRow(), row)


def _enter(world: ServiceNowWorld, place: Table, before: TableRow, after: TableRow) -> None:
    world.journal.append(
        Write(
            at=world.own_clock.now(),
            actor=BY,
            via_api=False,
            operation=Operation.REPLACE,
            table=place.schema.name,
            sys_id=after["sys_id"] or before["sys_id"],
            correlation_id=after["correlation_id"] or before["correlation_id"],
            state_before=before["state"],
            state_after=after["state"],
            changed={name: after[name] for name in before.keys() | after.keys() if before[name] != after[name]},
            accepted=True,
        )
    )
