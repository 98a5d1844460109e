"""The drift check: everything that is open, compared in full, whatever the times of change say.

It finds what no time of change announced: edits that move none, commits later than the overlap, records that
were deleted or hidden. What answers 404 is asked once more in a later cycle before it is believed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.core.errors import AuthFailed, Malformed, Missing, RemoteError
from reconciler.core.model import Absence, Case, Incident, Link, Pair, Stage, System
from reconciler.core.policy import EVENT_TABLE
from reconciler.engine.engine import Engine
from reconciler.engine.pull import case_pages
from reconciler.remotes.ports import CaseOrder
from reconciler.store.store import Pulled

OPEN_STATUSES = ("ACTIVE", "ACKNOWLEDGED", "RESOLVED")
FULL_RANGE = timedelta(days=30)
"""The nightly check reads every Case of this age, whatever its status."""


def is_due(last: str | None, now: datetime, every: timedelta) -> bool:
    """Say whether a check that last ran at ``last`` (ISO 8601, or never) is due."""
    return last is None or now - datetime.fromisoformat(last) >= every


def check_drift(engine: Engine, *, cycle_id: str, full: bool, down: Container[str] = ()) -> None:
    """Read every open link in full on both sides, remember what is there and note what is not.

    The records of connectors that are ``down`` are not asked for.
    """
    links = engine.store.open_links()
    cases, gone = _read_cases(engine, links, full=full)
    records, lost = _read_records(engine, [link for link in links if link.connector not in down])
    now = engine.clock()
    for pulled in (
        Pulled(system=System.CORALOGIX, cases=tuple(cases.values())),
        Pulled(system=System.SERVICENOW, incidents=tuple(records)),
    ):
        engine.store.remember(pulled, judge=engine.policies, cycle_id=cycle_id, now=now)
    _note(engine, gone, lambda link: replace(link, case_absence=once_more(link.case_absence, now)))
    _note(engine, lost, lambda link: replace(link, incident_absence=once_more(link.incident_absence, now)))


def _read_cases(engine: Engine, links: Iterable[Link], *, full: bool) -> tuple[dict[str, Case], list[Link]]:
    """List the open Cases, then ask for each linked one that the list did not show; give them, and the links of none.

    A Case that is there and cannot be read is in neither: it stops nothing else.
    """
    cases: dict[str, Case] = {}
    gone: list[Link] = []
    since = engine.clock() - FULL_RANGE if full else None
    statuses = () if full else OPEN_STATUSES
    for page in case_pages(engine.cases, CaseOrder.CREATED, statuses=statuses, created_from=since):
        cases |= {case.id: case for case in page.cases}
    for link in links:
        if link.case_id not in cases and link.case_peak is not Stage.CLOSED:
            try:
                cases[link.case_id] = engine.cases.get_case(link.case_id)
            except Missing:
                gone.append(link)
            except AuthFailed:
                raise
            except (RemoteError, Malformed):
                continue
    return cases, gone


def _read_records(engine: Engine, links: Sequence[Link]) -> tuple[list[Incident], list[Link]]:
    """Read the records of these links; give them, and the links whose record was not shown."""
    grouped: dict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in links:
        if link.sys_id and link.table != EVENT_TABLE and link.connector in engine.connectors:
            grouped[link.connector, link.table].append(link)
    records: list[Incident] = []
    lost: list[Link] = []
    for (connector, table), group in grouped.items():
        client = engine.connectors[connector]
        found = client.get_many(table, [link.sys_id for link in group])
        shown = {record.sys_id for record in found}
        records += found
        lost += [link for link in group if link.sys_id not in shown]
    return records, lost


def recheck_absent(engine: Engine, pairs: Sequence[Pair], *, cycle_id: str) -> bool:
    """Ask again, in a later cycle, for what answered 404 once; say whether anything was asked."""
    suspects = [pair for pair in pairs if _is_suspect(pair.link)]
    for pair in suspects:
        with suppress(RemoteError, Malformed):  # the suspicion stays, and one that cannot be asked for stops nothing
            _recheck(engine, pair.link, cycle_id)
    return bool(suspects)


def _is_suspect(link: Link) -> bool:
    absences = (link.case_absence, link.incident_absence)
    return any(absence is not None and absence.times == 1 for absence in absences)


def _recheck(engine: Engine, link: Link, cycle_id: str) -> None:
    now = engine.clock()
    cases: tuple[Case, ...] = ()
    incidents: tuple[Incident, ...] = ()
    if link.case_absence:
        try:
            cases = (engine.cases.get_case(link.case_id),)
            link = replace(link, case_absence=None)
        except Missing:
            link = replace(link, case_absence=once_more(link.case_absence, now))
    if link.incident_absence:
        try:
            incidents = (engine.connectors[link.connector].get(link.table, link.sys_id),)
            link = replace(link, incident_absence=None)
        except Missing:
            link = replace(link, incident_absence=once_more(link.incident_absence, now))
    engine.store.update_links([link], now)
    engine.store.remember(
        Pulled(system=System.SERVICENOW, cases=cases, incidents=incidents, read_now=True),
        judge=engine.policies,
        cycle_id=cycle_id,
        now=now,
    )


def once_more(absence: Absence | None, now: datetime) -> Absence:
    """Count one more 404."""
    if absence is None:
        return Absence(first_at=now, last_at=now, times=1)
    return replace(absence, last_at=now, times=absence.times + 1)


def _note(engine: Engine, links: Iterable[Link], change: Callable[[Link], Link]) -> None:
    """Change links as they stand now: what was remembered meanwhile is kept."""
    current = (engine.store.pair(link.case_id) for link in links)
    engine.store.update_links([change(pair.link) for pair in current if pair], engine.clock())
