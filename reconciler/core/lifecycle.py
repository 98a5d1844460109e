"""The lifecycles as tables: Case status to stage, Incident state to word and stage, and the verbs between.

Rules of this file: data first, then look-ups; an unknown word gives None and is never guessed.
Source of the status and state words: Coralogix Cases API v5; ServiceNow ``incident`` table.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.core.copies import replace
from reconciler.core.frozen import dataclass
from reconciler.core.model import Case, Stage, Verb

PENDING = "PENDING_ACTIVATION"

CASE_STAGES: dict[str, Stage] = {
    "ACTIVE": Stage.OPEN,
    "ACKNOWLEDGED": Stage.ACKNOWLEDGED,
    "RESOLVED": Stage.RESOLVED,
    "CLOSED": Stage.CLOSED,
}

OPEN_STATUSES = (PENDING, *(status for status, stage in CASE_STAGES.items() if stage < Stage.CLOSED))
"""Those from which a Case still moves."""

STATE_WORDS: dict[str, str] = {
    "1": "new",
    "2": "in_progress",
    "3": "on_hold",
    "6": "resolved",
    "7": "closed",
    "8": "canceled",
}
"""The states of the ``incident`` table, by the value that the API sends."""

WORD_STAGES: dict[str, Stage] = {
    "new": Stage.OPEN,
    "in_progress": Stage.ACKNOWLEDGED,
    "on_hold": Stage.ACKNOWLEDGED,
    "resolved": Stage.RESOLVED,
    "closed": Stage.CLOSED,
    "canceled": Stage.CLOSED,
}

STAGE_WORDS: dict[Stage, str] = {
    Stage.OPEN: "new",
    Stage.ACKNOWLEDGED: "in_progress",
    Stage.RESOLVED: "resolved",
    Stage.CLOSED: "closed",
}
"""The state word that a stage stands for where an instance maps a state of its own to a stage."""

ASSIGNED = "assigned"
"""Not a state: it holds for a record that is not over and has somebody in ``assigned_to``."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step forward as each part of the program calls it."""

    stage: Stage
    """where it leads"""
    verb: Verb
    """what it asks of a Case"""
    inbound: str
    """the table of ``[inbound.NAME]`` with the fields that bring a record there"""
    outbound: str
    """the list of ``[outbound.NAME]`` with the words that ask it of a Case"""


STEPS: tuple[Step, ...] = (
    Step(stage=Stage.ACKNOWLEDGED, verb=Verb.ACKNOWLEDGE, inbound="on_acknowledge", outbound="acknowledge_on"),
    Step(stage=Stage.RESOLVED, verb=Verb.RESOLVE, inbound="on_resolve", outbound="resolve_on"),
    Step(stage=Stage.CLOSED, verb=Verb.CLOSE, inbound="on_close", outbound="close_on"),
)
"""The steps in their order: the one table of verbs, policies and stages."""

STEP_TO = {step.stage: step for step in STEPS}
STEP_OF = {step.verb: step for step in STEPS}

_ACTIVE_STATUSES = frozenset({"ACTIVE", "ACKNOWLEDGED"})
_NOT_OVER_STATUSES = _ACTIVE_STATUSES | {PENDING}
_OVER_STATUSES = frozenset(status for status, stage in CASE_STAGES.items() if stage >= Stage.RESOLVED)


def shows_activity(case: Case) -> bool:
    """Return whether a Case is, or bears a sign of having been, active.

    A Case has a key only once it was active (Coralogix Cases API v5), and only an active one is acknowledged. A Case
    may be resolved without ever having been active, so ``RESOLVED`` alone is no sign.
    """
    return case.status in _ACTIVE_STATUSES or case.key is not None or case.acknowledged_at is not None


def as_known(known: Case, read: Case) -> Case:
    """Add to a Case what its answer leaves out and was known before: its address, and since when it is active again."""
    url, at = read.url or known.url, read.reactivated_at or _came_back_at(known, read) or known.reactivated_at
    return read if (url, at) == (read.url, read.reactivated_at) else replace(read, url=url, reactivated_at=at)


def _came_back_at(known: Case, read: Case) -> datetime | None:
    """Return when a Case that was over changed, if it is not over any more.

    Coralogix's description of a Case has no time of a re-activation, so not every team need be told one.
    """
    is_later = read.updated_at and known.updated_at and read.updated_at > known.updated_at
    came_back = known.status in _OVER_STATUSES and read.status in _NOT_OVER_STATUSES
    return read.updated_at if is_later and came_back else None


def case_stage(status: str) -> Stage | None:
    """Place a Case's status; None when it is pending or unknown."""
    return CASE_STAGES.get(status)


def verbs(start: Stage, target: Stage) -> tuple[Verb, ...]:
    """List the verbs that bring a Case from one stage to a higher one.

    A Case need not be acknowledged to be resolved, but only a resolved Case is closed.
    An empty tuple means that there is nothing to do; no verb ever leads back.
    """
    if target <= start:
        return ()
    if target is Stage.CLOSED and start < Stage.RESOLVED:
        return (Verb.RESOLVE, Verb.CLOSE)
    return (STEP_TO[target].verb,)
