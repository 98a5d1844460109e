"""What must be true when the demo's story is over, read from the two services and from their journals.

The reconciler's database is not looked at, so that a mistake in it cannot hide here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import case_stage
from reconciler.core.model import Stage
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.control.overview import CaseOverview, overview, records, stage_of_state
from reconciler.sandbox.coralogix.records import API_KEY, JournalEntry
from reconciler.sandbox.demo.story import Chapter
from reconciler.sandbox.servicenow.journal import Write


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that must be true, and what was found."""

    words: str
    holds: bool
    found: str


@dataclass(frozen=True, kw_only=True)
class CycleSeen:
    """What one cycle of the reconciler reported of itself."""

    planned: int
    went_well: bool


def check(sandbox: Sandbox, story: Sequence[Chapter], cycles: Sequence[CycleSeen]) -> tuple[Claim, ...]:
    """Check every claim of a story that was told to its end."""
    cases = overview(sandbox)
    alone = reopened(sandbox.servicenow.journal)
    return (
        one_record_each(sandbox, cases),
        same_stages(cases, alone),
        left_alone(sandbox, alone),
        never_back(sandbox),
        closed_after_resolved(sandbox),
        faults_survived(sandbox, story, cycles),
        silent_end(cycles),
        least_writes(sandbox, sum(chapter.writes for chapter in story)),
    )


def one_record_each(sandbox: Sandbox, cases: Sequence[CaseOverview]) -> Claim:
    """Claim that each Case has one record, and each record one Case."""
    made = records(sandbox)
    wrong = [f"{case.key} has {len(case.records)}" for case in cases if len(case.records) != 1]
    known = {case.id for case in cases}
    wrong += [f"{record.number} has no Case" for record in made if record.correlation_id not in known]
    return _claim("one Case, one record", wrong, f"{len(cases)} Cases, {len(made)} records")


def same_stages(cases: Sequence[CaseOverview], alone: frozenset[str]) -> Claim:
    """Claim that both sides stand at the same stage, but for what is left alone."""
    pairs = [(case, record) for case in cases for record in case.records if record.sys_id not in alone]
    wrong = [
        f"{case.key} is {case.status} and {record.number} {record.state}"
        for case, record in pairs
        if case.stage is None or case.stage != record.stage
    ]
    return _claim("both sides stand at the same stage where nobody moved back", wrong, f"{len(pairs)} pairs")


def left_alone(sandbox: Sandbox, alone: frozenset[str]) -> Claim:
    """Claim that there is a reopened record, and that nothing was written to it since."""
    journal = sandbox.servicenow.journal
    wrong = [] if alone else ["no record stands reopened"]
    for sys_id in sorted(alone):
        since = max(place for place, write in enumerate(journal) if write.sys_id == sys_id and _reopens(write))
        touched = [write for write in journal[since + 1 :] if write.sys_id == sys_id and write.via_api]
        wrong += [f"{_number(sandbox, sys_id)} got {len(touched)} writes"] if touched else []
    found = ", ".join(_number(sandbox, sys_id) for sys_id in sorted(alone))
    return _claim("a reopened Incident is untouched since", wrong, found)


def never_back(sandbox: Sandbox) -> Claim:
    """Claim that no write of ours moved a side to a lower stage."""
    steps = [
        *(_record_step(write) for write in _record_writes(sandbox)),
        *(_case_step(entry) for entry in _case_writes(sandbox)),
    ]
    wrong = [f"{where} from {before} to {after}" for where, before, after, forward in steps if not forward]
    return _claim("no side was moved back by us", wrong, f"{len(steps)} writes looked at")


def closed_after_resolved(sandbox: Sandbox) -> Claim:
    """Claim that whatever Case we closed was resolved before."""
    closes = [entry for entry in _case_writes(sandbox) if entry.to_status == "CLOSED" and entry.changed]
    wrong = [f"a Case was closed from {entry.from_status}" for entry in closes if entry.from_status != "RESOLVED"]
    return _claim("a Case was closed only after it was resolved", wrong, f"{len(closes)} Cases closed by us")


def faults_survived(sandbox: Sandbox, story: Sequence[Chapter], cycles: Sequence[CycleSeen]) -> Claim:
    """Claim that faults struck, and that exactly those cycles failed that were meant to."""
    wrong = [
        f"the cycle of chapter {number} {'went well' if cycle.went_well else 'failed'}"
        for number, (chapter, cycle) in enumerate(zip(story, cycles, strict=True), start=1)
        if chapter.goes_well != cycle.went_well
    ]
    struck = sandbox.faults.struck
    wrong += [] if struck else ["nothing was struck"]
    return _claim("every fault struck and was survived", wrong, f"{struck.total()} requests struck")


def silent_end(cycles: Sequence[CycleSeen]) -> Claim:
    """Claim that the last cycle had nothing to do."""
    planned = cycles[-1].planned
    return _claim("the last cycle planned nothing", [f"{planned} planned"] if planned else [], "0 planned")


def least_writes(sandbox: Sandbox, needed: int) -> Claim:
    """Claim that no more writes arrived than the story needs, and that each changed something."""
    ours = len(_record_writes(sandbox)) + len(_case_writes(sandbox))
    moot = sum(write.changed_nothing or not write.accepted for write in _record_writes(sandbox))
    moot += sum(not entry.changed for entry in _case_writes(sandbox))
    wrong = [f"{ours} writes, where {needed} are needed"] if ours != needed else []
    wrong += [f"{moot} writes changed nothing"] if moot else []
    return _claim("no write more than needed", wrong, f"{ours} writes")


def reopened(journal: Iterable[Write]) -> frozenset[str]:
    """Return the records that people moved back across resolved and that nobody resolved since."""
    alone: set[str] = set()
    for write in journal:
        if _reopens(write):
            alone.add(write.sys_id)
        elif write.accepted and not write.via_api and _stage(write.state_after) >= Stage.RESOLVED:
            alone.discard(write.sys_id)
    return frozenset(alone)


def _reopens(write: Write) -> bool:
    crosses = _stage(write.state_after) < Stage.RESOLVED <= _stage(write.state_before)
    return write.accepted and not write.via_api and crosses


def _stage(state: str) -> Stage:
    return stage_of_state(state) or Stage.OPEN


def _record_writes(sandbox: Sandbox) -> Sequence[Write]:
    return [write for write in sandbox.servicenow.journal if write.via_api]


def _case_writes(sandbox: Sandbox) -> Sequence[JournalEntry]:
    return [entry for entry in sandbox.coralogix.journal if entry.actor == API_KEY.kind]


def _record_step(write: Write) -> tuple[str, str, str, bool]:
    before, after = write.state_before, write.state_after
    return write.sys_id, before, after, _stage(before) <= _stage(after)


def _case_step(entry: JournalEntry) -> tuple[str, str, str, bool]:
    before, after = case_stage(entry.from_status), case_stage(entry.to_status)
    forward = before is not None and after is not None and before <= after
    return entry.case_id, entry.from_status, entry.to_status, forward


def _number(sandbox: Sandbox, sys_id: str) -> str:
    return sandbox.servicenow.record(sys_id)["number"]


def _claim(words: str, wrong: Sequence[str], found: str) -> Claim:
    return Claim(words=words, holds=not wrong, found="; ".join(wrong) or found)
