"""What a script is played on: the whole program over both services in memory, without sockets or waiting.

The clients are the real ones, the database is in memory, the clock moves only when it is set, and one record is written
at a time, so that the same script always has the same result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.core.case_events import CaseEventKind
from reconciler.core.frozen import dataclass
from reconciler.core.model import System
from reconciler.core.policies.policies import Policies
from reconciler.engine.context import Context, Settings
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import Login, basic_login, bearer_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.pacing import ClientClock
from reconciler.remotes.http.settings import HttpSettings
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.records import Actor
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.in_process import InProcessAdapter
from reconciler.sandbox.http.wire import Face
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.simulate.instance import ObligingClient, make_instance
from reconciler.simulate.script import CaseAppears, Scene, ScriptedEvent
from reconciler.store.store import Store

AT_ONCE = HttpSettings(base_url="http://in-process.invalid", requests_per_second=1e6, burst=1_000_000, read_attempts=1)
PAGE_ROWS = 25
"""A cycle seldom reads more Cases than this, and reading pages takes most of the time of a simulation."""
Play = Callable[[CoralogixWorld, ScriptedEvent, Actor], object]
PLAYS: Mapping[str, Play] = {
    CaseEventKind.STATUS: lambda world, turn, by: world.set_status(turn.case_id, turn.value, by, turn.reason),
    # The event shows the effective priority, whoever set it; the system priority can always be set.
    CaseEventKind.PRIORITY: lambda world, turn, _: world.set_priority(turn.case_id, turn.value, "system"),
    CaseEventKind.TITLE: lambda world, turn, by: world.set_title(turn.case_id, turn.value, by),
    CaseEventKind.REASON: lambda world, turn, by: world.set_reason(turn.case_id, turn.value, by),
    CaseEventKind.ASSIGNED: lambda world, turn, by: world.assign(turn.case_id, turn.value, by),
    CaseEventKind.UNASSIGNED: lambda world, turn, by: world.assign(turn.case_id, "", by),
    CaseEventKind.COMMENT: lambda world, turn, by: world.comment(turn.case_id, turn.value, by),
}


@dataclass(frozen=True, kw_only=True)
class Production:
    """The config that is simulated: its policies, and the settings of a cycle."""

    policies: Policies
    policy_hash: str
    connectors: Sequence[str]
    fields: Mapping[str, Sequence[str]]
    """table -> the fields that policies write or read"""
    settings: Settings
    reads_events: bool = False
    """each Case that changed is asked for its events, too"""
    program_version: str


class Simulation:
    """Both services, the program that works on them, and a count of its requests by side."""

    def __init__(self, production: Production, start: datetime) -> None:
        self.clock = SandboxClock(start)
        self.requests: Counter[str] = Counter()
        self.coralogix = CoralogixWorld(self.clock, FaultPlan())
        face = CoralogixFace(self.coralogix, API_KEY)
        service = self._service(System.CORALOGIX, "coralogix", bearer_login(API_KEY), face)
        self.context = Context(
            cases=CoralogixClient(service),
            events=CoralogixEventClient(service) if production.reads_events else None,
            connectors={name: self._connector(name, production) for name in production.connectors},
            store=Store.in_memory(),
            policies=production.policies,
            policy_hash=production.policy_hash,
            clock=self.clock.now,
            settings=replace(production.settings, workers=1, workers_of={}, case_page_rows=PAGE_ROWS),
            program_version=production.program_version,
        )

    def play(self, scene: Scene) -> None:
        """Play one scene, at its time."""
        self.go_to(scene.at)
        match scene:
            case CaseAppears():
                self.coralogix.take_in(scene.case)
            case ScriptedEvent():
                actor = Actor(kind=scene.actor.kind or "system", id=scene.actor.id, name=scene.actor.name)
                PLAYS[scene.kind](self.coralogix, scene, actor)

    def go_to(self, moment: datetime) -> None:
        """Set the clock."""
        self.clock.advance(seconds=(moment - self.clock.now()).total_seconds())

    def close(self) -> None:
        """Close the database in memory."""
        self.context.store.close()

    def _connector(self, name: str, production: Production) -> ObligingClient:
        world = make_instance(name, production.policies, production.fields, self.clock)
        http = self._service(System.SERVICENOW, name, basic_login(API_USER, API_PASSWORD), ServiceNowFace(world))
        return ObligingClient(world, name, http, owner=production.policies.owner, extra_fields=production.fields)

    def _service(self, system: System, name: str, login: Login, face: Face) -> HttpService:
        return HttpService(
            system,
            AT_ONCE,
            login,
            observe=lambda _: self.requests.update([name]),
            clock=ClientClock(now=self.clock.now, monotonic=lambda: 0.0, sleep=lambda _seconds: None),
            adapter=InProcessAdapter(face),
            name=name,
        )
