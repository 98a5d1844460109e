"""The daemon's config in force, and the context built from it.

Rules of this file: a new context replaces the old one between two cycles, completely or not at all; a config that
cannot be read leaves the old one in force, and the log says why.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from reconciler.cli.build import build_context, keep_config, secret_values
from reconciler.cli.telling.telling import Telling
from reconciler.config.model import Config
from reconciler.core.errors import ConfigError
from reconciler.daemon.timetable import Timetable
from reconciler.engine.context import Context, ProgressCallback
from reconciler.store.store import Store

logger = logging.getLogger(__name__)


class LiveContext:
    """The context in force; a new one is built when the config is reloaded or a secret changed on disk.

    ``reload`` is for the main thread, ``current`` for the one that runs the cycles.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        telling: Telling,
        read: Callable[[], Config],
        stop: threading.Event,
        progress: ProgressCallback,
    ) -> None:
        self._read = read
        self._telling = telling
        self._store = store
        self._stop = stop
        self._progress = progress
        self._lock = threading.Lock()
        self._kept = ""
        """the hash of the config whose text the database has"""
        self._take(config)

    def timetable(self) -> Timetable:
        """Return the timetable of the config in force."""
        return Timetable(poll_seconds=self._config.schedule.poll.total_seconds())

    def reload(self) -> Timetable:
        """Load the config from disk; raise ConfigError, and change nothing, where it cannot be used."""
        config = self._read()
        mine, named = self._config.state.path, config.state.path
        if mine != named:
            raise ConfigError(
                [f"[state] path is {named} now, and a daemon stays with its database, {mine}: restart it"]
            )
        with self._lock:
            self._take(config)
        return self.timetable()

    def current(self) -> Context:
        """Return the context for the next cycle, with the secrets as they are on disk now."""
        with self._lock:
            try:
                self._take_up_secrets()
            except ConfigError as error:
                self._tell_once(str(error))
            if self._kept != self._config.policy_hash:
                keep_config(self._config, self._store)
                self._kept = self._config.policy_hash
            return self._context

    def _take(self, config: Config) -> None:
        secrets, told = secret_values(config), self._telling.request
        context = build_context(config, self._store, stop=self._stop, progress=self._progress, told=told)
        self._telling.take_up(config)
        if config.observes:
            logger.info('mode = "observe": everything is read and planned, nothing is sent')
        self._context, self._config, self._secrets, self._unread = context, config, secrets, ""

    def _take_up_secrets(self) -> None:
        """Build a new context if a secret changed."""
        if secret_values(self._config) == self._secrets:
            self._unread = ""
            return
        self._take(self._config)
        logger.info("a secret changed on disk and is taken up")

    def _tell_once(self, words: str) -> None:
        """Warn once of a secret that cannot be read; it may be in the middle of being replaced."""
        if words != self._unread:
            logger.warning("a secret cannot be read, the one before stays in use", extra={"because": words})
        self._unread = words
