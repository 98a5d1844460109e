"""What keeps a link from being written: each rule says one thing, and they are asked in this order.

Each obstacle is a skip with the reason's fixed word and the facts for a person. A rule reads a ``Standing`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reconciler.core.lifecycle import PENDING
from reconciler.core.model import Incident, Skip, SkipReason
from reconciler.core.planning.standing import Standing


def lost_rules(here: Standing) -> Skip | None:
    """Hold a link whose policy was renamed or removed: nobody knows any more how to write its record."""
    return here.skip(SkipReason.NOT_ROUTED, here.lost_rules) if here.lost_rules else None


def case_missing(here: Standing) -> Skip | None:
    """Hold a Case that answered 404: it was deleted, or hidden from this key."""
    if here.link.case_absence is None:
        return None
    name = here.case.key or here.case.id
    return _absent(here, SkipReason.CASE_MISSING, here.link.case_absence.times, "Coralogix", name)


def incident_missing(here: Standing) -> Skip | None:
    """Hold a record that answered 404: it was deleted, or hidden from this user."""
    if here.link.incident_absence is None:
        return None
    name = here.link.number or here.link.sys_id
    return _absent(here, SkipReason.INCIDENT_MISSING, here.link.incident_absence.times, "ServiceNow", name)


def doubled(here: Standing) -> Skip | None:
    """Hold a record that somebody copied with key and mark: a person has to say which one counts."""
    return duplicates(here, [here.incident, *here.further]) if here.incident and here.further else None


def pending_again(here: Standing) -> Skip | None:
    """Wait for a Case that fell back to waiting for its activation; it has no stage until then."""
    if here.case.status != PENDING:
        return None
    return here.skip(SkipReason.PENDING_ACTIVATION, "the Case waits to be activated again")


def unknown_status(here: Standing) -> Skip | None:
    """Hold a Case with a status that this program does not know; it is never guessed."""
    if here.case_stage is not None:
        return None
    return here.skip(SkipReason.UNKNOWN_STATE, f"the Case has the unknown status {here.case.status!r}")


def unknown_state(here: Standing) -> Skip | None:
    """Hold a record with a state of the instance's own that no table of the config explains."""
    incident = here.incident
    if incident is None or here.incident_stage is not None:
        return None
    where = f"[servicenow.{incident.connector}.states]"
    detail = f"{incident.number} has the unknown state {incident.state!r}; {where} can name it"
    return here.skip(SkipReason.UNKNOWN_STATE, detail)


def unread(here: Standing) -> Skip | None:
    """Wait for a record that was bound and not read yet; an alert need never be read."""
    if here.incident or here.is_event:
        return None
    return here.skip(SkipReason.SETTLING, "the record was not read yet")


def not_ours(here: Standing) -> Skip | None:
    """Hold a record that somebody took key or mark from: it may be another's by now."""
    if here.incident is None or here.is_event or here.is_ours:
        return None
    return here.skip(SkipReason.REJECTED, f"{here.incident.number} does not bear this Case's key and our mark any more")


OBSTACLES: tuple[Callable[[Standing], Skip | None], ...] = (
    lost_rules,
    case_missing,
    incident_missing,
    doubled,
    pending_again,
    unknown_status,
    unknown_state,
    unread,
    not_ours,
)
"""The first that stands in the way is told."""


def blocked(here: Standing) -> Skip | None:
    """Say what keeps a link from being written at all."""
    return next((found for rule in OBSTACLES if (found := rule(here))), None)


def moved_back(here: Standing) -> Skip | None:
    """Notice a side that was moved back across ``resolved``: a reopened record, a Case that fired again."""
    if here.incident and here.is_incident_back:
        return here.skip(SkipReason.INCIDENT_REOPENED, f"{here.incident.number} was reopened and is left to people")
    if here.is_case_back:
        return here.skip(SkipReason.CASE_MOVED_BACK, "the Case was resolved before and is open again")
    return None


def stands_back(here: Standing) -> Skip | None:
    """Name a side that was moved back below ``resolved``, where that is why the sides are not equal."""
    if here.incident is None or here.case_at == here.incident_at:
        return None
    if here.incident_at < here.incident_peak:
        detail = f"{here.incident.number} was moved back; it follows only news"
        return here.skip(SkipReason.INCIDENT_REOPENED, detail)
    if here.case_at < here.case_peak:
        return here.skip(SkipReason.CASE_MOVED_BACK, "the Case was moved back; it follows only news")
    return None


def duplicates(here: Standing, records: Iterable[Incident]) -> Skip:
    """Name every record that bears one Case's key."""
    names = ", ".join(
        sorted(f"{record.number} ({record.connector}/{record.table}, {record.sys_id})" for record in records)
    )
    return here.skip(SkipReason.DUPLICATE_INCIDENTS, f"these records bear this Case's key: {names}")


def _absent(here: Standing, reason: SkipReason, times: int, system: str, name: str) -> Skip:
    """Hold what answered 404 twice; once is only a suspicion and is asked again in a later cycle."""
    if times >= 2:
        return here.skip(reason, f"{system} answered 404 for {name} {times} times: deleted, or hidden from us")
    return here.skip(SkipReason.SETTLING, f"{system} answered 404 for {name} once; it is asked again")
