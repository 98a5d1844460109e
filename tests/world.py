"""Both services in memory, one database, one context: the stage on which the scenarios play."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reconciler.core.model import Pair, Result, SkipReason, Stage
from reconciler.core.policies.policies import Policies
from reconciler.engine.context import Context, Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.engine.request_log import RequestLog
from reconciler.remotes.servicenow.history import ServiceNowHistoryClient
from reconciler.sandbox.both import API_USER
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.store.store import Store
from tests.builders import policies
from tests.clients import CasesInProcess, IncidentsInProcess
from tests.store_helpers import empty_store

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
FIELDS = ("category", "close_code", "close_notes", "description", "impact", "short_description", "urgency")


@dataclass
class World:
    """Play people and services, let cycles fall, and look at what came of it."""

    rules: Policies = field(default_factory=policies)
    switches: Switches = field(default_factory=Switches)
    profile: str = "strict"
    case_knobs: CaseKnobs = field(default_factory=CaseKnobs)
    settings: Settings = field(default_factory=lambda: Settings(workers=1))
    store: Store = field(default_factory=empty_store)
    seed: int = 0
    users: Mapping[str, str] = field(default_factory=lambda: {"main": API_USER})
    request_log: RequestLog = field(default_factory=RequestLog)
    observes: bool = False
    follows: bool = False
    """read the own events of each Case that changed"""
    history: bool = False
    """read the audit of each record that changed"""

    def __post_init__(self) -> None:
        self.clock = SandboxClock(START)
        self.case_faults = FaultPlan(self.seed)
        self.record_faults = FaultPlan(self.seed + 1)
        self.coralogix = CoralogixWorld(self.clock, self.case_faults, profile=self.profile, knobs=self.case_knobs)
        self.servicenow = ServiceNowWorld(self.clock, self.record_faults, switches=self.switches)
        self.cases = CasesInProcess(self.coralogix, self.request_log.note)
        self.incidents = IncidentsInProcess(self.servicenow, extra_fields=FIELDS, observe=self.request_log.note)
        self.numbers = itertools.count(1)

    @property
    def context(self) -> Context:
        return Context(
            cases=self.cases,
            connectors={"main": self.incidents},
            users=self.users,
            store=self.store,
            policies=self.rules,
            policy_hash="policies",
            clock=self.clock.now,
            requests=self.request_log,
            settings=self.settings,
            program_version="test",
            observes=self.observes,
            events=self.cases.events if self.follows else None,
            histories={"main": ServiceNowHistoryClient(self.incidents)} if self.history else {},
        )

    # -- time ------------------------------------------------------------------------------------------------

    def cycle(self, *, seconds: float = 30, **request: object) -> CycleReport:
        """Let some time pass, and one cycle fall."""
        self.clock.advance(seconds=seconds)
        asked = CycleRequest(**request)  # type: ignore[arg-type]
        return run_cycle(self.context, asked, cycle_id=f"cycle-{next(self.numbers):06d}")

    def run_until_quiet(self, most: int = 6) -> int:
        """Let cycles fall until one plans nothing; give how many planned something."""
        for count in range(most):
            if not self.cycle().plan.actions:
                return count
        raise AssertionError(f"not at rest after {most} cycles")

    # -- what is there ---------------------------------------------------------------------------------------

    def new_case(self, title: str = "Payments are slow", **details: object) -> str:
        return self.coralogix.create_case(title, **details)  # type: ignore[arg-type]

    def started(self, title: str = "Payments are slow", **details: object) -> str:
        """Open a Case after the first start and let it get its record; give its id."""
        if self.store.facts.origin() is None:
            self.cycle()
        case_id = self.new_case(title, **details)
        self.cycle()
        return case_id

    def link_one(self, title: str = "Payments are slow") -> tuple[str, str]:
        """Do the same, and give both ids."""
        case_id = self.started(title)
        return case_id, self.sys_id(case_id)

    def pair(self, case_id: str) -> Pair:
        """Give what is remembered of a Case; fail where nothing is."""
        pair = self.store.links.pair(case_id)
        assert pair is not None
        return pair

    def status(self, case_id: str) -> str:
        return self.coralogix.ledger.case(case_id).status

    def record(self, case_id: str) -> Mapping[str, str]:
        return self.servicenow.incident_for(case_id)

    def sys_id(self, case_id: str) -> str:
        return self.record(case_id)["sys_id"]

    def state(self, case_id: str) -> str:
        return self.record(case_id)["state"]

    def both(self, case_id: str) -> tuple[str, str]:
        """Give the Case's status and the record's state."""
        return self.status(case_id), self.state(case_id)

    def skip(self, case_id: str) -> SkipReason | None:
        """Give the reason why a Case is skipped, as the database has it."""
        return next((skip.reason for skip in self.store.links.standing_skips() if skip.case_id == case_id), None)

    def agreed(self, case_id: str) -> Stage | None:
        pair = self.store.links.pair(case_id)
        return pair.link.agreed if pair else None

    def writes(self) -> int:
        """Count the mutating requests to both services."""
        verbs = ("cases.acknowledge", "cases.resolve", "cases.close")
        return self.incidents.writes + sum(self.cases.requests[verb] for verb in verbs)

    # -- what goes wrong -------------------------------------------------------------------------------------

    def strike_cases(self, kind: FaultKind, operation: str, **how: object) -> None:
        self.case_faults.add(Fault(kind, operation, **how))  # type: ignore[arg-type]

    def strike_records(self, kind: FaultKind, operation: str, **how: object) -> None:
        self.record_faults.add(Fault(kind, operation, **how))  # type: ignore[arg-type]


def results(report: CycleReport) -> Sequence[Result]:
    """List how the actions of a cycle ended."""
    return [outcome.result for outcome in report.outcomes]
