"""Clients in which something happens at a chosen moment, and worlds that use them: what the wild does to a daemon.

Rules of this file: a moment strikes once; what it does is done by the sandbox's own people, jobs or faults, or it
kills the process. The clients themselves are those of the sandbox.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.core.errors import Malformed
from reconciler.core.model import Case, HttpRecord, Incident
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.remotes.ports import CaseOrder, CasePage
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.servicenow.journal import Operation, Write
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.store.store import Store
from tests.builders import a_route, condition, policies
from tests.clients import CasesInProcess, IncidentsInProcess
from tests.world import FIELDS, World

DRIFT_CYCLES = 9
"""So many cycles of 150 s hold a drift check and the look that follows it."""
Deed = Callable[[], object]
Moments = defaultdict[str, list[Deed]]


class Killed(BaseException):
    """End the process here: nothing of the program may catch this."""


def kill() -> None:
    raise Killed


@contextmanager
def _around(moments: Moments, operation: str) -> Iterator[None]:
    """Do what was planned before an operation and, once it took effect, what was planned after it."""
    for deed in moments.pop(f"before {operation}", ()):
        deed()
    yield
    for deed in moments.pop(f"after {operation}", ()):
        deed()


class MeddledCases(CasesInProcess):
    """Let things happen around the calls to Coralogix; some Cases may come in a form that nobody understands."""

    moments: Moments
    poison: frozenset[str] = frozenset()

    def list_cases(
        self,
        *,
        order: CaseOrder,
        page_token: str | None = None,
        page_size: int = 200,
        statuses: Sequence[str] = (),
        created_from: datetime | None = None,
    ) -> CasePage:
        page = super().list_cases(
            order=order, page_token=page_token, page_size=page_size, statuses=statuses, created_from=created_from
        )
        poisoned = tuple(self._poisoned(case) for case in page.cases if case.id in self.poison)
        sound = tuple(case for case in page.cases if case.id not in self.poison)
        return replace(page, cases=sound, malformed=page.malformed + poisoned)

    def get_case(self, case_id: str) -> Case:
        with _around(self.moments, "get_case"):
            case = super().get_case(case_id)
        if case_id in self.poison:
            raise self._poisoned(case)
        return case

    def acknowledge(self, case_id: str) -> Case:
        with _around(self.moments, "acknowledge"):
            return super().acknowledge(case_id)

    def resolve(self, case_id: str, reason: str) -> Case:
        with _around(self.moments, "resolve"):
            return super().resolve(case_id, reason)

    def close(self, case_id: str) -> Case:
        with _around(self.moments, "close"):
            return super().close(case_id)

    def _poisoned(self, case: Case) -> Malformed:
        return Malformed("a Case without a status", record_id=case.id, raw={"id": case.id})


class MeddledRecords(IncidentsInProcess):
    """Let things happen around the calls to ServiceNow."""

    moments: Moments

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        with _around(self.moments, "find"):
            return super().find(table, case_ids)

    def get(self, table: str, sys_id: str) -> Incident:
        with _around(self.moments, "get"):
            return super().get(table, sys_id)

    def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
        with _around(self.moments, "get_many"):
            return super().get_many(table, sys_ids)

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        with _around(self.moments, "create"):
            return super().create(table, fields)

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        with _around(self.moments, "update"):
            return super().update(table, sys_id, fields)


@dataclass
class WildWorld(World):
    """A world in which something happens at a chosen moment, and whose hosts may have clocks of their own."""

    ahead: timedelta = timedelta()
    """how far the clock of our host is ahead of the true one"""
    further: Mapping[str, IncidentsInProcess] = field(default_factory=dict)
    """connectors beside ``main``"""
    moments: Moments = field(default_factory=lambda: defaultdict(list))
    """``before update``, ``after create``, ``before get_many``, …: what happens there, once"""
    asked: list[HttpRecord] = field(default_factory=list)
    """each request that left the program"""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.meddled = self._meddled_cases()
        self.cases = self.meddled
        self.incidents = self._meddled_records()

    @property
    def context(self) -> Context:
        connectors = {"main": self.incidents, **self.further}
        return replace(super().context, connectors=connectors, clock=lambda: self.clock.now() + self.ahead)

    def _meddled_cases(self) -> MeddledCases:
        client = MeddledCases(self.coralogix, self.asked.append)
        client.moments = self.moments
        return client

    def _meddled_records(self) -> MeddledRecords:
        client = MeddledRecords(self.servicenow, extra_fields=FIELDS, observe=self.asked.append)
        client.moments = self.moments
        return client

    def once(self, moment: str, *deeds: Deed) -> None:
        """Let things happen at the next such moment."""
        self.moments[moment].extend(deeds)

    def cycle_of(self, store: Store, **request: object) -> CycleReport:
        """Let a cycle fall on another host, which has a database and clients of its own; no time passes."""
        context = replace(
            self.context,
            store=store,
            cases=CasesInProcess(self.coralogix),
            connectors={"main": IncidentsInProcess(self.servicenow, extra_fields=FIELDS)},
        )
        asked = CycleRequest(**request)  # type: ignore[arg-type]
        return run_cycle(context, asked, cycle_id=f"elsewhere-{next(self.numbers):06d}")

    def detail(self, case_id: str) -> str:
        """Give the words that go with a Case's skip, as the database has them."""
        return next((skip.detail or "" for skip in self.store.links.standing_skips() if skip.case_id == case_id), "")

    def sent(self, case_id: str, operation: Operation = Operation.UPDATE) -> list[Write]:
        """List the writes of one kind that reached ServiceNow from any program, for one Case."""
        return [
            write
            for write in self.servicenow.journal
            if write.via_api and write.operation is operation and write.correlation_id == case_id
        ]

    def verbs(self, case_id: str) -> list[str]:
        """List the verbs that reached Coralogix from any program, for one Case."""
        return [one.verb for one in self.coralogix.journal if one.actor == "apiKey" and one.case_id == case_id]


def two_instances(when: str) -> tuple[WildWorld, ServiceNowWorld]:
    """Give a world with a connector ``second``, which takes the Cases for which a condition holds; and its instance."""
    world = WildWorld(
        rules=policies(routes=(a_route(name="second", when=condition(when), connector="second"), a_route()))
    )
    instance = ServiceNowWorld(world.clock, FaultPlan(99))
    world.further = {"second": IncidentsInProcess(instance, "second", extra_fields=FIELDS)}
    return world, instance


def after_a_drift_check(world: World) -> None:
    """Let cycles fall until a drift check and the look that follows it are over."""
    for _ in range(DRIFT_CYCLES):
        world.cycle(seconds=150)
