"""Both sides pulled and remembered, each as far as it came whole.

Rules of this file: what came is remembered, a side's snapshot and cursor together, whatever became of the others;
then the Cases must have come, at least one connector, and no answer may have been partial, or nothing is planned.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.errors import CycleFailed, PartialTruth, Refused, RemoteError
from reconciler.core.model import System
from reconciler.engine.context import Context
from reconciler.engine.reading.alerts import pull_alerts
from reconciler.engine.reading.cases import read_cases
from reconciler.engine.reading.pull import SidePull, incident_cursor, pull_cases, pull_incidents
from reconciler.engine.reading.window import Window
from reconciler.engine.report import failure_words
from reconciler.store.store import Pulled, RememberedCounts

log = logging.getLogger(__name__)

MOST_NAMED = 10
DOUBTFUL_READS_PER_CYCLE = 50
"""Cases that a listing showed with an older time than is remembered are read one by one, so many in a cycle."""


@dataclass
class Gathering:
    """Pull and remember both sides once. Use once."""

    context: Context
    cycle_id: str
    since: datetime | None = None
    down: dict[str, RemoteError] = field(default_factory=dict)
    """connectors that did not answer"""
    partial: list[str] = field(default_factory=list)
    read_whole: set[str] = field(default_factory=set)
    """the sides of which everything that was asked for came"""
    cases: int = 0
    incidents: int = 0
    malformed: int = 0

    def run(self) -> None:
        """Pull every side and remember what came.

        Raises Refused when an answer was not the whole truth, and CycleFailed when the Cases, or all connectors,
        did not come.
        """
        failed: RemoteError | None = None
        try:
            self._remember_cases()
        except RemoteError as error:
            failed = error
        for connector, table in self.context.tables():
            with self._side(connector):
                self._remember_incidents(connector, table)
        for connector in self.context.connectors:
            with self._side(connector):
                self._remember(SidePull(pulled=pull_alerts(self.context, connector)))
        if not self.partial:
            self.read_whole = {*self.context.connectors} - {*self.down}
            self.read_whole |= {System.CORALOGIX.value} if failed is None else set()
        self._stop_unless_whole(failed)

    @contextmanager
    def _side(self, connector: str) -> Iterator[None]:
        """Note a connector that does not answer, and go on with the others."""
        try:
            yield
        except RemoteError as error:
            self.down[connector] = error

    def _window(self, overlap: timedelta) -> Window:
        return Window(
            overlap=overlap,
            first_lookback=self.context.policies.first_lookback,
            origin=self.context.store.facts.origin(),
            now=self.context.clock(),
            since=self.since,
        )

    def _remember_cases(self) -> None:
        window = self._window(self.context.settings.case_overlap)
        cursors = self.context.store.snapshots.cursors()
        accept = self.context.settings.accept_partial_view
        side = pull_cases(self.context.cases, cursors, window, accept_partial=accept, progress=self.context.step)
        self.context.store.facts.set_origin(side.server_time or window.now)
        self._tell_ahead("coralogix", side.ahead)
        doubtful = self._remember(side).doubtful
        read_cases(self.context, doubtful[:DOUBTFUL_READS_PER_CYCLE], cycle_id=self.cycle_id)
        self.cases = len(side.pulled.cases)

    def _remember_incidents(self, connector: str, table: str) -> None:
        cursor = self.context.store.snapshots.cursors().get(incident_cursor(connector, table))
        window = self._window(self.context.settings.incident_overlap)
        side = pull_incidents(self.context.connectors[connector], table, cursor, window, progress=self.context.step)
        self._tell_ahead(f"{connector}.{table}", side.ahead)
        self._remember(side)
        if side.failed:
            raise side.failed

    def _tell_ahead(self, where: str, names: tuple[str, ...]) -> None:
        """Say once which rows bear a time ahead of the service's own clock; they are kept in step like any other."""
        told = ", ".join(names[:MOST_NAMED])
        fact = f"ahead_of_clock.{where}"
        if told and self.context.store.facts.get(fact) != told:
            self.context.store.facts.put(fact, told)
            facts = {"side": where, "rows": len(names), "first": told}
            log.warning("times ahead of the service's own clock move no cursor", extra=facts)

    def _remember(self, side: SidePull) -> RememberedCounts:
        if side.partial:
            self.partial.append(side.partial)
        self.malformed += len(side.pulled.malformed)
        self.incidents += len(side.pulled.incidents)
        return self._store(side.pulled)

    def _store(self, pulled: Pulled) -> RememberedCounts:
        return self.context.store.snapshots.remember(
            pulled, stage_rules=self.context.policies, cycle_id=self.cycle_id, now=self.context.clock()
        )

    def _stop_unless_whole(self, failed: RemoteError | None) -> None:
        errors = [error for error in (failed, *self.down.values()) if error is not None]
        partial = self.partial + [str(error) for error in errors if isinstance(error, PartialTruth)]
        if partial:
            raise Refused(
                f"an answer was not the whole truth: {'; '.join(partial)}. Nothing was planned or written, and the "
                "cursor of that side stays where it is. Look at the rights of the key or user; "
                '`[coralogix] partial_view = "accept"` is for a key that is limited on purpose'
            )
        if failed is not None or (self.down and len(self.down) == len(self.context.connectors)):
            raise CycleFailed(failure_words(failed, self.down))
