"""What the rest of the program may ask of the two services.

Each class that implements a port must keep its Must and Must not list, and raises only the errors of ``core.errors``.
The contract tests check this over sockets; the other tests run the same clients on the sandbox in process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from reconciler.core.case_events import CaseEvent
from reconciler.core.errors import Malformed, PartialTruth
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case, Incident, JsonObject, System
from reconciler.core.told import RecordChange

if TYPE_CHECKING:
    from reconciler.core.policies.existing import Terms

IDS_A_REQUEST = 200
"""Some 7,000 characters of a query; ServiceNow refuses an address of 20,000 (PySNC's own test)."""
NAMES_A_REQUEST = 50
CASES_A_PAGE = 200
RECORDS_A_PAGE = 500
"""Where the caller asks for no other number."""
LARGEST_PAGE = 1000
"""Asked for where everything is listed: no page of Cases may be larger, and none of records is asked larger."""
CASES_HIDDEN = "Coralogix hides Cases from this key (pbacTruncated)"
"""The words for a listing that an access policy cut."""


def rows_hidden(connector: str, table: str, count: int) -> str:
    """Say that an instance counts rows that it does not show."""
    return f"ServiceNow ({connector}) counts {count} rows of {table} that it does not show"


@dataclass(frozen=True, kw_only=True)
class SideState:
    """The limits that one service set by its answers; kept over restarts. Times are of our own clock."""

    paused_until: datetime | None = None
    """nothing is sent before this time"""
    pauses: int = 0
    """complaints in a row"""
    refused_logins: int = 0
    """in a row"""
    login_paused_until: datetime | None = None
    refused_mark: str = ""
    """tells a changed login from the one that was refused"""
    requests_per_second: float = 0.0
    """the present pace; 0 where that is the limit of the config"""

    @property
    def silent_until(self) -> datetime | None:
        """Return the time before which nothing is sent, for either reason."""
        return max((time for time in (self.paused_until, self.login_paused_until) if time), default=None)


class Side(Protocol):
    """One of the services, with the limits that its answers set.

    Must: send nothing during a pause; after it, send one request first. Must not: count a request that was not sent as
    a refusal of the service; wait in a cycle for the end of a pause that was asked for in it.
    """

    @property
    def state(self) -> SideState:
        """Return what is stored for the next start, and shown by ``status``."""
        ...

    @property
    def is_troubled(self) -> bool:
        """Return whether its last answer was a 429 or 503."""
        ...

    @property
    def writes_unanswered(self) -> int:
        """Count the writes since the start that timed out."""
        ...

    @property
    def hourly_limit(self) -> int | None:
        """Return how many requests an hour a rule of the service allows, by its last answer; None if it named none."""
        ...

    def resume(self, state: SideState) -> None:
        """Go on from what was stored."""
        ...

    def begin_cycle(self) -> None:
        """Note that a cycle begins."""
        ...


class CaseOrder(StrEnum):
    """The time by which Cases are listed, newest first."""

    UPDATED = "updated"
    CREATED = "created"


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """One page of Cases, newest first."""

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
        """Return the service with its limits."""
        ...

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = CASES_A_PAGE,
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
        """Acknowledge one Case and return it as it is afterwards."""
        ...

    def resolve(self, case_id: str, reason: str) -> Case:
        """Resolve one Case with a reason of 1 to 500 characters (none is sent when empty)."""
        ...

    def close(self, case_id: str) -> Case:
        """Close one Case, which must be resolved."""
        ...

    def deep_link(self, case_id: str) -> str:
        """Return the address of a Case in the Coralogix console; empty when the service gives none."""
        ...


@dataclass(frozen=True, kw_only=True)
class CaseEvents:
    """Every event of one Case, in the order in which they were stored."""

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
    """What ServiceNow's own audit says of some records."""

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
    """The position after one row of a listing ordered by ``sys_updated_on, sys_id``."""

    updated_at: datetime
    sys_id: str


@dataclass(frozen=True, kw_only=True)
class IncidentPage:
    """One page of records, oldest change first."""

    incidents: tuple[Incident, ...]
    malformed: tuple[Malformed, ...] = ()
    last: Position | None = None
    """the position after the last row as the service sent it; None only on an empty page"""
    hidden: int = 0
    """rows that the service counts and does not show: the listing is not whole"""
    is_whole: bool = False
    """the service counts no more rows than this page shows, so nothing follows it"""
    server_time: datetime | None = None

    @property
    def not_shown(self) -> int:
        """Return how many rows an access rule keeps from this user: left out, or left in their place and empty."""
        return self.hidden + sum(not one.raw for one in self.malformed)


class IncidentClient(Protocol):
    """Speak to one ServiceNow instance through the Table API, as one connector.

    Must: check every row against what was asked (ServiceNow drops a condition that it does not understand) and
    raise PartialTruth for one that does not fit; refuse an empty or malformed key before anything is sent; give
    each request a time limit; retry reads only. Must not: send a write twice; follow a redirect.
    """

    @property
    def connector(self) -> str:
        """Return the connector's name in the config."""
        ...

    @property
    def side(self) -> Side:
        """Return the service with its limits."""
        ...

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = RECORDS_A_PAGE
    ) -> IncidentPage:
        """List records that bear our mark, by ``(sys_updated_on, sys_id)``, from ``since`` on or behind ``after``.

        An empty page is the end, and one that is whole. With neither, the listing starts at the oldest record.
        """
        ...

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Return the records that bear our mark and one of these Case ids, 200 of them in one request."""
        ...

    def find_existing(self, table: str, asked: Mapping[str, Terms]) -> Mapping[str, tuple[Incident, ...]]:
        """Return the records by other means that stand for Cases: Case id -> its conditions, and -> its records.

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
        """Change the named fields of one record and return it as it is afterwards."""
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


# -- a listing to its end, by any client -----------------------------------------------------------------------------


def case_pages(
    cases: CaseClient,
    order: CaseOrder,
    *,
    page_rows: int,
    statuses: tuple[str, ...] = (),
    created_from: datetime | None = None,
) -> Iterator[CasePage]:
    """Read page after page; raise PartialTruth when the service hands out the same page token twice.

    Tokens may count rows, so that such a listing would never end by itself.
    """
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = cases.list_cases(
            order=order,
            page_token=token,
            page_size=page_rows,
            statuses=statuses,
            created_from=created_from,
        )
        yield page
        token = page.next_token
        if not token:
            return
        if token in seen:
            raise PartialTruth("the same page token came twice: the listing does not end", system=System.CORALOGIX)
        seen.add(token)


def record_pages(
    client: IncidentClient, table: str, *, since: datetime | None, after: Position | None, limit: int
) -> Iterator[IncidentPage]:
    """Read the records that bear our mark, oldest change first, page after page to the end."""
    while True:
        page = client.changed(table, since=None if after else since, after=after, limit=limit)
        yield page
        if page.last is None or page.is_whole:
            return
        after = page.last
