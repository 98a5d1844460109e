"""What a cycle works with, brought together once by whoever builds the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.errors import CycleFailed
from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.engine.request_log import RequestLog
from reconciler.remotes.ports import CaseClient, IncidentClient, Side
from reconciler.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Hold the numbers of a cycle."""

    case_overlap: timedelta = timedelta(seconds=600)
    incident_overlap: timedelta = timedelta(seconds=300)
    drift_check_every: timedelta = timedelta(minutes=15)
    accept_partial_view: bool = False
    ask_deep_links: bool = False
    workers: int = 8
    """actions side by side, those of one link always in order, at all sides together that ``workers_of`` leaves out"""
    workers_of: Mapping[str, int] = field(default_factory=dict)
    """side -> its own number, whatever the others do"""
    hides_values: bool = False
    """of the values that are written only hashes are kept"""


ProgressCallback = Callable[[str, int, int], None]
"""Is told what is being done, how many are done and of how many; 0 when the end is not known."""


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def never() -> bool:
    """Never ask to stop."""
    return False


@dataclass(frozen=True, kw_only=True)
class Context:
    """Hold the two sides, the memory and the policies."""

    cases: CaseClient
    connectors: Mapping[str, IncidentClient]
    store: Store
    policies: Policies
    policy_hash: str
    clock: Callable[[], datetime]
    requests: RequestLog = field(default_factory=RequestLog)
    settings: Settings = field(default_factory=Settings)
    should_stop: Callable[[], bool] = never
    progress: ProgressCallback = no_progress
    program_version: str = ""

    def step(self, what: str, done: int, total: int) -> None:
        """Tell how far a cycle's reading has come; raise CycleFailed between two reads when the engine is to stop."""
        if self.should_stop():
            raise CycleFailed(f"asked to stop while {what}; nothing is lost, and the next cycle reads it again")
        self.progress(what, done, total)

    def sides(self) -> Mapping[str, Side]:
        """Name both services: ``coralogix``, and each connector."""
        return {"coralogix": self.cases.side, **{name: one.side for name, one in self.connectors.items()}}

    def tables(self) -> tuple[tuple[str, str], ...]:
        """List the (connector, table) pairs whose records are pulled: those of the routes, and those of old links."""
        routed = {(route.connector, self.policies.inbound[route.inbound].table) for route in self.policies.routes}
        linked = {pair for pair in self.store.links.tables_in_use() if pair[0] in self.connectors}
        return tuple(sorted(pair for pair in routed | linked if pair[1] != EVENT_TABLE))
