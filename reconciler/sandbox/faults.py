"""Misbehaviour on request: which operation is struck, how, before or after its effect, and how often.

The faces of the sandbox make most of it an answer. What only a socket can show, the server does on the wire and the
in-process adapter raises, as it reaches a client.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase


class FaultKind(StrEnum):
    """What goes wrong."""

    TIMEOUT = "timeout"
    """no answer within the client's time limit"""
    RESET = "reset"
    """the connection is cut without an answer"""
    REFUSED = "refused"
    """nobody listens: the request never arrives (only before the effect)"""
    ERROR_500 = "error_500"
    """500; ServiceNow words it "Transaction cancelled: maximum execution time exceeded" """
    ERROR_502_HTML = "error_502_html"
    ERROR_503_HTML = "error_503_html"
    FORBIDDEN_403 = "forbidden_403"
    """a business rule or an ACL says no; after the effect: it took effect all the same"""
    UNAUTHORIZED_401 = "unauthorized_401"
    RATE_429 = "rate_429"
    """429 with Retry-After: 0"""
    HTML_200 = "html_200"
    """a maintenance or hibernation page with status 200"""
    REDIRECT_LOGIN = "redirect_login"
    TRUNCATED_JSON = "truncated_json"
    """200 whose JSON is cut, ServiceNow's with a trailing error object"""
    ERROR_IN_200 = "error_in_200"
    """200 with a complete JSON object that has an ``error``"""
    NO_CHANGE_200 = "no_change_200"
    """a write answers 200 with the record as it was: nothing was changed"""
    HIDDEN_ROWS = "hidden_rows"
    """a listing leaves out its rows: ``pbacTruncated``, or an empty page whose count is not 0"""
    STALE_LIST = "stale_list"
    """a listing shows the world as it was ``list_lag_seconds`` ago"""
    DROPPED_CONDITION = "dropped_condition"
    """a query condition is ignored and the result widens (ServiceNow)"""
    DRIP_HEAD = "drip_head"
    """the answer comes a byte at a time and never ends: a header that goes on and on"""
    DRIP_CHUNKS = "drip_chunks"
    """the same in the line that says how long a chunk is"""
    DRIP_BODY = "drip_body"
    """the same in the body"""
    ABSURD_HEADERS = "absurd_headers"
    """a good answer whose Date, Retry-After and X-Total-Count have thousands of digits"""
    STRANGE_TIMES = "strange_times"
    """a good answer; the times of one Case, event or record in it are of another ``year``"""


DRIPS = frozenset({FaultKind.DRIP_HEAD, FaultKind.DRIP_CHUNKS, FaultKind.DRIP_BODY})
ODD_ANSWERS = frozenset({FaultKind.ABSURD_HEADERS, FaultKind.STRANGE_TIMES})
"""These change what a good answer says, and nothing of what is done; before or after its effect is the same to them."""


@dataclass
class Fault:
    """Strike operations whose name matches a glob, before or after their effect.

    ``control.people`` lists the operations, such as ``cases.list``, ``records.create``, ``oauth.token``. ``times``
    counts down; None strikes for ever, or ``until`` a time of the world.
    """

    kind: FaultKind
    operation: str = "*"
    after_effect: bool = False
    times: int | None = 1
    probability: float = 1.0
    until: datetime | None = None
    """the fault is over then; a 429 or 503 says in ``Retry-After`` how many seconds are left"""
    retry_after: str = ""
    """the ``Retry-After`` of a 429 or 503, word for word; a plain 429 says 0, a plain 503 nothing"""
    echoes: bool = False
    """an answer in words repeats the request, its credentials included, as a careless proxy does"""
    year: int = 9999
    """of ``STRANGE_TIMES``: from 1 on, also beyond what a date can hold"""


class FaultPlan:
    """Keep the faults that are planned for one world, and count those that struck. Safe for several threads."""

    def __init__(self, seed: int = 0) -> None:
        self._faults: list[Fault] = []
        self._random = random.Random(seed)  # noqa: S311 - a replayable schedule, not a secret
        self._lock = threading.Lock()
        self.struck: Counter[str] = Counter()
        self.kinds: Counter[FaultKind] = Counter()
        self.waits_told = 0
        """how many requests were told how long to wait"""

    def add(self, fault: Fault) -> None:
        """Plan one more fault."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Forget every planned fault; the counts stay."""
        with self._lock:
            self._faults.clear()

    def take(self, operation: str, now: datetime | None = None) -> Fault | None:
        """Return the fault that strikes this call of an operation, if any, and count it.

        Where several could, the one that was planned first does. Faults that were over at ``now`` are forgotten.
        """
        with self._lock:
            if now is not None:
                self._faults = [fault for fault in self._faults if fault.until is None or now < fault.until]
            for fault in self._faults:
                if fnmatchcase(operation, fault.operation) and self._random.random() < fault.probability:
                    self._use_up(fault)
                    side = "after" if fault.after_effect else "before"
                    self.struck[f"{operation} {fault.kind.value} {side}"] += 1
                    self.kinds[fault.kind] += 1
                    self.waits_told += fault.until is not None
                    return fault
        return None

    def _use_up(self, fault: Fault) -> None:
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
