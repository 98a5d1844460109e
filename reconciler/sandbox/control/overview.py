"""What both services hold now, side by side: each Case with the records that bear its id.

Read from the services alone, never from a database of ours. Stages are those of the public contract with the usual
policies: a New record counts as acknowledged once somebody is assigned.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STATE_WORDS, WORD_STAGES, case_stage
from reconciler.core.model import Case, JsonObject, Stage
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.servicenow.tables.schema import INCIDENT, Lifecycle
from reconciler.sandbox.servicenow.world import ServiceNowWorld


@dataclass(frozen=True, kw_only=True)
class RecordOverview:
    """One record of a task table."""

    table: str
    sys_id: str
    number: str
    state: str
    """``new``, ``in_progress``, …; the raw value where nothing explains it"""
    stage: Stage | None
    assigned_to: str
    correlation_id: str


@dataclass(frozen=True, kw_only=True)
class CaseOverview:
    """One Case and every record that bears its id."""

    id: str
    key: str | None
    title: str
    priority: str
    status: str
    stage: Stage | None
    records: tuple[RecordOverview, ...]


def overview(sandbox: Sandbox) -> tuple[CaseOverview, ...]:
    """Show every Case in the order of creation."""
    with sandbox.coralogix.lock, sandbox.servicenow.lock:  # one moment for both
        return tuple(see_case(sandbox, case) for case in sandbox.coralogix.ledger.cases())


def see_case(sandbox: Sandbox, case: Case) -> CaseOverview:
    """Look at one Case with its records."""
    return CaseOverview(
        id=case.id,
        key=case.key,
        title=case.title,
        priority=case.priority,
        status=case.status,
        stage=case_stage(case.status),
        records=tuple(see_record(sandbox.servicenow, row) for row in sandbox.servicenow.incidents_for(case.id)),
    )


def records(sandbox: Sandbox) -> tuple[RecordOverview, ...]:
    """Show every record of every task table, whoever made it."""
    world = sandbox.servicenow
    with world.lock:
        return tuple(see_record(world, row) for place in world.tables.tasks() for row in place)


def see_record(world: ServiceNowWorld, row: Mapping[str, str]) -> RecordOverview:
    """Look at one record; its state is told by the word that it means on its table."""
    table = row["sys_class_name"] or INCIDENT
    word = (world.tables.named(table).schema.lifecycle or Lifecycle()).word(row["state"])
    return RecordOverview(
        table=table,
        sys_id=row["sys_id"],
        number=row["number"],
        state=word,
        stage=_stage_of_word(word, assigned=bool(row["assigned_to"])),
        assigned_to=row["assigned_to"],
        correlation_id=row["correlation_id"],
    )


def stage_of_state(state: str) -> Stage | None:
    """Place a raw state value of the ``incident`` table; None for one that nothing explains."""
    return _stage_of_word(STATE_WORDS.get(state, ""), assigned=False)


def _stage_of_word(word: str, *, assigned: bool) -> Stage | None:
    stage = WORD_STAGES.get(word)
    return Stage.ACKNOWLEDGED if stage is Stage.OPEN and assigned else stage


def case_document(case: CaseOverview) -> JsonObject:
    """Write a Case and its records as JSON."""
    return {
        "id": case.id,
        "key": case.key,
        "title": case.title,
        "priority": case.priority,
        "status": case.status,
        "stage": _word(case.stage),
        "incidents": [record_document(record) for record in case.records],
    }


def record_document(record: RecordOverview) -> JsonObject:
    """Write a record as JSON."""
    return {
        "table": record.table,
        "sys_id": record.sys_id,
        "number": record.number,
        "state": record.state,
        "stage": _word(record.stage),
        "assigned_to": record.assigned_to or None,
        "case_id": record.correlation_id or None,
    }


def _word(stage: Stage | None) -> str | None:
    return stage.word if stage else None
