"""Both sides pulled since their cursors and remembered, each as far as it came whole.

Rules of this file: no answer is never an empty answer; a cursor moves only to a time that the service itself told,
and only when everything up to it was read; what came is remembered, a side's snapshot and cursor together, whatever
became of the others; then the Cases must have come, at least one connector, and no answer may have been partial, or
nothing is planned.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.errors import (
    AuthFailed,
    CycleFailed,
    Malformed,
    PartialTruth,
    Refused,
    RemoteError,
    Transient,
)
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case, Incident, System
from reconciler.engine.context import Context
from reconciler.engine.reading.alerts import pull_alerts
from reconciler.engine.reading.cases import read_cases
from reconciler.engine.reading.window import (
    Reach,
    Window,
    deep_floor,
    reads_much,
    resume_position,
    shallow_floor,
)
from reconciler.engine.report import failure_words
from reconciler.remotes.ports import (
    CASES_HIDDEN,
    CaseOrder,
    CasePage,
    IncidentPage,
    Position,
    case_pages,
    record_pages,
    rows_hidden,
)
from reconciler.store.values import Cursor, Pulled, RememberedCounts, is_far_ahead

log = logging.getLogger(__name__)

MOST_NAMED = 10
_SECOND_IS_OVER = timedelta(seconds=2)
"""the service tells its own clock in whole seconds, too"""
_BEFORE_ALL_IDS = "0" * 32
DOUBTFUL_READS_PER_CYCLE = 50
"""Cases that a listing showed with an older time than is remembered are read one by one, so many in a cycle."""


@dataclass(frozen=True, kw_only=True)
class SidePull:
    """What one side's pull brought; ``partial`` says why it is not the whole truth."""

    pulled: Pulled
    partial: str = ""
    server_time: datetime | None = None
    failed: RemoteError | None = None
    """why the reading stopped in the middle; what came before is whole, and the next cycle goes on behind it"""
    ahead: tuple[str, ...] = ()
    """what bears a time ahead of the service's own clock, by number or key"""


@dataclass
class Pull:
    """Pull and remember both sides once. Use once."""

    context: Context
    since: datetime | None = None
    down: dict[str, RemoteError] = field(default_factory=dict)
    """connectors that did not answer"""
    partial: list[str] = field(default_factory=list)
    read_whole: set[str] = field(default_factory=set)
    """the sides of which everything that was asked for came"""
    cases: int = 0
    incidents: int = 0
    malformed: int = 0
    server_time: datetime | None = None
    """the clock of Coralogix, where its answers told it"""

    def run(self) -> None:
        """Pull every side and remember what came.

        Raises Refused when an answer was not the whole truth, and CycleFailed when the Cases, or all connectors,
        did not come.
        """
        failed: RemoteError | None = None
        try:
            self._remember_cases()
        except RemoteError as error:
            failed = error
        for connector, table in self.context.tables():
            with self._side(connector):
                self._remember_incidents(connector, table)
        for connector in self.context.connectors:
            with self._side(connector):
                self._remember(SidePull(pulled=pull_alerts(self.context, connector)))
        if not self.partial:
            self.read_whole = {*self.context.connectors} - {*self.down}
            self.read_whole |= {System.CORALOGIX.value} if failed is None else set()
        self._stop_unless_whole(failed)

    @contextmanager
    def _side(self, connector: str) -> Iterator[None]:
        """Note a connector that does not answer, and go on with the others."""
        try:
            yield
        except RemoteError as error:
            self.down[connector] = error

    def _window(self, overlap: timedelta) -> Window:
        return Window(
            overlap=overlap,
            first_lookback=self.context.policies.first_lookback,
            origin=self.context.store.facts.origin(),
            now=self.context.clock(),
            since=self.since,
            short_rows=self.context.settings.short_rows,
        )

    def _remember_cases(self) -> None:
        window = self._window(self.context.settings.case_overlap)
        side = pull_cases(self.context, window)
        self.server_time = side.server_time
        self.context.store.facts.set_origin(side.server_time or window.now)
        self._tell_ahead(System.CORALOGIX, side.ahead)
        doubtful = self._remember(side).doubtful
        read_cases(self.context, doubtful[:DOUBTFUL_READS_PER_CYCLE])
        self.cases = len(side.pulled.cases)

    def _remember_incidents(self, connector: str, table: str) -> None:
        side = pull_incidents(self.context, connector, table, self._window(self.context.settings.incident_overlap))
        self._tell_ahead(f"{connector}.{table}", side.ahead)
        self._remember(side)
        if side.failed:
            raise side.failed

    def _tell_ahead(self, where: str, names: tuple[str, ...]) -> None:
        """Say once which rows bear a time ahead of the service's own clock; they are kept in step like any other."""
        told = ", ".join(names[:MOST_NAMED])
        fact = f"ahead_of_clock.{where}"
        if told and self.context.store.facts.get(fact) != told:
            self.context.store.facts.put(fact, told)
            facts = {"side": where, "rows": len(names), "first": told}
            log.warning("times ahead of the service's own clock move no cursor", extra=facts)

    def _remember(self, side: SidePull) -> RememberedCounts:
        if side.partial:
            self.partial.append(side.partial)
        self.malformed += len(side.pulled.malformed)
        self.incidents += len(side.pulled.incidents)
        return self.context.remember(side.pulled)

    def _stop_unless_whole(self, failed: RemoteError | None) -> None:
        errors = [error for error in (failed, *self.down.values()) if error is not None]
        partial = self.partial + [str(error) for error in errors if isinstance(error, PartialTruth)]
        if partial:
            raise Refused(
                f"an answer was not the whole truth: {'; '.join(partial)}. Nothing was planned or written, and the "
                "cursor of that side stays where it is. Look at the rights of the key or user; "
                '`[coralogix] partial_view = "accept"` is for a key that is limited on purpose'
            )
        if failed is not None or (self.down and len(self.down) == len(self.context.connectors)):
            raise CycleFailed(failure_words(failed, self.down))


# -- Cases -----------------------------------------------------------------------------------------------------


@dataclass
class _CaseListing:
    """One listing of Cases, as far as it was read, newest first, down to the floor."""

    cases: dict[str, Case] = field(default_factory=dict)
    malformed: list[Malformed] = field(default_factory=list)
    head: datetime | None = None
    is_deep: bool = True
    server_time: datetime | None = None
    truncated: bool = False
    ahead: set[str] = field(default_factory=set)


def pull_cases(context: Context, window: Window) -> SidePull:
    """Pull Cases by the time of their last change, and again by that of their creation.

    The second sweep catches Cases that bear no time of change, and is the one that a backfill goes back by, so that it
    reads each Case once. Raises RemoteError when a page fails.
    """
    cursors = context.store.snapshots.cursors()
    windows = {CaseOrder.UPDATED: replace(window, since=None), CaseOrder.CREATED: window}
    sweeps = {
        order: _sweep_cases(context, order, cursors.get(_case_cursor(order)), seen) for order, seen in windows.items()
    }
    is_partial = any(sweep.truncated for sweep in sweeps.values()) and not context.settings.accept_partial_view
    moved = [_moved(order, cursors.get(_case_cursor(order)), sweep, window) for order, sweep in sweeps.items()]
    cases = {case_id: case for sweep in sweeps.values() for case_id, case in sweep.cases.items()}
    pulled = Pulled(
        system=System.CORALOGIX,
        cases=tuple(cases.values()),
        malformed=tuple(malformed for sweep in sweeps.values() for malformed in sweep.malformed),
        cursors=() if is_partial else tuple(moved),
    )
    server_time = next((sweep.server_time for sweep in sweeps.values() if sweep.server_time), None)
    return SidePull(
        pulled=pulled,
        partial=CASES_HIDDEN if is_partial else "",
        server_time=server_time,
        ahead=tuple(sorted({name for sweep in sweeps.values() for name in sweep.ahead})),
    )


def _sweep_cases(context: Context, order: CaseOrder, cursor: Cursor | None, window: Window) -> _CaseListing:
    sweep = _CaseListing()
    shallow = shallow_floor(cursor, window)
    settings = context.settings
    is_long = reads_much(cursor, window, settings.case_page_rows)
    page_rows = settings.all_cases_page_rows if is_long else settings.case_page_rows
    for page in case_pages(context.cases, order, page_rows=page_rows):
        sweep.server_time = sweep.server_time or page.server_time
        sweep.truncated = sweep.truncated or page.truncated
        sweep.malformed += page.malformed
        times = [time for case in page.cases if (time := _time_of(case, order))]
        sound = [time for time in times if not _is_ahead(time, page.server_time)]
        # Of the first page: what changes while the others are read is for the next reading.
        sweep.head = sweep.head or max(sound, default=None)
        sweep.ahead |= {
            case.key or case.id for case in page.cases if _is_ahead(_time_of(case, order), page.server_time)
        }
        sweep.cases |= {case.id: case for case in page.cases}
        context.step(f"reading Cases, last {order.value}", len(sweep.cases), 0)
        oldest = min(times, default=None)
        if oldest and oldest < deep_floor(cursor, window, sweep.server_time):
            break
        if oldest and shallow and oldest < shallow and page.next_token:
            sweep.is_deep = False  # there was more to see, and it can wait: see ``window``
            break
    return sweep


def _case_cursor(order: CaseOrder) -> str:
    return f"cases.{order.value}"


def _moved(order: CaseOrder, cursor: Cursor | None, sweep: _CaseListing, window: Window) -> Cursor:
    """Move a cursor to the newest time of the first page; never back."""
    head = _latest(cursor, sweep.head)
    reach = Reach.of(cursor)
    if head is None:
        return Cursor(name=_case_cursor(order), time=None)
    if sweep.is_deep or reach is None:
        reach = Reach(deep_head=head, deep_at=window.now, deep_rows=len(sweep.cases))
    return Cursor(name=_case_cursor(order), time=head, resume=reach.text())


def whole_case_pages(
    context: Context, *, statuses: tuple[str, ...] = (), created_from: datetime | None = None
) -> Iterator[CasePage]:
    """Read page after page, newest Case first; raise PartialTruth for one that hides Cases."""
    page_rows = context.settings.all_cases_page_rows
    pages = case_pages(
        context.cases, CaseOrder.CREATED, page_rows=page_rows, statuses=statuses, created_from=created_from
    )
    for page in pages:
        if page.truncated and not context.settings.accept_partial_view:
            raise PartialTruth(CASES_HIDDEN, system=System.CORALOGIX)
        yield page


def _time_of(case: Case, order: CaseOrder) -> datetime | None:
    return case.updated_at if order is CaseOrder.UPDATED else case.created_at


def _is_ahead(time: datetime | None, server_time: datetime | None) -> bool:
    return time is not None and server_time is not None and is_far_ahead(time, server_time)


def _latest(cursor: Cursor | None, head: datetime | None) -> datetime | None:
    return max((time for time in (cursor.time if cursor else None, head) if time), default=None)


# -- records ---------------------------------------------------------------------------------------------------


@dataclass
class _RecordListing:
    """One listing of records, as far as it was read, oldest change first."""

    incidents: dict[str, Incident] = field(default_factory=dict)
    malformed: list[Malformed] = field(default_factory=list)
    last: Position | None = None
    """behind the last row but for those ahead of the service's clock"""
    ahead: tuple[str, ...] = ()
    pages: int = 0
    hidden: int = 0
    ended: bool = False
    server_time: datetime | None = None
    """the service's own clock, when it answered with the last page"""
    failed: RemoteError | None = None

    @property
    def goes_on(self) -> bool:
        """Return whether more rows may still get the time of the last one, which is a whole second."""
        clock, last = self.server_time, self.last
        return bool(self.ended and clock and last and clock - last.updated_at < _SECOND_IS_OVER)


def incident_cursor(connector: str, table: str) -> str:
    """Name the cursor of one table of one connector."""
    return f"incidents.{connector}.{table}"


def pull_incidents(context: Context, connector: str, table: str, window: Window) -> SidePull:
    """Pull the records that bear our mark, oldest change first, until a page is empty.

    Raises RemoteError when the first page fails, and PartialTruth for any page whose rows do not fit the query; where a
    later page does not come, ``failed`` says so. Rows that the service counts and does not show make the pull partial.
    """
    name = incident_cursor(connector, table)
    cursor = context.store.snapshots.cursors().get(name)
    start = resume_position(cursor, window)
    reading = _read_records(context, connector, table, start, deep_floor(cursor, window, None))
    partial = rows_hidden(connector, table, reading.hidden) if reading.hidden else ""
    pulled = Pulled(
        system=System.SERVICENOW,
        incidents=tuple(reading.incidents.values()),
        malformed=tuple(reading.malformed),
        cursors=() if partial else (_record_cursor(name, cursor, start, reading, window),),
    )
    return SidePull(pulled=pulled, partial=partial, failed=reading.failed, ahead=reading.ahead)


def _read_records(
    context: Context, connector: str, table: str, start: Position | None, floor: datetime
) -> _RecordListing:
    reading = _RecordListing(last=start)
    settings, client = context.settings, context.connectors[connector]
    try:
        for page in record_pages(client, table, since=floor, after=start, limit=settings.incident_page_rows):
            reading.incidents |= {incident.sys_id: incident for incident in page.incidents}
            reading.malformed += page.malformed
            reading.hidden = page.not_shown
            reading.ended = page.last is None or page.is_whole or reading.hidden > 0
            reading.pages += not reading.ended
            reading.server_time = page.server_time
            reading.ahead += tuple(
                one.number or one.sys_id for one in page.incidents if _is_ahead(one.updated_at, page.server_time)
            )
            reading.last = _sound_end(page) or reading.last
            context.step(f"reading records of {table}", len(reading.incidents), 0)
            if reading.ended or reading.pages >= settings.incident_pages_per_cycle:
                break
    except (Transient, AuthFailed) as error:
        if reading.pages == 0:
            raise
        reading.failed = error
    return reading


def _sound_end(page: IncidentPage) -> Position | None:
    """Return the position behind the last row of a page that is not ahead of the service's own clock."""
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
    if reach is None or start is None or reach.unfinished:
        # A part that goes on where the last one stopped is deep from there: what came up late just behind that place
        # is still to be read.
        deep_head = (start or last).updated_at
        reach = Reach(deep_head=deep_head, deep_at=window.now, deep_rows=len(reading.incidents))
    # Rows are listed by second and id: one that changes later in this second may stand before the last one.
    reach = replace(reach, last_id=_BEFORE_ALL_IDS if reading.goes_on else last.sys_id, unfinished=not reading.ended)
    return Cursor(name=name, time=_latest(cursor, last.updated_at), resume=reach.text())
