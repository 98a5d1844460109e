"""Processes that die in memory, the stand on which they do, and what no death may change.

A process is one cycle, with clients and a connection of its own. Where it dies, the files of its database are copied as
they stand, the write-ahead log with what is not in the database yet; whatever it sends or commits from then on, in
whichever thread, comes to nothing. The next process opens the copy.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from reconciler.cli.build import engine_settings, mapped_fields
from reconciler.core.model import System
from reconciler.engine.context import Context
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleReport, CycleRequest
from reconciler.engine.request_log import RequestLog
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import basic_login, bearer_login
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER, Sandbox
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.http.wire import Face, Request, Response
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.store.store import Store
from tests.campaign.schedule import Interrupt, When
from tests.campaign.stage import Killed, MortalDatabase
from tests.campaign.trace import Gate
from tests.clients import in_process
from tests.scenario.configured import config_of
from tests.store_helpers import make_empty_file
from tests.system.support import is_mutating

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
MUTATION, READ = "mutation", "read"
FIELDS = ("correlation_id", "correlation_display", "sys_id", "number", "state", "short_description", "close_code")
LINKS = """SELECT case_id, case_key, case_status, connector, target_table, sys_id, number, incident_state, case_stage,
    incident_stage, agreed_stage, hold_reason FROM audit_links ORDER BY case_id"""
CASE_ORDER = ("", "ACTIVE", "ACKNOWLEDGED", "RESOLVED", "CLOSED")


class Stand(Protocol):
    """Be what a scenario plays on: in memory, or with real processes."""

    world: Sandbox

    def new_case(self, title: str = ...) -> str: ...
    def sys_id(self, case_id: str) -> str: ...
    def query(self, sql: str) -> list[dict[str, Any]]: ...
    def once(self) -> None: ...


class Life(Gate):
    """Be the life of one process, and copy the files of its database where it ends."""

    def __init__(self, end: Interrupt | None, database: Path, left: Path) -> None:
        super().__init__((end,) if end else (), self._die)
        self.alone = threading.RLock()
        """held through each transaction, so that no copy falls into another thread's commit"""
        self.is_over = False
        self.met: Counter[str] = Counter()
        self._database, self._copied_to = database, left

    def meet(self, operation: str, when: When) -> None:
        with self.alone:
            if self.is_over:
                raise Killed
            self.met[operation] += when is When.BEFORE
            super().meet(operation, when)

    def _die(self, _: Interrupt) -> None:
        self.is_over = True
        self._copied_to.mkdir()
        for path in (self._database, self._database.with_name(f"{self._database.name}-wal")):
            shutil.copy(path, self._copied_to)
        raise Killed


class _MortalDatabase(MortalDatabase):
    gate: Life

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self.gate.alone, super().transaction() as connection:
            yield connection


@dataclass(frozen=True)
class _Mortal:
    """A face that a process can reach for as long as it lives."""

    face: Face
    life: Life

    def answer(self, request: Request) -> Response:
        operation = MUTATION if is_mutating(request) else READ
        self.life.meet(operation, When.BEFORE)
        response = self.face.answer(request)
        self.life.meet(operation, When.AFTER)
        return response


class MemoryStand:
    """Hold one world and a folder with a database, and run one process after the other."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.database = folder / "reconciler.db"
        self.world = Sandbox(SandboxClock(START))
        self.workers = 1
        """requests to ServiceNow under way"""
        self.has_died = False
        self._left = folder / "left"
        self._config = config_of("")
        self._numbers = count(1)

    def run(self, request: CycleRequest, end: Interrupt | None = None) -> tuple[CycleReport | None, Life]:
        """Be one process to the end of its cycle, or its own; there is no report where it died."""
        self.world.clock.advance(seconds=1)
        life = Life(end, self.database, self._left)
        if not self.database.exists():
            make_empty_file(self.database)
        opened = Store.open(self.database, now=self.world.clock.now(), check=self.has_died)
        database = _MortalDatabase(opened.database.connection, str(self.database))
        database.gate = life
        report: CycleReport | None = None
        with closing(opened), suppress(Killed):
            context = self._context(Store(database), life)
            report = run_cycle(context, request, cycle_id=f"cycle-{next(self._numbers):06d}")
        self.has_died = life.is_over
        if self.has_died:
            self._put_what_was_left_in_place()
        return report, life

    def _put_what_was_left_in_place(self) -> None:
        self.forget_database()
        for path in self._left.iterdir():
            path.rename(self.database.with_name(path.name))
        self._left.rmdir()

    def _context(self, store: Store, life: Life) -> Context:
        clock, policies, log = self.world.clock, self._config.policies, RequestLog()
        cases_face, records_face = _Mortal(self.world.case_face(), life), _Mortal(self.world.record_face(), life)
        cases = in_process(System.CORALOGIX, cases_face, bearer_login(API_KEY), clock, log.note)
        records = in_process(System.SERVICENOW, records_face, basic_login(API_USER, API_PASSWORD), clock, log.note)
        fields = mapped_fields(policies)
        return Context(
            cases=CoralogixClient(cases),
            events=CoralogixEventClient(cases),
            connectors={"main": ServiceNowClient("main", records, owner=policies.owner, extra_fields=fields)},
            users={"main": API_USER},
            store=store,
            policies=policies,
            policy_hash=self._config.policy_hash,
            clock=clock.now,
            requests=log,
            settings=replace(engine_settings(self._config), workers_of={System.CORALOGIX: 1, "main": self.workers}),
            program_version="test",
        )

    def once(self) -> None:
        """Let one process do its work."""
        self._report()

    def _report(self) -> CycleReport:
        report, _ = self.run(CycleRequest())
        assert report is not None
        assert report.exit_code == 0, report.error
        return report

    def run_until_quiet(self, most: int = 6) -> None:
        """Let one process after the other do its work until one plans nothing."""
        for _ in range(most):
            if not self._report().plan.actions:
                return
        raise AssertionError(f"not at rest after {most} cycles")

    def forget_database(self) -> None:
        """Lose the database."""
        for path in self.database.parent.glob(f"{self.database.name}*"):
            path.unlink()

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the database, of which a process that died leaves every file as it is."""
        with Store.copy_of(self.database) as store:
            return list(store.database.named(sql))

    def new_case(self, title: str = "Payments are slow") -> str:
        """Open a Case and give its id."""
        return self.world.coralogix.create_case(title)

    def sys_id(self, case_id: str) -> str:
        """Give the id of a Case's record."""
        return self.world.servicenow.incident_for(case_id)["sys_id"]


def busy_cycle(stand: Stand) -> None:
    """One create, one advance of a record, and one of a Case in one step and in two."""
    taken, cancelled, over = map(stand.new_case, ("Taken", "Cancelled", "Over"))
    stand.once()
    stand.world.servicenow.people.assign(stand.sys_id(taken))
    stand.world.servicenow.people.cancel(stand.sys_id(cancelled))
    stand.world.coralogix.resolve(over, "Recovered")
    stand.new_case("New")


# -- what no death may change --------------------------------------------------------------------------------------


def end_state(stand: Stand, *, workers: int = 1) -> dict[str, Any]:
    """Give what may not depend on how often the program was killed on its way.

    With several workers the numbers of records depend on which came first.
    """
    left_out = {"number"} if workers > 1 else set()
    records = sorted(stand.world.servicenow.records(), key=lambda row: row["correlation_id"])
    return {
        "cases": [(case.key, case.status, case.resolution_reason) for case in stand.world.coralogix.ledger.cases()],
        "records": [[row[name] for name in FIELDS if name not in left_out] for row in records],
        "notes": [row["close_notes"].partition("\n")[0] for row in records],
        "links": [{key: row[key] for key in row.keys() - left_out} for row in stand.query(LINKS)],
    }


def assert_journal_is_whole_and_nothing_came_twice_or_back(stand: Stand) -> None:
    """Look at every write on the way."""
    assert stand.query("SELECT count(*) AS n FROM audit_actions WHERE result IS NULL") == [{"n": 0}]
    steps = [entry for entry in stand.world.coralogix.journal if entry.actor == "apiKey"]
    assert [entry for entry in steps if not (entry.accepted and entry.changed)] == []
    assert [s for s in steps if CASE_ORDER.index(s.to_status) <= CASE_ORDER.index(s.from_status)] == []
    writes = [write for write in stand.world.servicenow.journal if write.via_api and write.accepted]
    assert [write for write in writes if write.changed_nothing] == []
    assert [write for write in writes if write.state_before and int(write.state_after) < int(write.state_before)] == []
    made = Counter(write.correlation_id for write in writes if write.operation is Operation.INSERT)
    assert set(made.values()) == {1}
