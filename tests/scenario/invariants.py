"""What must never stand in the journals of the two worlds, whatever happened: stated apart from oracle and program."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.servicenow.journal import Operation, Write
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.scenario.oracle import CASE_STAGES, OVER, RECORD_STAGES, Stage

RESOLVED_OR_OVER = frozenset({"6", "7", "8"})


def case_breaches(world: CoralogixWorld) -> Iterator[str]:
    """Name each verb of the program's that was refused, changed nothing, or did not lead one way forward."""
    for entry in world.journal:
        if entry.actor != "apiKey":
            continue
        before, after = CASE_STAGES.get(entry.from_status), CASE_STAGES.get(entry.to_status)
        if not (entry.accepted and entry.changed):
            yield f"in vain: {entry}"
        elif before is None or after is None or after <= before:
            yield f"not forward: {entry}"
        elif after is Stage.CLOSED and before is not Stage.RESOLVED:
            yield f"closed and was not resolved: {entry}"


def record_breaches(world: ServiceNowWorld) -> Iterator[str]:
    """Name each write of the program's that was refused, changed nothing, led back, or met a record left to people."""
    made: set[str] = set()
    reopened: set[str] = set()
    for write in world.journal:
        if not write.via_api:
            _follow_people(write, reopened)
        elif not write.accepted or write.changed_nothing:
            yield f"in vain: {write}"
        elif write.operation is Operation.INSERT:
            if write.correlation_id in made:
                yield f"a second record: {write}"
            made.add(write.correlation_id)
        elif write.sys_id in reopened:
            yield f"to a reopened record: {write}"
        elif write.state_before in OVER:
            yield f"to a record that is over: {write}"
        elif RECORD_STAGES.get(write.state_before, Stage.CLOSED) >= RECORD_STAGES[write.state_after]:
            yield f"not forward: {write}"


def _follow_people(write: Write, reopened: set[str]) -> None:
    """Keep the set of records that people reopened, as ServiceNow counts it, and did not resolve again."""
    if (write.state_before, write.state_after) == ("6", "2"):
        reopened.add(write.sys_id)
    elif write.state_after in RESOLVED_OR_OVER:
        reopened.discard(write.sys_id)
