"""The daemon as a service manager has it: first cycle, signals, lock, overlap, a service that goes away."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from reconciler.sandbox.http.wire import Request, Response
from tests.system.support import PATIENCE_SECONDS, Bench, Delay, is_mutating


def test_the_first_cycle_comes_at_once_and_sigterm_ends_it(bench: Bench) -> None:
    bench.write_config(poll_seconds=3600)
    case_id = bench.new_case()
    with bench.started("run") as daemon:
        bench.traffic.wait_for(lambda requests: any(map(is_mutating, requests)))
        daemon.read_until("cycle done")
        daemon.terminate()
        code, err = daemon.end()
    assert code == 0
    assert "Traceback" not in err
    assert bench.record(case_id)["state"] == "1"
    assert bench.query("SELECT result, done FROM audit_cycles") == [{"result": "done", "done": 1}]


@pytest.mark.parametrize("side", ["before", "after"])
def test_sigterm_finishes_the_action_in_hand_and_begins_no_other(bench: Bench, side: str) -> None:
    for title in ("One", "Two", "Three"):
        bench.new_case(title)
    delay = Delay()
    bench.traffic.step_in(1, side, delay)
    with bench.started("run") as daemon:
        assert delay.arrived.wait(PATIENCE_SECONDS)
        daemon.terminate()
        daemon.read_until("stopping")
        delay.released.set()
        code, _ = daemon.end()
    assert code == 0
    assert len(bench.traffic.mutations) == 1
    assert bench.query("SELECT kind, result FROM audit_actions") == [{"kind": "create_incident", "result": "done"}]
    [cycle] = bench.query("SELECT result, planned, done, failed, finished_at FROM audit_cycles")
    assert (cycle["planned"], cycle["done"], cycle["failed"]) == (3, 1, 0)
    assert cycle["finished_at"] is not None
    assert bench.run("once").code == 0
    assert len(bench.traffic.mutations) == len(bench.world.servicenow.records()) == 3


def test_one_process_at_a_time_and_a_killed_one_leaves_no_lock(bench: Bench) -> None:
    saved = bench.folder / "plan.json"
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        assert bench.run("plan", "--out", str(saved)).code == 0
        for command in (["run"], ["once"], ["apply", str(saved)]):
            ran = bench.run(*command)
            words = ran.one_message()
            assert (ran.code, ran.out) == (3, "")
            assert f"pid {daemon.pid}" in words
            assert "`reconciler run`" in words
        assert bench.run("status").code == 0
        daemon.kill()
        assert bench.run("once").code == 0


def test_two_cycles_never_overlap(bench: Bench) -> None:
    """The answer to the first write comes more than two polls late; meanwhile nothing else may be asked."""
    bench.new_case()
    seen: list[int] = []

    def be_slow(request: Request) -> Response | None:
        seen.append(len(bench.traffic.requests))
        threading.Event().wait(2.2)
        seen.append(len(bench.traffic.requests))
        return None

    bench.traffic.step_in(1, "before", be_slow)
    with bench.started("run") as daemon:
        daemon.read_until("1 planned")
        daemon.read_until("0 planned")
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert seen[0] == seen[1]
    cycles = bench.query("SELECT started_at, finished_at FROM audit_cycles ORDER BY started_at")
    assert len(cycles) > 1
    assert all(before["finished_at"] <= after["started_at"] for before, after in pairwise(cycles))


def test_a_service_that_was_away_is_caught_up_with(bench: Bench) -> None:
    old = bench.new_case("Before")
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        bench.records.stop()
        new = bench.new_case("Meanwhile")
        bench.world.servicenow.people.resolve(bench.sys_id(old))
        for _ in range(2):
            assert "nobody answers" in daemon.read_until("cycle failed")
        bench.traffic.forget()
        bench.revive_records()
        daemon.read_until("0 planned")
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert bench.record(new)["state"] == "1"
    assert bench.status(old) == "RESOLVED"
    assert len(bench.traffic.mutations) == 2


def test_a_database_that_breaks_under_the_daemon_ends_it(bench: Bench) -> None:
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        bench.query("DROP TABLE cursors")
        assert "cursors" in daemon.read_until("cannot go on")
        code, err = daemon.end()
    assert code == 1
    assert "Traceback" not in err
