"""What each daemon was shown and asked for, in order, and the gate at which the schedule strikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeVar

from reconciler.core.model import Case, Incident
from reconciler.sandbox.coralogix.records import JournalEntry
from reconciler.sandbox.servicenow.journal import Write
from tests.campaign.schedule import Interrupt, When

T = TypeVar("T")
MAIN = "main"
OTHER = "other"
"""the connectors"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Hold what one answer showed of one Case or record."""

    target: str
    """Case id or sys_id"""
    case_id: str
    """the Case itself, or the one whose id a record bears"""
    is_case: bool
    word: str
    """status or state"""
    is_assigned: bool = False
    came_back: float = 0
    """the service's own word that it was resolved and opened again: how often for a record, when last for a Case"""
    mark: str = ""
    version: float
    """grows with every announced change"""
    moved_at: float = 0
    """when it changed last, by the service's clock, which may be set back"""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Began:
    """A cycle of a host begins."""

    host: int
    database: int
    number: int
    at: float = 0
    """the services' time"""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A host was shown something; ``targeted`` when it asked for it by key."""

    host: int
    operation: str
    asked: tuple[str, ...]
    shown: tuple[Shown, ...]
    error: str = ""
    connector: str = MAIN
    told_to_wait: str = ""
    """the side that answered that it wants to be left alone; empty where none did"""
    partial: bool = False
    """the answer itself says that it does not show everything"""

    @property
    def targeted(self) -> bool:
        """Say whether the host asked for these by their key."""
        return bool(self.asked)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A host asked for a change."""

    host: int
    operation: str
    target: str
    case_id: str
    asked: Mapping[str, str]
    effects: tuple[Write | JournalEntry, ...]
    """what the service wrote down while it worked on this"""
    answer: Shown | None
    error: str
    connector: str = MAIN
    told_to_wait: str = ""
    hung: bool = False
    """no answer came in time"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A cycle of a host ended; ``well`` when it neither failed, was refused nor killed."""

    host: int
    number: int
    well: bool
    why: str = ""
    planned: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A database was copied away, or its copy put back."""

    database: int
    back: bool


@dataclass(frozen=True, kw_only=True)
class Acted:
    """Somebody, or time, did something; ``takes_from`` are the Cases whose records were deleted or made others'."""

    what: str
    takes_from: tuple[str, ...] = ()
    turns_back: bool = False
    """records may stand where they stood before, which is no lag of a listing"""
    hides_from: tuple[str, ...] = ()
    """the Cases whose records no daemon is shown from now on"""
    clones: bool = False
    """the second instance has the first one's records from now on, and what was written to those"""


Event = Began | Read | Request | Ended | Copied | Acted


class Gate:
    """Let a cycle's interrupts strike where they are due."""

    def __init__(self, interrupts: Sequence[Interrupt], strike: Callable[[Interrupt], None]) -> None:
        self._left = {index: interrupt.nth for index, interrupt in enumerate(interrupts)}
        self._interrupts = interrupts
        self._strike = strike
        self.closed = False

    def meet(self, operation: str, when: When) -> None:
        """Count one request, or commit, and strike if it is the one."""
        for index, interrupt in enumerate(self._interrupts):
            is_met = interrupt.when is when and fnmatchcase(operation, interrupt.operation)
            if self.closed or not is_met or (operation == "commit") != (interrupt.operation == "commit"):
                continue
            self._left[index] -= 1
            if self._left[index] == 0:
                self._strike(interrupt)


def target_of(connector: str, sys_id: str) -> str:
    """Name a record among those of all instances, since a cloned one has the same id as its original."""
    return sys_id if connector == MAIN else f"{connector}/{sys_id}"


def connector_of(target: str) -> str:
    """Give the connector of a record that is named among those of all instances."""
    return target.rpartition("/")[0] or MAIN


def side_of(event: Read | Request) -> str:
    """Name the side that was asked: ``cases``, or a connector."""
    return "cases" if event.operation.startswith("cases") else event.connector


def shown_case(case: Case) -> Shown:
    """Note what an answer shows of a Case."""
    moment = case.updated_at or case.created_at
    return Shown(
        target=case.id,
        case_id=case.id,
        is_case=True,
        word=case.status,
        came_back=case.reactivated_at.timestamp() if case.reactivated_at else 0,
        version=moment.timestamp(),
    )


def shown_record(incident: Incident) -> Shown:
    """Note what an answer shows of a record."""
    return Shown(
        target=target_of(incident.connector, incident.sys_id),
        case_id=incident.correlation_id,
        is_case=False,
        word=incident.state,
        is_assigned=bool(incident.assigned_to),
        came_back=incident.reopen_count,
        mark=incident.correlation_display,
        version=incident.mod_count,
        moved_at=incident.updated_at.timestamp(),
        fields={**incident.fields, "state": incident.state, "assigned_to": incident.assigned_to},
    )
