"""What people asked about holds since the last cycle, done before this one reads anything.

Rules of this file: a request is done once, in the order in which it was asked; what a request has to read first
and cannot stays for the next cycle. Nothing here writes to a service.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from reconciler.core.copies import replace
from reconciler.core.errors import RemoteError
from reconciler.core.model import Absence, Link, Pair, Stage, System
from reconciler.engine.context import Context
from reconciler.engine.reading.by_id import by_table, read_records
from reconciler.store.values import HoldRequest, HoldRequestKind, Pulled, StageRules

log = logging.getLogger(__name__)


def apply_hold_requests(context: Context) -> None:
    """Do what people asked for; each link is marked for planning."""
    for request in context.store.hold_requests.waiting():
        pair = context.store.links.pair(request.case_id)
        if pair is None:
            continue
        failed = look_again_at_others(context, [pair]) if request.kind is HoldRequestKind.RETRY else {}
        if failed:
            words = "; ".join(map(str, failed.values()))
            log.warning("a retry that a person asked for waits for the service", extra={"why": words})
            continue
        context.store.hold_requests.apply(
            request, granted(request, pair, context.policies), cycle_id=context.cycle_id, now=context.clock()
        )


def granted(request: HoldRequest, pair: Pair, rules: StageRules) -> Link:
    """Return a link as a request makes it; a new record is made only where the one before is not open any more."""
    link = pair.link
    match request.kind:
        case HoldRequestKind.RECREATE:
            stage = rules.incident_stage(link, pair.incident) if pair.incident else None
            is_open = link.incident_absence is None and stage is not None and stage < Stage.RESOLVED
            return link if is_open else link.next_generation(pair.case, rules.case_stage(pair.case) or Stage.OPEN)
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


def look_again_at_others(context: Context, pairs: Sequence[Pair]) -> dict[str, RemoteError]:
    """Read the further records that bear these Cases' keys, and forget those that are gone.

    A pull never shows that a copy was deleted or lost our mark. Returns the connectors that did not answer.
    """
    failed: dict[str, RemoteError] = {}
    others = {(other.sys_id, other.table, other.connector): other for pair in pairs for other in pair.others}
    for (connector, table), sys_ids in by_table(key for key in others if key[2] in context.connectors).items():
        try:
            reading = read_records(context, connector, table, sys_ids)
        except RemoteError as error:
            failed[connector] = error
            continue
        unasked = next((error for error in reading.unread.values() if isinstance(error, RemoteError)), None)
        if unasked:
            failed[connector] = unasked
        context.remember(Pulled(system=System.SERVICENOW, incidents=tuple(reading.found), read_now=True))
        context.store.snapshots.forget_records([others[sys_id, table, connector] for sys_id in reading.gone])
    return failed
