"""The drift check: everything that is open, compared in full, whatever the times of change say.

It finds what no time of change announced: edits that move none, commits later than the overlap, records that
were deleted or hidden. What answers 404 is asked once more in a later cycle before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.errors import Malformed, Missing, RemoteError
from reconciler.core.lifecycle import OPEN_STATUSES
from reconciler.core.model import Absence, Case, Incident, Link, Pair, Stage, System
from reconciler.core.policies.policies import EVENT_TABLE
from reconciler.engine.context import Context
from reconciler.engine.reading.by_id import by_table, read_again, read_records
from reconciler.engine.reading.cases import read_cases
from reconciler.engine.reading.pull import whole_case_pages
from reconciler.store.values import OpenPlace, Pulled

FULL_RANGE = timedelta(days=30)
"""The nightly check reads every Case of this age, whatever its status."""


def is_due(last: str, now: datetime, every: timedelta) -> bool:
    """Return whether a check that last ran at ``last`` (ISO 8601) is due; also when the clock was ahead then."""
    return not timedelta() <= now - datetime.fromisoformat(last) < every


def check_drift(context: Context, down: dict[str, RemoteError], *, full: bool) -> None:
    """Read every open link in full on both sides, remember what is there and note what is not.

    The records of connectors that are ``down`` are not asked for; one that does not answer now is put among them.
    """
    places = context.store.links.open_places()
    listed = _list_cases(context, full=full)
    unlisted = [place.case_id for place in places if place.case_id not in listed and place.case_peak != Stage.CLOSED]
    older = context.remember(Pulled(system=System.CORALOGIX, cases=tuple(listed.values()))).doubtful
    missing = read_cases(context, [*unlisted, *older])
    gone = [case_id for case_id in unlisted if case_id in missing]
    lost = _compare_records(context, places, down)
    now = context.clock()
    _note(context, gone, lambda link: replace(link, case_absence=once_more(link.case_absence, now)))
    _note(context, lost, lambda link: replace(link, incident_absence=once_more(link.incident_absence, now)))


def _list_cases(context: Context, *, full: bool) -> dict[str, Case]:
    """List every open Case and, in full, every Case of the last 30 days, whatever its status."""
    reaches: list[tuple[tuple[str, ...], datetime | None]] = [(OPEN_STATUSES, None)]
    if full:
        reaches.append(((), context.clock() - FULL_RANGE))
    cases: dict[str, Case] = {}
    for statuses, since in reaches:
        for page in whole_case_pages(context, statuses=statuses, created_from=since):
            cases |= {case.id: case for case in page.cases}
            context.step("comparing Cases", len(cases), 0)
    return cases


def _compare_records(context: Context, places: Iterable[OpenPlace], down: dict[str, RemoteError]) -> list[str]:
    """Read and remember the records of open links; return the Cases whose record answered 404."""
    up = context.connectors.keys() - down.keys()
    asked = {
        (place.sys_id, place.table, place.connector): place.case_id
        for place in places
        if place.sys_id and place.table != EVENT_TABLE and place.connector in up
    }
    lost: list[str] = []
    for (connector, table), sys_ids in by_table(asked).items():
        try:
            reading = read_records(context, connector, table, sys_ids)
            older = context.remember(Pulled(system=System.SERVICENOW, incidents=tuple(reading.found))).doubtful_records
            read_again(context, older)
        except RemoteError as error:
            down[connector] = error
            continue
        lost += [asked[sys_id, table, connector] for sys_id in reading.gone]
    return lost


def recheck_absent(context: Context, pairs: Sequence[Pair]) -> None:
    """Ask again, in a later cycle, for what answered 404 once."""
    for pair in pairs:
        if _is_suspect(pair.link, context.connectors):
            with suppress(RemoteError, Malformed):  # the suspicion stays; one that cannot be asked for stops nothing
                _recheck(context, pair.link)


def _is_suspect(link: Link, connectors: Container[str]) -> bool:
    """Return whether a 404 has to be asked for again, and can be: its connector is still in the config."""
    absences = (link.case_absence, link.incident_absence if link.connector in connectors else None)
    return any(absence is not None and absence.times == 1 for absence in absences)


def _recheck(context: Context, link: Link) -> None:
    now = context.clock()
    cases: tuple[Case, ...] = ()
    incidents: tuple[Incident, ...] = ()
    if link.case_absence:
        try:
            cases = (context.cases.get_case(link.case_id),)
            link = replace(link, case_absence=None)
        except Missing:
            link = replace(link, case_absence=once_more(link.case_absence, now))
    if link.incident_absence and link.connector in context.connectors:
        try:
            incidents = (context.connectors[link.connector].get(link.table, link.sys_id),)
            link = replace(link, incident_absence=None)
        except Missing:
            link = replace(link, incident_absence=once_more(link.incident_absence, now))
    context.update_links([link])
    context.remember(Pulled(system=System.CORALOGIX, cases=cases, read_now=True))
    context.remember(Pulled(system=System.SERVICENOW, incidents=incidents, read_now=True))


def once_more(absence: Absence | None, now: datetime) -> Absence:
    """Count one more 404."""
    if absence is None:
        return Absence(first_at=now, last_at=now, times=1)
    return replace(absence, last_at=now, times=absence.times + 1)


def _note(context: Context, case_ids: Iterable[str], change: Callable[[Link], Link]) -> None:
    """Change the links of Cases as they stand now: what was remembered meanwhile is kept."""
    current = map(context.store.links.pair, case_ids)
    context.update_links([change(pair.link) for pair in current if pair])
