"""What the rest of the program may ask of the two services.

Whoever implements a port keeps its Must and Must not list, and raises the errors of ``core.errors`` and no others.
The contract suite holds the clients to that, over sockets; elsewhere the tests bring the same clients to the sandbox in
process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from reconciler.core.case_events import CaseEvent
from reconciler.core.errors import Malformed
from reconciler.core.model import Case, Incident, JsonObject
from reconciler.core.told import RecordChange

if TYPE_CHECKING:
    from reconciler.core.policies.existing import Terms

CASES_HIDDEN = "Coralogix hides Cases from this key (pbacTruncated)"
"""What is told of a listing that an access policy cut."""


@dataclass(frozen=True, kw_only=True)
class SideState:
    """Say how one service wants to be treated, as its answers told; kept over restarts. Times are of our own clock."""

    paused_until: datetime | None = None
    """nothing is sent before"""
    pauses: int = 0
    """complaints in a row"""
    refused_logins: int = 0
    """in a row"""
    login_paused_until: datetime | None = None
    refused_mark: str = ""
    """tells a changed login from the one that was refused"""
    requests_per_second: float = 0.0
    """the pace that it bears; 0 where that is the ceiling of the config"""

    @property
    def silent_until(self) -> datetime | None:
        """Give the time before which nothing is sent, for either reason."""
        return max((time for time in (self.paused_until, self.login_paused_until) if time), default=None)


class Side(Protocol):
    """Be one of the services, as far as it wants to be treated well.

    Must: send nothing during a pause; let one request go first behind it. Must not: count a refusal of ours as theirs;
    wait for the end of a pause that began in the same cycle, but with the read that was answered so.
    """

    @property
    def state(self) -> SideState:
        """Give what is to be remembered of it, and shown."""
        ...

    @property
    def is_troubled(self) -> bool:
        """Say whether it complained (429, 503) and has not answered well since."""
        ...

    @property
    def writes_unanswered(self) -> int:
        """Count the writes that found no answer within the time limit since the start."""
        ...

    @property
    def hourly_limit(self) -> int | None:
        """Give how many requests an hour a rule of the service allows, as its last answer told; None where none did."""
        ...

    def resume(self, state: SideState) -> None:
        """Go on from what was remembered of it."""
        ...

    def begin_cycle(self) -> None:
        """Hear that a cycle begins."""
        ...


class CaseOrder(StrEnum):
    """Choose the time by which Cases are listed, newest first."""

    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """Hold one page of Cases, newest first."""

    cases: tuple[Case, ...]
    malformed: tuple[Malformed, ...] = ()
    """records of this page that could not be understood; they stop nothing else"""
    next_token: str | None = None
    """None on the last page"""
    truncated: bool = False
    """an access policy hid matches (``pbacTruncated``)"""
    server_time: datetime | None = None
    """the service's clock when it answered, to the second"""


class CaseClient(Protocol):
    """Speak to Coralogix Cases.

    Must: answer with what the service holds now; raise when the answer is not whole or is an error; give each
    request a time limit; retry reads only. Must not: send a write twice; guess an unknown status.
    """

    @property
    def side(self) -> Side:
        """Give how the service wants to be treated."""
        ...

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = 200,
        statuses: Sequence[str] = (),
        created_from: datetime | None = None,
    ) -> CasePage:
        """List Cases newest first by ``order``; ``statuses`` are short words (``ACTIVE``), empty means all.

        ``created_from`` keeps to Cases created at or after that time.
        """
        ...

    def get_case(self, case_id: str) -> Case:
        """Read one Case; raise Missing when there is none."""
        ...

    def acknowledge(self, case_id: str) -> Case:
        """Acknowledge one Case and give it as it is afterwards."""
        ...

    def resolve(self, case_id: str, reason: str) -> Case:
        """Resolve one Case with a reason of 1 to 500 characters (none is sent when empty)."""
        ...

    def close(self, case_id: str) -> Case:
        """Close one Case, which must be resolved."""
        ...

    def deep_link(self, case_id: str) -> str:
        """Give the address of a Case in the Coralogix console; empty when the service gives none."""
        ...


@dataclass(frozen=True, kw_only=True)
class CaseEvents:
    """Hold every event of one Case, in the order in which they were stored."""

    events: tuple[CaseEvent, ...]
    malformed: tuple[Malformed, ...] = ()
    """events that could not be understood; they stop nothing else"""


class CaseEventClient(Protocol):
    """Read what happened to Cases, step by step.

    Must: give all events that the service shows; raise when the answer is not whole or is an error; give each request
    a time limit. Must not: write anything; guess an unknown kind or actor. Not promised: that an event seen once is
    there again, since comments can be edited and deleted.
    """

    def events(self, case_id: str) -> CaseEvents:
        """Read all events of one Case, oldest first; raise Missing when there is no such Case."""
        ...


@dataclass(frozen=True, kw_only=True)
class RecordHistory:
    """Hold what ServiceNow's own audit says of some records."""

    changes: Mapping[str, tuple[RecordChange, ...]]
    """lower-case ``sys_id`` -> its changes, oldest first"""
    hidden: int = 0
    """entries that the service counts and does not show"""


class RecordHistoryClient(Protocol):
    """Read who changed which field of a record, from the instance's own audit.

    Must: check every entry against what was asked; raise Rejected where the user may not read it, and other errors
    where the answer is not whole; give each request a time limit. Must not: write anything. Not promised: that a field
    is audited, since each table says which are.
    """

    def history(self, table: str, sys_ids: Sequence[str]) -> RecordHistory:
        """Read all changes of these records of one table."""
        ...


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """Stand behind one row of a listing ordered by ``sys_updated_on, sys_id``."""

    updated_at: datetime
    sys_id: str


@dataclass(frozen=True, kw_only=True)
class IncidentPage:
    """Hold one page of records, oldest change first."""

    incidents: tuple[Incident, ...]
    malformed: tuple[Malformed, ...] = ()
    last: Position | None = None
    """the position behind the last row as the service sent it; None only on an empty page"""
    hidden: int = 0
    """rows that the service counts and does not show: the listing is not whole"""
    is_whole: bool = False
    """the service counts no more rows than this page shows, so that nothing is behind it"""
    server_time: datetime | None = None


class IncidentClient(Protocol):
    """Speak to one ServiceNow instance through the Table API, as one connector.

    Must: check every row against what was asked (ServiceNow drops a condition that it does not understand) and
    raise PartialTruth for one that does not fit; refuse an empty or malformed key before anything is sent; give
    each request a time limit; retry reads only. Must not: send a write twice; follow a redirect.
    """

    @property
    def connector(self) -> str:
        """Give the connector's name in the config."""
        ...

    @property
    def side(self) -> Side:
        """Give how the service wants to be treated."""
        ...

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = 500
    ) -> IncidentPage:
        """List records that bear our mark, by ``(sys_updated_on, sys_id)``, from ``since`` on or behind ``after``.

        An empty page is the end, and one that is whole. With neither, the listing starts at the oldest record.
        """
        ...

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Give the records that bear our mark and one of these Case ids, 200 of them in one request."""
        ...

    def find_existing(self, table: str, asked: Mapping[str, Terms]) -> Mapping[str, tuple[Incident, ...]]:
        """Give the records by other means that stand for Cases: Case id -> its conditions, and -> its records.

        Records that bear our mark are left out. Raises ConditionDropped for a row that fits no Case's conditions.
        """
        ...

    def get(self, table: str, sys_id: str) -> Incident:
        """Read one record; raise Missing when it does not exist or is hidden."""
        ...

    def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Read records by id, 200 in one request; those that are missing or hidden are left out."""
        ...

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        """Create one record; ``fields`` hold ``sys_id``, ``correlation_id`` and ``correlation_display`` too.

        Raises Ambiguous wherever the record may exist all the same, and Malformed, with its ``sys_id``, where it was
        made and too little of it may be read.
        """
        ...

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        """Change the named fields of one record and give it as it is afterwards."""
        ...

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        """Find active rows by name: name -> ``sys_id``; names that nothing or several rows bear are left out."""
        ...

    def send_event(self, event: Mapping[str, str]) -> None:
        """Send one event to Event Management; the same ``message_key`` meets the same alert."""
        ...

    def rows(self, table: str, query: str, *, fields: Sequence[str], limit: int) -> tuple[JsonObject, ...]:
        """Read raw rows of any table, for probes; nothing is checked but the shape of the answer."""
        ...
