"""The lifecycle of a Case as tables: which step may be taken from which status, and where it leads.

There are two profiles, since the public sources disagree. A step is refused from a status that its table does not
name; a step that leads back to the same status is a repeat, which is answered with 200 and changes nothing. Sources:
the diagram at docs.coralogix.com ``/user-guides/cases/overview``; the skill ``cx-cases`` of Coralogix's own command
line.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

PENDING = "PENDING_ACTIVATION"
ACTIVE = "ACTIVE"
ACKNOWLEDGED = "ACKNOWLEDGED"
RESOLVED = "RESOLVED"
CLOSED = "CLOSED"
STATUSES = (PENDING, ACTIVE, ACKNOWLEDGED, RESOLVED, CLOSED)
OVER = frozenset({RESOLVED, CLOSED})


class Profile(StrEnum):
    """Choose which reading of the sources the world follows."""

    STRICT = "strict"
    """the diagram of the docs: only a resolved Case is closed, and a repeat is refused"""
    LENIENT = "lenient"
    """the skill's table: an unresolved Case may be closed, and a repeat changes nothing"""


class Step(StrEnum):
    """A change of status; the last five are taken by the system alone."""

    ACKNOWLEDGE = "acknowledge"
    UNACKNOWLEDGE = "unacknowledge"
    RESOLVE = "resolve"
    CLOSE = "close"
    ACTIVATE = "activate"
    RECOVER = "recover"
    """the signal went away, or nothing happened for long"""
    AUTO_CLOSE = "auto_close"
    REACTIVATE = "reactivate"
    """the same signal came back: stated by one source only, and it undoes a resolve"""


Table = Mapping[Step, Mapping[str, str]]

STRICT: Table = {
    Step.ACKNOWLEDGE: {ACTIVE: ACKNOWLEDGED},
    Step.UNACKNOWLEDGE: {ACKNOWLEDGED: ACTIVE},
    Step.RESOLVE: {ACTIVE: RESOLVED, ACKNOWLEDGED: RESOLVED},
    Step.CLOSE: {RESOLVED: CLOSED},
    Step.ACTIVATE: {PENDING: ACTIVE},
    Step.RECOVER: {PENDING: RESOLVED, ACTIVE: RESOLVED, ACKNOWLEDGED: RESOLVED},
    Step.AUTO_CLOSE: {RESOLVED: CLOSED},
    Step.REACTIVATE: {RESOLVED: ACTIVE},
}

LENIENT: Table = {
    **STRICT,
    Step.ACKNOWLEDGE: {ACTIVE: ACKNOWLEDGED, ACKNOWLEDGED: ACKNOWLEDGED},
    Step.UNACKNOWLEDGE: {ACKNOWLEDGED: ACTIVE, ACTIVE: ACTIVE},
    Step.RESOLVE: {ACTIVE: RESOLVED, ACKNOWLEDGED: RESOLVED, RESOLVED: RESOLVED},
    Step.CLOSE: {ACTIVE: CLOSED, ACKNOWLEDGED: CLOSED, RESOLVED: CLOSED, CLOSED: CLOSED},
}

TABLES: Mapping[Profile, Table] = {Profile.STRICT: STRICT, Profile.LENIENT: LENIENT}


def target(profile: Profile, step: Step, status: str) -> str | None:
    """Say where a step leads from a status; None when the profile refuses it."""
    return TABLES[profile][step].get(status)
