"""What a cycle works with: store, clients, policies, clock and settings, assembled once in ``cli.build``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.errors import CycleFailed
from reconciler.core.frozen import dataclass
from reconciler.core.model import Action, Link, System
from reconciler.core.policies.policies import EVENT_TABLE, Policies
from reconciler.core.usual import CASE_OVERLAP_SECONDS, DRIFT_CHECK_MINUTES, INCIDENT_OVERLAP_SECONDS, WORKERS
from reconciler.engine.report import CycleResult
from reconciler.engine.request_log import RequestLog, intended
from reconciler.remotes.ports import (
    LARGEST_PAGE,
    CaseClient,
    CaseEventClient,
    IncidentClient,
    RecordHistoryClient,
    Side,
)
from reconciler.store.store import Store
from reconciler.store.values import Adoption, CycleCounts, Decided, FinishedAction, Pulled, RememberedCounts


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a cycle."""

    case_overlap: timedelta = timedelta(seconds=CASE_OVERLAP_SECONDS)
    incident_overlap: timedelta = timedelta(seconds=INCIDENT_OVERLAP_SECONDS)
    drift_check_every: timedelta = timedelta(minutes=DRIFT_CHECK_MINUTES)
    accept_partial_view: bool = False
    case_page_rows: int = 100
    """a quiet cycle reads one page of each listing, so pages are small"""
    all_cases_page_rows: int = LARGEST_PAGE
    """where everything is read, pages are as large as the API allows"""
    incident_page_rows: int = LARGEST_PAGE
    incident_pages_per_cycle: int = 100
    """a longer backlog is continued in the next cycle"""
    short_rows: int = 100
    """an overlap of up to this many rows is cheap, and is read in every cycle"""
    ask_deep_links: bool = False
    workers: int = WORKERS
    """parallel actions, in total for all sides that ``workers_of`` leaves out; those of one link are always in order"""
    workers_of: Mapping[str, int] = field(default_factory=dict)
    """side -> its own number of parallel actions"""
    requests_kept: timedelta | None = None
    history_kept: timedelta | None = None
    """how long old requests, and other old rows of the journal, are kept; None is for ever"""
    hides_values: bool = False
    """store only hashes of the values that are written"""


ProgressCallback = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and of how many; 0 when the total is not known."""


def no_progress(_what: str, _done: int, _total: int) -> None:
    """Report nothing."""


def never() -> bool:
    """Never ask to stop."""
    return False


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a cycle works with. What is stored through it gets its cycle id and the present time."""

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
        """Ingest what was read."""
        return self.store.snapshots.remember(
            pulled, stage_rules=self.policies, cycle_id=self.cycle_id, now=self.clock(), follows=self.follows
        )

    @property
    def follows(self) -> frozenset[System]:
        """Return the services whose own history of changes is read."""
        followed = {System.CORALOGIX: self.events is not None, System.SERVICENOW: bool(self.histories)}
        return frozenset(system for system, is_followed in followed.items() if is_followed)

    def update_links(self, links: Iterable[Link]) -> None:
        """Store links as they now stand and mark them for planning."""
        self.store.links.update_links(links, self.clock())

    def begin_cycle(self, kind: str, now: datetime) -> None:
        """Record that this cycle began."""
        self.store.journal.begin_cycle(
            self.cycle_id,
            kind=kind,
            now=now,
            config_hash=self.policy_hash,
            program_version=self.program_version,
            observes=self.observes,
        )

    def record_requests(self) -> None:
        """Record the requests so far that belong to no action."""
        self.store.journal.record_requests(self.requests.take(), cycle_id=self.cycle_id)

    def finish_cycle(
        self, result: CycleResult, counts: CycleCounts, error: Exception | None, sides: Iterable[str] = ()
    ) -> None:
        """Record how this cycle ended, with its remaining requests and the sides that it read whole."""
        self.store.journal.finish_cycle(
            self.cycle_id,
            result=result.value,
            counts=counts,
            sides=sides,
            requests=self.requests.take(),
            refused_because=str(error) if error else None,
            now=self.clock(),
        )

    def begin_actions(self, actions: Sequence[Action], decided: Sequence[Decided]) -> list[int]:
        """Record what is about to be done, with the requests that will be sent; return the journal's numbers."""
        now = self.clock()
        return self.store.journal.begin_actions(
            actions,
            cycle_id=self.cycle_id,
            now=now,
            hides_values=self.settings.hides_values,
            decided=decided,
            intended=[intended(action, now) for action in actions],
        )

    def record_adoptions(self, adoptions: Sequence[Adoption]) -> None:
        """Record the records that were taken in, with what was decided about their links."""
        self.store.journal.record_adoptions(
            adoptions, cycle_id=self.cycle_id, stage_rules=self.policies, now=self.clock(), follows=self.follows
        )

    def finish_actions(self, ended: Sequence[FinishedAction]) -> None:
        """Record the outcomes of actions, with the requests made for them."""
        self.store.journal.finish_actions(
            ended,
            stage_rules=self.policies,
            now=self.clock(),
            hides_values=self.settings.hides_values,
            follows=self.follows,
        )

    def step(self, what: str, done: int, total: int) -> None:
        """Report the progress of reading; raise CycleFailed between two reads when the engine should stop."""
        if self.should_stop():
            raise CycleFailed(f"asked to stop while {what}; nothing is lost, and the next cycle reads it again")
        self.progress(what, done, total)

    def sides(self) -> Mapping[str, Side]:
        """Return both services by name: ``coralogix``, and each connector."""
        return {System.CORALOGIX: self.cases.side, **{name: one.side for name, one in self.connectors.items()}}

    def tables(self) -> tuple[tuple[str, str], ...]:
        """List the (connector, table) pairs whose records are pulled: those of the routes, and those of old links."""
        routed = {(route.connector, self.policies.inbound[route.inbound].table) for route in self.policies.routes}
        linked = {pair for pair in self.store.links.tables_in_use() if pair[0] in self.connectors}
        return tuple(sorted(pair for pair in routed | linked if pair[1] != EVENT_TABLE))
