"""SIGHUP: load the config from disk, or keep the present one and say why. Never ends the daemon."""

from __future__ import annotations

import logging
from collections.abc import Callable

from reconciler.core.errors import ReconcilerError
from reconciler.daemon.notify import Notifier
from reconciler.daemon.timetable import Timetable

logger = logging.getLogger(__name__)

Reload = Callable[[], Timetable]
"""Loads the config from disk, completely or not at all; raises ReconcilerError where it cannot be used."""


class Reloader:
    """Load a config between RELOADING=1 and READY=1, and remember why the last one failed."""

    def __init__(self, reload: Reload, notifier: Notifier) -> None:
        self._reload = reload
        self._notifier = notifier
        self._refused = ""

    def take_up(self) -> Timetable | None:
        """Return the timetable of the new config; None where the old one stays in force."""
        self._notifier.reloading()
        timetable: Timetable | None = None
        trace: Exception | None = None
        try:
            timetable, self._refused = self._reload(), ""
        except ReconcilerError as error:
            self._refused = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours in reading is no reason to stop working
            self._refused, trace = f"{type(error).__name__}: {error}", error
        if timetable is None:
            facts = {"because": self._refused}
            logger.error("config not taken up, the one before stays in force", extra=facts, exc_info=trace)
        else:
            logger.info("config taken up", extra={"poll_seconds": timetable.poll_seconds})
        self._notifier.ready()
        return timetable

    def add_to(self, status: str) -> str:
        """Add to a status line that the config on disk is not the one in force, while that is so."""
        return f"{status} | the config on disk is not in force: {self._refused}" if self._refused else status
