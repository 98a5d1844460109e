"""Both sides since their cursors, and whether the truth was whole.

Rules of this file: no answer is never an empty answer; a cursor moves only to a time that the service itself
told, and only when everything up to it was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.errors import AuthFailed, Malformed, PartialTruth, RemoteError, Transient
from reconciler.core.model import Case, Incident, System
from reconciler.engine.context import ProgressCallback, no_progress
from reconciler.engine.reading.window import Reach, Window, deep_floor, resume_position, shallow_floor
from reconciler.remotes.ports import CaseClient, CaseOrder, CasePage, IncidentClient, IncidentPage, Position
from reconciler.store.store import Cursor, Pulled

CASE_PAGE_ROWS = 100
"""A quiet cycle reads one page of each listing, so a page is not made larger than news needs."""
ALL_CASES_PAGE_ROWS = 1000
"""Where everything is read a page is as large as the API allows."""
INCIDENT_PAGE_ROWS = 1000
AHEAD_OF_CLOCK = timedelta(hours=1)
"""What bears a time further ahead of the service's own clock is read, and moves no cursor."""
INCIDENT_PAGES_PER_CYCLE = 100
"""A longer backlog goes on where it stopped, in the next cycle."""


@dataclass(frozen=True, kw_only=True)
class SidePull:
    """Hold what one side's pull brought; ``partial`` says why it is not the whole truth."""

    pulled: Pulled
    partial: str = ""
    server_time: datetime | None = None
    failed: RemoteError | None = None
    """why the reading stopped in the middle; what came before is whole, and the next cycle goes on behind it"""
    ahead: tuple[str, ...] = ()
    """what bears a time ahead of the service's own clock, by number or key"""


# -- Cases -----------------------------------------------------------------------------------------------------


@dataclass
class _CaseListing:
    """Collect one listing of Cases, newest first, down to the floor."""

    cases: dict[str, Case] = field(default_factory=dict)
    malformed: list[Malformed] = field(default_factory=list)
    head: datetime | None = None
    is_deep: bool = True
    server_time: datetime | None = None
    truncated: bool = False
    ahead: set[str] = field(default_factory=set)


def pull_cases(
    client: CaseClient,
    cursors: Mapping[str, Cursor],
    window: Window,
    *,
    accept_partial: bool,
    progress: ProgressCallback = no_progress,
) -> SidePull:
    """Pull Cases by the time of their last change, and again by that of their creation.

    The second sweep catches Cases that bear no time of change. Raises RemoteError when a page fails.
    """
    cases: dict[str, Case] = {}
    malformed: list[Malformed] = []
    moved: list[Cursor] = []
    truncated = False
    server_time: datetime | None = None
    ahead: set[str] = set()
    for order in CaseOrder:
        cursor = cursors.get(f"cases.{order.value}")
        sweep = _sweep_cases(client, order, cursor, window, progress)
        cases |= sweep.cases
        malformed += sweep.malformed
        truncated = truncated or sweep.truncated
        server_time = server_time or sweep.server_time
        ahead |= sweep.ahead
        moved.append(_case_cursor(order, cursor, sweep, window))
    partial = "Coralogix hides Cases from this key (pbacTruncated)" if truncated and not accept_partial else ""
    pulled = Pulled(
        system=System.CORALOGIX,
        cases=tuple(cases.values()),
        malformed=tuple(malformed),
        cursors=() if partial else tuple(moved),
    )
    return SidePull(pulled=pulled, partial=partial, server_time=server_time, ahead=tuple(sorted(ahead)))


def _sweep_cases(
    client: CaseClient, order: CaseOrder, cursor: Cursor | None, window: Window, progress: ProgressCallback
) -> _CaseListing:
    sweep = _CaseListing()
    shallow = shallow_floor(cursor, window)
    page_rows = ALL_CASES_PAGE_ROWS if window.since else CASE_PAGE_ROWS
    for page in case_pages(client, order, page_rows=page_rows):
        sweep.server_time = sweep.server_time or page.server_time
        sweep.truncated = sweep.truncated or page.truncated
        sweep.malformed += page.malformed
        times = [time for case in page.cases if (time := _time_of(case, order))]
        sound = [time for time in times if not _is_ahead(time, page.server_time)]
        sweep.head = sweep.head or max(sound, default=None)
        sweep.ahead |= {
            case.key or case.id for case in page.cases if _is_ahead(_time_of(case, order), page.server_time)
        }
        sweep.cases |= {case.id: case for case in page.cases}
        progress(f"reading Cases, last {order.value}", len(sweep.cases), 0)
        oldest = min(times, default=None)
        if oldest and oldest < deep_floor(cursor, window, sweep.server_time):
            break
        if oldest and shallow and oldest < shallow and page.next_token:
            sweep.is_deep = False
            break
    return sweep


def _case_cursor(order: CaseOrder, cursor: Cursor | None, sweep: _CaseListing, window: Window) -> Cursor:
    """Move a cursor to the newest time of the first page; never back."""
    head = _latest(cursor, sweep.head)
    reach = Reach.of(cursor)
    if head is None:
        return Cursor(name=f"cases.{order.value}", time=None)
    if sweep.is_deep or reach is None:
        reach = Reach(deep_head=head, deep_at=window.now, deep_rows=len(sweep.cases))
    return Cursor(name=f"cases.{order.value}", time=head, resume=reach.text())


def all_case_pages(
    client: CaseClient, *, statuses: tuple[str, ...] = (), created_from: datetime | None = None
) -> Iterator[CasePage]:
    """Read every Case, or those of some statuses, newest first; raise PartialTruth as ``case_pages`` does."""
    return case_pages(
        client, CaseOrder.CREATED, statuses=statuses, created_from=created_from, page_rows=ALL_CASES_PAGE_ROWS
    )


def case_pages(
    client: CaseClient,
    order: CaseOrder,
    *,
    page_rows: int,
    statuses: tuple[str, ...] = (),
    created_from: datetime | None = None,
) -> Iterator[CasePage]:
    """Read page after page; raise PartialTruth when the service hands out the same page token twice."""
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = client.list_cases(
            order=order, page_token=token, page_size=page_rows, statuses=statuses, created_from=created_from
        )
        yield page
        token = page.next_token
        if not token:
            return
        if token in seen:
            raise PartialTruth("the same page token came twice: the listing does not end", system=System.CORALOGIX)
        seen.add(token)


def _time_of(case: Case, order: CaseOrder) -> datetime | None:
    return case.updated_at if order is CaseOrder.UPDATED else case.created_at


def _is_ahead(time: datetime | None, server_time: datetime | None) -> bool:
    return time is not None and server_time is not None and time - server_time > AHEAD_OF_CLOCK


def _latest(cursor: Cursor | None, head: datetime | None) -> datetime | None:
    return max((time for time in (cursor.time if cursor else None, head) if time), default=None)


# -- records ---------------------------------------------------------------------------------------------------


@dataclass
class _RecordListing:
    """Collect one listing of records, oldest change first."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    malformed: list[Malformed] = field(default_factory=list)
    last: Position | None = None
    """behind the last row but for those ahead of the service's clock"""
    ahead: tuple[str, ...] = ()
    pages: int = 0
    hidden: int = 0
    ended: bool = False
    failed: RemoteError | None = None


def incident_cursor(connector: str, table: str) -> str:
    """Name the cursor of one table of one connector."""
    return f"incidents.{connector}.{table}"


def pull_incidents(
    client: IncidentClient,
    table: str,
    cursor: Cursor | None,
    window: Window,
    *,
    progress: ProgressCallback = no_progress,
) -> SidePull:
    """Pull the records that bear our mark, oldest change first, until a page is empty.

    Raises RemoteError when the first page fails, and PartialTruth for any page whose rows do not fit the query; where a
    later page does not come, ``failed`` says so. Rows that the service counts and does not show make the pull partial.
    """
    start = resume_position(cursor, window)
    reading = _read_records(client, table, start, deep_floor(cursor, window, None), progress)
    partial = ""
    if reading.hidden:
        partial = f"ServiceNow ({client.connector}) counts {reading.hidden} rows of {table} that it does not show"
    name = incident_cursor(client.connector, table)
    pulled = Pulled(
        system=System.SERVICENOW,
        incidents=tuple(reading.incidents.values()),
        malformed=tuple(reading.malformed),
        cursors=() if partial else (_record_cursor(name, cursor, start, reading, window),),
    )
    return SidePull(pulled=pulled, partial=partial, failed=reading.failed, ahead=reading.ahead)


def _read_records(
    client: IncidentClient, table: str, start: Position | None, floor: datetime, progress: ProgressCallback
) -> _RecordListing:
    reading = _RecordListing()
    position = start
    while not reading.ended and reading.pages < INCIDENT_PAGES_PER_CYCLE:
        try:
            page = client.changed(table, since=None if position else floor, after=position, limit=INCIDENT_PAGE_ROWS)
        except (Transient, AuthFailed) as error:
            if reading.pages == 0:
                raise
            reading.failed = error
            break
        reading.incidents |= {incident.sys_id: incident for incident in page.incidents}
        reading.malformed += page.malformed
        reading.hidden = page.hidden + sum(not one.raw for one in page.malformed)  # some ACLs leave an empty row
        reading.ended = page.last is None or page.is_whole or reading.hidden > 0
        reading.pages += not reading.ended
        position = page.last or position
        reading.ahead += tuple(
            one.number or one.sys_id for one in page.incidents if _is_ahead(one.updated_at, page.server_time)
        )
        reading.last = _settled(page) or reading.last or start
        progress(f"reading records of {table}", len(reading.incidents), 0)
    return reading


def _settled(page: IncidentPage) -> Position | None:
    """Give the position behind the last row of a page that is not ahead of the service's own clock."""
    if page.last is None or not _is_ahead(page.last.updated_at, page.server_time):
        return page.last
    rows = [one for one in page.incidents if not _is_ahead(one.updated_at, page.server_time)]
    return Position(updated_at=rows[-1].updated_at, sys_id=rows[-1].sys_id) if rows else None


def _record_cursor(
    name: str, cursor: Cursor | None, start: Position | None, reading: _RecordListing, window: Window
) -> Cursor:
    """Move a cursor to the last row that was read; never back."""
    last, reach = reading.last, Reach.of(cursor)
    if last is None:
        return cursor or Cursor(name=name, time=None)
    is_deep = start is None or reach is None or reach.unfinished
    deep_head = last.updated_at if is_deep or reach is None else reach.deep_head
    if start is not None and is_deep:
        deep_head = start.updated_at  # what came up late just behind where the last part stopped is still to be read
    return Cursor(
        name=name,
        time=_latest(cursor, last.updated_at),
        resume=Reach(
            deep_head=deep_head,
            deep_at=window.now if is_deep or reach is None else reach.deep_at,
            deep_rows=len(reading.incidents) if is_deep or reach is None else reach.deep_rows,
            last_id=last.sys_id,
            unfinished=not reading.ended,
        ).text(),
    )
