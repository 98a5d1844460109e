"""The stage of the benchmark: both services over real HTTP on loopback, and the real clients.

The servers run in a process of their own, so that what is measured is the client's side.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.cli.build import build_context
from reconciler.config.load import parse_config
from reconciler.engine.context import Context
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.face import CoralogixFace
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.api.login import API_PASSWORD
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.store.store import Store

KEY = "bench-key"
USER = "coralogix.sync"
CONFIG = """
[coralogix]
base_url = "{cases}"
api_key = {{ env = "KEY" }}
requests_per_second = 1000
[servicenow.main]
instance_url = "{records}"
username = "coralogix.sync"
password = {{ env = "PASSWORD" }}
requests_per_second = 1000
workers = 1
[limits]
max_creates_per_cycle = 100000
max_case_resolves_per_cycle = 100000
max_incident_resolves_per_cycle = 100000
"""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Name where both services listen."""

    cases: str
    records: str
    advance: Callable[[int], None]
    """lets this many seconds pass in the world of the services"""


@contextmanager
def services(cases: int) -> Iterator[Services]:
    """Serve both worlds from another process, with a number of active Cases."""
    command = [sys.executable, "-m", "tests.bench.stage", str(cases)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin

        def advance(seconds: int) -> None:
            print(seconds, file=process.stdin, flush=True)
            assert process.stdout
            process.stdout.readline()

        yield Services(**json.loads(process.stdout.readline()), advance=advance)
        process.stdin.close()


@contextmanager
def context(at: Services, folder: Path) -> Iterator[Context]:
    """Build the context as the command line does."""
    environ = {"KEY": KEY, "PASSWORD": API_PASSWORD}
    config = parse_config(CONFIG.format(cases=at.cases, records=at.records), environ=environ, folder=folder)
    made = build_context(config, Store.in_memory(), stop=threading.Event())
    with made.store:
        yield made


def serve(cases: int) -> None:
    """Serve until standard input ends; a number read from it moves the clock by as many seconds."""
    clock = SandboxClock(datetime.now(UTC) - timedelta(hours=2), follow_real_time=True)
    coralogix = CoralogixWorld(clock, FaultPlan())
    for number in range(cases):
        coralogix.create_case(f"Case {number} of the benchmark", "P3", [("routing.team", "sre")])
    servicenow = ServiceNowWorld(clock, FaultPlan())
    with (
        SandboxServer(CoralogixFace(coralogix, KEY), now=clock.now) as left,
        SandboxServer(ServiceNowFace(servicenow), now=clock.now) as right,
    ):
        print(json.dumps({"cases": left.url, "records": right.url}), flush=True)
        for line in sys.stdin:
            clock.advance(seconds=int(line))
            print("moved", flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
