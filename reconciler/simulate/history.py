"""Read what happened in Coralogix in a window: each Case as it is now, and its events.

Only reads are sent. A Case counts when it changed in the window; others have nothing to replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from reconciler.core.case_events import CaseEvent
from reconciler.core.errors import Missing
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case
from reconciler.remotes.ports import (
    LARGEST_PAGE,
    CaseClient,
    CaseEventClient,
    CaseEvents,
    CaseOrder,
    CasePage,
    case_pages,
)

PAGE_ROWS = LARGEST_PAGE
"""as many as the API allows"""
Progress = Callable[[str, int, int], None]
"""is told what is being done, how many are done and of how many; 0 when the end is not known"""


@dataclass(frozen=True, kw_only=True)
class CaseHistory:
    """One Case as it is now, and what happened to it, oldest first."""

    case: Case
    events: tuple[CaseEvent, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PastWindow:
    """What was read of a window."""

    since: datetime
    until: datetime
    histories: tuple[CaseHistory, ...]
    malformed: int = 0
    """Cases and events that could not be understood, and were left out"""
    is_truncated: bool = False
    """an access policy hides Cases from the key"""


def read_window(
    cases: CaseClient,
    events: CaseEventClient,
    *,
    since: datetime,
    until: datetime,
    workers: int,
    progress: Progress,
) -> PastWindow:
    """Read the Cases that changed in the window, and the events of each; ``workers`` of these side by side.

    Raises RemoteError when an answer is missing. A Case that is deleted meanwhile is left out.
    """
    found: dict[str, Case] = {}
    malformed, is_truncated = 0, False
    for page in _pages(cases, since):
        found |= {case.id: case for case in page.cases if since <= _changed_at(case) and case.created_at <= until}
        malformed += len(page.malformed)
        is_truncated = is_truncated or page.truncated
        progress("reading Cases", len(found), 0)
    histories = []
    with ThreadPoolExecutor(max_workers=workers) as pool:
        told = pool.map(lambda case: _events_of(events, case.id), found.values())
        for done, (case, read) in enumerate(zip(found.values(), told, strict=True), start=1):
            progress("reading what happened to them", done, len(found))
            if read is not None:
                histories.append(CaseHistory(case=case, events=read.events))
                malformed += len(read.malformed)
    return PastWindow(
        since=since, until=until, histories=tuple(histories), malformed=malformed, is_truncated=is_truncated
    )


def _pages(cases: CaseClient, since: datetime) -> Iterator[CasePage]:
    """List Cases by their last change, newest first, until the window ends.

    A Case without an update time is listed last, so the listing by creation is read as well.
    """
    for order in CaseOrder:
        for page in case_pages(cases, order, page_rows=PAGE_ROWS):
            yield page
            if any(_time_of(case, order) < since for case in page.cases):
                break


def _time_of(case: Case, order: CaseOrder) -> datetime:
    return case.created_at if order is CaseOrder.CREATED else _changed_at(case)


def _changed_at(case: Case) -> datetime:
    return case.updated_at or case.created_at


def _events_of(events: CaseEventClient, case_id: str) -> CaseEvents | None:
    try:
        return events.events(case_id)
    except Missing:
        return None
