"""The log of the requests that left the program, on their way from the clients to the store.

The clients run in several threads; the store is written from one. Each request is noted under the action that
it was made for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from reconciler.core.model import HttpRecord

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
        """Add one request; this is the observer that the clients are given."""
        with self._lock:
            self._records.append(replace(record, action_seq=_action_seq.get()))

    def take(self) -> tuple[HttpRecord, ...]:
        """Hand over what was collected, and forget it."""
        with self._lock:
            taken, self._records = tuple(self._records), []
        return taken

    def take_of(self, action_seq: int) -> tuple[HttpRecord, ...]:
        """Hand over what was collected for one action, and keep the rest."""
        with self._lock:
            taken = tuple(record for record in self._records if record.action_seq == action_seq)
            self._records = [record for record in self._records if record.action_seq != action_seq]
        return taken
