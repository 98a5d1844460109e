"""Estimate the cost of a backfill before it starts: Cases, requests, time, share of an hourly rate limit.

Rules of this file: what is cheap to count is counted, the rest is estimated; nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from math import ceil

from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import case_stage
from reconciler.core.model import Case, Stage
from reconciler.engine.context import Context
from reconciler.engine.parts import BackfillRequest, part_size
from reconciler.remotes.ports import IDS_A_REQUEST, NAMES_A_REQUEST, CaseOrder, case_pages

MOST_PAGES = 10
"""At most this many pages are counted; the rest is extrapolated."""
READS_A_PART = 4
"""The requests of a quiet cycle."""
WRITE_SECONDS = 1.0
"""The usual time of one write."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The approximate cost of a backfill."""

    cases: int
    """Cases that may get a record"""
    parts: int
    to_coralogix: int
    """requests; so in the next"""
    to_servicenow: int
    seconds: float
    hourly: Mapping[str, int] = field(default_factory=dict)
    """connector -> requests an hour that a rule of the instance allows"""

    def share(self, connector: str) -> float:
        """Return the share of the hourly limit that this backfill takes; more than 1 does not fit."""
        in_an_hour = self.to_servicenow * min(1.0, 3600 / max(self.seconds, 1.0))
        return in_an_hour / self.hourly[connector]


def estimate(context: Context, asked: BackfillRequest, *, pause_seconds: float) -> Estimate:
    """Count the Cases of a backfill and estimate their cost. Raises RemoteError and Refused."""
    listed, cases = (len(asked.refs), len(asked.refs)) if asked.refs else _count(context, asked)
    cases = min(cases, asked.most) if asked.most is not None else cases
    size = part_size(asked, context.policies.limits)
    parts = max(1, ceil(cases / size)) if size else 1
    # A condition of ``existing`` is about as long as a name.
    asks_for_others = any(one.existing for one in context.policies.inbound.values())
    looks = ceil(cases / IDS_A_REQUEST) + (ceil(cases / NAMES_A_REQUEST) if asks_for_others else 0)
    pages = ceil(listed / context.settings.all_cases_page_rows)
    workers = max(context.settings.workers_of.values(), default=context.settings.workers)
    return Estimate(
        cases=cases,
        parts=parts,
        to_coralogix=pages + parts * READS_A_PART + (listed if context.events is not None else 0),
        to_servicenow=cases + looks + parts * READS_A_PART,
        seconds=cases * WRITE_SECONDS / workers + (parts - 1) * pause_seconds,
        hourly=_hourly(context),
    )


def _count(context: Context, asked: BackfillRequest) -> tuple[int, int]:
    """Return the number of Cases in the window, and of those that have no record and may get one."""
    since = asked.since or context.clock() - context.policies.first_lookback
    listed, wanted, oldest = 0, 0, context.clock()
    rows = context.settings.all_cases_page_rows
    pages = case_pages(context.cases, CaseOrder.CREATED, page_rows=rows, created_from=since)
    for number, page in enumerate(pages, start=1):
        listed += len(page.cases)
        wanted += sum(_may_get_one(context, case, asked) for case in page.cases)
        oldest = min((case.created_at for case in page.cases), default=oldest)
        if number == MOST_PAGES and page.next_token:
            factor = _stretch(context.clock(), oldest, since)
            return round(listed * factor), round(wanted * factor)
    return listed, wanted


def _stretch(now: datetime, oldest: datetime, since: datetime) -> float:
    """Return the factor from the counted part of a window to the whole window."""
    counted = max((now - oldest).total_seconds(), 1.0)
    return max(1.0, (now - since).total_seconds() / counted)


def _may_get_one(context: Context, case: Case, asked: BackfillRequest) -> bool:
    if asked.until is not None and case.created_at > asked.until:
        return False
    stage = case_stage(case.status)
    if stage is None or (stage >= Stage.RESOLVED and not asked.include_resolved):
        return False
    pair = context.store.links.pair(case.id)
    return pair is None or not pair.link.has_record


def _hourly(context: Context) -> dict[str, int]:
    """Read one row from each instance, whose answer names the hourly limit."""
    found: dict[str, int] = {}
    for connector, table in context.tables():
        client = context.connectors[connector]
        if connector not in found:
            client.rows(table, "", fields=("sys_id",), limit=1)
            if client.side.hourly_limit:
                found[connector] = client.side.hourly_limit
    return found
