"""Observe mode as an operator has it: looked at first, then switched to act, with the real command."""

from __future__ import annotations

import signal

import pytest

from tests.system.support import Bench

OBSERVE = 'mode = "observe"\n'


def observing(bench: Bench, rest: str = "") -> None:
    bench.write_config(rest=rest)
    bench.config.write_text(OBSERVE + bench.config.read_text())


def test_once_shows_everything_and_sends_nothing_and_act_then_does_it(bench: Bench) -> None:
    observing(bench)
    case_id = bench.new_case()
    ran = bench.run("once", "--json")
    document = ran.document
    assert (ran.code, ran.err) == (0, "")
    assert (document["mode"], document["result"]) == ("observe", "done")
    assert [(one["kind"], one["case_id"], one["result"]) for one in document["actions"]] == [
        ("create_incident", case_id, None)
    ]
    told = bench.run("once")
    assert told.code == 0
    assert "create_incident" in told.out
    assert "Payments are slow" in told.out
    assert 'nothing was sent, since mode = "observe"' in told.out
    assert bench.traffic.mutations == []
    assert bench.query("SELECT * FROM audit_actions") == []
    assert {row["mode"] for row in bench.query("SELECT mode FROM audit_cycles")} == {"observe"}
    bench.write_config()
    acted = bench.run("once", "--json").document
    assert (acted["mode"], [one["result"] for one in acted["actions"]]) == ("act", ["done"])
    assert bench.record(case_id)["state"] == "1"
    assert bench.run("audit", "verify").code == 0


def test_a_saved_plan_is_not_applied_until_the_mode_is_act(bench: Bench) -> None:
    observing(bench)
    bench.new_case()
    bench.run("once")
    assert bench.run("plan", "--out", "plan.json").code == 0
    refused = bench.run("apply", "plan.json")
    assert refused.code == 3
    assert 'mode = "act"' in refused.one_message()
    assert bench.traffic.mutations == []
    bench.write_config()
    assert bench.run("apply", "plan.json").code == 0
    assert len(bench.traffic.mutations) == 1


def test_a_brake_that_would_act_is_told_and_ends_with_0(bench: Bench) -> None:
    observing(bench, "[limits]\nmax_creates_per_cycle = 1")
    bench.new_case("one")
    bench.new_case("two")
    ran = bench.run("once")
    assert ran.code == 0
    assert 'with mode = "act" this plan would be refused' in ran.one_message()
    assert "max_creates_per_cycle allows 1" in ran.err


@pytest.mark.parametrize("command", ["status", "check"])
def test_it_is_said_where_one_looks(bench: Bench, command: str) -> None:
    observing(bench)
    bench.run("once")
    assert "observe: everything is read and planned, nothing is sent" in bench.run(command).out
    assert bench.run(command, "--json").document["mode"] == "observe"


def test_the_daemon_observes_and_acts_after_a_reload(bench: Bench) -> None:
    observing(bench)
    case_id = bench.new_case()
    with bench.started("run") as daemon:
        daemon.read_until("everything is read and planned, nothing is sent")
        assert "nothing sent" in daemon.read_until("1 planned")
        assert bench.traffic.mutations == []
        bench.write_config()
        daemon.process.send_signal(signal.SIGHUP)
        bench.traffic.wait_for(lambda _: bool(bench.traffic.mutations))
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert bench.record(case_id)["state"] == "1"
