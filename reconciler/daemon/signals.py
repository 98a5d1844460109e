"""Signals as words in a queue: a handler must neither wait nor take a lock.

An event is not set by a handler: its lock is not reentrant, and a handler interrupts the very thread that may be
waiting on that event. A ``SimpleQueue`` is made for this.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from reconciler.daemon.early import STOPPING

Names = queue.SimpleQueue[str]


@contextmanager
def signals_into(names: Names, numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """Put the name of each of these signals into a queue. Main thread only.

    A SIGHUP that is ignored already stays ignored, as ``nohup`` requires.
    """

    def leave_word(number: int, _frame: FrameType | None) -> None:
        names.put(signal.Signals(number).name)

    before = {each: signal.getsignal(each) for each in numbers}
    taken = [each for each in before if not (each is signal.SIGHUP and before[each] is signal.SIG_IGN)]
    for each in taken:
        signal.signal(each, leave_word)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, before[each])


@contextmanager
def stop_on_signal(stop: threading.Event, told: Callable[[], None]) -> Iterator[None]:
    """Set ``stop`` at the first SIGTERM or Ctrl-C, then call ``told``, both in another thread.

    A second signal acts as it did before the block. Main thread only.
    """
    names: Names = queue.SimpleQueue()
    before = {each: signal.getsignal(each) for each in STOPPING}

    def leave_word(number: int, _frame: FrameType | None) -> None:
        names.put(signal.Signals(number).name)
        for each, handler in before.items():
            signal.signal(each, handler)

    def obey() -> None:
        if names.get():
            stop.set()
            told()

    obeying = threading.Thread(target=obey, name="stop-on-signal", daemon=True)
    obeying.start()
    for each in STOPPING:
        signal.signal(each, leave_word)
    try:
        yield
    finally:
        names.put("")  # where no signal came, this ends the thread
        obeying.join()
        for each, handler in before.items():
            signal.signal(each, handler)
