"""The account of a window: every Case with its record or the reason why it has none, every record with its Case.

Everything here is pure: ``fresh`` reads the services and the database. A Case is judged by the same decision that a
cycle takes, on what both services show now; what that decision would still do, or holds for a person, is an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from reconciler.core.frozen import dataclass
from reconciler.core.identity import odd_key
from reconciler.core.lifecycle import shows_activity
from reconciler.core.model import HOLD_REASONS, ActionKind, Case, Incident, Link, Pair, Skip, Stage, named
from reconciler.core.planning.decide import decide
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision
from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.store.values import Remembered

STEPS = frozenset({ActionKind.ADVANCE_INCIDENT, ActionKind.ADVANCE_CASE})
"""Planned actions that mean a pair is out of step; fields and notes do not."""


class ExceptionKind(StrEnum):
    """The kinds of exceptions in an account."""

    NEVER_SEEN = "never_seen"
    """the database does not know the Case"""
    NO_RECORD = "no_record"
    """the Case should have a record"""
    NOT_LINKED = "not_linked"
    """a record bears the Case's key and our mark, and the database has no link between them"""
    RECORD_MISSING = "record_missing"
    """the linked record does not show: deleted, or hidden from this user"""
    OUT_OF_STEP = "out_of_step"
    HELD = "held"
    """the link waits for a person"""
    DUPLICATE = "duplicate_record"
    NO_CASE = "no_case"
    """a record bears our mark, and no Case that shows has its key"""
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True, kw_only=True, slots=True)
class CoverageFinding:
    """One exception, about one Case or record."""

    kind: ExceptionKind
    words: str
    case_id: str = ""
    case_key: str = ""
    connector: str = ""
    table: str = ""
    sys_id: str = ""
    number: str = ""
    since: str | None = None
    """ISO 8601, where the database knows it"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseLine:
    """One Case in an account."""

    case_id: str
    case_key: str
    status: str
    stage: str | None
    created_at: datetime
    connector: str = ""
    table: str = ""
    sys_id: str = ""
    number: str = ""
    record_stage: str | None = None
    elsewhere: bool = False
    """the record is there by other means"""
    reason: str | None = None
    """why there is no record, or why the two do not stand together"""
    detail: str | None = None
    out_of_step_since: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordLine:
    """One record that bears our mark, in an account."""

    connector: str
    table: str
    sys_id: str
    number: str
    state: str
    updated_at: datetime
    case_id: str
    case_key: str


@dataclass(frozen=True, kw_only=True)
class SeenCase:
    """What both services, and the database, show of one Case now."""

    case: Case
    remembered: Remembered | None
    records: tuple[Incident, ...]
    """those that bear its key and our mark, and the linked one"""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The whole account."""

    cases: Sequence[CaseLine]
    records: Sequence[RecordLine]
    exceptions: Sequence[CoverageFinding]
    incomplete: Sequence[str]
    """what was not shown, in words; empty where both sides were read whole"""

    @property
    def is_complete(self) -> bool:
        """Return whether neither side left anything out."""
        return not self.incomplete

    @property
    def is_clean(self) -> bool:
        """Return whether everything is as it should be."""
        return not self.exceptions


def is_of_window(created_at: datetime, changed_at: datetime | None, since: datetime, until: datetime) -> bool:
    """Return whether something was created, or last changed, within a window."""
    return any(at is not None and since <= at <= until for at in (created_at, changed_at))


def account(
    seen: SeenCase, policies: Policies, *, now: datetime, origin: datetime
) -> tuple[CaseLine, list[CoverageFinding]]:
    """Account for one Case."""
    link = seen.remembered.link if seen.remembered else _unknown(seen.case)
    linked = next((one for one in seen.records if link.sys_id and _is_linked(link, one)), None)
    ours = tuple(one for one in seen.records if policies.is_ours(one, seen.case.id))
    others = tuple(one for one in ours if one is not linked)
    decided = _decided(seen.case, link, linked, others, policies, now=now, origin=origin)
    line = _line(seen, link, linked or (ours[0] if ours else None), decided.skip, policies)
    return line, _findings(line, seen, link, linked, others, decided)


def _unknown(case: Case) -> Link:
    return Link(case_id=case.id, was_active=shows_activity(case))


def _is_linked(link: Link, record: Incident) -> bool:
    return (record.sys_id.lower(), record.connector) == (link.sys_id.lower(), link.connector)


def _decided(
    case: Case,
    link: Link,
    linked: Incident | None,
    others: tuple[Incident, ...],
    policies: Policies,
    *,
    now: datetime,
    origin: datetime,
) -> Decision:
    """Decide as a cycle would."""
    connectors = {one.connector for one in policies.routes} | {link.connector}
    by_connector = {name: tuple(one for one in others if one.connector == name) for name in connectors}
    knowledge = Knowledge(
        now=now, origin=origin, records={(name, case.id): found for name, found in by_connector.items()}
    )
    return decide(Pair(link=link, case=case, incident=linked, others=others), policies, knowledge)


def _line(seen: SeenCase, link: Link, record: Incident | None, skip: Skip | None, policies: Policies) -> CaseLine:
    case, kept = seen.case, link.elsewhere
    case_stage = policies.case_stage(case)
    record_stage = policies.incident_stage(link, record) if record else None
    is_in_step = case_stage is record_stage
    where = record or (link if link.sys_id else kept)
    return CaseLine(
        case_id=case.id,
        case_key=case.key or "",
        status=case.status,
        stage=_word(case_stage),
        created_at=case.created_at,
        connector=where.connector if where else "",
        table=where.table if where else "",
        sys_id=where.sys_id if where else "",
        number=where.number if where else "",
        record_stage=_word(record_stage),
        elsewhere=where is not None and where is kept,
        reason=skip.reason.value if skip else None,
        detail=skip.detail if skip else None,
        out_of_step_since=seen.remembered.out_of_step_since if seen.remembered and not is_in_step else None,
    )


def _word(stage: Stage | None) -> str | None:
    return stage.word if stage else None


def _findings(
    line: CaseLine,
    seen: SeenCase,
    link: Link,
    linked: Incident | None,
    others: tuple[Incident, ...],
    decided: Decision,
) -> list[CoverageFinding]:
    """List what is wrong about one Case, the most serious first."""
    found: list[tuple[ExceptionKind, str]] = []
    strays = [one for one in others if one.sys_id not in link.earlier]
    if strays and not link.sys_id:
        names = ", ".join(map(named, strays))
        found.append((ExceptionKind.NOT_LINKED, f"{names} bears its key and our mark, and the database has no link"))
    elif strays:
        names = ", ".join(map(named, strays))
        found.append((ExceptionKind.DUPLICATE, f"beside the linked record {names} bears its key and our mark"))
    if link.sys_id and linked is None and link.table != EVENT_TABLE:
        words = f"{named(link)} does not show: deleted, or hidden from this user"
        found.append((ExceptionKind.RECORD_MISSING, words))
    if not found and seen.remembered is None and decided.skip is None:
        found.append((ExceptionKind.NEVER_SEEN, "the database does not know this Case"))
    elif not found:
        found += _undone(line, link, decided)
    return [_of(line, kind, words) for kind, words in found]


def _undone(line: CaseLine, link: Link, decided: Decision) -> list[tuple[ExceptionKind, str]]:
    skip = decided.skip
    if skip and skip.reason in HOLD_REASONS:
        kind = ExceptionKind.HELD if line.stage == line.record_stage or not link.sys_id else ExceptionKind.OUT_OF_STEP
        return [(kind, f"{skip.reason.value}: {skip.detail or 'waits for a person'}")]
    if not link.sys_id and link.elsewhere is None and skip is None:
        return [(ExceptionKind.NO_RECORD, "it should have a record, and has none yet")]
    steps = [one for one in decided.actions if one.kind in STEPS]
    if steps and link.sys_id and link.table != EVENT_TABLE:
        words = ", ".join(f"{one.kind.value} to {one.to_stage.word}" for one in steps)
        return [(ExceptionKind.OUT_OF_STEP, f"the next cycle would {words}")]
    return []


def _of(line: CaseLine, kind: ExceptionKind, words: str) -> CoverageFinding:
    return CoverageFinding(
        kind=kind,
        words=words,
        case_id=line.case_id,
        case_key=line.case_key,
        connector=line.connector,
        table=line.table,
        sys_id=line.sys_id,
        number=line.number,
        since=line.out_of_step_since,
    )


def record_line(record: Incident, case: Case | None) -> tuple[RecordLine, list[CoverageFinding]]:
    """Account for one record that bears our mark; ``case`` is None where Coralogix does not show it."""
    line = RecordLine(
        connector=record.connector,
        table=record.table,
        sys_id=record.sys_id,
        number=record.number,
        state=record.state,
        updated_at=record.updated_at,
        case_id=record.correlation_id,
        case_key=(case.key or "") if case else "",
    )
    if case is not None:
        return line, []
    words = odd_key(record.correlation_id) or (
        f"it bears our mark and the key {record.correlation_id!r}, and Coralogix shows no such Case: deleted, or "
        "hidden from this key"
    )
    where = {"connector": record.connector, "table": record.table, "sys_id": record.sys_id, "number": record.number}
    return line, [CoverageFinding(kind=ExceptionKind.NO_CASE, words=words, case_id=record.correlation_id, **where)]


def left_out(created: Mapping[str, Case], updated: Mapping[str, Case], since: datetime) -> list[str]:
    """Name the Cases that one of two whole listings shows and the other should have shown, too.

    A listing by creation has every Case that was made since; one by change every Case whose time of change is since.
    """
    by_creation = [key for key, case in updated.items() if case.created_at >= since and key not in created]
    by_change = [
        key
        for key, case in created.items()
        if case.updated_at is not None and case.updated_at >= since and key not in updated
    ]
    return sorted({*by_creation, *by_change})
