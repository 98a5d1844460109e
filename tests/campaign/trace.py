"""What each daemon was shown and asked for, in order; the clients write it down, and let the schedule strike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeVar

from reconciler.core.errors import RemoteError
from reconciler.core.model import Case, Incident, JsonObject
from reconciler.remotes.ports import CaseOrder, CasePage, IncidentPage, Position
from reconciler.sandbox.coralogix_memory import MemoryCaseClient
from reconciler.sandbox.coralogix_records import JournalEntry
from reconciler.sandbox.coralogix_world import CoralogixWorld
from reconciler.sandbox.servicenow_journal import Write
from reconciler.sandbox.servicenow_memory import MemoryIncidentClient
from tests.campaign.schedule import Interrupt, When

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Hold what one answer showed of one Case or record."""

    target: str
    """Case id or sys_id"""
    case_id: str
    """the Case itself, or the one whose id a record bears"""
    is_case: bool
    word: str
    """status or state"""
    is_assigned: bool = False
    came_back: float = 0
    """the service's own word that it was resolved and opened again: how often for a record, when last for a Case"""
    mark: str = ""
    version: float
    """grows with every announced change"""
    moved_at: float = 0
    """when it changed last, by the service's clock, which may be set back"""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Began:
    """A cycle of a host begins."""

    host: int
    database: int
    number: int
    at: float = 0
    """the services' time"""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A host was shown something; ``targeted`` when it asked for it by key."""

    host: int
    operation: str
    asked: tuple[str, ...]
    shown: tuple[Shown, ...]
    error: str = ""

    @property
    def targeted(self) -> bool:
        """Say whether the host asked for these by their key."""
        return bool(self.asked)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A host asked for a change."""

    host: int
    operation: str
    target: str
    case_id: str
    asked: Mapping[str, str]
    effects: tuple[Write | JournalEntry, ...]
    """what the service wrote down while it worked on this"""
    answer: Shown | None
    error: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A cycle of a host ended; ``well`` when it neither failed, was refused nor killed."""

    host: int
    number: int
    well: bool
    why: str = ""
    planned: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A database was copied away, or its copy put back."""

    database: int
    back: bool


@dataclass(frozen=True, kw_only=True)
class Acted:
    """Somebody, or time, did something; ``takes_from`` is the Case whose record was deleted or made another's."""

    what: str
    takes_from: str = ""


Event = Began | Read | Request | Ended | Copied | Acted


class Gate:
    """Let a cycle's interrupts strike where they are due."""

    def __init__(self, interrupts: Sequence[Interrupt], strike: Callable[[Interrupt], None]) -> None:
        self._left = {index: interrupt.nth for index, interrupt in enumerate(interrupts)}
        self._interrupts = interrupts
        self._strike = strike
        self.closed = False

    def meet(self, operation: str, when: When) -> None:
        """Count one request, or commit, and strike if it is the one."""
        for index, interrupt in enumerate(self._interrupts):
            is_met = interrupt.when is when and fnmatchcase(operation, interrupt.operation)
            if self.closed or not is_met or (operation == "commit") != (interrupt.operation == "commit"):
                continue
            self._left[index] -= 1
            if self._left[index] == 0:
                self._strike(interrupt)


def shown_case(case: Case) -> Shown:
    """Note what an answer shows of a Case."""
    moment = case.updated_at or case.created_at
    return Shown(
        target=case.id,
        case_id=case.id,
        is_case=True,
        word=case.status,
        came_back=case.reactivated_at.timestamp() if case.reactivated_at else 0,
        version=moment.timestamp(),
    )


def shown_record(incident: Incident) -> Shown:
    """Note what an answer shows of a record."""
    return Shown(
        target=incident.sys_id,
        case_id=incident.correlation_id,
        is_case=False,
        word=incident.state,
        is_assigned=bool(incident.assigned_to),
        came_back=incident.reopen_count,
        mark=incident.correlation_display,
        version=incident.mod_count,
        moved_at=incident.updated_at.timestamp(),
        fields={**incident.fields, "state": incident.state, "assigned_to": incident.assigned_to},
    )


@dataclass
class Watch:
    """Write down what one host asks in one cycle, and open the gate around each request."""

    host: int
    gate: Gate
    events: list[Event]

    def read(
        self,
        operation: str,
        call: Callable[[], T],
        show: Callable[[T], Sequence[Shown]],
        asked: Sequence[str] = (),
    ) -> T:
        """Pass on one read."""
        self.gate.meet(operation, When.BEFORE)
        try:
            answer = call()
        except RemoteError as error:
            self._note_read(operation, asked, (), type(error).__name__)
            self.gate.meet(operation, When.AFTER)
            raise
        self._note_read(operation, asked, show(answer), "")
        self.gate.meet(operation, When.AFTER)
        return answer

    def _note_read(self, operation: str, asked: Sequence[str], shown: Sequence[Shown], error: str) -> None:
        read = Read(host=self.host, operation=operation, asked=tuple(asked), shown=tuple(shown), error=error)
        self.events.append(read)

    def write(
        self,
        request: Request,
        journal: Sequence[Write] | Sequence[JournalEntry],
        call: Callable[[], T],
        show: Callable[[T], Shown],
    ) -> T:
        """Pass on one write; ``request`` still lacks what comes of it."""
        self.gate.meet(request.operation, When.BEFORE)
        seen = len(journal)
        try:
            answer = call()
        except RemoteError as error:
            self._note_write(request, journal[seen:], None, type(error).__name__)
            self.gate.meet(request.operation, When.AFTER)
            raise
        self._note_write(request, journal[seen:], show(answer), "")
        self.gate.meet(request.operation, When.AFTER)
        return answer

    def _note_write(
        self, request: Request, effects: Sequence[Write | JournalEntry], answer: Shown | None, error: str
    ) -> None:
        self.events.append(
            Request(
                host=request.host,
                operation=request.operation,
                target=answer.target if answer and request.operation == "records.create" else request.target,
                case_id=request.case_id,
                asked=request.asked,
                effects=tuple(effects),
                answer=answer,
                error=error,
            )
        )

    def asking(self, operation: str, target: str, case_id: str, asked: Mapping[str, str]) -> Request:
        """Begin to note one request for a change."""
        return Request(
            host=self.host,
            operation=operation,
            target=target,
            case_id=case_id,
            asked=asked,
            effects=(),
            answer=None,
            error="",
        )


class WatchedCases:
    """A CaseClient under watch."""

    def __init__(self, client: MemoryCaseClient, world: CoralogixWorld, watch: Watch) -> None:
        self._client, self._world, self._watch = client, world, watch

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = 200,
        statuses: Sequence[str] = (),
        created_from: datetime | None = None,
    ) -> CasePage:
        def call() -> CasePage:
            return self._client.list_cases(
                order=order,
                page_token=page_token,
                page_size=page_size,
                statuses=statuses,
                created_from=created_from,
            )

        return self._watch.read("cases.list", call, lambda page: [shown_case(case) for case in page.cases])

    def get_case(self, case_id: str) -> Case:
        return self._watch.read(
            "cases.get", lambda: self._client.get_case(case_id), lambda case: [shown_case(case)], [case_id]
        )

    def acknowledge(self, case_id: str) -> Case:
        return self._write("cases.acknowledge", case_id, lambda: self._client.acknowledge(case_id))

    def resolve(self, case_id: str, reason: str) -> Case:
        return self._write("cases.resolve", case_id, lambda: self._client.resolve(case_id, reason))

    def close(self, case_id: str) -> Case:
        return self._write("cases.close", case_id, lambda: self._client.close(case_id))

    def deep_link(self, case_id: str) -> str:
        return self._client.deep_link(case_id)

    def _write(self, operation: str, case_id: str, call: Callable[[], Case]) -> Case:
        request = self._watch.asking(operation, case_id, case_id, {})
        return self._watch.write(request, self._world.journal, call, shown_case)


class WatchedIncidents:
    """An IncidentClient under watch."""

    def __init__(self, client: MemoryIncidentClient, watch: Watch) -> None:
        self._client, self._watch = client, watch

    @property
    def connector(self) -> str:
        return self._client.connector

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = 500
    ) -> IncidentPage:
        return self._watch.read(
            "records.list.changed",
            lambda: self._client.changed(table, since=since, after=after, limit=limit),
            lambda page: [shown_record(one) for one in page.incidents],
        )

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        return self._watch.read("records.list.find", lambda: self._client.find(table, case_ids), _records, case_ids)

    def get(self, table: str, sys_id: str) -> Incident:
        return self._watch.read(
            "records.get", lambda: self._client.get(table, sys_id), lambda one: [shown_record(one)], [sys_id]
        )

    def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
        return self._watch.read("records.list.many", lambda: self._client.get_many(table, sys_ids), _records, sys_ids)

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        request = self._watch.asking("records.create", fields["sys_id"], fields["correlation_id"], fields)
        journal = self._client.world.journal
        return self._watch.write(request, journal, lambda: self._client.create(table, fields), shown_record)

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        request = self._watch.asking("records.update", sys_id, "", fields)
        journal = self._client.world.journal
        return self._watch.write(request, journal, lambda: self._client.update(table, sys_id, fields), shown_record)

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        return self._watch.read(
            "records.list.names", lambda: self._client.reference(table, name_field, names), lambda _: ()
        )

    def send_event(self, event: Mapping[str, str]) -> None:
        self._client.send_event(event)

    def rows(self, table: str, query: str, *, fields: Sequence[str], limit: int) -> tuple[JsonObject, ...]:
        return self._client.rows(table, query, fields=fields, limit=limit)


def _records(found: Sequence[Incident]) -> list[Shown]:
    return [shown_record(one) for one in found]
