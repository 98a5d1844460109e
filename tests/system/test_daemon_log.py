"""The daemon's log as somebody who was asleep reads it: what a person should hear of, each line with its cycle."""

from __future__ import annotations

import json
from typing import Any

from reconciler.sandbox.faults import FaultKind
from tests.system.support import SECRETS, Bench, Running


def lines_until(daemon: Running, message: str) -> list[dict[str, Any]]:
    """Read JSON lines up to the first with this message."""
    told: list[dict[str, Any]] = []
    while not told or told[-1]["message"] != message:
        told.append(json.loads(daemon.read_until("{")))
    return told


def test_a_rejected_write_and_its_hold_stand_in_the_log_with_their_cycle(bench: Bench) -> None:
    bench.write_config(poll_seconds=1)
    case_id = bench.new_case()
    with bench.started("--log-format", "json", "run") as daemon:
        lines_until(daemon, "cycle done")
        bench.strike(FaultKind.FORBIDDEN_403, "records.update")
        bench.world.coralogix.acknowledge(case_id)
        told = lines_until(daemon, "cycle failed")
        daemon.terminate()
        code, _ = daemon.end()
    assert code == 0
    number = bench.record(case_id)["number"]
    warnings = [line for line in told if line["level"] == "warning"]
    assert [line["message"] for line in warnings] == ["a write was rejected", "a hold began"]
    assert all((line["case"], line["record"]) == ("CASE-1", number) for line in warnings)
    assert all("403" in line["detail"] for line in warnings)
    assert warnings[1]["reason"] == "rejected"
    assert (told[-1]["failed"], told[-1]["held"]) == (1, 1)
    [cycle] = bench.query("SELECT cycle_id FROM audit_cycles WHERE failed = 1")
    told_after_start = [line for line in told if line["message"] not in ("daemon started", "daemon stopped")]
    assert {line["cycle_id"] for line in told_after_start[-3:]} == {cycle["cycle_id"]}
    assert all("cycle_id" in line for line in told_after_start)


def test_who_debugs_sees_each_request_and_no_secret(bench: Bench) -> None:
    bench.write_config(poll_seconds=3600)
    bench.new_case()
    with bench.started("--log-level", "debug", "--log-format", "json", "run") as daemon:
        told = lines_until(daemon, "cycle done")
        daemon.terminate()
        daemon.end()
    requests = [line for line in told if line["message"] == "request"]
    assert len(requests) == len(bench.traffic.requests)
    assert {line["side"] for line in requests} == {"coralogix", "main"}
    assert ("POST", 201) in {(line["method"], line["status"]) for line in requests}
    assert not [line for line in told if any(secret in json.dumps(line) for secret in SECRETS.values())]


def test_a_command_that_answers_a_person_says_it_once_unless_asked_to_log(bench: Bench) -> None:
    case_id = bench.new_case()
    bench.run("once")
    bench.world.coralogix.acknowledge(case_id)
    bench.strike(FaultKind.FORBIDDEN_403, "records.update", times=2)
    quiet = bench.run("once")
    assert "a write was rejected" not in quiet.err
    assert "403" in quiet.out
    assert bench.run("holds", "retry", "CASE-1").code == 0
    assert "a write was rejected" in bench.run("--log-level", "info", "once").err
