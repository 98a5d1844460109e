"""The command ``demo``: it tells its story to a pipe and to a terminal, and its claims can fail."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from reconciler.cli.commands.demo import command
from reconciler.cli.commands.demo.screen import PAUSE_SECONDS, READING_SECONDS, WIDTH
from reconciler.cli.options import Globals
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.control.overview import overview
from reconciler.sandbox.demo import claims
from reconciler.sandbox.demo.claims import Claim, CycleSeen
from reconciler.sandbox.demo.story import STORY
from reconciler.sandbox.servicenow.journal import Actor
from tests.system.forks import Forks
from tests.system.support import THIS_PROGRAM
from tests.world import START

ROOT = Path(__file__).resolve().parents[2]
DEMO = [*THIS_PROGRAM, "demo"]
API = Actor(user_name="coralogix.sync", via_api=True)


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **more}


def test_a_pipe_gets_the_whole_story_plain(forks: Forks, tmp_path: Path) -> None:
    done = forks.run(DEMO, tmp_path, environment(tmp_path, FORCE_COLOR="1"))
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert "\x1b" not in done.out
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if line != line.rstrip()]
    for number, chapter in enumerate(STORY, start=1):
        assert f"{number}. {chapter.headline}" in lines
        assert f"  {chapter.why}" in lines
    assert "incident_reopened" in done.out
    assert "the record is there all the same" in done.out
    assert sum(line.startswith("  ok ") for line in lines) == 8
    assert "FAILED" not in done.out
    assert not list(tmp_path.iterdir())


def test_a_screen_that_knows_no_frames_gets_it_too(forks: Forks, tmp_path: Path) -> None:
    done = forks.run(DEMO, tmp_path, environment(tmp_path, PYTHONIOENCODING="ascii"))
    assert (done.code, done.err) == (0, "")
    assert done.out.isascii()


def test_as_json_it_is_one_document(forks: Forks, tmp_path: Path) -> None:
    done = forks.run([*DEMO, "--json"], tmp_path, environment(tmp_path))
    document = done.document
    assert (done.code, document["version"], document["holds"]) == (0, 1, True)
    assert [one["result"] for one in document["chapters"]] == [
        "done" if chapter.goes_well else "failed" for chapter in STORY
    ]
    last = {link["case"]: (link["status"], link["state"], link["agreed"]) for link in document["chapters"][-1]["links"]}
    assert last == {
        "CASE-1": ("CLOSED", "closed", "closed"),
        "CASE-2": ("CLOSED", "closed", "closed"),
        "CASE-3": ("CLOSED", "in_progress", "resolved"),
        "CASE-4": ("CLOSED", "canceled", "closed"),
        "CASE-5": ("RESOLVED", "resolved", "resolved"),
        "CASE-6": ("CLOSED", "closed", "closed"),
    }


def test_a_terminal_gets_colours(tmp_path: Path) -> None:
    try:
        ours, theirs = pty.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives no pseudo-terminal: {error}")
    env = environment(tmp_path, TERM="xterm-256color")
    env.pop("NO_COLOR", None)
    with subprocess.Popen([*DEMO, "--speed", "1000"], cwd=tmp_path, env=env, stdout=theirs) as process:
        os.close(theirs)
        shown = read_all(ours)
        assert process.wait(timeout=60) == 0
    assert "\x1b[" in shown
    assert STORY[0].headline in shown


def read_all(terminal: int) -> str:
    """Read a terminal to its end, which Linux shows as an error."""
    read = b""
    try:
        while piece := os.read(terminal, 65536):
            read += piece
    except OSError:
        pass
    finally:
        os.close(terminal)
    return read.decode()


def test_the_pauses_leave_it_under_twenty_seconds() -> None:
    assert len(STORY) * (2 * PAUSE_SECONDS + READING_SECONDS) < 15


def test_a_claim_that_does_not_hold_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(sandbox: Sandbox) -> None:
        sandbox.servicenow.people.copy(sandbox.servicenow.records()[0]["sys_id"])

    monkeypatch.setattr(command, "perform", partial(command.perform, before_check=tamper))
    assert command.demo.main([], standalone_mode=False, obj=Globals()) == 1
    told = capsys.readouterr().out
    assert "FAILED  one Case, one record" in told
    assert "CASE-1 has 2" in told


# -- each claim alone, on a small world ---------------------------------------------------------------------------


@pytest.fixture
def sandbox() -> Sandbox:
    """Hold one Case with its record, both at their beginning, as if we had made it."""
    sandbox = Sandbox(SandboxClock(START))
    case_id = sandbox.coralogix.create_case("one")
    sandbox.servicenow.writes.insert("incident", {"short_description": "one", "correlation_id": case_id}, API)
    return sandbox


def record_of(sandbox: Sandbox) -> str:
    return sandbox.servicenow.records()[0]["sys_id"]


def case_of(sandbox: Sandbox) -> str:
    return overview(sandbox)[0].id


def ours(sandbox: Sandbox, **fields: str) -> None:
    sandbox.servicenow.writes.update("incident", record_of(sandbox), fields, API)


def same_stages(sandbox: Sandbox) -> Claim:
    return claims.same_stages(overview(sandbox), claims.reopened(sandbox.servicenow.journal))


def left_alone(sandbox: Sandbox) -> Claim:
    return claims.left_alone(sandbox, claims.reopened(sandbox.servicenow.journal))


def one_record_each(sandbox: Sandbox) -> Claim:
    return claims.one_record_each(sandbox, overview(sandbox))


def least_writes(sandbox: Sandbox) -> Claim:
    return claims.least_writes(sandbox, 1)


def nothing(sandbox: Sandbox) -> None:
    pass


def reopen(sandbox: Sandbox) -> None:
    sandbox.servicenow.people.resolve(record_of(sandbox))
    sandbox.servicenow.people.reopen(record_of(sandbox))


def reopen_and_write(sandbox: Sandbox) -> None:
    reopen(sandbox)
    ours(sandbox, urgency="1")


def reopen_and_resolve_by_us(sandbox: Sandbox) -> None:
    reopen(sandbox)
    ours(sandbox, state="6", close_code="Solution provided", close_notes="again")


def move_back_by_us(sandbox: Sandbox) -> None:
    sandbox.servicenow.people.resolve(record_of(sandbox))
    ours(sandbox, state="2")


def unacknowledge_by_us(sandbox: Sandbox) -> None:
    sandbox.coralogix.acknowledge(case_of(sandbox))
    sandbox.coralogix.unacknowledge(case_of(sandbox), by="apiKey")


@pytest.mark.parametrize(
    ("claim", "tamper"),
    [
        pytest.param(one_record_each, lambda one: one.servicenow.people.copy(record_of(one)), id="two-records"),
        pytest.param(one_record_each, lambda one: one.servicenow.people.remove(record_of(one)), id="no-record"),
        pytest.param(one_record_each, lambda one: one.servicenow.people.open_incident("by hand"), id="no-case"),
        pytest.param(same_stages, lambda one: one.servicenow.people.progress(record_of(one)), id="one-ahead"),
        pytest.param(same_stages, lambda one: one.coralogix.set_status(case_of(one), "SNOOZED"), id="unknown-status"),
        pytest.param(claims.never_back, move_back_by_us, id="record-moved-back"),
        pytest.param(claims.never_back, unacknowledge_by_us, id="case-moved-back"),
        pytest.param(least_writes, lambda one: ours(one, urgency="1"), id="record-written"),
        pytest.param(least_writes, lambda one: one.coralogix.acknowledge(case_of(one), by="apiKey"), id="case-written"),
    ],
)
def test_a_claim_fails_when_the_services_say_otherwise(
    sandbox: Sandbox, claim: Callable[[Sandbox], Claim], tamper: Callable[[Sandbox], object]
) -> None:
    assert claim(sandbox).holds
    tamper(sandbox)
    assert not claim(sandbox).holds


@pytest.mark.parametrize("tamper", [nothing, reopen_and_write, reopen_and_resolve_by_us])
def test_left_alone_means_reopened_and_untouched(sandbox: Sandbox, tamper: Callable[[Sandbox], object]) -> None:
    tamper(sandbox)
    assert not left_alone(sandbox).holds


def test_a_reopened_record_may_stand_apart_until_a_person_resolves_it(sandbox: Sandbox) -> None:
    reopen(sandbox)
    assert left_alone(sandbox).holds
    assert same_stages(sandbox).holds
    sandbox.servicenow.people.resolve(record_of(sandbox))
    assert not same_stages(sandbox).holds


def test_an_open_case_that_we_closed_is_told() -> None:
    sandbox = Sandbox(SandboxClock(START), profile="lenient")
    case_id = sandbox.coralogix.create_case("one")
    assert claims.closed_after_resolved(sandbox).holds
    sandbox.coralogix.close(case_id, by="apiKey")
    assert not claims.closed_after_resolved(sandbox).holds


def test_a_last_cycle_that_planned_something_is_told() -> None:
    assert claims.silent_end([CycleSeen(planned=3, went_well=True), CycleSeen(planned=0, went_well=True)]).holds
    assert not claims.silent_end([CycleSeen(planned=1, went_well=True)]).holds


def test_faults_that_never_struck_and_cycles_that_failed_are_told(sandbox: Sandbox) -> None:
    well = [CycleSeen(planned=0, went_well=True)]
    assert not claims.faults_survived(sandbox, STORY[:1], well).holds
    STORY[6].acts[0](sandbox)
    assert sandbox.faults.take("records.list")
    assert claims.faults_survived(sandbox, STORY[:1], well).holds
    assert not claims.faults_survived(sandbox, STORY[:1], [CycleSeen(planned=0, went_well=False)]).holds
