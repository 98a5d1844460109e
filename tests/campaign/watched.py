"""The clients that write down what each daemon was shown and asked for, and let the schedule strike around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from reconciler.core.errors import Malformed, RemoteError
from reconciler.core.model import Case, Incident, JsonObject
from reconciler.core.policies.existing import Terms
from reconciler.remotes.ports import CaseOrder, CasePage, IncidentPage, Position, Side
from reconciler.sandbox.coralogix.records import JournalEntry
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultKind, FaultPlan
from reconciler.sandbox.servicenow.journal import Write
from tests.campaign.schedule import When
from tests.campaign.trace import MAIN, Event, Gate, Read, Request, Shown, shown_case, shown_record, target_of
from tests.clients import CasesInProcess, IncidentsInProcess

T = TypeVar("T")


@dataclass
class Watch:
    """Write down what one host asks in one cycle, and open the gate around each request."""

    host: int
    gate: Gate
    events: list[Event]
    faults: FaultPlan = field(default_factory=FaultPlan)
    """those of the side that is asked"""
    connector: str = MAIN

    def read(
        self,
        operation: str,
        call: Callable[[], T],
        show: Callable[[T], Sequence[Shown]],
        asked: Sequence[str] = (),
    ) -> T:
        """Pass on one read."""
        self.gate.meet(operation, When.BEFORE)
        told = self.faults.waits_told
        try:
            answer = call()
        except (RemoteError, Malformed) as error:
            self._note_read(operation, asked, (), type(error).__name__, told=told)
            self.gate.meet(operation, When.AFTER)
            raise
        self._note_read(operation, asked, show(answer), "", partial=_is_partial(answer))
        self.gate.meet(operation, When.AFTER)
        return answer

    def _note_read(
        self,
        operation: str,
        asked: Sequence[str],
        shown: Sequence[Shown],
        error: str,
        *,
        partial: bool = False,
        told: int | None = None,
    ) -> None:
        read = Read(
            host=self.host,
            operation=operation,
            asked=tuple(asked),
            shown=tuple(shown),
            error=error,
            connector=self.connector,
            told_to_wait=self._side(operation) if told not in {None, self.faults.waits_told} else "",
            partial=partial,
        )
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
        seen, told, hung = len(journal), self.faults.waits_told, self.faults.kinds[FaultKind.TIMEOUT]
        try:
            answer = call()
        except (RemoteError, Malformed) as error:
            request = replace(
                request,
                told_to_wait=self._side(request.operation) if told != self.faults.waits_told else "",
                hung=hung != self.faults.kinds[FaultKind.TIMEOUT],
            )
            self._note_write(request, journal[seen:], None, type(error).__name__)
            self.gate.meet(request.operation, When.AFTER)
            raise
        self._note_write(request, journal[seen:], show(answer), "")
        self.gate.meet(request.operation, When.AFTER)
        return answer

    def _note_write(
        self, request: Request, effects: Sequence[Write | JournalEntry], answer: Shown | None, error: str
    ) -> None:
        target = answer.target if answer and request.operation == "records.create" else request.target
        noted = replace(request, target=target, effects=tuple(effects), answer=answer, error=error)
        self.events.append(noted)

    def _side(self, operation: str) -> str:
        return "cases" if operation.startswith("cases") else self.connector

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
            connector=self.connector,
        )


class WatchedCases:
    """A CaseClient under watch."""

    def __init__(self, client: CasesInProcess, world: CoralogixWorld, watch: Watch, *, page_rows: int = 1000) -> None:
        """Take how many rows a page of a listing holds at the most."""
        self._client, self._world, self._watch, self._page_rows = client, world, watch, page_rows

    @property
    def side(self) -> Side:
        return self._client.side

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
                page_size=min(page_size, self._page_rows),
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

    def __init__(self, client: IncidentsInProcess, watch: Watch, *, page_rows: int = 1000) -> None:
        """Take how many rows a page of a listing by change holds at the most."""
        self._client, self._watch, self._page_rows = client, watch, page_rows

    @property
    def connector(self) -> str:
        return self._client.connector

    @property
    def side(self) -> Side:
        return self._client.side

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = 500
    ) -> IncidentPage:
        return self._watch.read(
            "records.list.changed",
            lambda: self._client.changed(table, since=since, after=after, limit=min(limit, self._page_rows)),
            lambda page: [shown_record(one) for one in page.incidents],
        )

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        return self._watch.read("records.list.find", lambda: self._client.find(table, case_ids), _records, case_ids)

    def find_existing(self, table: str, asked: Mapping[str, Terms]) -> Mapping[str, tuple[Incident, ...]]:
        return self._client.find_existing(table, asked)

    def get(self, table: str, sys_id: str) -> Incident:
        return self._watch.read(
            "records.get",
            lambda: self._client.get(table, sys_id),
            lambda one: [shown_record(one)],
            self._targets([sys_id]),
        )

    def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
        asked = self._targets(sys_ids)
        return self._watch.read("records.list.many", lambda: self._client.get_many(table, sys_ids), _records, asked)

    def _targets(self, sys_ids: Sequence[str]) -> list[str]:
        return [target_of(self.connector, sys_id) for sys_id in sys_ids]

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        target = target_of(self.connector, fields["sys_id"])
        request = self._watch.asking("records.create", target, fields["correlation_id"], fields)
        journal = self._client.world.journal
        return self._watch.write(request, journal, lambda: self._client.create(table, fields), shown_record)

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        request = self._watch.asking("records.update", target_of(self.connector, sys_id), "", fields)
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


def _is_partial(answer: object) -> bool:
    """Say whether a page of either side admits that it hides something."""
    return (isinstance(answer, CasePage) and answer.truncated) or (
        isinstance(answer, IncidentPage) and answer.hidden > 0
    )


def _records(found: Sequence[Incident]) -> list[Shown]:
    return [shown_record(one) for one in found]
