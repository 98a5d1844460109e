"""Messages to people through Apprise, and the heartbeat: each sent by a thread of its own.

Rules of this file: the caller never waits; what cannot be sent is retried for an hour with growing pauses, then given
up; an address is a secret, so it is named by where it is kept. The only user of Apprise, which is imported only when
used.
"""

from __future__ import annotations

import logging
import threading
import urllib.request
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from http.client import HTTPException

from reconciler.core.errors import ConfigError
from reconciler.core.frozen import dataclass

log = logging.getLogger(__name__)

LONGEST_QUEUE = 20
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 300.0
MOST_ATTEMPTS = 18
"""The 17 pauses between them last an hour."""
HEARTBEAT_LIMIT_SECONDS = 10.0
INSTALL = "pip install 'coralogix-servicenow-reconciler[notify]'"


class Severity(StrEnum):
    """How serious a message is, in the words of Apprise."""

    FAILURE = "failure"
    WARNING = "warning"
    SUCCESS = "success"
    INFO = "info"


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message to a person; it holds no secret."""

    title: str
    body: str
    severity: Severity
    arrived: threading.Event = field(default_factory=threading.Event, compare=False)
    """set as soon as one address took it"""


Deliver = Callable[[Message], bool]
"""Sends a message and returns whether it arrived; may block, in the thread of its sender."""


class _Worker(ABC):
    """A thread that works until ``close`` asks it to end."""

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def close(self) -> None:
        """Ask to end after what is due, without retrying what fails."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def join(self, limit_seconds: float) -> None:
        """Wait for the end, at most ``limit_seconds``."""
        self._thread.join(limit_seconds)

    @abstractmethod
    def _work(self) -> None:
        """Do the work, in the thread, until closed."""


class MessageSender(_Worker):
    """Send messages to one address, in order. Safe for any thread."""

    def __init__(
        self,
        name: str,
        deliver: Deliver,
        *,
        attempts: int = MOST_ATTEMPTS,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        super().__init__(f"messages to {name}")
        self.name = name
        self._deliver = deliver
        self._attempts = attempts
        self._first_pause_seconds = first_pause_seconds
        self._waiting: deque[Message] = deque()
        self._thread.start()

    def put(self, message: Message) -> None:
        """Queue a message; where too many wait, the oldest that is not being sent is dropped."""
        with self._changed:
            if len(self._waiting) >= LONGEST_QUEUE:
                del self._waiting[1]  # the first is being sent
                log.warning("too many messages wait for an address, and one was given up", extra={"address": self.name})
            self._waiting.append(message)
            self._changed.notify_all()

    def _work(self) -> None:
        while (message := self._next()) is not None:
            if self._brought(message):
                message.arrived.set()
            with self._changed:
                self._waiting.popleft()

    def _next(self) -> Message | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting[0] if self._waiting else None

    def _brought(self, message: Message) -> bool:
        """Try until a message arrives, its attempts are used up, or the sender is closed."""
        pause_seconds = self._first_pause_seconds
        for attempt in range(1, self._attempts + 1):
            if self._tried(message):
                return True
            facts = {"address": self.name, "attempt": attempt}
            if attempt == self._attempts:
                log.warning("a message was given up", extra=facts)
                break
            log.warning("a message could not be sent yet", extra=facts)
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause_seconds):
                    break
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        return False

    def _tried(self, message: Message) -> bool:
        try:
            return self._deliver(message)
        except Exception as error:  # noqa: BLE001 - of whatever kind: its words may hold the address
            log.warning("sending a message failed", extra={"address": self.name, "error": type(error).__name__})
            return False


class HeartbeatSender(_Worker):
    """Call an address after each complete cycle, so that a monitor notices when the calls stop.

    Raises ConfigError for anything but an http or https address.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(["[notify] heartbeat_url: the secret is no address that begins with https:// or http://"])
        super().__init__("heartbeat")
        self._url = url
        self._due = self._failed = False
        self._thread.start()

    def beat(self) -> None:
        """Ask for one call; asking again before it was made changes nothing."""
        with self._changed:
            self._due = True
            self._changed.notify_all()

    def call(self) -> bool:
        """Make one call now, and return whether it succeeded."""
        try:
            with urllib.request.urlopen(self._url, timeout=HEARTBEAT_LIMIT_SECONDS):  # noqa: S310 - http by the above
                return True
        except (OSError, ValueError, HTTPException):  # its words may hold the address
            return False

    def _work(self) -> None:
        while self._next():
            is_answered = self.call()
            if not is_answered and not self._failed:
                log.warning("the heartbeat found no good answer", extra={"limit_seconds": HEARTBEAT_LIMIT_SECONDS})
            self._failed = not is_answered

    def _next(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._due or self._closing)
            is_due, self._due = self._due, False
            return is_due


def require_apprise() -> None:
    """Raise ConfigError, with what to do, where Apprise is not installed."""
    try:
        import apprise  # noqa: F401, PLC0415 - an extra, and it takes a while
    except ImportError:
        raise ConfigError([f"[notify] urls needs Apprise, which is not installed: {INSTALL}"]) from None


def apprise_delivery(name: str, url: str) -> Deliver:
    """Return a function that sends to one Apprise address, kept in ``name``; raise ConfigError for an invalid one."""
    require_apprise()
    import apprise  # noqa: PLC0415 - an extra, and it takes a while

    # Its log lines contain addresses, and so tokens.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    at = apprise.Apprise()
    if not at.add(url):
        raise ConfigError([f"[notify] urls: the secret in {name} is no address that Apprise knows"])

    def deliver(message: Message) -> bool:
        severity = message.severity.value
        return bool(at.notify(body=message.body, title=message.title, notify_type=severity, body_format="text"))

    return deliver
