"""The stage of the benchmark: both services over real HTTP on loopback, in a process of their own.

``python -m tests.bench.stage`` reads orders from standard input, one a line, and answers each with one line.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.core.expressions.context import case_context
from reconciler.core.expressions.templates import render_fields
from reconciler.core.identity import record_id
from reconciler.core.policies.defaults import DEFAULT_FIELDS, DEFAULT_ON_CREATE
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.http.wire import Face, Request, Response
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.bench.script import KEY, PASSWORD, TABLE, USER
from tests.builders import compiled

OWNER = "Coralogix"


@dataclass(frozen=True, kw_only=True)
class Services:
    """Name where both services listen, and let things happen there."""

    cases: str
    records: str
    process: subprocess.Popen[str]

    def order(self, word: str, number: float = 0) -> int:
        """Give one order and wait until it is done; give the number that it answers."""
        assert self.process.stdin
        assert self.process.stdout
        print(word, number, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextmanager
def services() -> Iterator[Services]:
    """Serve both worlds, without a Case, from another process."""
    command = [sys.executable, "-m", "tests.bench.stage"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        yield Services(**json.loads(process.stdout.readline()), process=process)
        process.stdin.close()


class Slow:
    """Be a face that takes its time, and counts."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._pause = threading.Event()
        self.seconds = 0.0
        self.requests = 0

    def answer(self, request: Request) -> Response:
        """Answer, after as long as a service takes."""
        self.requests += 1
        self._pause.wait(self.seconds)
        return self._face.answer(request)


class Stage:
    """Hold both worlds, and do what is ordered."""

    def __init__(self) -> None:
        self.clock = SandboxClock(datetime.now(UTC) - timedelta(hours=2), follow_real_time=True)
        self.coralogix = CoralogixWorld(self.clock, FaultPlan())
        self.servicenow = ServiceNowWorld(self.clock, FaultPlan())
        self.left, self.right = Slow(CoralogixFace(self.coralogix, KEY)), Slow(ServiceNowFace(self.servicenow))

    def do(self, word: str, number: float) -> int:
        """Do one thing, and answer with a number."""
        match word:
            case "cases":
                for one in range(int(number)):
                    self.coralogix.create_case(f"Case {one} of the benchmark", "P3", [("routing.team", "sre")])
            case "records":
                return self._make_records()
            case "resolve":
                for record in self.servicenow.records():
                    self.servicenow.people.resolve(record["sys_id"])
            case "advance":
                self.clock.advance(seconds=number)
            case "delay":
                self.left.seconds = self.right.seconds = number
            case "count":
                count = self.left.requests + self.right.requests
                self.left.requests = self.right.requests = 0
                return count
        return 0

    def _make_records(self) -> int:
        """Make the record of each Case as the program would have; give how many."""
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"authorization": f"Basic {login}", "content-type": "application/json"}
        templates = compiled({**DEFAULT_FIELDS, **DEFAULT_ON_CREATE})
        made = 0
        for case in self.coralogix.ledger.cases():
            body: dict[str, Any] = {"sys_id": record_id(OWNER, case.id), "correlation_id": case.id}
            body |= {"correlation_display": OWNER, **render_fields(templates, case_context(case))}
            request = Request.of("POST", TABLE, headers=headers, body=json.dumps(body).encode())
            made += self.right.answer(request).status == 201
        return made


def serve() -> None:
    """Serve until standard input ends."""
    stage = Stage()
    now = stage.clock.now
    with SandboxServer(stage.left, now=now) as left, SandboxServer(stage.right, now=now) as right:
        print(json.dumps({"cases": left.url, "records": right.url}), flush=True)
        for line in sys.stdin:
            word, number = line.split()
            print(stage.do(word, float(number)), flush=True)


if __name__ == "__main__":
    serve()
