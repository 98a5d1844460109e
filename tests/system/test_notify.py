"""Messages of the real daemon: one for a hold, none again after a restart, a heartbeat, a test by ``check``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.sandbox.faults import FaultKind
from tests.receiver import Receiver
from tests.system.support import Bench


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as opened:
        yield opened


def secret_file(bench: Bench, name: str, text: str) -> Path:
    path = bench.folder / name
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def notifying(bench: Bench, receiver: Receiver, *, poll_seconds: int = 3600) -> None:
    secret_file(bench, "message", f"json://user:S3CRETword@{receiver.address}/message")
    secret_file(bench, "heart", f"http://{receiver.address}/S3CRETpath")
    rest = '[notify]\nurls = [{ file = "message" }]\nheartbeat_url = { file = "heart" }\ndown_minutes = 1'
    bench.write_config(poll_seconds=poll_seconds, rest=rest)


def beats(receiver: Receiver) -> int:
    return sum(path == "/S3CRETpath" for path, _ in receiver.got)


def test_a_hold_is_one_message_and_none_after_a_restart(bench: Bench, receiver: Receiver) -> None:
    notifying(bench, receiver, poll_seconds=1)
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.world.coralogix.acknowledge(case_id)
    bench.strike(FaultKind.FORBIDDEN_403, "records.update")
    with bench.started("--log-level", "debug", "run") as daemon:
        receiver.wait_for(lambda: len(receiver.messages) == 1)
        daemon.terminate()
        code, said = daemon.end()
    assert code == 0
    [(title, text)] = receiver.messages
    number = bench.record(case_id)["number"]
    assert title == "Reconciler: a Case waits for a person"
    assert f"- CASE-1, {number}: rejected: " in text
    assert str(bench.config) in text
    before = beats(receiver)
    with bench.started("run") as daemon:
        receiver.wait_for(lambda: beats(receiver) > before + 1)
        daemon.terminate()
        code, more = daemon.end()
    assert code == 0
    assert len(receiver.messages) == 1
    assert "S3CRET" not in said + more


def test_an_address_that_hangs_delays_neither_a_cycle_nor_the_end_for_long(bench: Bench, receiver: Receiver) -> None:
    notifying(bench, receiver)
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.world.coralogix.acknowledge(case_id)
    bench.strike(FaultKind.FORBIDDEN_403, "records.update")
    receiver.answers.clear()
    with bench.started("--log-format", "json", "run") as daemon:
        failed = json.loads(daemon.read_until("cycle failed"))
        assert failed["held"] == 1
        receiver.answers.set()
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert len(receiver.messages) == 1


def test_once_tells_too_and_beats_before_it_ends(bench: Bench, receiver: Receiver) -> None:
    notifying(bench, receiver)
    bench.new_case()
    assert bench.run("once").code == 0
    assert (beats(receiver), receiver.messages) == (1, [])


def test_check_sends_a_test_message_and_says_so(bench: Bench, receiver: Receiver) -> None:
    notifying(bench, receiver)
    ran = bench.run("check", "--live", "--notify")
    assert [title for title, _ in receiver.messages] == ["Reconciler: a test"]
    assert beats(receiver) == 1
    assert ran.out.count("sent to the address in file ") == 2
    assert "S3CRET" not in ran.out + ran.err
    receiver.refuses = True
    refused = bench.run("check", "--live", "--notify", "--json")
    [message, heart] = [one for one in refused.document["probes"] if one["side"] == "notify"]
    assert (message["verdict"], heart["verdict"], message["code"]) == ("failed", "failed", "RC040")
    assert refused.code in {1, 2}
    assert "S3CRET" not in refused.out + refused.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("check", "--notify"), "--notify asks the services: say --live, too"),
        (("check", "--live", "--notify"), "there is neither urls nor heartbeat_url in [notify]"),
    ],
)
def test_a_test_message_that_cannot_be_is_one_message(words: tuple[str, ...], told: str, bench: Bench) -> None:
    ran = bench.run(*words)
    assert ran.code == 2
    assert told in ran.one_message()


@pytest.mark.parametrize("words", [("check",), ("run",), ("once",)])
def test_without_the_extra_one_message_says_what_to_do(
    words: tuple[str, ...], spawned: Bench, receiver: Receiver
) -> None:
    notifying(spawned, receiver)
    hidden = spawned.folder / "hidden"
    hidden.mkdir()
    (hidden / "apprise.py").write_text("raise ImportError\n")
    code = spawned.environment()["PYTHONPATH"]
    ran = spawned.run_plain(spawned.command(*words), PYTHONPATH=f"{hidden}{os.pathsep}{code}")
    assert ran.code == 2
    assert "[notify] urls needs Apprise, which is not installed: pip install" in ran.one_message()
    assert spawned.traffic.requests == []
