"""The bench of the system tests: both services over real HTTP, a folder with a config, and the real command.

The program runs as a process of its own and is given nothing but files, environment and addresses. Everything that it
sends passes a ``Tap``, where a test may count, look, step in, or end the process.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import IO, Any, Protocol, Self

import reconciler
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER, Sandbox
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.http.wire import Face, Request, Response

THIS_PROGRAM = [sys.executable, "-m", "reconciler"]
PATIENCE_SECONDS = 60.0
"""How long a test waits for what must happen; nothing waits that long when all is well."""
SECRETS = {"CORALOGIX_API_KEY": API_KEY, "SERVICENOW_PASSWORD": API_PASSWORD}
CASE_LIST_PATH = "/mgmt/openapi/5/cases/cases/v1"

Step = Callable[[Request], Response | None]
"""Is called with a request that is stepped in on; an answer of its own goes out instead of the service's."""


def is_mutating(request: Request) -> bool:
    """Tell a request that changes something; Cases are listed with POST."""
    reads = request.method in {"GET", "HEAD"} or (request.method, request.path) == ("POST", CASE_LIST_PATH)
    return not reads


class Traffic:
    """Know what passed between the program and both services. Safe for several threads."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._changed = threading.Condition()
        self._steps: dict[tuple[int, str], Step] = {}
        self._mutations = 0

    @property
    def mutations(self) -> list[Request]:
        """List the mutating requests in the order of arrival."""
        with self._changed:
            return [request for request in self.requests if is_mutating(request)]

    def counts(self) -> Counter[str]:
        """Count the requests by what they do, such as ``GET incident`` or ``PUT acknowledged``."""
        with self._changed:
            return Counter(f"{request.method} {_what(request.path)}" for request in self.requests)

    def forget(self) -> None:
        """Start counting anew; planned steps stay."""
        with self._changed:
            self.requests.clear()
            self._mutations = 0

    def step_in(self, nth: int, side: str, step: Step) -> None:
        """Call ``step`` at the nth mutating request from now on, ``before`` or ``after`` its effect."""
        self._steps[self._mutations + nth, side] = step

    def arrive(self, request: Request) -> int:
        """Note a request; give the number of a mutating one, else 0."""
        with self._changed:
            self.requests.append(request)
            self._mutations += is_mutating(request)
            self._changed.notify_all()
            return self._mutations if is_mutating(request) else 0

    def step(self, number: int, side: str, request: Request) -> Response | None:
        """Do what was planned for this point, if anything was."""
        planned = self._steps.pop((number, side), None)
        return planned(request) if planned else None

    def wait_for(self, is_there: Callable[[Sequence[Request]], bool]) -> None:
        """Wait until the requests so far are as a test expects them; fail when they never are."""
        with self._changed:
            assert self._changed.wait_for(lambda: is_there(self.requests), PATIENCE_SECONDS), "it never came"


def _what(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    if parts[-1] == "events":
        return "events"
    return parts[4] if parts[0] == "mgmt" else parts[3]


@dataclass(frozen=True)
class Tap:
    """Stand before one service and let everything through, unless a test steps in."""

    face: Face
    traffic: Traffic

    def answer(self, request: Request) -> Response:
        number = self.traffic.arrive(request)
        instead = self.traffic.step(number, "before", request)
        if instead is not None:
            return instead
        response = self.face.answer(request)
        return self.traffic.step(number, "after", request) or response


@dataclass(frozen=True, kw_only=True)
class Ran:
    """Hold what a finished command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Read standard output as the one JSON document that it must be."""
        return json.loads(self.out)

    def one_message(self) -> str:
        """Give the only words on standard error; fail where a traceback or a second message is."""
        assert "Traceback" not in self.err, self.err
        assert self.err.count("reconciler: ") == 1, self.err
        return self.err


NO_NUMBERS: Mapping[str, float] = {}


class Process(Protocol):
    """Be a process, as far as a test needs what ``Popen`` has."""

    stdout: IO[str] | None
    stderr: IO[str] | None

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def communicate(self, *, timeout: float) -> tuple[str, str]: ...
    def send_signal(self, number: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Processes:
    """Run command lines as a user does, with the program as it stands."""

    def start(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        numbers: Mapping[str, float] = NO_NUMBERS,
    ) -> Process:
        """Start one in a folder; ``numbers`` stand in the place of constants of the program, where that can be."""
        assert not numbers
        return subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        *,
        numbers: Mapping[str, float] = NO_NUMBERS,
    ) -> Ran:
        """Run one to its end."""
        process = self.start(command, folder, environment, numbers=numbers)
        try:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
            return Ran(code=process.wait(), out=out, err=err)
        finally:
            process.kill()


@dataclass(frozen=True)
class Running:
    """Be a command that runs beside the test."""

    process: Process

    @property
    def pid(self) -> int:
        return self.process.pid

    def read_until(self, words: str) -> str:
        """Read its standard error until a line has these words, and give that line; fail when it ends before."""
        assert self.process.stderr is not None
        told = []
        for line in self.process.stderr:
            told.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} was never said: {''.join(told)}")

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.terminate()

    def end(self) -> tuple[int, str]:
        """Wait for its end; give the exit code and the words not read yet."""
        _, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.wait(), err

    def kill(self) -> None:
        """End it with SIGKILL and wait until it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)


class Bench:
    """Hold one world, its two servers, a folder and a config; a context manager."""

    def __init__(self, folder: Path, *, seed: int = 0, runner: Processes | None = None) -> None:
        self.folder = folder
        self._runner = runner or Processes()
        self.numbers: dict[str, float] = {}
        """constants of the program, such as how long it waits, that its commands take otherwise from now on"""
        self.world = Sandbox(SandboxClock(follow_real_time=True), seed=seed)
        self.traffic = Traffic()
        now = self.world.clock.now
        self.cases = SandboxServer(Tap(self.world.case_face(), self.traffic), now=now)
        self._record_face = Tap(self.world.record_face(), self.traffic)
        self.records = SandboxServer(self._record_face, now=now)
        self.config = folder / "reconciler.toml"
        self.database = folder / "reconciler.db"
        self.write_config()

    def __enter__(self) -> Self:
        self.cases.start()
        self.records.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cases.stop()
        self.records.stop()

    def revive_records(self) -> None:
        """Serve ServiceNow again, at the address that it had before it was stopped."""
        self.records = SandboxServer(self._record_face, port=self.records.port, now=self.world.clock.now).start()

    # -- the program -----------------------------------------------------------------------------------------

    def write_config(
        self, *, coralogix: str = "", servicenow: str = "", workers: int = 1, poll_seconds: int = 1, rest: str = ""
    ) -> None:
        """Write the config: the least there can be, fast, and what a test adds to a table or at the end."""
        self.config.write_text(
            f"""\
[coralogix]
base_url = "{self.cases.url}"
api_key = {{ env = "CORALOGIX_API_KEY" }}
requests_per_second = 1000
{coralogix}
[servicenow.main]
instance_url = "{self.records.url}"
username = "{API_USER}"
password = {{ env = "SERVICENOW_PASSWORD" }}
requests_per_second = 1000
workers = {workers}
{servicenow}
[state]
path = "reconciler.db"
[schedule]
poll_seconds = {poll_seconds}
{rest}
"""
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Give the environment of a process: the code under test, the secrets, and nothing of this machine's."""
        code = str(Path(reconciler.__file__).parents[1])
        return {"PATH": os.environ["PATH"], "PYTHONPATH": code, "HOME": str(self.folder), **SECRETS, **more}

    def command(self, *arguments: str) -> list[str]:
        """Give the command line of the program on this bench."""
        return [*THIS_PROGRAM, "--config", str(self.config), *arguments]

    def run(self, *arguments: str, **environment: str) -> Ran:
        """Run one command to its end."""
        return self.run_plain(self.command(*arguments), **environment)

    def run_plain(self, command: Sequence[str], **environment: str) -> Ran:
        """Run any command line to its end, in the folder."""
        return self._runner.run(command, self.folder, self.environment(**environment), numbers=self.numbers)

    @contextmanager
    def started(self, *arguments: str) -> Iterator[Running]:
        """Run a command beside the block, and end it with the block where it still runs."""
        process = self._runner.start(self.command(*arguments), self.folder, self.environment(), numbers=self.numbers)
        try:
            yield Running(process)
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
            for stream in filter(None, (process.stdout, process.stderr)):
                stream.close()

    def run_until_quiet(self, most: int = 6) -> None:
        """Run ``once`` until it plans nothing."""
        for _ in range(most):
            ran = self.run("once", "--json")
            assert ran.code == 0, ran
            if not ran.document["actions"]:
                return
        raise AssertionError(f"not at rest after {most} cycles")

    # -- what is there ---------------------------------------------------------------------------------------

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Ask the database as an auditor does."""
        with closing(sqlite3.connect(self.database)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql)]

    def cursors(self) -> dict[str, str]:
        """Give every cursor's time."""
        return {row["name"]: row["time"] for row in self.query("SELECT name, time FROM cursors")}

    def new_case(self, title: str = "Payments are slow") -> str:
        """Open a Case and give its id."""
        return self.world.coralogix.create_case(title)

    def status(self, case_id: str) -> str:
        """Give a Case's status."""
        return self.world.coralogix.ledger.case(case_id).status

    def record(self, case_id: str) -> Mapping[str, str]:
        """Give the one record of a Case."""
        return self.world.servicenow.incident_for(case_id)

    def sys_id(self, case_id: str) -> str:
        """Give the id of a Case's record."""
        return self.record(case_id)["sys_id"]

    def strike(self, kind: FaultKind, operation: str, **how: Any) -> None:
        """Make the services misbehave."""
        self.world.faults.add(Fault(kind, operation, **how))

    def bytes_of_folder(self) -> dict[str, bytes]:
        """Read every file of the folder, to show that nothing was touched."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}


class Delay:
    """Keep back the answer to one request until the test lets it go."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.released = threading.Event()

    def __call__(self, request: Request) -> Response | None:
        self.arrived.set()
        assert self.released.wait(PATIENCE_SECONDS)
        return None


@contextmanager
def fast_folder(otherwise: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: what a killed process leaves is the same there, and comes sooner."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    if not os.access(memory, os.W_OK):
        yield otherwise
        return
    with TemporaryDirectory(dir=memory) as name:
        yield Path(name)
