"""What people asked about holds since the last cycle, done before this one reads anything.

Rules of this file: a request is done once, in the order in which it was asked; what a request has to read first
and cannot stays for the next cycle. Nothing here writes to a service.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.errors import Malformed, Missing, RemoteError
from reconciler.core.model import Absence, Incident, Link, Pair, System
from reconciler.engine.context import Context
from reconciler.store.store import HoldRequest, HoldRequestKind, Pulled

log = logging.getLogger(__name__)


def apply_hold_requests(context: Context, *, cycle_id: str) -> None:
    """Do what people asked for; each link is marked for planning."""
    for request in context.store.links.hold_requests():
        pair = context.store.links.pair(request.case_id)
        if pair is None:
            continue
        failed = (
            look_again_at_others(context, [pair], cycle_id=cycle_id) if request.kind is HoldRequestKind.RETRY else {}
        )
        if failed:
            words = "; ".join(map(str, failed.values()))
            log.warning("a retry that a person asked for waits for the service", extra={"why": words})
            continue
        context.store.links.apply_hold_request(
            request, granted(request, pair.link), cycle_id=cycle_id, now=context.clock()
        )


def granted(request: HoldRequest, link: Link) -> Link:
    """Give a link as a request makes it."""
    match request.kind:
        case HoldRequestKind.IGNORE:
            return replace(link, ignored_fingerprint=request.fingerprint)
        case HoldRequestKind.RETRY:
            return replace(
                link,
                hold=None,
                ignored_fingerprint="",
                case_absence=_suspected(link.case_absence),
                incident_absence=_suspected(link.incident_absence),
            )


def _suspected(absence: Absence | None) -> Absence | None:
    """Make of what is believed to be gone a suspicion again: the cycle asks for it before it decides."""
    return replace(absence, times=1) if absence else None


def look_again_at_others(context: Context, pairs: Sequence[Pair], *, cycle_id: str) -> dict[str, RemoteError]:
    """Read the further records that bear these Cases' keys, and forget those that are gone.

    A pull never shows that a copy was deleted or lost our mark. Gives the connectors that did not answer.
    """
    failed: dict[str, RemoteError] = {}
    grouped: dict[tuple[str, str], list[Incident]] = defaultdict(list)
    for pair in pairs:
        for other in pair.others:
            if other.connector in context.connectors:
                grouped[other.connector, other.table].append(other)
    for (connector, _), others in grouped.items():
        try:
            found = _read(context, others)
        except RemoteError as error:
            failed[connector] = error
            continue
        shown = {record.sys_id for record in found}
        pulled = Pulled(system=System.SERVICENOW, incidents=tuple(found), read_now=True)
        context.store.snapshots.remember(pulled, stage_rules=context.policies, cycle_id=cycle_id, now=context.clock())
        context.store.snapshots.forget_records([other for other in others if other.sys_id not in shown])
    return failed


def _read(context: Context, others: Sequence[Incident]) -> list[Incident]:
    """Read records of one table; one that a listing leaves out is asked for by itself before it counts as gone."""
    client, table = context.connectors[others[0].connector], others[0].table
    found = list(client.get_many(table, [other.sys_id for other in others]))
    shown = {record.sys_id for record in found}
    for other in others:
        if other.sys_id not in shown:
            try:
                found.append(client.get(table, other.sys_id))
            except Missing:
                continue
            except Malformed:
                found.append(other)
    return found
