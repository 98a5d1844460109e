"""What must stand when everything has come to rest: a record for each Case, and both where they belong.

Stated from the worlds' states and journals alone. Where somebody moved a side back, deleted or hid it, or a service
refused the last write, the two need not stand together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from reconciler.sandbox.coralogix.records import JournalEntry, NoSuchCaseError
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.servicenow.journal import Operation, Write
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.campaign.invariants import OWNER, Violation
from tests.scenario.oracle import CASE_STAGES, RECORD_STAGES, Stage


class Ending(Protocol):
    """Name what is looked at when everything has come to rest."""

    @property
    def coralogix(self) -> CoralogixWorld:
        """Give the one side."""
        ...

    def home_of(self, case: int) -> ServiceNowWorld:
        """Give the instance to which a Case goes."""
        ...

    @property
    def started_at(self) -> datetime:
        """Give the time of the first start."""
        ...

    @property
    def case_ids(self) -> Mapping[int, str]:
        """Give the Cases by their number in the schedule."""
        ...


def ended_apart(ending: Ending) -> list[Violation]:
    """Name the Cases that have no record, several of ours, or one that does not stand where they stand."""
    return [
        Violation(promise, case_id)
        for case, case_id in ending.case_ids.items()
        for promise in _apart(ending.coralogix, ending.home_of(case), case_id, ending.started_at)
    ]


def _apart(coralogix: CoralogixWorld, servicenow: ServiceNowWorld, case_id: str, started_at: datetime) -> Iterator[str]:
    made = [write for write in servicenow.journal if _is_ours(write) and write.asked.get("correlation_id") == case_id]
    try:
        case = coralogix.ledger.case(case_id)
    except NoSuchCaseError:
        return
    asked = [write for write in servicenow.journal if write.via_api and write.correlation_id == case_id]
    if asked and not asked[-1].accepted:
        return  # the service said no in the end, and that is held for a person
    if not made:
        is_due = case.status in CASE_STAGES and case.created_at > started_at and _was_active(coralogix, case_id)
        if is_due and not servicenow.incidents_for(case_id):
            yield "a Case that was active has no record"
        return
    on_record = [write for write in servicenow.journal if write.sys_id == made[0].sys_id]
    on_case = [entry for entry in coralogix.journal if entry.case_id == case_id]
    if len(made) > 1 or not (only_forward(on_record) and _case_only_forward(on_case)):
        return
    if len(servicenow.incidents_for(case_id)) > 1:
        return
    row = servicenow.record(made[0].sys_id)
    if (row["correlation_id"], row["correlation_display"]) != (case_id, OWNER):
        return  # this instance does not keep what makes a record ours
    stage = RECORD_STAGES[row["state"]]
    stage = Stage.ACKNOWLEDGED if stage is Stage.OPEN and row["assigned_to"] else stage
    if stage is not CASE_STAGES[case.status]:
        yield f"both sides only went forward and stand apart: {case.status} and {row['state']}"


def _is_ours(write: Write) -> bool:
    return write.via_api and write.accepted and write.operation is Operation.INSERT


def _was_active(coralogix: CoralogixWorld, case_id: str) -> bool:
    return any(
        entry.case_id == case_id and (entry.to_status in {"ACTIVE", "ACKNOWLEDGED"} and entry.accepted)
        for entry in coralogix.journal
    )


def only_forward(writes: Iterable[Write]) -> bool:
    """Say whether nobody moved a record back, deleted it, made it unknown or took our key or mark from it."""
    for write in writes:
        if not write.accepted:
            continue
        before, after = RECORD_STAGES.get(write.state_before, Stage.OPEN), RECORD_STAGES.get(write.state_after)
        if after is None or after < before or (write.operation is not Operation.INSERT and _takes_away(write)):
            return False
    return True


def _takes_away(write: Write) -> bool:
    taken = {"correlation_id", "correlation_display"} & write.changed.keys()
    return bool(taken) or write.changed.get("assigned_to", "somebody") == ""


def _case_only_forward(entries: Iterable[JournalEntry]) -> bool:
    """Say whether nothing moved a Case back, hid it, deleted it or made it unknown."""
    for entry in entries:
        if not entry.accepted:
            continue
        before, after = CASE_STAGES.get(entry.from_status, Stage.OPEN), CASE_STAGES.get(entry.to_status)
        if (after is None and entry.to_status != "PENDING_ACTIVATION") or (after and after < before):
            return False
    return True
