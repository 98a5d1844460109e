"""What keeps a link from being written: a side that is missing, doubled, unknown, or was moved back.

Each obstacle is a skip with the reason's fixed word and the facts for a person.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.core.lifecycle import PENDING
from reconciler.core.model import Incident, Link, Pair, Skip, SkipReason, Stage
from reconciler.core.planning.admission import skip
from reconciler.core.policies.policies import Policies


def blocked(pair: Pair, policies: Policies) -> Skip | None:
    """Say what keeps a link from being written at all."""
    link, incident = pair.link, pair.incident
    lost = policies.lost_rules(link)
    if lost:
        return skip(pair, SkipReason.NOT_ROUTED, lost)
    if link.case_absence:
        return _absent(
            pair, SkipReason.CASE_MISSING, link.case_absence.times, "Coralogix", pair.case.key or pair.case.id
        )
    if link.incident_absence:
        name = link.number or link.sys_id
        return _absent(pair, SkipReason.INCIDENT_MISSING, link.incident_absence.times, "ServiceNow", name)
    further = policies.further_records(pair)
    if further and incident:
        return duplicates(pair, [incident, *further])
    return _unplaced(pair, policies)


def _unplaced(pair: Pair, policies: Policies) -> Skip | None:
    """Say which side cannot be placed on the scale."""
    link, incident = pair.link, pair.incident
    if pair.case.status == PENDING:
        return skip(pair, SkipReason.PENDING_ACTIVATION, "the Case waits to be activated again")
    if policies.case_stage(pair.case) is None:
        return skip(pair, SkipReason.UNKNOWN_STATE, f"the Case has the unknown status {pair.case.status!r}")
    if incident and policies.incident_stage(link, incident) is None:
        return unknown_state(pair, incident)
    return None


def _absent(pair: Pair, reason: SkipReason, times: int, system: str, name: str) -> Skip:
    """Hold what answered 404 twice; once is only a suspicion and is asked again in a later cycle."""
    if times >= 2:
        return skip(pair, reason, f"{system} answered 404 for {name} {times} times: deleted, or hidden from us")
    return skip(pair, SkipReason.SETTLING, f"{system} answered 404 for {name} once; it is asked again")


def duplicates(pair: Pair, records: Iterable[Incident]) -> Skip:
    """Name every record that bears one Case's key."""
    names = ", ".join(sorted(f"{record.number} ({record.sys_id})" for record in records))
    return skip(pair, SkipReason.DUPLICATE_INCIDENTS, f"these records bear this Case's key: {names}")


def unknown_state(pair: Pair, incident: Incident) -> Skip:
    """Name a record's state that nothing explains, and where it can be explained."""
    where = f"[servicenow.{incident.connector}.states]"
    detail = f"{incident.number} has the unknown state {incident.state!r}; {where} can name it"
    return skip(pair, SkipReason.UNKNOWN_STATE, detail)


def moved_back(pair: Pair, policies: Policies, incident: Incident | None) -> Skip | None:
    """Notice a side that was moved back across ``resolved``."""
    link = pair.link
    case_stage = policies.case_stage(pair.case) or Stage.OPEN
    if incident and _crossed_back(_stage(pair, policies, incident), incident_peak(link, incident)):
        return skip(pair, SkipReason.INCIDENT_REOPENED, f"{incident.number} was reopened and is left to people")
    if _crossed_back(case_stage, case_peak(pair)):
        return skip(pair, SkipReason.CASE_MOVED_BACK, "the Case was resolved before and is open again")
    return None


def stands_back(pair: Pair, policies: Policies) -> Skip | None:
    """Name a side that was moved back below ``resolved``, where that is why the sides are not equal."""
    link, incident = pair.link, pair.incident
    stage = policies.case_stage(pair.case) or Stage.OPEN
    if incident is None or stage == _stage(pair, policies, incident):
        return None
    if _stage(pair, policies, incident) < (incident_peak(link, incident) or Stage.OPEN):
        return skip(pair, SkipReason.INCIDENT_REOPENED, f"{incident.number} was moved back; it follows only news")
    if stage < (case_peak(pair) or Stage.OPEN):
        return skip(pair, SkipReason.CASE_MOVED_BACK, "the Case was moved back; it follows only news")
    return None


def _stage(pair: Pair, policies: Policies, incident: Incident) -> Stage:
    return policies.incident_stage(pair.link, incident) or Stage.OPEN


def incident_peak(link: Link, incident: Incident) -> Stage | None:
    """Give the highest stage at which a record ever stood, as far as we or the record itself know.

    A record that counts reopenings was resolved once, even if no pull saw it.
    """
    reopened = Stage.RESOLVED if incident.reopen_count > 0 else None
    return max((stage for stage in (link.incident_peak, reopened) if stage), default=None)


def case_peak(pair: Pair) -> Stage | None:
    """Give the highest stage at which a Case ever stood, as far as we or the Case itself know.

    A Case that was re-activated since it was first seen, or since its record was made, was resolved once, and one that
    was acknowledged since then was acknowledged once, even if no pull of this database saw it.
    """
    times = (pair.link.first_seen_at, pair.incident.created_at if pair.incident else None)
    known_since = min((time for time in times if time), default=None)
    told = {Stage.RESOLVED: pair.case.reactivated_at, Stage.ACKNOWLEDGED: pair.case.acknowledged_at}
    reached = [stage for stage, at in told.items() if at and known_since and at >= known_since]
    return max((stage for stage in (pair.link.case_peak, *reached) if stage), default=None)


def _crossed_back(stage: Stage, peak: Stage | None) -> bool:
    return peak is not None and stage < Stage.RESOLVED <= peak
