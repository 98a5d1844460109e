"""What the contract suite plays on: a world, and the real client of it, over sockets on loopback or in process.

One server serves the whole session; each test puts its own world behind it. Every exchange is kept, and those with
Coralogix are held against the official descriptions, so that none escapes.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from reconciler.core.model import HttpRecord, System
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.http.auth import Login, basic_login, bearer_login
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.pacing import ClientClock
from reconciler.remotes.http.settings import HttpSettings
from reconciler.remotes.ports import CaseClient, IncidentClient
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.in_process import InProcessAdapter
from reconciler.sandbox.http.wire import Face, Request, Response
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.contract.descriptions import Descriptions
from tests.unit.remotes.scripted import FakeTime

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
OWNER = "Coralogix"
EXTRA_FIELDS = ("short_description", "description", "u_no_such_field")
API = Actor(user_name=API_USER, via_api=True)
PATIENCE_SECONDS = 20.0
CORALOGIX_PATHS = ("/mgmt/", "/identity/")


class Way(StrEnum):
    """Say how a request reaches a world."""

    SOCKETS = "sockets"
    CLOSED_PORT = "closed port"
    IN_PROCESS = "in process"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Hold one request as it arrived and the answer that was meant for it."""

    request: Request
    response: Response


class Desk:
    """Answer for the faces that are on stage, and keep every exchange."""

    def __init__(self, descriptions: Descriptions) -> None:
        self.faces: dict[System, Face] = {}
        self.exchanges: list[Exchange] = []
        self.complaints: list[str] = []
        """what the official descriptions do not allow"""
        self.answers_are_described = True
        """False where a test makes the service say what no description names"""
        self._descriptions = descriptions
        self._arrived = threading.Condition()

    def answer(self, request: Request) -> Response:
        system = System.CORALOGIX if request.path.startswith(CORALOGIX_PATHS) else System.SERVICENOW
        face = self.faces[system]
        struck_before = _strikes(face)
        response = face.answer(request)
        is_as_meant = self.answers_are_described and _strikes(face) == struck_before
        with self._arrived:
            if system is System.CORALOGIX:
                self.complaints += self._descriptions.complaints(request, response if is_as_meant else None)
            self.exchanges.append(Exchange(request=request, response=response))
            self._arrived.notify_all()
        return response

    def wait_for(self, count: int) -> None:
        """Wait until so many requests had their effect, whatever the client has seen of it."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.exchanges) >= count, PATIENCE_SECONDS)

    def clear(self) -> None:
        self.faces.clear()
        self.exchanges.clear()
        self.complaints.clear()
        self.answers_are_described = True


def _strikes(face: Face) -> int:
    return sum(face.world.faults.struck.values()) if isinstance(face, CoralogixFace | ServiceNowFace) else 0


@dataclass(frozen=True, kw_only=True)
class CaseStage:
    """Hold a Coralogix world and a client of it; ``requests`` counts what reached the world, by operation."""

    client: CaseClient
    world: CoralogixWorld
    requests: Counter[str]


@dataclass(frozen=True, kw_only=True)
class RecordStage:
    """Hold a ServiceNow world and a client of it; ``requests`` counts what reached the world, by operation."""

    client: IncidentClient
    world: ServiceNowWorld
    requests: Counter[str]


OpenCases = Callable[..., CaseStage]
"""takes ``profile`` and the knobs of the world"""
OpenRecords = Callable[..., RecordStage]
"""takes the switches of the world"""


@dataclass(kw_only=True)
class Theatre:
    """Open stages on one desk and close them again."""

    desk: Desk
    url: str
    closed_url: str
    """where nobody listens"""
    read_seconds: float = PATIENCE_SECONDS
    clock: ClientClock | None = None
    """None: one that stands still"""
    sent: list[HttpRecord] = field(default_factory=list)
    """every request that left a real client"""
    _services: list[HttpService] = field(default_factory=list)

    def cases(self, world: CoralogixWorld, *, way: Way = Way.SOCKETS, key: str = API_KEY) -> CaseStage:
        """Open one stage for Cases."""
        served = CoralogixFace(world, API_KEY)
        self.desk.faces[System.CORALOGIX] = served
        service = self.service(System.CORALOGIX, bearer_login(key), way=way)
        return CaseStage(client=CoralogixClient(service), world=world, requests=served.requests)

    def records(self, world: ServiceNowWorld, *, way: Way = Way.SOCKETS, password: str = API_PASSWORD) -> RecordStage:
        """Open one stage for records."""
        served = ServiceNowFace(world)
        self.desk.faces[System.SERVICENOW] = served
        service = self.service(System.SERVICENOW, basic_login(API_USER, password), way=way)
        client = ServiceNowClient("main", service, owner=OWNER, extra_fields={"incident": EXTRA_FIELDS})
        return RecordStage(client=client, world=world, requests=served.requests)

    def service(self, system: System, login: Login, *, way: Way = Way.SOCKETS, reads_only: bool = False) -> HttpService:
        """Make one HTTP service that never waits between two attempts."""
        settings = HttpSettings(
            base_url=self.closed_url if way is Way.CLOSED_PORT else self.url,
            read_seconds=self.read_seconds,
            requests_per_second=1e6,
            burst=1_000_000,
            reads_only=reads_only,
        )
        clock = self.clock or FakeTime().clock
        adapter = InProcessAdapter(self.desk) if way is Way.IN_PROCESS else None
        service = HttpService(system, settings, login, observe=self.sent.append, clock=clock, adapter=adapter)
        self._services.append(service)
        return service

    def wait(self) -> None:
        """Wait until everything that was sent had its effect."""
        self.desk.wait_for(len(self.sent))

    def close(self) -> None:
        for service in self._services:
            service.close()


def new_cases(*, profile: str = "strict", **knobs: object) -> CoralogixWorld:
    """Make a Coralogix world at the usual time."""
    return CoralogixWorld(SandboxClock(START), FaultPlan(), profile=profile, knobs=CaseKnobs(**knobs))  # type: ignore[arg-type]


def new_records(**switches: object) -> ServiceNowWorld:
    """Make a ServiceNow world at the usual time."""
    return ServiceNowWorld(SandboxClock(START), FaultPlan(), switches=Switches(**switches))  # type: ignore[arg-type]


def case_id(number: int) -> str:
    """Give the id of a Case by number."""
    return f"0b0e7a1c-0000-4000-8000-{number:012d}"


def sys_id(number: int) -> str:
    """Give the id of a record by number."""
    return f"{0xABC000 + number:032x}"


def record_fields(number: int, **fields: str) -> dict[str, str]:
    """Give what the record of a Case is created from."""
    keys = {"sys_id": sys_id(number), "correlation_id": case_id(number), "correlation_display": OWNER}
    return {**keys, **fields}
