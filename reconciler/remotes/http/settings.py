"""How a host is reached, as values: addresses, limits, and headers that each service uses.

Nothing here imports requests, so that a config can be read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from reconciler.core.frozen import dataclass
from reconciler.core.model import HttpRecord, System
from reconciler.core.usual import REQUESTS_PER_SECOND, WORKERS

Observer = Callable[[HttpRecord], None]
"""Is told of each request, in the thread that sent it."""


def ignore_record(record: HttpRecord) -> None:
    """Observe nothing."""


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """How one host is reached. Every limit is set: there is no request without one."""

    base_url: str
    """scheme and host, without a path"""
    proxies: Mapping[str, str] = field(default_factory=dict)
    """scheme -> proxy URL"""
    ca_bundle: str | None = None
    """path of the certificates to trust; None: those that come with requests"""
    connect_seconds: float = 10.0
    read_seconds: float = 75.0
    """longest silence; ServiceNow's own limit for a request is 60 s"""
    total_seconds: float = 120.0
    """longest whole answer, from the first byte sent to the last received"""
    max_answer_bytes: int = 64 * 1024 * 1024
    """unpacked"""
    requests_per_second: float = REQUESTS_PER_SECOND
    """a ceiling: the service's complaints make the pace slower"""
    burst: int = 20
    read_attempts: int = 3
    """how often a read is sent before its failure counts; a write is never sent again"""
    pool_size: int = WORKERS
    keep_bodies: bool = False
    """report what each request sent, without secrets"""
    reads_only: bool = False
    """nothing is sent but what ``reads`` lists"""


@dataclass(frozen=True, kw_only=True)
class Habits:
    """Whether one service uses cookies, and its headers for request ids."""

    keeps_cookies: bool
    sends_id: str = ""
    """header in which we name each request"""
    answers_id: str = ""
    """header in which the service names each request"""


HABITS = {
    System.CORALOGIX: Habits(keeps_cookies=False, sends_id="x-cx-correlation-id"),
    System.SERVICENOW: Habits(keeps_cookies=True, answers_id="x-transaction-id"),
}
