"""What a cycle works with, brought together once by whoever builds the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.core.errors import CycleFailed
from reconciler.core.model import Action, Link, System
from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.engine.report import CycleResult
from reconciler.engine.request_log import RequestLog, intended
from reconciler.remotes.ports import CaseClient, CaseEventClient, IncidentClient, RecordHistoryClient, Side
from reconciler.store.store import Store
from reconciler.store.values import CycleCounts, Decided, FinishedAction, Pulled, RememberedCounts


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The numbers of a cycle."""

    case_overlap: timedelta = timedelta(seconds=600)
    incident_overlap: timedelta = timedelta(seconds=300)
    drift_check_every: timedelta = timedelta(minutes=15)
    accept_partial_view: bool = False
    case_page_rows: int = 100
    """a quiet cycle reads one page of each listing, so a page is not made larger than news needs"""
    all_cases_page_rows: int = 1000
    """where everything is read a page is as large as the API allows"""
    incident_page_rows: int = 1000
    incident_pages_per_cycle: int = 100
    """a longer backlog goes on where it stopped, in the next cycle"""
    short_rows: int = 100
    """an overlap of so many rows costs nothing to speak of, and is read each time"""
    ask_deep_links: bool = False
    workers: int = 8
    """actions side by side, those of one link always in order, at all sides together that ``workers_of`` leaves out"""
    workers_of: Mapping[str, int] = field(default_factory=dict)
    """side -> its own number, whatever the others do"""
    requests_kept: timedelta | None = None
    history_kept: timedelta | None = None
    """how long old requests, and other old rows of the journal, are kept; None is for ever"""
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
    """The two sides, the memory and the policies; what is remembered through it bears its cycle and its time."""

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
    users: Mapping[str, str] = field(default_factory=dict)
    """connector -> the user who makes its writes, as ``sys_updated_by`` has it; none where the login does not tell"""
    observes: bool = False
    """nothing is sent that could write"""
    events: CaseEventClient | None = None
    """reads what happened to Cases; None where that is switched off"""
    histories: Mapping[str, RecordHistoryClient] = field(default_factory=dict)
    """connector -> who reads the audit of its instance; none where that is switched off"""
    cycle_id: str = ""
    """the cycle at work; empty between cycles"""

    def in_cycle(self, cycle_id: str) -> Context:
        """Return the same context at work for one cycle."""
        return replace(self, cycle_id=cycle_id)

    def remember(self, pulled: Pulled) -> RememberedCounts:
        """Remember what was read, now and in this cycle."""
        return self.store.snapshots.remember(
            pulled, stage_rules=self.policies, cycle_id=self.cycle_id, now=self.clock(), follows=self.follows
        )

    @property
    def follows(self) -> frozenset[System]:
        """Name the services whose own account of what changed is read."""
        followed = {System.CORALOGIX: self.events is not None, System.SERVICENOW: bool(self.histories)}
        return frozenset(system for system, is_followed in followed.items() if is_followed)

    def update_links(self, links: Iterable[Link]) -> None:
        """Store links as they now stand and mark them for planning."""
        self.store.links.update_links(links, self.clock())

    def begin_cycle(self, kind: str, now: datetime) -> None:
        """Write down that this cycle began."""
        self.store.journal.begin_cycle(
            self.cycle_id,
            kind=kind,
            now=now,
            config_hash=self.policy_hash,
            program_version=self.program_version,
            observes=self.observes,
        )

    def record_requests(self) -> None:
        """Write down the requests that belong to no action so far."""
        self.store.journal.record_requests(self.requests.take(), cycle_id=self.cycle_id)

    def finish_cycle(
        self, result: CycleResult, counts: CycleCounts, error: Exception | None, sides: Iterable[str] = ()
    ) -> None:
        """Write down how this cycle ended, with the requests that it made last and the sides that it read whole."""
        self.store.journal.finish_cycle(
            self.cycle_id,
            result=result.value,
            counts=counts,
            sides=sides,
            requests=self.requests.take(),
            refused_because=str(error) if error else None,
            now=self.clock(),
        )

    def begin_actions(self, actions: Sequence[Action], decided: Sequence[Decided | None]) -> list[int]:
        """Write down what is about to be done, with the requests that are about to leave; return the numbers."""
        now = self.clock()
        return self.store.journal.begin_actions(
            actions,
            cycle_id=self.cycle_id,
            now=now,
            hides_values=self.settings.hides_values,
            decided=[one for one in decided if one],
            intended=[intended(action, now) for action in actions],
        )

    def finish_actions(self, ended: Sequence[FinishedAction]) -> None:
        """Write down what came of actions, with the requests that were made for them."""
        self.store.journal.finish_actions(
            ended,
            stage_rules=self.policies,
            now=self.clock(),
            hides_values=self.settings.hides_values,
            follows=self.follows,
        )

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
