"""The signals that come while the program loads, which takes longer than a service manager may wait to change its mind.

They are kept until it is known what was asked for: the daemon heeds them before its first cycle, every other command
gets them as if nothing had kept them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

STOPPING = (signal.SIGTERM, signal.SIGINT)

Handler = Callable[[int, FrameType | None], object] | int | None


class EarlySignals:
    """Keep the names of signals from ``hold`` on. Main thread only; nothing is lost between two handlers."""

    def __init__(self) -> None:
        self.names: list[str] = []
        """in the order in which they came; a list, since nothing heavier may be loaded before the first of them"""
        self.had_terminal: bool | None = None
        """whether there was a terminal when they were held; None where none are"""
        self._before: dict[signal.Signals, Handler] = {}

    def hold(self) -> None:
        """Keep SIGTERM, SIGINT and SIGHUP, but for those that this process was started to ignore."""
        self.had_terminal = has_terminal()
        for each in (*STOPPING, signal.SIGHUP):
            if signal.getsignal(each) is not signal.SIG_IGN:
                self._before[each] = signal.signal(each, self._hear)

    def let_go(self) -> None:
        """Put back what was there before, and send this process what came meanwhile."""
        self._put_back(*self._before)
        names, self.names = self.names, []
        for name in names:
            signal.raise_signal(signal.Signals[name])

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self.names.append(signal.Signals(number).name)
        if number in STOPPING:  # a second one ends the process at once
            self._put_back(*STOPPING)

    def _put_back(self, *numbers: signal.Signals) -> None:
        for each in numbers:
            if each in self._before and signal.getsignal(each) == self._hear:
                signal.signal(each, self._before[each])


EARLY = EarlySignals()
"""Those of this process."""


def has_terminal() -> bool:
    """Return whether this process has a terminal of its own that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
