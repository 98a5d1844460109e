"""Read both services for the account of a window; nothing is written to either, nor to the database.

Records are read first and grouped by the Case whose key they bear; then the Cases are read page by page and joined with
what the database knows of them. What a service says it hides is noted, and does not stop the reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime

from reconciler.audit.coverage import (
    CaseLine,
    Coverage,
    CoverageFinding,
    ExceptionKind,
    RecordLine,
    SeenCase,
    account,
    is_of_window,
    left_out,
    record_line,
)
from reconciler.core.batches import batches
from reconciler.core.errors import Malformed, Missing, PartialTruth
from reconciler.core.frozen import dataclass
from reconciler.core.identity import CASE_ID
from reconciler.core.model import Case, Incident, Link, System
from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.remotes.ports import (
    CASES_HIDDEN,
    LARGEST_PAGE,
    CaseClient,
    CaseOrder,
    IncidentClient,
    case_pages,
    record_pages,
    rows_hidden,
)
from reconciler.store.store import Store
from reconciler.store.values import Remembered

PAGE_ROWS = LARGEST_PAGE
IDS_AT_ONCE = 1000

Progress = Callable[[str, int], None]
"""Called with what is being read, and how many were read so far."""


@dataclass(frozen=True, kw_only=True)
class CoverageRequest:
    """The window of an account."""

    since: datetime
    until: datetime


@dataclass
class FreshReading:
    """Read both services and account for a window. Use once."""

    cases: CaseClient
    connectors: Mapping[str, IncidentClient]
    tables: Sequence[tuple[str, str]]
    """(connector, table) pairs whose records are read"""
    policies: Policies
    store: Store
    asked: CoverageRequest
    now: datetime
    progress: Progress
    incomplete: list[str] = field(default_factory=list)
    exceptions: list[CoverageFinding] = field(default_factory=list)
    _records: dict[tuple[str, str], Incident] = field(default_factory=dict)
    _by_case: dict[str, dict[tuple[str, str], Incident]] = field(default_factory=lambda: defaultdict(dict))
    _cases: dict[str, Case] = field(default_factory=dict)

    def run(self) -> Coverage:
        """Read everything that the window asks for; raise RemoteError where a service does not answer."""
        for connector, table in self.tables:
            self._read_records(self.connectors[connector], table)
        self._list_cases()
        self._read_cases_of_records()
        lines: list[CaseLine] = []
        for batch in batches(sorted(self._cases.values(), key=lambda case: (case.created_at, case.id)), IDS_AT_ONCE):
            lines += self._account(batch)
        records = self._account_records()
        return Coverage(
            cases=lines,
            records=records,
            exceptions=tuple(self.exceptions),
            incomplete=tuple(dict.fromkeys(self.incomplete)),
        )

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read_records(self, client: IncidentClient, table: str) -> None:
        pages = record_pages(client, table, since=self.asked.since, after=None, limit=PAGE_ROWS)
        with self._whole_or_told():
            for page in pages:
                self._keep(page.incidents)
                self._put_aside(f"{client.connector}.{table}", page.malformed)
                self.progress("records", len(self._records))
                if page.not_shown:
                    self.incomplete.append(rows_hidden(client.connector, table, page.not_shown))
                    return

    @contextmanager
    def _whole_or_told(self) -> Iterator[None]:
        """Note a listing that does not show everything, and go on with what it showed."""
        try:
            yield
        except PartialTruth as error:
            self.incomplete.append(str(error))

    def _list_cases(self) -> None:
        """List the Cases of the window by creation and by change, and ask again for what only one listing shows."""
        sweeps = {order: self._sweep(order) for order in CaseOrder}
        both = (sweeps[CaseOrder.CREATED], sweeps[CaseOrder.UPDATED])
        # A listing that already said it is not whole needs no comparison.
        for case_id in [] if CASES_HIDDEN in self.incomplete else left_out(*both, self.asked.since):
            known = sweeps[CaseOrder.CREATED].get(case_id) or sweeps[CaseOrder.UPDATED][case_id]
            case = self._read_case(case_id)
            if case is None or case == known:
                self.incomplete.append(f"a listing of Coralogix left out {known.key or known.id}, which another has")
        for sweep in sweeps.values():
            self._cases |= {key: case for key, case in sweep.items() if self._is_of_window(case)}

    def _is_of_window(self, one: Case | Incident) -> bool:
        return is_of_window(one.created_at, one.updated_at, self.asked.since, self.asked.until)

    def _sweep(self, order: CaseOrder) -> dict[str, Case]:
        found: dict[str, Case] = {}
        created_from = self.asked.since if order is CaseOrder.CREATED else None
        with self._whole_or_told():
            for page in case_pages(self.cases, order, page_rows=PAGE_ROWS, created_from=created_from):
                if page.truncated:
                    self.incomplete.append(CASES_HIDDEN)
                self._put_aside(System.CORALOGIX, page.malformed)
                found |= {case.id: case for case in page.cases}
                self.progress("Cases", len(found))
                times = [case.updated_at for case in page.cases if case.updated_at]
                # Newest first, so that all behind is older; by creation the service leaves out what is older.
                if order is CaseOrder.UPDATED and times and min(times) < self.asked.since:
                    break
        return found

    def _read_case(self, case_id: str) -> Case | None:
        try:
            return self.cases.get_case(case_id)
        except Missing:
            return None
        except Malformed as error:
            self._put_aside(System.CORALOGIX, [error])
            return None

    def _read_cases_of_records(self) -> None:
        """Read the Cases of records of the window that did not change themselves within it."""
        for record in list(self._records.values()):
            key = record.correlation_id
            if key not in self._cases and self._is_of_window(record) and CASE_ID.fullmatch(key):
                case = self._read_case(key)
                if case is not None:
                    self._cases[key] = case

    def _complete(self, batch: Sequence[Case], links: Mapping[str, Remembered]) -> None:
        """Read the records of these Cases that no listing of the window showed."""
        bare = [case.id for case in batch if case.id not in self._by_case and not _has_record(links.get(case.id))]
        for connector, table in self.tables if bare else ():
            try:
                self._keep(self.connectors[connector].find(table, bare))
            except PartialTruth as error:
                self.incomplete.append(str(error))
        linked: dict[tuple[str, str], list[str]] = defaultdict(list)
        for case in batch:
            link = links[case.id].link if case.id in links else None
            if link is not None and self._is_unread(link):
                linked[link.connector, link.table].append(link.sys_id)
        for (connector, table), sys_ids in linked.items():
            for record in self.connectors[connector].get_many(table, sys_ids):
                self._records[record.connector, record.sys_id.lower()] = record

    def _is_unread(self, link: Link) -> bool:
        is_record = bool(link.sys_id) and link.table != EVENT_TABLE and link.connector in self.connectors
        return is_record and (link.connector, link.sys_id.lower()) not in self._records

    def _keep(self, records: Iterable[Incident]) -> None:
        for record in records:
            place = (record.connector, record.sys_id.lower())
            self._records[place] = record
            self._by_case[record.correlation_id.strip().lower()][place] = record

    def _put_aside(self, where: str, malformed: Sequence[Malformed]) -> None:
        for error in malformed:
            words = f"{where}: {error}"
            if not any(one.words == words for one in self.exceptions):
                self.exceptions.append(CoverageFinding(kind=ExceptionKind.NOT_UNDERSTOOD, words=words))

    # -- accounting --------------------------------------------------------------------------------------------------

    def _account(self, batch: Sequence[Case]) -> Iterator[CaseLine]:
        links = self.store.links.remembered([case.id for case in batch])
        self._complete(batch, links)
        origin = self.store.facts.origin() or self.now
        for case in batch:
            remembered = links.get(case.id)
            seen = SeenCase(case=case, remembered=remembered, records=self._records_of(case, remembered))
            line, found = account(seen, self.policies, now=self.now, origin=origin)
            self.exceptions += found
            yield line

    def _records_of(self, case: Case, remembered: Remembered | None) -> tuple[Incident, ...]:
        here = dict(self._by_case.get(case.id, {}))
        if remembered and remembered.link.sys_id:
            place = (remembered.link.connector, remembered.link.sys_id.lower())
            if place in self._records:
                here[place] = self._records[place]
        return tuple(here.values())

    def _account_records(self) -> list[RecordLine]:
        lines = []
        for record in sorted(self._records.values(), key=lambda one: (one.connector, one.table, one.sys_id)):
            case = self._cases.get(record.correlation_id)
            if record.correlation_display == self.policies.owner and (case or self._is_of_window(record)):
                line, found = record_line(record, case)
                lines.append(line)
                self.exceptions += found
        return lines


def _has_record(remembered: Remembered | None) -> bool:
    return remembered is not None and bool(remembered.link.sys_id)
