"""Both sides since their cursors, and whether the truth was whole.

Rules of this file: no answer is never an empty answer; a cursor moves only to a time that the service itself
told, and only when everything up to it was read; a pull looks behind its cursor by the overlap, because a
change can become visible with a time older than what was read before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from reconciler.core.errors import Malformed, PartialTruth
from reconciler.core.model import Case, Incident, System
from reconciler.engine.engine import Progress, no_progress
from reconciler.remotes.ports import CaseClient, CaseOrder, CasePage, IncidentClient, Position
from reconciler.store.store import Cursor, Pulled

CASE_PAGE_ROWS = 200
INCIDENT_PAGE_ROWS = 500
_INCIDENTS = "incidents."
INCIDENT_PAGES_PER_CYCLE = 200
"""A longer backlog goes on where it stopped, in the next cycle."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Say how far back a pull looks."""

    overlap: timedelta
    first_lookback: timedelta
    origin: datetime | None
    """None on the first start: the service's own clock then tells"""
    now: datetime
    since: datetime | None = None

    def floor(self, cursor: Cursor | None, server_time: datetime | None) -> datetime:
        """Give the oldest time that a pull has to see."""
        if cursor and cursor.time:
            reach = cursor.time - self.overlap
        else:
            reach = (self.origin or server_time or self.now) - self.first_lookback - self.overlap
        return min(reach, self.since) if self.since else reach


@dataclass(frozen=True, kw_only=True)
class SidePull:
    """Hold what one side's pull brought; ``partial`` says why it is not the whole truth."""

    pulled: Pulled
    partial: str = ""
    server_time: datetime | None = None


@dataclass
class _Sweep:
    """Collect one listing of Cases, newest first, down to the floor."""

    cases: dict[str, Case] = field(default_factory=dict)
    malformed: list[Malformed] = field(default_factory=list)
    head: datetime | None = None
    server_time: datetime | None = None
    truncated: bool = False


def pull_cases(
    client: CaseClient,
    cursors: Mapping[str, Cursor],
    window: Window,
    *,
    accept_partial: bool,
    progress: Progress = no_progress,
) -> SidePull:
    """Pull Cases by the time of their last change, and again by that of their creation.

    The second sweep catches Cases that bear no time of change. Raises RemoteError when a page fails.
    """
    cases: dict[str, Case] = {}
    malformed: list[Malformed] = []
    moved: list[Cursor] = []
    truncated = False
    server_time: datetime | None = None
    for order in (CaseOrder.UPDATED, CaseOrder.CREATED):
        name = f"cases.{order.value}"
        sweep = _sweep_cases(client, order, cursors.get(name), window, progress)
        cases |= sweep.cases
        malformed += sweep.malformed
        truncated = truncated or sweep.truncated
        server_time = server_time or sweep.server_time
        moved.append(_moved(name, cursors.get(name), sweep.head))
    partial = "Coralogix hides Cases from this key (pbacTruncated)" if truncated and not accept_partial else ""
    pulled = Pulled(
        system=System.CORALOGIX,
        cases=tuple(cases.values()),
        malformed=tuple(malformed),
        cursors=() if partial else tuple(moved),
    )
    return SidePull(pulled=pulled, partial=partial, server_time=server_time)


def _sweep_cases(
    client: CaseClient, order: CaseOrder, cursor: Cursor | None, window: Window, progress: Progress
) -> _Sweep:
    sweep = _Sweep()
    for page in case_pages(client, order):
        sweep.server_time = sweep.server_time or page.server_time
        sweep.truncated = sweep.truncated or page.truncated
        sweep.malformed += page.malformed
        times = [time for case in page.cases if (time := _time_of(case, order))]
        sweep.head = sweep.head or max(times, default=None)
        sweep.cases |= {case.id: case for case in page.cases}
        progress(f"reading Cases, last {order.value}", len(sweep.cases), 0)
        floor = window.floor(cursor, sweep.server_time)
        if any(time < floor for time in times):
            break
    return sweep


def case_pages(
    client: CaseClient, order: CaseOrder, *, statuses: tuple[str, ...] = (), created_from: datetime | None = None
) -> Iterator[CasePage]:
    """Read page after page; raise PartialTruth when the service hands out the same page token twice."""
    token: str | None = None
    seen: set[str] = set()
    while True:
        page = client.list_cases(
            order=order, page_token=token, page_size=CASE_PAGE_ROWS, statuses=statuses, created_from=created_from
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


def _moved(name: str, cursor: Cursor | None, head: datetime | None) -> Cursor:
    """Move a cursor forward to what the first page showed; never back."""
    known = [time for time in (cursor.time if cursor else None, head) if time]
    return Cursor(name=name, time=max(known, default=None))


def incident_cursor(connector: str, table: str) -> str:
    """Name the cursor of one table of one connector."""
    return f"{_INCIDENTS}{connector}.{table}"


def tables_pulled(cursors: Iterable[str]) -> Iterator[tuple[str, str]]:
    """List the connector and table of every cursor of records; a connector's name may have dots, a table's has none."""
    for name in cursors:
        if name.startswith(_INCIDENTS):
            connector, _, table = name.removeprefix(_INCIDENTS).rpartition(".")
            yield connector, table


def pull_incidents(
    client: IncidentClient,
    table: str,
    cursor: Cursor | None,
    window: Window,
    *,
    progress: Progress = no_progress,
) -> SidePull:
    """Pull the records that bear our mark, oldest change first, until a page is empty.

    Raises RemoteError when a page fails. Rows that the service counts and does not show make the pull partial.
    """
    name = incident_cursor(client.connector, table)
    position = _resume(cursor) if window.since is None else None
    floor = window.floor(cursor, None)
    incidents: dict[str, Incident] = {}
    malformed: list[Malformed] = []
    hidden = 0
    ended = False
    for _ in range(INCIDENT_PAGES_PER_CYCLE):
        page = client.changed(table, since=floor, after=position, limit=INCIDENT_PAGE_ROWS)
        incidents |= {incident.sys_id: incident for incident in page.incidents}
        progress(f"reading records of {table}", len(incidents), 0)
        malformed += page.malformed
        hidden = page.hidden
        if page.last is None or hidden:
            ended = True
            break
        position = page.last
    partial = f"ServiceNow ({client.connector}) counts {hidden} rows of {table} that it does not show" if hidden else ""
    moved = _moved(name, cursor, position.updated_at if position else None)
    resumed = moved if ended else Cursor(name=name, time=moved.time, resume=_position_text(position))
    pulled = Pulled(
        system=System.SERVICENOW,
        incidents=tuple(incidents.values()),
        malformed=tuple(malformed),
        cursors=() if partial else (resumed,),
    )
    return SidePull(pulled=pulled, partial=partial)


def _resume(cursor: Cursor | None) -> Position | None:
    if cursor is None or not cursor.resume:
        return None
    saved = json.loads(cursor.resume)
    return Position(updated_at=datetime.fromisoformat(saved["at"]).astimezone(UTC), sys_id=saved["id"])


def _position_text(position: Position | None) -> str:
    return json.dumps({"at": position.updated_at.isoformat(), "id": position.sys_id}) if position else ""
