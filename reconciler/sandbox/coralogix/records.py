"""What a Coralogix world holds beside its Cases: actors, events, the journal, deliveries, knobs and refusals.

All values are frozen; all times are aware and UTC, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from reconciler.core.case_events import CaseEventKind
from reconciler.core.frozen import dataclass

NAMESPACE = UUID("5b7f2f3a-0f4e-5a53-9d1e-8f6f7a3c2b10")
"""All ids of a world are computed in this namespace, so that a world can be played again."""

REASON_LIMIT = 500
TITLE_LIMIT = 512
COMMENT_LIMIT = 10_000


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts; ``kind`` is the key of the API: ``user``, ``system``, ``apiKey``, ``serviceNow``, ``slack``."""

    kind: str
    id: str = ""
    name: str = ""


SYSTEM = Actor(kind="system")
PERSON = Actor(kind="user", id=str(uuid5(NAMESPACE, "user/somebody")), name="somebody")
SERVICE_NOW = Actor(kind="serviceNow", id="6816f79cc0a8016401c5a33be04be441", name="integration.user")
API_KEY = Actor(kind="apiKey", id=str(uuid5(NAMESPACE, "key/sandbox")), name="Sandbox key")

ACTORS: Mapping[str, Actor] = {actor.kind: actor for actor in (SYSTEM, PERSON, SERVICE_NOW, API_KEY)}


def person(name: str) -> Actor:
    """Make a user of the console whose id follows from the name."""
    return Actor(kind="user", id=str(uuid5(NAMESPACE, f"user/{name}")), name=name)


def as_actor(by: Actor | str) -> Actor:
    """Take an actor as it is, or the usual one of a kind; raise KeyError for an unknown kind."""
    return by if isinstance(by, Actor) else ACTORS[by]


class Change(StrEnum):
    """What can change in a Case, for the knob that says what moves its update time."""

    STATUS = "status"
    PRIORITY = "priority"
    ASSIGNEE = "assignee"
    TITLE = "title"
    REASON = "reason"
    INDICATOR = "indicator"
    KPI = "kpi"
    COMMENT = "comment"


@dataclass(frozen=True, kw_only=True)
class CaseKnobs:
    """Choose between behaviours that no public source decides; the defaults are the likeliest."""

    seed: int = 0
    """another seed gives other Case ids"""
    offset_tokens: bool = False
    """page tokens count rows, so that rows which move are skipped or repeated; else they name the last row"""
    fresh_update_time_null: bool = False
    """a Case has no update time until something changes"""
    nulls_first: bool = False
    """where missing update times stand when listed newest first"""
    list_lag_seconds: float = 0.0
    """every listing shows the world as it was so long ago"""
    stale_list_seconds: float = 60.0
    """how old a listing is that a ``STALE_LIST`` fault strikes"""
    moves_update_time: frozenset[Change] = frozenset(
        {Change.STATUS, Change.PRIORITY, Change.ASSIGNEE, Change.TITLE, Change.REASON}
    )
    fractional_digits: int = 6
    """0, 3, 6 or 9 digits of a second in the times that are shown; the order keeps microseconds"""
    duplicate_rows: bool = False
    """the last row of a page with more than one row to show is given twice"""
    extra_fields: bool = False
    """objects hold members that no description names (HTTP only)"""
    null_optionals: bool = False
    """optional members without a value are an explicit null (HTTP only)"""
    tells_reactivation: bool = True
    """a Case says when it was last re-activated, which the API's description does not name (HTTP only)"""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event of a Case; ``data`` has our own short words, which the wire form spells out."""

    id: str
    case_id: str
    actor: Actor
    time: datetime
    key: CaseEventKind
    data: Mapping[str, Any] = field(default_factory=dict)
    edited_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """One change that was asked for, so that tests can say what must always hold without asking the code."""

    time: datetime
    actor: str
    """the actor's kind"""
    verb: str
    case_id: str
    """as it was sent, where no such Case exists"""
    from_status: str
    to_status: str
    """the status afterwards, also of a refused step"""
    accepted: bool
    changed: bool
    detail: str = ""
    """why it was refused, or the fault that made it void"""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The official ServiceNow integration was told of a Case; no URL means that it failed."""

    time: datetime
    evidence_url: str = ""


class NoSuchCaseError(Exception):
    """There is no such Case, or it is hidden."""


class StepRefusedError(Exception):
    """The world refuses a change, in the service's words."""


class BadTokenError(Exception):
    """A page token was not made by this world for this order."""
