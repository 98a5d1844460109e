"""Report each cycle as the config in force says: metrics for Prometheus, messages to people.

Rules of this file: what the config does not ask for is not imported; nothing here fails or delays a cycle; a new config
is applied completely or not at all.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from reconciler.cli.times import oldest_read_allowed, utc_now
from reconciler.config.model import Config, ListenAddress, MetricsConfig
from reconciler.core.errors import ConfigError
from reconciler.core.model import HttpRecord, System
from reconciler.engine.context import Context
from reconciler.engine.report import CycleReport
from reconciler.store.store import Store

if TYPE_CHECKING:
    from reconciler.cli.telling.measure import Measuring
    from reconciler.cli.telling.messages import Messages
    from reconciler.telemetry.metrics_server import MetricsServer

log = logging.getLogger(__name__)


class Telling:
    """Report cycles as the config in force says, and serve the metrics; a context manager.

    ``take_up`` comes before everything else, in the main thread. ``request`` and ``complaints`` are for any thread, the
    other methods for the one that runs the cycles. Without ``serves`` no address is listened on: a process that ends
    with its cycle cannot be asked.
    """

    def __init__(self, store: Store, *, serves: bool) -> None:
        self._store = store
        self._serves = serves
        self._read_at: Mapping[str, datetime] = store.journal.last_whole_reads(utc_now())
        self._measuring: Measuring | None = None
        self._server: MetricsServer | None = None
        self._messages: Messages | None = None
        self._sending = threading.Lock()
        self._made_of: tuple[object, ...] = ()
        """the config and the secrets that the messages were made of"""
        self._began_at = utc_now()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        if self._messages is not None:
            self._messages.close(wait=True)

    # -- the config ------------------------------------------------------------------------------------------------

    def take_up(self, config: Config) -> None:
        """Apply a config; raise ConfigError, and change nothing, where what it asks for is not possible."""
        asked = config.metrics
        if asked.textfile is not None and not asked.textfile.parent.is_dir():
            raise ConfigError([f"[metrics] textfile: there is no folder {asked.textfile.parent}; make it first"])
        messages, made_of = self._messages_of(config)
        measuring = self._measuring_for(asked)
        try:
            server = self._moved_server(asked.listen, measuring) if self._serves else None
        except ConfigError:
            if messages is not None and messages is not self._messages:
                messages.close(wait=False)
            raise
        self._server, self._made_of = server, made_of
        # A message may be composed in the cycle's thread at this moment.
        with self._sending:
            before, self._messages = self._messages, messages
        if before is not None and before is not messages:
            before.close(wait=False)
        self._config, self._measuring = config, measuring
        if measuring is not None:
            measuring.textfile = asked.textfile
        self._limits = {System.CORALOGIX: config.coralogix.requests_per_second} | {
            name: one.requests_per_second for name, one in config.servicenow.items()
        }
        self._allowed = oldest_read_allowed(config.schedule.poll)
        self._note_reads()

    def _measuring_for(self, asked: MetricsConfig) -> Measuring | None:
        """Return what measures, as before where there is one; None where the config asks for no metrics."""
        if not (asked.listen or asked.textfile):
            return None
        from reconciler.cli.telling.measure import Measuring  # noqa: PLC0415 - only where it is asked for

        return self._measuring or Measuring(asked.textfile)

    def _messages_of(self, config: Config) -> tuple[Messages | None, tuple[object, ...]]:
        """Return the sender of messages for a config, and what it was made of; the old one if nothing changed."""
        notify = config.notify
        secrets = (*notify.urls, *([notify.heartbeat] if notify.heartbeat else []))
        made_of = (notify, *(secret.reveal() for secret in secrets))
        if not secrets or made_of == self._made_of:
            return (self._messages if secrets else None), made_of
        from reconciler.cli.telling.messages import Messages, source_of  # noqa: PLC0415 - only where it is asked for

        return Messages(notify, self._store, source=source_of(config.source)), made_of

    def _moved_server(self, listen: ListenAddress | None, measuring: Measuring | None) -> MetricsServer | None:
        """Return the server for an address; where it cannot be used, the old server is started again."""
        before = self._server
        asked = (listen.host, listen.port) if listen else None
        if before is not None and before.asked == asked:
            return before
        if before is not None:
            before.close()  # first, since the new address may have the same port
        try:
            return self._serve(*asked, measuring) if asked and measuring else None
        except ConfigError:
            if before is not None and self._measuring is not None:
                self._server = self._serve(*before.asked, self._measuring)
            raise

    def _serve(self, host: str, port: int, measuring: Measuring) -> MetricsServer:
        from reconciler.telemetry.metrics_server import MetricsServer  # noqa: PLC0415 - only where it is asked for

        return MetricsServer(host, port, metrics=measuring.metrics, complaints=self.complaints)

    # -- each cycle ------------------------------------------------------------------------------------------------

    def request(self, side: str, record: HttpRecord) -> None:
        """Note a request; safe for any thread."""
        if self._measuring is not None:
            self._measuring.request(side, record)

    def cycle_ended(self, report: CycleReport, context: Context) -> None:
        """Report a cycle."""
        self._read_at = {**self._read_at, **dict.fromkeys(report.read_whole, report.finished_at)}
        try:
            self._measure(report, context)
        except Exception:  # whatever it is, the cycle itself went as it went
            log.exception("a cycle could not be measured")
        try:
            self._send(report)
        except Exception:  # as above
            log.exception("nobody could be told of a cycle")

    def cycle_failed(self) -> None:
        """Report a cycle that ended without a report of its own."""
        if self._measuring is not None:
            self._measuring.failure(utc_now())

    def complaints(self) -> Sequence[str]:
        """Return which sides were not read whole lately; safe for any thread."""
        now, limit_seconds = utc_now(), self._allowed.total_seconds()
        ages = {name: self._age_seconds(name, now) for name in self._limits}
        return [
            f"{name}: {'never read whole' if age is None else f'last read whole {age:.0f} s ago'}, "
            f"{limit_seconds:.0f} s are allowed"
            for name, age in ages.items()
            if age is None or age >= limit_seconds
        ]

    def _age_seconds(self, side: str, now: datetime) -> float | None:
        at = self._read_at.get(side)
        return None if at is None else (now - at).total_seconds()

    def _send(self, report: CycleReport) -> None:
        unread_since = {name: self._read_at.get(name, self._began_at) for name in self._limits}
        with self._sending:
            if self._messages is not None:
                self._messages.cycle_ended(report, unread_since)

    def _measure(self, report: CycleReport, context: Context) -> None:
        if self._measuring is not None:
            self._measuring.cycle(report, context, self._limits)
            self._note_reads()
            self._measuring.write()

    def _note_reads(self) -> None:
        if self._measuring is not None:
            read_at = {name: self._read_at.get(name) for name in self._limits}
            objective = self._config.schedule.lag_objective
            self._measuring.reads(read_at, objective_seconds=objective.total_seconds())
