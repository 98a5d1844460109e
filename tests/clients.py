"""The program's own clients, brought to a world of the sandbox in process: no socket, no wait, no second attempt.

A read is sent once, so that each planned fault is seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from reconciler.core.model import System
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import Login, basic_login, bearer_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.pacing import ClientClock
from reconciler.remotes.http.settings import HttpSettings, Observer, ignore_record
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import ALL_RIGHTS, CoralogixFace
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.http.in_process import InProcessAdapter
from reconciler.sandbox.http.wire import Face
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.world import ServiceNowWorld

SETTINGS = HttpSettings(base_url="http://in-process.invalid", requests_per_second=1e6, burst=1_000_000, read_attempts=1)
WRITES = ("records.create", "records.update", "records.event")


class CasesInProcess(CoralogixClient):
    """Speak to a Coralogix world; ``requests`` counts what reached it, by operation."""

    def __init__(
        self, world: CoralogixWorld, observe: Observer = ignore_record, permissions: Iterable[str] = ALL_RIGHTS
    ) -> None:
        face = CoralogixFace(world, API_KEY, permissions=permissions)
        self.requests: Counter[str] = face.requests
        super().__init__(in_process(System.CORALOGIX, face, bearer_login(API_KEY), world.clock, observe))

    @property
    def events(self) -> CoralogixEventClient:
        """Give a client of the same Cases' events."""
        return CoralogixEventClient(self._http)


class IncidentsInProcess(ServiceNowClient):
    """Speak to a ServiceNow world as one connector; ``requests`` counts what reached it, by operation."""

    def __init__(
        self,
        world: ServiceNowWorld,
        connector: str = "main",
        owner: str = "Coralogix",
        extra_fields: Sequence[str] = (),
        observe: Observer = ignore_record,
    ) -> None:
        face = ServiceNowFace(world)
        self.face = face
        self.world = world
        self.requests: Counter[str] = face.requests
        http = in_process(System.SERVICENOW, face, basic_login(API_USER, API_PASSWORD), world.clock, observe)
        super().__init__(connector, http, owner=owner, extra_fields={"incident": extra_fields})

    @property
    def writes(self) -> int:
        """Count the writes that were sent, whatever came of them."""
        return sum(self.requests[operation] for operation in WRITES)


def in_process(
    system: System, face: Face, login: Login, clock: SandboxClock, observe: Observer = ignore_record
) -> HttpService:
    """Reach a face in process; every wait is over at once."""
    time = ClientClock(now=clock.now, monotonic=lambda: 0.0, sleep=lambda _seconds: None)
    return HttpService(system, SETTINGS, login, clock=time, observe=observe, adapter=InProcessAdapter(face))
