"""The log of requests, between the clients and the store.

The clients run in several threads; the store is written from one. Each request is noted with the action that it was
made for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from reconciler.core.copies import replace
from reconciler.core.model import Action, ActionKind, HttpRecord, System, Verb
from reconciler.store.values import SENT_OUTCOME_UNKNOWN

_action_seq: ContextVar[int | None] = ContextVar("action_seq", default=None)


@contextmanager
def made_for(action_seq: int) -> Iterator[None]:
    """Note the requests of this block under one action of the journal."""
    token = _action_seq.set(action_seq)
    try:
        yield
    finally:
        _action_seq.reset(token)


class RequestLog:
    """Collect requests until the store takes them."""

    def __init__(self) -> None:
        self._records: list[HttpRecord] = []
        self._lock = threading.Lock()

    def note(self, record: HttpRecord) -> None:
        """Add one request; the clients call this."""
        with self._lock:
            self._records.append(replace(record, action_seq=_action_seq.get()))

    def take(self) -> tuple[HttpRecord, ...]:
        """Return what was collected, and clear it."""
        with self._lock:
            taken, self._records = tuple(self._records), []
        return taken

    def take_of(self, action_seq: int) -> tuple[HttpRecord, ...]:
        """Return and clear what was collected for one action."""
        with self._lock:
            taken = tuple(record for record in self._records if record.action_seq == action_seq)
            self._records = [record for record in self._records if record.action_seq != action_seq]
        return taken


_CASE_WRITES: Mapping[Verb, tuple[str, str]] = {
    Verb.ACKNOWLEDGE: ("PUT", "acknowledged"),
    Verb.RESOLVE: ("PUT", "resolved"),
    Verb.CLOSE: ("POST", "closed"),
}


def intended(action: Action, now: datetime) -> HttpRecord:
    """Describe the first write of an action before it is sent."""
    if action.kind is ActionKind.ADVANCE_CASE:
        method, word = _CASE_WRITES[action.path[0]]
        return _unanswered(System.CORALOGIX, method, f"/mgmt/openapi/5/cases/{word}/v1/{action.case_id}", now)
    table = f"/api/now/table/{action.table}"
    method, path = {
        ActionKind.CREATE_INCIDENT: ("POST", table),
        ActionKind.ADOPT_INCIDENT: ("GET", f"{table}/{action.sys_id}"),
        ActionKind.SEND_EVENT: ("POST", "/api/global/em/jsonv2"),
    }.get(action.kind, ("PATCH", f"{table}/{action.sys_id}"))
    return _unanswered(System.SERVICENOW, method, path, now)


def left_open(action: Action, now: datetime) -> tuple[HttpRecord, ...]:
    """Describe every write that a killed process may have sent for an action: of a path, each verb."""
    writes = [replace(action, path=(verb,)) for verb in action.path] or [action]
    return tuple(replace(intended(one, now), outcome=SENT_OUTCOME_UNKNOWN) for one in writes)


def _unanswered(system: System, method: str, path: str, now: datetime) -> HttpRecord:
    return HttpRecord(
        system=system, method=method, path=path, status=None, duration_ms=0, request_id=None, attempt=1, sent_at=now
    )
