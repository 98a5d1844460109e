"""Both services side by side, as one world: one clock, one plan of faults, and the way onto real HTTP.

The credentials are constants: they open a sandbox on loopback and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.face import CoralogixFace
from reconciler.sandbox.coralogix.lifecycle import Profile
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.http.wire import Face
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.api.login import API_PASSWORD
from reconciler.sandbox.servicenow.schema import API_USER
from reconciler.sandbox.servicenow.world import ServiceNowWorld

__all__ = ["API_KEY", "API_PASSWORD", "API_USER", "Sandbox", "Served", "serve"]

API_KEY = "sandbox-key"


class Sandbox:
    """Hold a Coralogix team and a ServiceNow instance that share clock and faults.

    ``seed`` decides the Case ids: a sandbox with another seed has none of an earlier one's.
    """

    def __init__(self, clock: SandboxClock, *, profile: Profile | str = Profile.STRICT, seed: int = 0) -> None:
        self.clock = clock
        self.faults = FaultPlan(seed)
        self.coralogix = CoralogixWorld(clock, self.faults, profile=profile, knobs=CaseKnobs(seed=seed))
        self.servicenow = ServiceNowWorld(clock, self.faults)

    def case_face(self) -> Face:
        """Make the HTTP face of Coralogix."""
        return CoralogixFace(self.coralogix, API_KEY)

    def record_face(self) -> Face:
        """Make the HTTP face of ServiceNow."""
        return ServiceNowFace(self.servicenow)


@dataclass(frozen=True, kw_only=True)
class Served:
    """Say where a sandbox is reached; base URLs without a slash at the end."""

    case_url: str
    record_url: str


@contextmanager
def serve(sandbox: Sandbox, case_face: Face, *, case_port: int = 0, record_port: int = 0) -> Iterator[Served]:
    """Serve both services on loopback until the block ends; port 0 takes a free one.

    ``case_face`` answers on Coralogix's port. Raises OSError when a port is taken.
    """
    now = sandbox.clock.now
    with (
        SandboxServer(case_face, port=case_port, now=now) as cases,
        SandboxServer(sandbox.record_face(), port=record_port, now=now) as records,
    ):
        yield Served(case_url=cases.url, record_url=records.url)
