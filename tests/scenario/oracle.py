"""What must come of one Case and its record, worked out from the words of the public contract alone.

Rules of this file: nothing of the program is imported, so that a mistake of the planner cannot be repeated here; the
oracle is told what one cycle could see of one pair, and says which writes are allowed and needed in that cycle. It is
written for the default policies: every step on, on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType


class Stage(IntEnum):
    """Place a Case or a record on the contract's scale."""

    OPEN = 1
    ACKNOWLEDGED = 2
    RESOLVED = 3
    CLOSED = 4


CASE_STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        "ACTIVE": Stage.OPEN,
        "ACKNOWLEDGED": Stage.ACKNOWLEDGED,
        "RESOLVED": Stage.RESOLVED,
        "CLOSED": Stage.CLOSED,
    }
)
RECORD_STAGES: Mapping[str, Stage] = MappingProxyType(
    {
        "1": Stage.OPEN,
        "2": Stage.ACKNOWLEDGED,
        "3": Stage.ACKNOWLEDGED,
        "6": Stage.RESOLVED,
        "7": Stage.CLOSED,
        "8": Stage.CLOSED,
    }
)
OVER = frozenset({"7", "8"})
"""Closed and Canceled: "a Closed or Canceled Incident is never written again"."""
STATUS_AT = {stage: status for status, stage in CASE_STAGES.items()}
STATE_AT = {Stage.OPEN: "1", Stage.ACKNOWLEDGED: "2", Stage.RESOLVED: "6", Stage.CLOSED: "7"}
VERB_TO = {Stage.ACKNOWLEDGED: "acknowledge", Stage.RESOLVED: "resolve", Stage.CLOSED: "close"}

UNKNOWN = "unknown_state"
RECORD_MOVED_BACK = "incident_reopened"
CASE_MOVED_BACK = "case_moved_back"


@dataclass(frozen=True, kw_only=True)
class Record:
    """Show what a cycle could see of a record."""

    state: str
    is_assigned: bool = False
    was_reopened: bool = False
    """ServiceNow's own ``reopen_count`` is above 0"""

    @property
    def stage(self) -> Stage | None:
        """Place the record; New counts as acknowledged once somebody has it."""
        stage = RECORD_STAGES.get(self.state)
        return Stage.ACKNOWLEDGED if stage is Stage.OPEN and self.is_assigned else stage


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Show what a cycle could see of a pair."""

    status: str
    was_reactivated: bool = False
    """Coralogix's own ``lastReactivatedAt`` is set"""
    record: Record | None = None


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Remember how far each side of a pair was ever seen to have come."""

    case_peak: Stage = Stage.OPEN
    record_peak: Stage = Stage.OPEN


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Say what one cycle must do with one pair, no more and no less."""

    memory: Memory
    case_writes: tuple[str, ...] = ()
    """verbs in order"""
    record_writes: tuple[str, ...] = ()
    """``create`` or ``update``, and the state that it leads to"""
    words: frozenset[str | None]
    """the skip words that fit; None where it fits that there is none"""

    @property
    def writes(self) -> int:
        """Count the requests."""
        return len(self.case_writes) + len(self.record_writes)


def judge(memory: Memory, seen: Seen) -> Verdict:
    """Say what a cycle that sees this must do."""
    memory = _remembering(memory, seen)
    case = CASE_STAGES.get(seen.status)
    if case is None:
        return Verdict(memory=memory, words=frozenset({UNKNOWN}))
    if seen.record is None:
        return _created(memory, case)
    record = seen.record.stage
    if record is None:
        return Verdict(memory=memory, words=frozenset({UNKNOWN}))
    return _judge_both(memory, case, record, is_over=seen.record.state in OVER)


def _remembering(memory: Memory, seen: Seen) -> Memory:
    """Raise the peaks to what is seen, and to what a service says of its own past."""
    record = seen.record or Record(state="")
    return Memory(
        case_peak=_highest(
            memory.case_peak, CASE_STAGES.get(seen.status), Stage.RESOLVED if seen.was_reactivated else None
        ),
        record_peak=_highest(memory.record_peak, record.stage, Stage.RESOLVED if record.was_reopened else None),
    )


def _highest(*stages: Stage | None) -> Stage:
    return max(stage for stage in stages if stage is not None)


def _created(memory: Memory, case: Stage) -> Verdict:
    """One Case, one record; it begins where its Case stands."""
    return Verdict(
        memory=replace(memory, record_peak=case),
        record_writes=(f"create {STATE_AT[case]}",),
        words=frozenset({None}),
    )


def _judge_both(memory: Memory, case: Stage, record: Stage, *, is_over: bool) -> Verdict:
    """Let each side follow the other to a stage at which it never stood, unless it came back from resolved."""
    record_is_free = not is_over and not _is_back_from_resolved(record, memory.record_peak)
    case_is_free = not _is_back_from_resolved(case, memory.case_peak)
    record_target = case if record_is_free and case > memory.record_peak else None
    case_target = record if case_is_free and record > memory.case_peak else None
    return Verdict(
        memory=Memory(
            case_peak=_highest(memory.case_peak, case_target),
            record_peak=_highest(memory.record_peak, record_target),
        ),
        case_writes=_verbs(case, case_target) if case_target else (),
        record_writes=(f"update {STATE_AT[record_target]}",) if record_target else (),
        words=_words(memory, case, record, is_written=bool(record_target or case_target)),
    )


def _is_back_from_resolved(stage: Stage, peak: Stage) -> bool:
    return stage < Stage.RESOLVED <= peak


def _verbs(start: Stage, target: Stage) -> tuple[str, ...]:
    """Give the shortest way: only a resolved Case is closed, and none needs an acknowledgement to be resolved."""
    if target is Stage.CLOSED and start < Stage.RESOLVED:
        return ("resolve", "close")
    return (VERB_TO[target],)


def _words(memory: Memory, case: Stage, record: Stage, *, is_written: bool) -> frozenset[str | None]:
    """Give the words of the sides that were moved back; one is needed where they are why nothing is written."""
    words: set[str | None] = set()
    if record < memory.record_peak:
        words.add(RECORD_MOVED_BACK)
    if case < memory.case_peak:
        words.add(CASE_MOVED_BACK)
    if is_written or case == record:
        words.add(None)
    return frozenset(words)
