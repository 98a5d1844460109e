"""Both services side by side: one clock and one plan of faults for both, and how they are served over real HTTP.

The usual credentials are constants: they open a sandbox on loopback and nothing else. A sandbox that is served to
everybody on this machine is given fresh ones.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from reconciler.core.frozen import dataclass
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.lifecycle import Profile
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.http.wire import Face
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.api.login import API_PASSWORD, ApiUser, OAuthClient
from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.switches import Rewrite, Switches
from reconciler.sandbox.servicenow.tables.schema import API_USER
from reconciler.sandbox.servicenow.tables.task_tables import custom_table, further_task_tables
from reconciler.sandbox.servicenow.world import ServiceNowWorld

__all__ = ["API_KEY", "API_PASSWORD", "API_USER", "SCRIPT", "Credentials", "Offers", "Sandbox", "Served", "serve"]

API_KEY = "sandbox-key"
SCRIPT = Actor(user_name="admin", roles=frozenset({"admin"}), script=True)


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What opens the two services: Coralogix's key, and one secret for each login that ServiceNow knows."""

    case_key: str = API_KEY
    password: str = API_PASSWORD
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-client-secret"  # noqa: S105 - opens a sandbox on loopback and nothing else
    record_key: str = "sandbox-record-key"

    @classmethod
    def fresh(cls) -> Credentials:
        """Make secrets that nobody has seen."""
        case_key, password, client_secret, record_key = (secrets.token_urlsafe(18) for _ in range(4))
        return cls(case_key=case_key, password=password, client_secret=client_secret, record_key=record_key)


@dataclass(frozen=True, kw_only=True)
class Offers:
    """What an instance has beyond what every sandbox has: task tables, and names to look up."""

    tables: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """full names"""
    items: tuple[str, ...] = ()
    """configuration items, services all of them"""
    rewrites: frozenset[Rewrite] = frozenset()


class Sandbox:
    """A Coralogix team and a ServiceNow instance that share clock and faults.

    ``seed`` decides the Case ids: a sandbox with another seed has none of an earlier one's.
    """

    def __init__(
        self,
        clock: SandboxClock,
        *,
        profile: Profile | str = Profile.STRICT,
        seed: int = 0,
        credentials: Credentials | None = None,
        offers: Offers | None = None,
    ) -> None:
        self.clock = clock
        self.credentials = credentials or Credentials()
        self.faults = FaultPlan(seed)
        self.coralogix = CoralogixWorld(clock, self.faults, profile=profile, knobs=CaseKnobs(seed=seed))
        asked = offers or Offers()
        self.servicenow = ServiceNowWorld(clock, self.faults, switches=Switches(rewrites=asked.rewrites))
        _furnish(self.servicenow, asked)

    def case_face(self) -> Face:
        """Make the HTTP face of Coralogix."""
        return CoralogixFace(self.coralogix, self.credentials.case_key)

    def record_face(self) -> Face:
        """Make the HTTP face of ServiceNow, which takes every login."""
        known = self.credentials
        user = ApiUser(password=known.password, api_key=known.record_key)
        client = OAuthClient(client_id=known.client_id, client_secret=known.client_secret, user_name=user.user_name)
        return ServiceNowFace(self.servicenow, (user,), (client,))


def _furnish(world: ServiceNowWorld, offers: Offers) -> None:
    """Add the further task tables, and the names that are to be looked up; one that is there already stays the only."""
    for schema in (*further_task_tables(), *map(custom_table, offers.tables)):
        world.tables.register(schema)
    for name in _new(world, "sys_user_group", offers.groups):
        world.writes.insert("sys_user_group", {"name": name, "active": "true"}, SCRIPT)
    for name in _new(world, "sys_user", offers.users):
        user_name = ".".join(name.lower().split())
        world.writes.insert("sys_user", {"user_name": user_name, "name": name, "active": "true"}, SCRIPT)
    for name in _new(world, "cmdb_ci_service", offers.items):
        row = world.writes.insert("cmdb_ci_service", {"name": name, "sys_class_name": "cmdb_ci_service"}, SCRIPT)
        world.writes.insert("cmdb_ci", row, SCRIPT)  # the same row, by the same id: one table extends the other


def _new(world: ServiceNowWorld, table: str, names: Iterable[str]) -> list[str]:
    known = {row["name"] for row in world.tables.named(table)}
    return [name for name in dict.fromkeys(names) if name not in known]


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where a sandbox is reached; base URLs without a slash at the end."""

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
