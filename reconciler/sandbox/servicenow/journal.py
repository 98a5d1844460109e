"""Every write that was asked of an instance, and what came of it: tests state by it what must always hold.

It is kept apart from the tables, so that a mistake in the rules that change those does not show the same here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from reconciler.core.frozen import dataclass


class Operation(StrEnum):
    """What a write does to a record."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    """a copy was put in its place: by no rule, and by nobody who works with it"""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts on a world, and by which way in."""

    user_name: str
    roles: frozenset[str] = frozenset({"itil"})
    via_api: bool = False
    """through the Table API, where choices are filtered and ACLs hold; else in a form"""
    script: bool = False
    """a background script: no choice filter, no data policy, no business rule that aborts"""
    silent: bool = False
    """``autoSysFields(false)``: no system field moves"""

    @property
    def is_admin(self) -> bool:
        """Return whether this is an administrator."""
        return "admin" in self.roles


@dataclass(frozen=True, kw_only=True)
class Write:
    """One write that was asked for, and what came of it."""

    at: datetime
    """the world's time, to the microsecond"""
    actor: str
    via_api: bool
    operation: Operation
    table: str
    sys_id: str
    """empty where a create was refused before it had one"""
    correlation_id: str = ""
    state_before: str = ""
    """empty on a create"""
    state_after: str = ""
    """empty on a delete; as before where nothing was effected"""
    asked: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    """field -> new value, of what was effected; system fields are left out"""
    noted: bool = False
    """a work note or comment was added"""
    accepted: bool
    """False: refused, or lost on its way in; nothing was effected"""
    refusal: str = ""

    @property
    def changed_nothing(self) -> bool:
        """Return whether the write was accepted and had no effect."""
        return self.accepted and self.operation is Operation.UPDATE and not self.changed and not self.noted


class Denial(Exception):
    """Refuse a request as the Table API does, with its status and its two texts."""

    def __init__(self, status: int, message: str, detail: str | None = None) -> None:
        self.status = status
        self.message = message
        self.detail = detail
        super().__init__(detail or message)
