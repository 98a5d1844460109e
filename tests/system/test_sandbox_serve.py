"""The command ``sandbox`` as users type it: serve, a config that works at once, people and faults at command."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.cli.commands.sandbox.control import ask
from reconciler.core.errors import ConfigError, ReconcilerError
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.control.people import CASE_ACTS, RECORD_ACTS, People, RefusedActError
from tests.system.forks import Forks
from tests.system.support import PATIENCE_SECONDS, THIS_PROGRAM, Process, Ran

ROOT = Path(__file__).resolve().parents[2]
LAST_WORDS = "Ctrl-C ends the sandbox."
OTHERS = (
    "RECONCILER_CONFIG",
    "RECONCILER_SANDBOX_URL",
    "RECONCILER_SANDBOX_TOKEN",
    "CORALOGIX_API_KEY",
    "SERVICENOW_PASSWORD",
    "SERVICENOW_CLIENT_SECRET",
    "SERVICENOW_API_KEY",
    "STATE_DIRECTORY",
)
BARE = {name: value for name, value in os.environ.items() if name not in OTHERS} | {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, kw_only=True)
class Running:
    """Hold a sandbox that serves in a process of its own."""

    forks: Forks
    process: Process
    folder: Path
    config: str
    """what it printed to standard output"""
    words: tuple[str, ...]
    """what it said on standard error"""

    @property
    def exports(self) -> Mapping[str, str]:
        lines = [line.split() for line in self.words]
        return dict(parts[1].split("=", 1) for parts in lines if parts[:1] == ["export"])

    @property
    def url(self) -> str:
        return self.exports["RECONCILER_SANDBOX_URL"]

    def run(self, *arguments: str) -> Ran:
        return self.forks.run([*THIS_PROGRAM, *arguments], self.folder, {**BARE, **self.exports})

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RECONCILER_SANDBOX_TOKEN", self.exports["RECONCILER_SANDBOX_TOKEN"])
            return ask(self.url, method, path, body)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.code == 0, done.err
        return done.document


@contextmanager
def serving(forks: Forks, folder: Path, *options: str) -> Iterator[Running]:
    arguments = [*THIS_PROGRAM, "sandbox", "serve", "--case-port", "0", "--record-port", "0", *options]
    process = forks.start(arguments, folder, BARE)
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out, process.stderr as err:
        try:
            words: list[str] = []
            while LAST_WORDS not in words:
                line = err.readline()
                assert line, words
                words.append(line.rstrip("\n"))
            out.seek(0)
            yield Running(forks=forks, process=process, folder=folder, config=out.read(), words=tuple(words))
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def sandbox(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving_with_config(forks, tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@contextmanager
def serving_with_config(forks: Forks, folder: Path, *options: str) -> Iterator[Running]:
    """Serve, and do with the printed config what a user is told to do."""
    with serving(forks, folder, *options) as running:
        (folder / "reconciler.toml").write_text(running.config)
        yield running


def test_the_printed_config_and_exports_are_all_that_once_needs(forks: Forks, tmp_path: Path) -> None:
    with serving_with_config(forks, tmp_path) as sandbox:
        play_one_case(sandbox)


def play_one_case(sandbox: Running) -> None:
    key = sandbox.run("sandbox", "case", "create", "Payments are slow", "--priority", "P1", "--label", "team=sre")
    assert (key.code, key.err) == (0, "")
    first = sandbox.json("once")
    assert [(one["kind"], one["result"]) for one in first["actions"]] == [("create_incident", "done")]
    assert sandbox.run("sandbox", "incident", "progress", key.out.strip()).out == "INC0010001 is in_progress\n"
    second = sandbox.json("once")
    assert [(one["kind"], one["path"]) for one in second["actions"]] == [("advance_case", ["acknowledge"])]
    (case,) = sandbox.json("sandbox", "list")["cases"]
    assert (case["key"], case["status"], case["priority"]) == (key.out.strip(), "ACKNOWLEDGED", "P1")
    assert [one["stage"] for one in case["incidents"]] == ["acknowledged"]
    shown = sandbox.run("sandbox", "list").out
    assert "INC0010001" in shown
    assert "Payments are slow" in shown


def test_a_lost_answer_makes_no_second_record(sandbox: Running) -> None:
    assert sandbox.run("sandbox", "fault", "add", "reset", "records.create", "--after-effect").code == 0
    made = sandbox.ask("POST", "cases", {"title": "one answer is lost"})
    assert sandbox.json("once")["counts"]["create_incident"] == 1
    assert sandbox.json("once")["actions"] == []
    cases = {one["id"]: one for one in sandbox.ask("GET", "cases")["cases"]}
    assert len(cases[made["id"]]["incidents"]) == 1


def test_faults_can_strike_for_ever_and_be_forgotten(sandbox: Running) -> None:
    assert sandbox.run("sandbox", "fault", "add", "rate_429", "records.*", "--for-ever").code == 0
    assert sandbox.run("once").code == 1
    assert sandbox.run("sandbox", "fault", "clear").code == 0
    assert sandbox.run("once").code == 0


@pytest.mark.parametrize("year", ["1", "9999", "20000"])
def test_a_time_that_cannot_be_stops_its_own_case_alone(sandbox: Running, year: str) -> None:
    titles = {sandbox.ask("POST", "cases", {"title": f"{order} of year {year}"})["id"] for order in ("one", "another")}
    done = sandbox.run("sandbox", "fault", "add", "strange_times", "cases.list", "--year", year, "--times", "2")
    assert done.out == "strange_times strikes the next 2 cases.list before the effect\n"
    first, second = sandbox.json("once"), sandbox.json("once")
    assert first["actions"]
    assert {one["result"] for one in (*first["actions"], *second["actions"])} == {"done"}
    assert {one["case_id"] for one in (*first["actions"], *second["actions"])} >= titles


def test_absurd_headers_are_ignored_with_a_word(sandbox: Running) -> None:
    sandbox.ask("POST", "cases", {"title": "behind absurd headers"})
    assert sandbox.run("sandbox", "fault", "add", "absurd_headers", "*", "--for-ever").code == 0
    done = sandbox.run("once")
    assert sandbox.run("sandbox", "fault", "clear").code == 0
    assert done.code == 0
    assert "a header makes no sense and is ignored" in done.err
    assert "999999" not in done.out + done.err


def test_every_act_is_a_subcommand(sandbox: Running) -> None:
    for group, acts in (("case", CASE_ACTS), ("incident", RECORD_ACTS)):
        shown = sandbox.run("sandbox", group, "--help").out
        assert all(f"\n  {act} " in shown for act in acts)


def test_people_take_a_case_and_its_record_all_the_way(sandbox: Running) -> None:
    key = sandbox.ask("POST", "cases", {"title": "all the way"})["key"]
    statuses = [
        sandbox.ask("POST", f"cases/{key}/{act}", {})["status"]
        for act in ("acknowledge", "unacknowledge", "resolve", "reactivate", "resolve", "close")
    ]
    assert statuses == ["ACKNOWLEDGED", "ACTIVE", "RESOLVED", "ACTIVE", "RESOLVED", "CLOSED"]
    other = sandbox.ask("POST", "cases", {"title": "all the way back"})["key"]
    sandbox.json("once")
    states = [
        sandbox.ask("POST", f"incidents/{other.lower()}/{act}", {})["state"]
        for act in ("assign", "progress", "hold", "resolve", "reopen", "resolve", "close")
    ]
    assert states == ["new", "in_progress", "on_hold", "resolved", "in_progress", "resolved", "closed"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("case", "resolve", "CASE-999"), 2, "CASE-999 is neither a Case nor an Incident"),
        (("incident", "cancel", "INC9999999"), 2, "INC9999999 is neither a Case nor an Incident"),
        (("fault", "add", "reset", "records.creat"), 2, "no operation is called 'records.creat'"),
        (("case", "create", " "), 2, "a title has 1 to 512 characters"),
        (("list", "--url", "gopher://x"), 2, "the address of the sandbox: found"),
        (("list", "--url", "http://127.0.0.1:9"), 1, "reconciler sandbox serve"),
        (("list", "--url", "http://[::1"), 2, "the address of the sandbox: found"),
    ],
)
def test_what_cannot_be_done_is_one_line(sandbox: Running, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = sandbox.run("sandbox", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert done.err.count("\n") == 1


def test_a_step_that_the_service_refuses_is_refused(sandbox: Running) -> None:
    made = sandbox.run("sandbox", "case", "create", "to be closed too early").out.strip()
    done = sandbox.run("sandbox", "case", "close", made)
    assert done.code == 3
    assert "does not take the step close" in done.err


def test_what_servicenow_refuses_a_person_is_refused() -> None:
    sandbox = Sandbox(SandboxClock())
    sandbox.servicenow.rules.add("no work on Sundays", lambda _, after: after["state"] == "2")
    sys_id = sandbox.servicenow.people.open_incident("one")
    assert People(sandbox).act_on_record(sys_id, "assign")["assigned_to"]
    with pytest.raises(RefusedActError, match="no work on Sundays"):
        People(sandbox).act_on_record(sys_id, "progress")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "nothing", None),
        ("POST", "cases/CASE-1/sing", {}),
        ("POST", "cases", {"title": "x", "priority": "P9"}),
        ("POST", "cases", {"title": "x", "labels": ["a"]}),
        ("POST", "faults", {"kind": "reset", "operation": "records.*", "times": 0}),
        ("POST", "faults", {"kind": "fire", "operation": "records.*"}),
        ("POST", "faults", {"kind": "strange_times", "operation": "cases.*", "year": 0}),
    ],
)
def test_a_bad_request_to_the_scripting_face_is_refused(
    sandbox: Running, method: str, path: str, body: dict[str, Any] | None
) -> None:
    with pytest.raises(ConfigError):
        sandbox.ask(method, path, body)


def test_what_is_no_sandbox_is_told_apart(sandbox: Running) -> None:
    other = next(line.split()[1].rstrip(",") for line in sandbox.words if line.startswith("ServiceNow"))
    with pytest.raises(ReconcilerError, match="is not a sandbox") as caught:
        ask(other, "GET", "cases")
    assert caught.value.exit_code == 1


def test_only_who_knows_the_token_and_asks_here_is_answered(sandbox: Running) -> None:
    done = sandbox.forks.run([*THIS_PROGRAM, "sandbox", "list", "--url", sandbox.url], sandbox.folder, BARE)
    assert done.code == 2
    assert "export it as $RECONCILER_SANDBOX_TOKEN" in done.err
    address = urlsplit(sandbox.url)
    assert address.hostname
    for host, status in ((f"localhost:{address.port}", 200), ("rebound.example", 403), (address.hostname, 403)):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        token = sandbox.exports["RECONCILER_SANDBOX_TOKEN"]
        connection.request("GET", "/sandbox/cases", headers={"Host": host, "X-Sandbox-Token": token})
        assert connection.getresponse().status == status
        connection.close()


@pytest.mark.parametrize("auth", ["oauth_password", "oauth_client_credentials", "api_key"])
def test_every_login_opens_the_sandbox(forks: Forks, tmp_path: Path, auth: str) -> None:
    with serving(forks, tmp_path, "--dir", ".", "--auth", auth) as sandbox:
        assert f'auth = "{auth}"' in sandbox.config
        assert sandbox.run("--config", "reconciler.toml", "once").code == 0
    secrets = {
        path.name: path.read_text() for path in tmp_path.iterdir() if path.name.startswith(("coralogix", "servicenow"))
    }
    assert len(secrets) == 4
    assert len(set(secrets.values())) == 4


ROUTES_TO_ALL = """
[[route]]
name = "outages"
when = 'case.title is starting_with("outage")'
connector = "main"
inbound = "outages"

[[route]]
name = "security"
when = "true"
connector = "main"
inbound = "security"

[inbound.outages]
table = "u_outage"
[inbound.outages.states]
1 = "new"
2 = "in_progress"
6 = "resolved"
7 = "closed"
8 = "canceled"
[inbound.outages.fields]
short_description = "{{ case.title }}"
assignment_group = "Platform"
assigned_to = "ada.lovelace"
cmdb_ci = "search"

[inbound.security]
table = "sn_si_incident"
[inbound.security.states]
10 = "new"
18 = "in_progress"
21 = "resolved"
3 = "closed"
7 = "canceled"
"""


def test_what_a_config_names_can_be_offered(forks: Forks, tmp_path: Path) -> None:
    names = ("--table", "u_outage", "--group", "Platform", "--user", "Ada Lovelace", "--ci", "search")
    with serving_with_config(forks, tmp_path, *names, "--rewrite", "prefix") as sandbox:
        (tmp_path / "reconciler.toml").write_text(sandbox.config + ROUTES_TO_ALL)
        for title in ("outage of the search", "somebody is inside"):
            sandbox.ask("POST", "cases", {"title": title})
        assert {one["result"] for one in sandbox.json("once")["actions"]} == {"done"}
        seen = [one["incidents"][0] for one in sandbox.json("sandbox", "list")["cases"]]
        assert [(one["table"], one["number"], one["state"]) for one in seen] == [
            ("u_outage", "OUT0010001", "new"),
            ("sn_si_incident", "SIR0010001", "new"),
        ]
        assert seen[0]["assigned_to"]
        assert sandbox.run("sandbox", "incident", "progress", "SIR0010001").out == "SIR0010001 is in_progress\n"
        refused = sandbox.run("sandbox", "incident", "hold", "SIR0010001")
        assert (refused.code, "no state that means on_hold" in refused.err) == (3, True)
        assert {one["result"] for one in sandbox.json("once")["actions"]} == {"done"}


@pytest.mark.parametrize(
    ("name", "words"), [("incident", "every sandbox has the table incident"), ("U-X", "no name of a table")]
)
def test_a_table_that_cannot_be_offered_is_refused(forks: Forks, tmp_path: Path, name: str, words: str) -> None:
    done = forks.run([*THIS_PROGRAM, "sandbox", "serve", "--table", name], tmp_path, BARE)
    assert done.code == 2
    assert words in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(forks: Forks, tmp_path: Path, number: signal.Signals) -> None:
    with serving(forks, tmp_path) as running:
        running.process.send_signal(number)
        assert running.process.wait(timeout=20) == 0


def test_a_folder_gets_config_and_secrets_and_needs_no_variable(forks: Forks, tmp_path: Path) -> None:
    folder = tmp_path / "made on the way"
    with serving(forks, tmp_path, "--dir", str(folder), "--profile", "lenient") as running:
        assert (folder / "reconciler.toml").read_text() == running.config
        modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.suffix != ".toml"}
        assert modes == {0o600}
        running.ask("POST", "cases", {"title": "one"})
        once = forks.run([*THIS_PROGRAM, "--config", str(folder / "reconciler.toml"), "once", "--json"], tmp_path, BARE)
        assert once.document["counts"]["create_incident"] == 1
        assert running.ask("POST", "cases/CASE-1/close", {})["status"] == "CLOSED"
    with serving(forks, tmp_path, "--dir", str(folder)) as again:
        once = forks.run([*THIS_PROGRAM, "--config", str(folder / "reconciler.toml"), "once"], tmp_path, BARE)
        assert (once.code, again.ask("GET", "cases")["cases"]) == (0, [])


@pytest.mark.parametrize("name", ["reconciler.toml", "servicenow-password"])
def test_a_file_of_somebody_else_is_never_replaced(forks: Forks, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = forks.run(
        [*THIS_PROGRAM, "sandbox", "serve", "--case-port", "0", "--record-port", "0", "--dir", "."], tmp_path, BARE
    )
    assert done.code == 2
    assert "choose another --dir" in done.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_port_that_is_taken_is_one_line(forks: Forks, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = forks.run([*THIS_PROGRAM, "sandbox", "serve", "--case-port", port, "--record-port", "0"], tmp_path, BARE)
    assert done.code == 1
    assert port in done.err
    assert done.err.count("\n") == 1
