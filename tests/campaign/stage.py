"""The stage of one schedule: both services in memory, the hosts with their databases, and everybody who acts.

A kill is an exception that nothing catches: what was committed stays, what was not is rolled back, and the next
cycle of that host builds everything anew over the same database.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from reconciler.core.model import SkipReason
from reconciler.core.policies.policies import Limits, OnReactivate, Policies
from reconciler.engine.context import Context, Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.engine.request_log import RequestLog
from reconciler.sandbox.both import API_USER
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultKind, FaultPlan
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.store.database.connection import IN_MEMORY, Database, configure, connect
from reconciler.store.store import Store
from tests.builders import a_route, an_inbound, condition, policies
from tests.campaign.schedule import Hosts, Interrupt, Setting, When
from tests.campaign.trace import MAIN, OTHER, Acted, Began, Copied, Ended, Event, Gate
from tests.campaign.watched import Watch, WatchedCases, WatchedIncidents
from tests.clients import CasesInProcess, IncidentsInProcess
from tests.store_helpers import empty_store
from tests.world import FIELDS

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

REFUSALS, REFUSED_SECONDS = 3, 900
"""after so many refused logins in a row a side is asked only so often"""
MOST_SKEW_SECONDS = 1200
"""from a clock that is ten minutes ahead to one that is as much behind"""
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Killed(BaseException):
    """End a process in the middle of something."""


class MortalDatabase(Database):
    """A database whose user can be killed before and after each of its commits."""

    gate: Gate

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with super().transaction() as conn:
            yield conn
            self.gate.meet("commit", When.BEFORE)
        self.gate.meet("commit", When.AFTER)


@functools.cache
def _empty() -> sqlite3.Connection:
    """Migrate one database, from which all others are copied."""
    return empty_store().database.connection


@functools.cache
def _emptying() -> tuple[str, ...]:
    """Give the statements that bring a used database back to a new one; faster than another connection."""
    names = [name for (name,) in _empty().execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    kept = {name for name in names if _empty().execute(f"SELECT count(*) FROM {name}").fetchone()[0]}  # noqa: S608
    guards = _empty().execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    return (
        *(f"DROP TRIGGER {name}" for name, _ in guards),
        *(f"DELETE FROM {name}" for name in reversed(names) if name not in kept),  # noqa: S608
        "DELETE FROM ledger WHERE seq > 1",
        "UPDATE ledger_head SET (seq, chain) = (SELECT seq, chain FROM ledger)",
        *(sql for _, sql in guards),
    )


_SPARE: list[sqlite3.Connection] = []
"""Used connections, whose statements are compiled already."""


def _new() -> sqlite3.Connection:
    if not _SPARE:
        return _copy(_empty())
    connection = _SPARE.pop()
    for statement in _emptying():
        connection.execute(statement)
    return connection


def _copy(source: sqlite3.Connection) -> sqlite3.Connection:
    target = connect(IN_MEMORY)
    source.backup(target)
    configure(target)
    return target


@dataclass
class Memory:
    """Hold one database and the last copy of it."""

    connection: sqlite3.Connection = field(default_factory=_new)
    saved: sqlite3.Connection | None = None

    def save(self) -> None:
        """Copy it away."""
        if self.saved is not None:
            self.saved.close()
        self.saved = _copy(self.connection)

    def restore(self) -> bool:
        """Put the copy in its place; False when there is none."""
        if self.saved is None:
            return False
        self.connection.close()
        self.connection = _copy(self.saved)
        return True

    def close(self) -> None:
        """Give the connection back and forget the copy."""
        _SPARE.append(self.connection)
        if self.saved is not None:
            self.saved.close()


@functools.cache
def _policies(limit: int, connectors: int, on_reactivate: str) -> Policies:
    limits = Limits(
        max_creates_per_cycle=limit, max_case_resolves_per_cycle=limit, max_incident_resolves_per_cycle=limit
    )
    inbound = an_inbound(on_reactivate=OnReactivate(on_reactivate))
    if connectors == 1:
        return policies(limits=limits, inbound=inbound)
    second = a_route(name="second", when=condition('case.labels.team is containing("second")'), connector=OTHER)
    return policies(limits=limits, routes=(second, a_route()), inbound=inbound)


class Stage:
    """Play the services and the daemons of one setting."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.started_at = START
        self.clock = SandboxClock(START)
        self.faults = FaultPlan()
        self.coralogix = CoralogixWorld(self.clock, self.faults, profile=setting.profile, knobs=setting.knobs)
        self.servicenow = ServiceNowWorld(self.clock, self.faults, switches=setting.switches)
        self.neighbour = ServiceNowWorld(self.clock, FaultPlan(), switches=setting.switches, id_seed=1)
        """the second instance, which shares nothing with the first but the clock"""
        for world in (self.servicenow, self.neighbour):
            world.access.list_lag = timedelta(seconds=setting.record_lag_seconds)
        self.closed_until = START
        """until when a side wants to be left alone"""
        self.echoes = False
        self.events: list[Event] = []
        self.case_ids: dict[int, str] = {}
        self.kills = 0
        self.cycles = 0
        self.braked_cycles = 0
        """how many cycles fell before the quiet end, in which no brake holds"""
        self.set_back_seconds = 0
        """how far the services' clock was set back in all"""
        self.announces_all = True
        """every change moved a time of change, and every clock was right"""
        self.lists_all = True
        """every change is of a record that a listing by our mark still shows"""
        count = 2 if setting.hosts is Hosts.TWO_DATABASES else 1
        self.databases = [Memory() for _ in range(count)]
        self.hosts = range(1 if setting.hosts is Hosts.ONE else 2)
        self.skews = [timedelta() for _ in self.hosts]

    def close(self) -> None:
        """Free the databases."""
        for database in self.databases:
            database.close()

    def note(
        self,
        what: object,
        *,
        takes_from: Sequence[str] = (),
        hides_from: Sequence[str] = (),
        turns_back: bool = False,
        clones: bool = False,
    ) -> None:
        """Write down that somebody did something."""
        told = f"{self.clock.now():%d %H:%M:%S} {what}"
        taken, hidden = tuple(takes_from), tuple(hides_from)
        self.events.append(Acted(what=told, takes_from=taken, hides_from=hidden, turns_back=turns_back, clones=clones))

    def home_of(self, case: int) -> ServiceNowWorld:
        """Give the instance to which a Case goes."""
        return self.neighbour if self.setting.connectors == 2 and case % 2 else self.servicenow

    def world_of(self, connector: str) -> ServiceNowWorld:
        """Give the instance of a connector."""
        return self.neighbour if connector == OTHER else self.servicenow

    @property
    def homes(self) -> Mapping[str, str]:
        """Give the connector of each Case by its id."""
        worlds = {case_id: self.home_of(case) for case, case_id in self.case_ids.items()}
        return {case_id: OTHER if world is self.neighbour else MAIN for case_id, world in worlds.items()}

    # -- hosts ------------------------------------------------------------------------------------------------

    def database_of(self, host: int) -> int:
        """Give the number of a host's database."""
        return min(host, len(self.databases) - 1)

    def store(self, host: int) -> Store:
        """Open a host's database to look at it."""
        return Store(Database(self.databases[self.database_of(host)].connection, IN_MEMORY))

    def cycle(self, host: int, gate: Gate, *, limits_on: bool = True) -> CycleReport | None:
        """Let one cycle of a host fall; None when it was killed."""
        self.cycles += 1
        number = self.cycles
        self.events.append(
            Began(host=host, database=self.database_of(host), number=number, at=self.clock.now().timestamp())
        )
        report: CycleReport | None = None
        with suppress(Killed):
            request = CycleRequest(limits_on=limits_on)
            # A cycle that falls into another's write is another process: it knows nothing of what that one is at.
            run = functools.partial(run_cycle, self._context(host, gate), request, cycle_id=f"cycle-{number:06d}")
            report = contextvars.Context().run(run)
        gate.closed = True
        self.events.append(_ended(host, number, report))
        return report

    def _context(self, host: int, gate: Gate) -> Context:
        database = MortalDatabase(self.databases[self.database_of(host)].connection, IN_MEMORY)
        database.gate = gate
        log = RequestLog()
        watch = Watch(host=host, gate=gate, events=self.events, faults=self.faults)
        rows = self.setting.page_rows
        return Context(
            cases=WatchedCases(CasesInProcess(self.coralogix, log.note), self.coralogix, watch, page_rows=rows),
            connectors=self._connectors(watch, log),
            users={MAIN: API_USER, OTHER: API_USER},
            store=Store(database),
            policies=_policies(self.setting.limit, self.setting.connectors, self.setting.on_reactivate),
            policy_hash="policies",
            clock=lambda: self.clock.now() + self.skews[host],
            settings=Settings(workers=1, short_rows=self.setting.short_rows),
            program_version="test",
            requests=log,
        )

    def _connectors(self, watch: Watch, log: RequestLog) -> dict[str, WatchedIncidents]:
        names = (MAIN, OTHER)[: self.setting.connectors]
        return {
            name: WatchedIncidents(
                IncidentsInProcess(self.world_of(name), name, extra_fields=FIELDS, observe=log.note),
                replace(watch, connector=name, faults=self.world_of(name).faults),
                page_rows=self.setting.page_rows,
            )
            for name in names
        }

    def kill(self) -> None:
        """End the process that is at work."""
        self.kills += 1
        raise Killed

    def save(self, host: int) -> None:
        """Copy a host's database away."""
        number = self.database_of(host)
        self.databases[number].save()
        self.events.append(Copied(database=number, back=False))

    def restore(self, host: int) -> None:
        """Put the copy of a host's database back, if there is one."""
        number = self.database_of(host)
        if self.databases[number].restore():
            self.events.append(Copied(database=number, back=True))

    def calm(self) -> None:
        """Plan no fault and no late commit any more, and give back every right to read."""
        for world in (self.servicenow, self.neighbour):
            world.faults.clear()
            world.tables.commit_at_once()
            world.access.show_all()
        self.coralogix.ledger.shelf.hidden.clear()
        self.clock.advance(seconds=max(0.0, (self.closed_until - self.clock.now()).total_seconds()))

    @property
    def shut_seconds(self) -> int:
        """Give how long a side may still be left alone when all is calm, by hosts whose clocks were set meanwhile."""
        plans = (self.faults, self.neighbour.faults)
        refused = sum(plan.kinds[FaultKind.UNAUTHORIZED_401] for plan in plans) >= REFUSALS
        asked = any(plan.waits_told for plan in plans)
        return REFUSED_SECONDS * refused + MOST_SKEW_SECONDS * (refused or asked)

    def rejected(self, host: int) -> set[str]:
        """Name the Cases whose link waits for a retry time, as a host's database has it."""
        skips = self.store(host).links.standing_skips()
        return {skip.case_id for skip in skips if skip.reason is SkipReason.REJECTED}

    def waits(self) -> bool:
        """Say whether some link of a database is held or skipped."""
        return any(self.store(host).links.standing_skips() for host in range(len(self.databases)))

    def records_of(self, case: int) -> list[str]:
        """Name the records that bear a Case's id, and those that did when they were made."""
        case_id = self.case_ids.get(case, "")
        journal = self.home_of(case).journal
        made = [write.sys_id for write in journal if write.accepted and write.correlation_id == case_id]
        return [sys_id for sys_id in dict.fromkeys(made) if case_id and sys_id]


def no_gate() -> Gate:
    """Give a gate through which everything passes undisturbed."""
    return Gate((), _never)


def _never(interrupt: Interrupt) -> None:
    raise AssertionError(f"nothing was to strike: {interrupt}")


def _ended(host: int, number: int, report: CycleReport | None) -> Ended:
    if report is None:
        return Ended(host=host, number=number, well=False, why="killed")
    planned = tuple(f"{action.kind.value} {action.case_id} to {action.to_stage.word}" for action in report.plan.actions)
    return Ended(host=host, number=number, well=report.error is None, why=str(report.error or ""), planned=planned)
