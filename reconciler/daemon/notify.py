"""Report the daemon's state to the service manager by the sd_notify protocol.

Each message is one datagram to the socket that NOTIFY_SOCKET names. Without it, or when it cannot be reached, nothing
happens: the daemon works the same with no manager above it. Protocol: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

from reconciler.telemetry.log import escape_controls, redact

_SEND_LIMIT_SECONDS = 1.0
_STATUS_LIMIT_CHARACTERS = 600


class Notifier:
    """Send the daemon's state to the service manager. Safe for several threads; never raises OSError."""

    def __init__(self, address: str | None = None, *, watchdog_seconds: float | None = None) -> None:
        self._address = address
        self.watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """Read NOTIFY_SOCKET, and the watchdog's interval where it is meant for this process."""
        return cls(environ.get("NOTIFY_SOCKET"), watchdog_seconds=_watchdog_seconds(environ))

    def ready(self) -> None:
        """Report that the daemon has started, or has reloaded its config."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the config is being reloaded; ``ready`` ends it. systemd 253 and newer require the time."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """Report in one line, cut at 600 characters and without secrets, what the daemon is doing."""
        self._send(f"STATUS={escape_controls(redact(text))[:_STATUS_LIMIT_CHARACTERS]}")

    def watchdog(self) -> None:
        """Report that the daemon is alive; systemd kills it when this is missing for ``watchdog_seconds``."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        # Other forms of address (vsock) are for virtual machines, not for services.
        if self._address is None or not self._address.startswith(("/", "@")):
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # A manager that cannot be reached is no reason to stop working.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(_SEND_LIMIT_SECONDS)
            sender.sendto(message.encode(), address)


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return the watchdog's interval; None when it is off, not a number, or meant for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 1_000_000 if text.isdecimal() and int(text) > 0 else None
