"""The nouns: what the two services hold, what links them, and what we mean to do.

All values are frozen; all times are aware and UTC. A Case has a *status* and an Incident a *state*: those
are the services' own words. Both are placed on one scale of ours, the *stage*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from reconciler.core.copies import replace
from reconciler.core.frozen import dataclass

SERVICENOW_TIME = "%Y-%m-%d %H:%M:%S"
"""The times of a record, in UTC, in a field as in an event. Source: ServiceNow, "Send events via web service"."""
LONGEST_REASON = 500
"""So many characters Coralogix takes as the reason of one resolve."""
NOTE_ARRIVED = -1
"""In ``Link.noted``: below every ``sys_mod_count``, so that the note counts as sent whatever the record shows."""
JsonObject = dict[str, Any]
"""A JSON object as it came from, or goes to, a service or a file."""


class Stage(IntEnum):
    """The one scale on which both sides are placed, and on which we only ever move them forward."""

    OPEN = 1
    ACKNOWLEDGED = 2
    RESOLVED = 3
    CLOSED = 4

    @property
    def word(self) -> str:
        """Return the word of the public contract: ``open``, ``acknowledged``, ``resolved``, ``closed``."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> Stage:
        """Read a stage word; raise KeyError for any other text."""
        return cls[word.upper()]


class Verb(StrEnum):
    """What can be asked of a Case."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    CLOSE = "close"


class System(StrEnum):
    """The two services, by the names that journals and errors use."""

    CORALOGIX = "coralogix"
    SERVICENOW = "servicenow"


class ActionKind(StrEnum):
    """What one action does."""

    CREATE_INCIDENT = "create_incident"
    ADOPT_INCIDENT = "adopt_incident"
    ADVANCE_INCIDENT = "advance_incident"
    UPDATE_INCIDENT = "update_incident"
    ADD_WORK_NOTE = "add_work_note"
    ADVANCE_CASE = "advance_case"
    SEND_EVENT = "send_event"


class Result(StrEnum):
    """How one action ended."""

    DONE = "done"
    ALREADY = "already"
    RETRY = "retry"
    UNKNOWN = "unknown"
    REJECTED = "rejected"


class SkipReason(StrEnum):
    """Why a link gets no action; the words are fixed by the public contract."""

    PENDING_ACTIVATION = "pending_activation"
    NOT_ROUTED = "not_routed"
    BEFORE_ORIGIN = "before_origin"
    INCIDENT_REOPENED = "incident_reopened"
    CASE_MOVED_BACK = "case_moved_back"
    REJECTED = "rejected"
    SETTLING = "settling"
    DUPLICATE_INCIDENTS = "duplicate_incidents"
    INCIDENT_MISSING = "incident_missing"
    CASE_MISSING = "case_missing"
    UNKNOWN_STATE = "unknown_state"
    INCIDENT_TERMINAL = "incident_terminal"
    KEPT_ELSEWHERE = "kept_elsewhere"


HOLD_REASONS = frozenset(
    {
        SkipReason.INCIDENT_REOPENED,
        SkipReason.CASE_MOVED_BACK,
        SkipReason.REJECTED,
        SkipReason.DUPLICATE_INCIDENTS,
        SkipReason.INCIDENT_MISSING,
        SkipReason.CASE_MISSING,
        SkipReason.UNKNOWN_STATE,
    }
)
"""The reasons that wait for a person; the others pass by themselves or stay for good."""


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A service or database that a Case says is impacted."""

    kind: str
    """``service`` or ``database``"""
    name: str
    detail: str = ""
    """the service's language or the database's system"""


@dataclass(frozen=True, kw_only=True)
class Indicator:
    """One alert or signal behind a Case."""

    kind: str
    """``alert``, ``generic`` or ``prometheus``"""
    id: str
    name: str = ""
    state: str = ""
    """``TRIGGERED``, ``RESOLVED``, ``NO_DATA``, or what the service says"""
    priority: str = ""
    triggered_at: datetime | None = None
    resolved_at: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One Coralogix Case as it was last seen. Enum words are short: ``ACTIVE``, ``P1``, ``SECURITY``."""

    id: str
    """lower-case UUID; the only key"""
    key: str | None
    """``CASE-123``; None until the Case was active"""
    title: str
    status: str
    """``PENDING_ACTIVATION``, ``ACTIVE``, ``ACKNOWLEDGED``, ``RESOLVED``, ``CLOSED``; an unknown word is kept"""
    priority: str
    category: str
    created_at: datetime
    updated_at: datetime | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str = ""
    resolution_reason: str = ""
    assignee: str = ""
    """user id, empty when nobody is assigned"""
    priority_system: str = ""
    priority_override: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """a key may repeat, so each has a list of values"""
    groupings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    impacted_entities: tuple[Entity, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    kpi_breaches: tuple[str, ...] = ()
    parent_id: str = ""
    reactivated_at: datetime | None = None
    url: str = ""
    """the Case in the Coralogix console; empty until asked for"""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One ServiceNow record as it was last seen. Every value is the raw text of the Table API."""

    connector: str
    table: str
    sys_id: str
    number: str
    state: str
    assigned_to: str
    correlation_id: str
    correlation_display: str
    created_at: datetime
    updated_at: datetime
    updated_by: str
    mod_count: int
    reopen_count: int = 0
    opened_by: str = ""
    """user name, as those of who resolved and who closed it; empty where the record does not tell"""
    resolved_by: str = ""
    closed_by: str = ""
    created_by: str = ""
    """the user whose login made it: ours, where the record bears our mark; empty where it may not be read"""
    fields: Mapping[str, str] = field(default_factory=dict)
    """every other field that was read: close_code, close_notes and whatever a policy maps"""

    @property
    def values(self) -> Mapping[str, str]:
        """Return its value of every field that a policy may write, but for its state."""
        return {**self.fields, "assigned_to": self.assigned_to}

    def values_of(self, names: Iterable[str]) -> dict[str, str]:
        """Return its values of some of these fields; one that it does not show is left out."""
        values = self.values
        return {name: values[name] for name in names if name in values}

    @property
    def was_reopened(self) -> bool:
        """Return whether it counts reopenings, so that it was resolved once, even if no pull saw it."""
        return self.reopen_count > 0


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A write that was rejected, remembered so that it is not sent again unchanged."""

    detail: str
    """the service's own words"""
    since: datetime
    next_retry_at: datetime
    attempts: int
    fingerprint: str
    """what both sides looked like; when that changes, the hold is over"""


@dataclass(frozen=True, kw_only=True)
class Absence:
    """A 404 in place of a Case or record: once is a suspicion, twice with time between is a fact."""

    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, kw_only=True)
class DoubtfulWrite:
    """What a write of ours sent to a record, whose outcome is not known."""

    fields: Mapping[str, str]
    """those that are kept in step"""
    mod_count: int
    """the record's ``sys_mod_count`` before it"""
    by: str
    """the user by whom it is stored"""


@dataclass(frozen=True, kw_only=True)
class Tries:
    """How often in a row the same unchanged pair was acted on, and nothing was seen to come of it."""

    fingerprint: str
    """what both sides looked like when that was decided"""
    times: int
    ended: str = Result.UNKNOWN
    """how each of them ended: ``unknown`` or ``already``"""
    planned_at: str = ""
    """when the last of them was planned: two actions of one plan are one try"""
    sent: DoubtfulWrite | None = None
    """what the last of them sent to a record"""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The record by other means that stands for a Case; it is never written."""

    connector: str
    table: str
    sys_id: str
    number: str
    query: str
    """what found it, as text"""
    is_missed: bool = False
    """the last look did not find it; a second one that does not is believed"""


@dataclass(frozen=True, kw_only=True)
class Link:
    """What binds one Case to one record, and how far each side was seen to have come."""

    case_id: str
    route: str = ""
    """empty when no route took the Case"""
    inbound: str = ""
    outbound: str = ""
    """empty when the route is one-way"""
    connector: str = ""
    table: str = ""
    sys_id: str = ""
    """empty until there is a record"""
    number: str = ""
    generation: int = 1
    """counts records made on purpose for one Case; part of the computed sys_id"""
    case_peak: Stage | None = None
    incident_peak: Stage | None = None
    """the highest stage at which each side was ever seen; None before"""
    admitted: bool = False
    """the Case was let in once, and so is never too old again"""
    was_active: bool = False
    """the Case was seen active, or carries a sign of it"""
    written: Mapping[str, str] = field(default_factory=dict)
    """the value that each field in step was last given by us"""
    kept: Mapping[str, str] = field(default_factory=dict)
    """what the record kept of each value that we gave it, as the answer to our own write showed; a field is left out
    where somebody else may have written in between"""
    noted: Mapping[str, int] = field(default_factory=dict)
    """step, by the word of its stage -> the record's ``sys_mod_count`` before the write that carried its note, or
    ``NOTE_ARRIVED``"""
    tries: Tries | None = None
    reactivations: tuple[datetime, ...] = ()
    """the re-activations of the Case for which a new record was made, the oldest first"""
    earlier: tuple[str, ...] = ()
    """the ``sys_id`` of each record that the link had before; they are left as they are"""
    elsewhere: Elsewhere | None = None
    """the record by other means that keeps the Case from getting one"""
    hold: Hold | None = None
    incident_absence: Absence | None = None
    case_absence: Absence | None = None
    create_in_doubt_since: datetime | None = None
    """when a create whose outcome is not known was sent"""
    ignored_fingerprint: str = ""
    """a person said to leave this link alone while both sides look like this"""
    case_low: Stage | None = None
    """the lowest stage at which the Case was ever seen; one that waits to be activated counts as open"""
    first_seen_at: datetime | None = None

    @property
    def has_record(self) -> bool:
        """Return whether a record stands for the Case: ours, or one by other means."""
        return bool(self.sys_id) or (self.elsewhere is not None and not self.elsewhere.is_missed)

    @property
    def agreed(self) -> Stage | None:
        """Return the highest stage that both sides were seen to have reached."""
        if self.case_peak is None or self.incident_peak is None:
            return None
        return min(self.case_peak, self.incident_peak)

    def next_generation(self, case: Case, stage: Stage) -> Link:
        """Move on to the next generation, with a record still to be made; its memory begins at the Case's stage."""
        told = (*self.reactivations, case.reactivated_at) if case.reactivated_at else self.reactivations
        return replace(
            self,
            sys_id="",
            number="",
            generation=self.generation + 1,
            earlier=(*self.earlier, self.sys_id),
            reactivations=tuple(dict.fromkeys(told)),
            case_peak=stage,
            incident_peak=None,
            written={},
            kept={},
            noted={},
            tries=None,
            hold=None,
            incident_absence=None,
            create_in_doubt_since=None,
        )


def named(record: Incident | Link | Elsewhere) -> str:
    """Name a record for people: numbers are given anew by each instance, and by each table of one."""
    return f"{record.number or record.sys_id} ({record.connector}/{record.table})"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """All that is remembered about one Case: what a decision is made from."""

    link: Link
    case: Case
    incident: Incident | None = None
    """the linked record, once there is one and it was seen"""
    others: tuple[Incident, ...] = ()
    """records that bear this Case's key and are not the linked one; the owner mark is checked by who decides"""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing to do to one side of one link."""

    kind: ActionKind
    case_id: str
    case_key: str | None
    connector: str
    table: str
    sys_id: str
    number: str | None
    from_stage: Stage | None
    to_stage: Stage
    path: tuple[Verb, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """for create and update what is sent; for a resolve the reason"""
    written: Mapping[str, str] = field(default_factory=dict)
    """what the link remembers having written once this is done"""
    fingerprint: str = ""
    """what both sides looked like when this was decided"""
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Why one Case gets no action."""

    case_id: str
    case_key: str | None
    reason: SkipReason
    detail: str | None = None

    @classmethod
    def of(cls, case: Case, reason: SkipReason, detail: str | None = None) -> Skip:
        """Skip a Case for a reason."""
        return cls(case_id=case.id, case_key=case.key, reason=reason, detail=detail)


@dataclass(frozen=True, kw_only=True)
class FieldNote:
    """A field in step that is left alone because a person changed it, for the audit."""

    case_id: str
    name: str
    ours: str
    theirs: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one action ended and what each side looks like now, where that was seen."""

    action: Action
    result: Result
    detail: str | None = None
    case: Case | None = None
    incident: Incident | None = None
    link: Link | None = None
    """the link as it stands after the action, where it changed"""


@dataclass(frozen=True, kw_only=True)
class HttpRecord:
    """One request that left the program, for the audit: no query, no header, and a body only when asked."""

    system: System
    method: str
    path: str
    status: int | None
    duration_ms: int
    request_id: str | None
    attempt: int
    sent_at: datetime
    action_seq: int | None = None
    body: str = ""
    """what a write sent, without secrets; empty unless the config asks for bodies to be kept"""
    outcome: str = ""
    """what is known of a request of which no answer was recorded"""
