"""What happened to a Case, step by step, as Coralogix itself wrote it down: when, by whom, from what to what.

Kinds and actors keep the service's own words, since both lists grow; a word that is not known here is kept as it is.
Source: ``case_events_service.openapi.json`` of coralogix/coralogix-management-sdk.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from reconciler.core.frozen import dataclass


class CaseEventKind(StrEnum):
    """The kinds of events, each by its key in ``eventData``."""

    CREATED = "created"
    STATUS = "statusChanged"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    ASSIGN_FAILED = "changeAssigneeFailed"
    PRIORITY = "priorityDetailsChanged"
    TITLE = "titleChangedEvent"
    REASON = "resolutionReasonChangedEvent"
    COMMENT = "comment"
    KPI = "kpiBreached"
    NOTIFIED = "notificationSent"
    NOT_NOTIFIED = "notificationFailed"


class ActorKind(StrEnum):
    """Who can act on a Case, each by its key in ``actor``."""

    SYSTEM = "system"
    USER = "user"
    API_KEY = "apiKey"
    SERVICENOW = "serviceNow"
    """the official integration, or who acted through it"""
    SLACK = "slack"
    TEAMS = "microsoftTeams"
    PAGER_DUTY = "pagerDuty"
    ALERT_MANAGER = "prometheusAlertManager"


@dataclass(frozen=True, kw_only=True)
class CaseActor:
    """Who did something to a Case; of a console user the service tells the id alone."""

    kind: str
    """an ActorKind, or a word that is newer than this program; empty where the service does not say"""
    id: str = ""
    name: str = ""
    """the name of a key, a user name, a display name or an address, whichever there is"""

    @property
    def label(self) -> str:
        """Return the actor as one word for journals: ``system``, ``apiKey:Sync key``; empty where nobody is named."""
        return ":".join(word for word in (self.kind, self.name or self.id) if word)


@dataclass(frozen=True, kw_only=True)
class CaseEvent:
    """One event of a Case. Enum words are short: ``ACTIVE``, ``P1``."""

    id: str
    """lower-case UUID"""
    case_id: str
    """the id by which the events were asked for"""
    kind: str
    """a CaseEventKind, or a word that is newer than this program"""
    actor: CaseActor
    happened_at: datetime
    """when it happened; may lie before ``stored_at``"""
    stored_at: datetime
    """when the service wrote it down, which is the order of events"""
    edited_at: datetime | None = None
    """comments alone can be edited, and deleted"""
    from_value: str = ""
    to_value: str = ""
    words: str = ""
    """what a person wrote, or what the service adds; untrusted"""
