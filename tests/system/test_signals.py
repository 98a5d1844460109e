"""Signals to the real command: SIGHUP reads the config anew, SIGTERM and Ctrl-C let ``once`` and ``apply`` finish."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.support import PATIENCE_SECONDS, SECRETS, Bench, Delay

# --- once and apply ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("command", ["once", "apply"])
def test_a_call_that_is_stopped_finishes_the_action_in_hand(bench: Bench, command: str, number: signal.Signals) -> None:
    for title in ("One", "Two", "Three"):
        bench.new_case(title)
    plan = bench.folder / "plan.json"
    if command == "apply":
        assert bench.run("plan", "--out", str(plan)).code == 0
    delay = Delay()
    bench.traffic.step_in(1, "before", delay)
    arguments = ["apply", str(plan)] if command == "apply" else ["once"]
    with bench.started(*arguments) as call:
        assert delay.arrived.wait(PATIENCE_SECONDS)
        call.process.send_signal(number)
        call.read_until("stopping after the action in hand")
        delay.released.set()
        code, err = call.end()
    assert code == 1
    assert "stopped as asked; 2 of 3 actions wait for the next cycle" in err
    assert "Traceback" not in err
    assert len(bench.traffic.mutations) == 1
    assert bench.query("SELECT result FROM audit_actions") == [{"result": "done"}]
    [cycle] = bench.query("SELECT result, planned, done, failed, refused_because FROM audit_cycles")
    assert cycle == {"result": "stopped", "planned": 3, "done": 1, "failed": 0, "refused_because": None}
    assert bench.run("once").code == 0
    assert len(bench.traffic.mutations) == len(bench.world.servicenow.records()) == 3


def test_a_second_signal_ends_a_call_at_once_and_nothing_is_made_twice(bench: Bench) -> None:
    bench.new_case()
    delay = Delay()
    bench.traffic.step_in(1, "after", delay)
    with bench.started("once") as call:
        assert delay.arrived.wait(PATIENCE_SECONDS)
        call.terminate()
        call.read_until("once more ends it at once")
        call.terminate()
        assert call.process.wait(PATIENCE_SECONDS) == -signal.SIGTERM
    delay.released.set()
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 1


def test_a_status_that_is_watched_ends_well_by_ctrl_c(spawned: Bench) -> None:
    assert spawned.run("once").code == 0
    with spawned.started("status", "--watch") as call:
        assert call.process.stdout is not None
        assert call.process.stdout.readline()
        call.process.send_signal(signal.SIGINT)
        assert call.end() == (0, "")
    for other in ("--json", "--check"):
        assert spawned.run("status", "--watch", other).code == 2


# --- SIGHUP -----------------------------------------------------------------------------------------------------------


def test_a_wrong_config_is_told_and_the_old_one_goes_on_then_the_mended_one_is_taken_up(bench: Bench) -> None:
    bench.write_config(poll_seconds=3600)
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        bench.write_config(poll_seconds=3600, rest="[limits]\nmax_creates_per_cycle = 'many'")
        daemon.process.send_signal(signal.SIGHUP)
        assert "max_creates_per_cycle" in daemon.read_until("config not taken up, the one before stays in force")
        bench.write_config(poll_seconds=1, rest="[limits]\nmax_creates_per_cycle = 1")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.read_until("config taken up")
        bench.new_case("One")
        bench.new_case("Two")
        assert "max_creates_per_cycle allows 1" in daemon.read_until("cycle failed")
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert bench.traffic.mutations == []


def test_a_running_daemon_stays_with_its_database(bench: Bench) -> None:
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        bench.config.write_text(bench.config.read_text().replace('"reconciler.db"', '"other.db"'))
        daemon.process.send_signal(signal.SIGHUP)
        said = daemon.read_until("config not taken up")
        assert "other.db" in said
        assert "restart it" in said
        daemon.terminate()
        assert daemon.end()[0] == 0
    assert not (bench.folder / "other.db").exists()


def test_a_secret_that_changes_on_disk_is_taken_up_without_a_signal(bench: Bench) -> None:
    secret = bench.folder / "password"
    secret.touch(mode=0o600)
    secret.write_text("an old one")
    text = bench.config.read_text().replace('{ env = "SERVICENOW_PASSWORD" }', '{ file = "password" }')
    bench.config.write_text(text)
    with bench.started("run") as daemon:
        assert "401" in daemon.read_until("cycle failed")
        secret.unlink()
        daemon.read_until("a secret cannot be read, the one before stays in use")
        fresh = bench.folder / "fresh"
        fresh.touch(mode=0o600)
        fresh.write_text(SECRETS["SERVICENOW_PASSWORD"])
        fresh.rename(secret)
        daemon.read_until("a secret changed on disk and is taken up")
        daemon.read_until("cycle done")
        daemon.terminate()
        assert daemon.end()[0] == 0


def test_a_terminal_that_is_closed_ends_the_daemon(bench: Bench) -> None:
    """It sends SIGHUP too; a daemon that nobody can see any more is not what the person meant."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", *bench.command("run")],
        cwd=bench.folder,
        env=bench.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        try:
            os.close(theirs)
            seen = b""
            while b"cycle done" not in seen:
                seen += os.read(ours, 4096)
            os.close(ours)
            process.wait(PATIENCE_SECONDS)  # what it ends with is said to nobody
        finally:
            process.kill()
    assert {row["result"] for row in bench.query("SELECT result FROM audit_cycles")} == {"done"}


# --- while the program loads ------------------------------------------------------------------------------------------

MOMENTS = ("click", "requests", "reconciler.daemon.schedule")
"""Modules that `run` loads, in this order: the first right behind the program's own beginning."""


class Loading:
    """Know a daemon that tells on standard error of each module that it loads, and is never far ahead of who reads."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self.process = process
        self._pipe = process.stderr.fileno()
        # The smallest that there is: the daemon waits until it is read, some 60 modules further on at most.
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, 4096)
        self._read = b""

    def read_until(self, words: str) -> None:
        while words.encode() not in self._read:
            self._read_on()

    def end(self) -> tuple[int, str]:
        while self._read_on():
            pass
        return self.process.wait(PATIENCE_SECONDS), self._read.decode()

    def _read_on(self) -> bool:
        more = os.read(self._pipe, 256)
        self._read += more
        return bool(more)


@contextmanager
def loading(bench: Bench, module: str, *words: str) -> Iterator[Loading]:
    """Start the daemon, or another command, and stop reading when it has loaded a module."""
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "reconciler",
        "--config",
        str(bench.config),
        *(words or ("run",)),
    ]
    with subprocess.Popen(
        command, cwd=bench.folder, env=bench.environment(), stderr=subprocess.PIPE, bufsize=0
    ) as process:
        try:
            daemon = Loading(process)
            daemon.read_until(f" {module}\n")
            yield daemon
        finally:
            process.kill()


@pytest.mark.parametrize("module", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_stopped_while_it_loads_ends_well_before_its_first_cycle(
    spawned: Bench, module: str, number: signal.Signals
) -> None:
    with loading(spawned, module) as daemon:
        daemon.process.send_signal(number)
        code, err = daemon.end()
    assert code == 0, err
    assert f"stopping signal={number.name}" in err
    assert "daemon stopped" in err
    assert "daemon started" not in err
    assert "Traceback" not in err
    assert spawned.traffic.requests == []


@pytest.mark.parametrize("module", MOMENTS)
def test_a_daemon_that_is_asked_to_reload_while_it_loads_starts(spawned: Bench, module: str) -> None:
    with loading(spawned, module) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        daemon.read_until("config taken up")
        daemon.read_until("cycle done")
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.end()[0] == 0


def test_another_command_that_is_stopped_while_it_loads_ends_by_the_signal(spawned: Bench) -> None:
    with loading(spawned, MOMENTS[0], "explain", "run") as command:
        command.process.send_signal(signal.SIGTERM)
        assert command.end()[0] == -signal.SIGTERM
