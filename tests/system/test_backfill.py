"""Backfills with the real command: in parts, by itself and beside the daemon, ended early, and killed."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.http.server import SandboxServer
from reconciler.sandbox.servicenow.api.face import RateRule, ServiceNowFace
from tests.system.support import PATIENCE_SECONDS, Bench, Delay, Process

LIMIT = "[limits]\nmax_creates_per_cycle = 2"


def old_cases(bench: Bench, count: int) -> list[str]:
    """Open Cases that a first start does not take in any more, an hour between two."""
    clock = bench.world.clock
    clock.advance(days=-4)
    made = []
    for number in range(count):
        made.append(bench.new_case(f"Old {number}"))
        clock.advance(hours=1)
    clock.advance(days=4, hours=-count)
    assert bench.run("once").code == 0
    return made


def made(bench: Bench, cases: list[str]) -> list[bool]:
    return [bool(bench.world.servicenow.incidents_for(case_id)) for case_id in cases]


@contextmanager
def handed(bench: Bench, *arguments: str) -> Iterator[Process]:
    """Run a backfill beside the block, and give its process."""
    with bench.started("once", *arguments) as running:
        yield running.process


def test_parts_stay_under_the_brakes_and_say_beforehand_what_they_cost(bench: Bench) -> None:
    cases = old_cases(bench, 5)
    bench.write_config(rest=LIMIT)
    whole = bench.run("once", "--since", "7d")
    assert (whole.code, made(bench, cases)) == (3, [False] * 5)
    ran = bench.run("once", "--since", "7d", "--batch", "3", "--json")
    document = ran.document
    assert ran.code == 0
    assert "some 5 Cases have no record and may get one" in ran.err
    assert "in 3 batches" in ran.err
    assert "no answer told of a rule" in ran.err
    assert [one["planned"] for one in document["batches"]] == [2, 2, 1]
    assert [action["case_id"] for action in document["actions"]] == cases
    assert {action["result"] for action in document["actions"]} == {"done"}
    assert (document["result"], document["counts"]["create_incident"], document["left"]) == ("done", 5, 0)
    assert made(bench, cases) == [True] * 5
    kinds = [row["kind"] for row in bench.query("SELECT kind FROM audit_cycles ORDER BY started_at")]
    assert kinds[-3:] == ["backfill"] * 3
    assert bench.query("SELECT what FROM audit_people WHERE arguments LIKE '%--batch 3%'") == [{"what": "once"}]


def test_until_only_and_max_narrow_it(bench: Bench) -> None:
    cases = old_cases(bench, 5)
    between = bench.world.clock.now() - timedelta(days=4) + timedelta(hours=2, minutes=30)
    ran = bench.run("once", "--since", "7d", "--until", between.isoformat(), "--max", "2", "--json")
    assert (ran.code, [action["case_id"] for action in ran.document["actions"]]) == (0, cases[:2])
    ran = bench.run("once", "--since", "7d", "--until", between.isoformat(), "--json")
    assert [action["case_id"] for action in ran.document["actions"]] == [cases[2]]
    assert made(bench, cases) == [True, True, True, False, False]
    ran = bench.run("once", "--only", "CASE-5", "--json")
    assert (ran.code, made(bench, cases)) == (0, [True, True, True, False, True])
    told = bench.run("once", "--only", cases[3], "--yes")
    assert (told.code, made(bench, cases)) == (0, [True] * 5)
    assert "backfill done: 1 Case in 1 batch, 1 done" in told.out


def test_only_takes_in_a_case_that_no_pull_showed_and_refuses_one_that_is_not_there(bench: Bench) -> None:
    cases = old_cases(bench, 0)
    bench.world.clock.advance(days=-4)
    cases.append(bench.new_case("Old"))
    bench.world.clock.advance(days=4)
    refused = bench.run("once", "--only", "CASE-77")
    assert (refused.code, bench.traffic.mutations) == (2, [])
    assert "has no Case 'CASE-77'" in refused.err
    unknown = bench.run("once", "--only", "INC0010001")
    assert (unknown.code, "is not remembered here" in unknown.err) == (2, True)
    assert bench.run("once", "--only", "case-1").code == 0
    assert made(bench, cases) == [True]


def test_the_daemon_takes_the_batches_and_the_command_tells_them(bench: Bench) -> None:
    cases = old_cases(bench, 5)
    bench.write_config(rest=LIMIT)
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        refused = bench.run("once", "--since", "7d", "--max", "1")
        assert (refused.code, "`--batch N` this is handed to the daemon" in refused.err) == (3, True)
        with handed(bench, "--since", "7d", "--batch", "2", "--json") as command:
            out, err = command.communicate(timeout=PATIENCE_SECONDS)
        document = json.loads(out)
        assert command.returncode == 0, err
        assert "handed to the daemon" in err
        assert document["by_daemon"]
        assert [one["planned"] for one in document["batches"]] == [2, 2, 1]
        assert {action["result"] for action in document["actions"]} == {"done"}
        assert made(bench, cases) == [True] * 5
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert bench.query("SELECT * FROM backfills") == bench.query("SELECT * FROM backfill_parts") == []
    assert bench.run("audit", "verify").code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_ends_it_after_the_batch_in_hand(bench: Bench, number: signal.Signals) -> None:
    cases = old_cases(bench, 6)
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        delay = Delay()
        bench.traffic.step_in(1, "before", delay)
        with handed(bench, "--since", "7d", "--batch", "2") as command:
            assert delay.arrived.wait(PATIENCE_SECONDS)
            command.send_signal(number)
            assert command.stderr is not None
            for line in command.stderr:
                if "stopping after" in line:
                    break
            delay.released.set()
            out, err = command.communicate(timeout=PATIENCE_SECONDS)
        assert command.returncode == 1
        assert "what was not begun is left as it was" in err
        assert "batch 1: 2 planned, 2 done" in out
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert made(bench, cases) == [True, True, False, False, False, False]
    assert bench.run("once", "--json").document["actions"] == []


def test_a_daemon_that_is_killed_leaves_nothing_that_it_had_not_begun(bench: Bench) -> None:
    cases = old_cases(bench, 6)
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        bench.traffic.step_in(3, "after", lambda _: daemon.kill())
        with handed(bench, "--since", "7d", "--batch", "2") as command:
            _, err = command.communicate(timeout=PATIENCE_SECONDS)
    assert command.returncode == 1
    assert "the daemon ended meanwhile" in err
    bench.run_until_quiet()
    assert made(bench, cases)[:3] == [True] * 3
    assert made(bench, cases)[4:] == [False] * 2
    assert len(bench.world.servicenow.records()) == sum(made(bench, cases))


def test_a_command_that_is_killed_ends_it_too(bench: Bench) -> None:
    """Nothing is begun for a command that was not heard of for two minutes."""
    cases = old_cases(bench, 2)
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        delay = Delay()
        bench.traffic.step_in(1, "before", delay)
        with handed(bench, "--since", "7d", "--batch", "1") as command:
            assert delay.arrived.wait(PATIENCE_SECONDS)
            command.kill()
            command.wait(PATIENCE_SECONDS)
        with closing(sqlite3.connect(bench.database, timeout=PATIENCE_SECONDS)) as connection, connection:
            connection.execute("UPDATE backfills SET seen_at = '2020-01-01T00:00:00.000000Z'")
        delay.released.set()
        daemon.read_until("a batch of a backfill ended")
        count = len(bench.traffic.requests)
        bench.traffic.wait_for(lambda requests: len(requests) > count + 12)
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert made(bench, cases) == [True, False]


def test_one_that_is_killed_by_itself_leaves_nothing_that_it_had_not_begun(bench: Bench) -> None:
    cases = old_cases(bench, 4)
    with handed(bench, "--since", "7d", "--batch", "2") as command:
        bench.traffic.step_in(1, "after", lambda _: command.kill())
        command.wait(PATIENCE_SECONDS)
    bench.run_until_quiet()
    assert made(bench, cases)[2:] == [False, False]
    assert len(bench.world.servicenow.records()) == sum(made(bench, cases))


def test_a_service_that_fails_for_a_while_is_tried_again_and_one_that_stays_away_ends_it(bench: Bench) -> None:
    cases = old_cases(bench, 2)
    bench.strike(FaultKind.ERROR_500, "cases.list", times=3)
    assert bench.run("once", "--since", "7d", "--batch", "1").code == 1
    assert made(bench, cases) == [False] * 2
    assert bench.run("once", "--since", "7d", "--batch", "1").code == 0
    assert made(bench, cases) == [True] * 2


def test_observing_plans_every_part_and_sends_nothing(bench: Bench) -> None:
    old_cases(bench, 3)
    bench.config.write_text('mode = "observe"\n' + bench.config.read_text())
    ran = bench.run("once", "--since", "7d", "--batch", "2", "--json")
    assert (ran.code, ran.document["mode"], len(ran.document["actions"])) == (0, "observe", 3)
    assert bench.traffic.mutations == []
    told = bench.run("once", "--since", "7d", "--batch", "2", "--brief")
    assert "nothing sent" in told.out


def test_an_hourly_rule_is_told_with_the_share_that_is_taken(bench: Bench) -> None:
    old_cases(bench, 2)
    face = ServiceNowFace(bench.world.servicenow, rate_rule=RateRule(requests_per_hour=100))
    bench.records.stop()
    bench.records = SandboxServer(face, port=bench.records.port, now=bench.world.clock.now).start()
    ran = bench.run("once", "--since", "7d", "--batch", "2")
    assert ran.code == 0
    assert re.search(r"main allows 100 requests an hour, of which this takes \d+%", ran.err)


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_a_person_at_a_terminal_is_asked(bench: Bench, answer: str, code: int) -> None:
    [case_id] = old_cases(bench, 1)
    ours, theirs = os.openpty()
    with subprocess.Popen(
        bench.command("once", "--since", "7d", "--batch", "5"),
        cwd=bench.folder,
        env=bench.environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, made(bench, [case_id])) == (code, [answer == "y"])
    assert b"Go on?" in err
    assert (b"nothing was done" in err) == (answer == "n")


def test_what_makes_no_sense_is_refused(bench: Bench) -> None:
    bench.write_config(rest="[limits]\nmax_creates_per_cycle = 0")
    assert bench.run("once", "--since", "7d", "--batch", "1").code == 3
    later, earlier = "2026-01-02", "2026-01-01"
    assert bench.run("once", "--since", later, "--until", earlier).code == 2
    assert bench.run("once", "--batch", "0").code == 2
