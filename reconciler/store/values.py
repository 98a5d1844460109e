"""The values that go into the store and come out of it, beside the nouns of ``core.model``.

The store knows no policy: where a stage depends on one, a StageRules is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from reconciler.core.errors import Malformed
from reconciler.core.frozen import dataclass
from reconciler.core.model import Action, Case, HttpRecord, Incident, Link, Outcome, Pair, Skip, Stage, System

_AHEAD_OF_CLOCK = timedelta(hours=1)
Row = Mapping[str, str | int | float | None]
"""One row of an ``audit_*`` view: column name -> value, times as ISO 8601 text."""
RecordKey = tuple[str, str, str]
"""What tells one record from all others: ``sys_id``, table, connector."""


def is_far_ahead(time: datetime, clock: datetime) -> bool:
    """Return whether a time of a service lies too far ahead of a clock to be believed.

    What bears it is read; the time moves no cursor, and tells nothing of which version is newer.
    """
    return time - clock > _AHEAD_OF_CLOCK


class StageRules(Protocol):
    """Map what was seen to a stage; ``core.policies.policies.Policies`` implements it."""

    def case_stage(self, case: Case) -> Stage | None:
        """Return a Case's stage; None when its status is pending or unknown."""
        ...

    def incident_stage(self, link: Link, incident: Incident) -> Stage | None:
        """Return a record's stage under its link's policies; None when its state is unknown."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """How far one listing was read."""

    name: str
    time: datetime | None
    """the service's own time, never the local clock's"""
    resume: str = ""
    """JSON text of an unfinished listing; the store does not look inside"""


class Learned(StrEnum):
    """What is learned of the instance behind a connector, each remembered as a fact."""

    IDS_NOT_HONOURED = "ids_not_honoured"
    """it replaces the ``sys_id`` that we choose for a record"""
    NOTES_COUNTED = "notes_counted"
    """it moves a record's ``sys_mod_count`` for a work note"""

    def of(self, connector: str) -> str:
        """Return the key of the fact for one connector; its value is the record by which it was learned."""
        return f"{self}.{connector}"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What the pull of one side brought, whole or in part."""

    system: System
    cases: tuple[Case, ...] = ()
    incidents: tuple[Incident, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    cursors: tuple[Cursor, ...] = ()
    read_now: bool = False
    """read one by one just now, and so newer than what is remembered, whatever their times say"""


class OpenPlace(NamedTuple):
    """Where the sides of one open link are; a tuple, since a drift check asks for tens of thousands."""

    case_id: str
    case_peak: int | None
    """a Stage, as it is stored"""
    sys_id: str
    table: str
    connector: str


@dataclass(frozen=True, kw_only=True)
class SideCounts:
    """What became of the rows of one side."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    stale: int = 0
    """rows older than what is remembered, left out"""


@dataclass(frozen=True, kw_only=True)
class RememberedCounts:
    """What one call of ``remember`` found, in numbers."""

    cases: SideCounts
    incidents: SideCounts
    malformed: int
    notifications: int
    doubtful: tuple[str, ...] = ()
    """Cases that came with an older time and another content: a late listing, or a clock that was set back"""
    doubtful_records: tuple[RecordKey, ...] = ()
    """records likewise: a late listing, or a copy that was brought back"""


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A link, and since when its two sides are out of step."""

    link: Link
    out_of_step_since: str | None = None
    """ISO 8601; None while they are in step"""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What was decided about one link, and is stored."""

    link: Link
    needs_plan: bool
    """plan it again in the next cycle although nothing changed"""
    skip: Skip | None = None


@dataclass(frozen=True, kw_only=True)
class UnfinishedAction:
    """An action that was begun and never finished: the program was killed in between."""

    seq: int
    cycle_id: str
    started_at: datetime
    action: Action
    """as it was begun; ``fields`` are those that were sent, and empty where only hashes of their values are kept"""
    field_names: frozenset[str] = frozenset()


SENT_OUTCOME_UNKNOWN = "sent, outcome unknown"
"""What ``audit_http`` says of the write of an action that was begun and never finished."""


@dataclass(frozen=True, kw_only=True)
class FinishedAction:
    """The outcome of an action that was begun, and the requests that it made."""

    seq: int
    outcome: Outcome
    requests: Sequence[HttpRecord] = ()


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """A record that was taken in as it was read, with what was decided about its link; nothing was sent for it."""

    decided: Decided
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class OperatorAction:
    """A command that a person ran, for the audit."""

    what: str
    os_user: str
    host: str
    arguments: str
    """the command line, which never holds a secret"""
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class CycleCounts:
    """What one cycle did, in numbers."""

    pulled_cases: int = 0
    pulled_incidents: int = 0
    planned: int = 0
    done: int = 0
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class FoundCase:
    """One Case that a REF may mean."""

    case_id: str
    case_key: str
    """empty until the Case was active, as the next two until it has a record"""
    connector: str
    number: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that is known of one Case, each list in the order of events."""

    pair: Pair
    skip: Skip | None
    skip_since: datetime | None
    needs_plan: bool
    notifications: tuple[Row, ...]
    actions: tuple[Row, ...]
    """each with the hash of the config that was in force"""
    values: tuple[Row, ...]
    """each field that an action wrote, as rows of ``audit_values``"""
    requests: tuple[Row, ...]

    @property
    def is_at_rest(self) -> bool:
        """Return whether the last plan found nothing to do, and no cycle plans again before something changes."""
        link = self.pair.link
        return not (self.needs_plan or self.skip or link.hold or link.create_in_doubt_since)


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How long one change took to the other side."""

    direction: str
    """``to_servicenow`` or ``to_coralogix``"""
    seconds: float
    """from the change's own time to the end of our write; never below 0, though two clocks measure it"""


@dataclass(frozen=True, kw_only=True)
class StatusSummary:
    """Sum up the database for a person who asks how things stand."""

    links: int
    open_links: int
    """links whose two sides are not both closed"""
    waiting: int
    """links that the next cycle plans"""
    holds: Mapping[str, int]
    """reason -> links that wait for a person"""
    skips: Mapping[str, int]
    """reason -> links that get no action for now, the holds left out"""
    quarantined: int
    """records of either service that could not be understood"""
    unfinished_actions: int
    last_cycle: Row | None
    cursors: Mapping[str, Cursor]


class HoldRequestKind(StrEnum):
    """What a person may ask about a hold."""

    RETRY = "retry"
    """try again at once"""
    IGNORE = "ignore"
    """leave the link alone until either side changes"""
    RECREATE = "recreate"
    """make a record of the next generation, which the link goes on with"""


@dataclass(frozen=True, kw_only=True)
class HoldRequest:
    """What a person asked about one link."""

    case_id: str
    kind: HoldRequestKind
    fingerprint: str
    """what both sides looked like when it was asked"""
    asked_by: str
    asked_at: datetime
    seq: int = 0
    """the order in which they are applied; 0 before the store has it"""


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Everything that a rebuild read from the services."""

    cases: tuple[Case, ...]
    incidents: tuple[Incident, ...]
    links: tuple[Link, ...]
    facts: Mapping[str, str]
    origin: datetime
