"""The disk under the database: full, read-only, locked by a tool, lost and restored. One message, nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.store.database import connection
from tests.system.forks import Forks
from tests.system.support import Bench, Running

SMALL_BYTES = 6_000_000
IMPATIENT = {f"{connection.__name__}.BUSY_TIMEOUT_SECONDS": 0.1}


@pytest.fixture
def bench(tmp_path: Path, forks: Forks) -> Iterator[Bench]:
    """Give a bench on the machine's own disk."""
    with Bench(tmp_path, runner=forks) as opened:
        yield opened


@pytest.fixture
def on_small_disk(small_disk: Path, forks: Forks) -> Iterator[Bench]:
    with Bench(small_disk, runner=forks) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a few megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    order = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(order, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root, and a machine that allows it")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path, *, room_bytes: int = 0) -> Path:
    """Take the free bytes of a disk, but for some room; give the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    if room_bytes:
        os.truncate(filler, filler.stat().st_size - room_bytes)
    return filler


def test_a_full_disk_stops_cycles_and_nothing_else(on_small_disk: Bench) -> None:
    """What cannot be remembered is not written to a service either; with room again the same daemon goes on."""
    bench = on_small_disk
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        filler = fill(bench.folder)
        bench.new_case()
        said = daemon.read_until("cycle failed")
        assert "free space; the next cycle goes on" in said
        assert "Traceback" not in said
        filler.unlink()
        daemon.read_until("cycle done")
        bench.traffic.wait_for(lambda _: len(bench.traffic.mutations) == 1)
        daemon.terminate()
        assert daemon.end()[0] == 0
        bench.run_until_quiet()
        assert len(bench.world.servicenow.records()) == 1


def test_a_disk_with_no_room_for_the_lock_says_what_to_do(on_small_disk: Bench) -> None:
    assert on_small_disk.run("once").code == 0
    fill(on_small_disk.folder)
    ran = on_small_disk.run("once")
    assert (ran.code, "Free space on that disk" in ran.one_message()) == (1, True)


def test_what_has_no_room_for_its_file_failed_and_was_not_wrong(bench: Bench, small_disk: Path) -> None:
    assert bench.run("once").code == 0
    fill(small_disk)
    copied = bench.run("state", "backup", str(small_disk / "copy.db"))
    assert (copied.code, "copy.db: cannot be made: No space left on device" in copied.one_message()) == (1, True), (
        copied
    )
    exported = bench.run("audit", "export", "all", "--out", str(small_disk / "evidence"))
    assert (exported.code, "No space left on device" in exported.one_message()) == (1, True), exported
    assert "has no manifest and is not whole" in exported.err


@pytest.mark.parametrize(
    "command", [("plan", "--out"), ("audit", "coverage", "--since", "1h", "--html"), ("init", "--force", "--config")]
)
def test_what_has_no_room_leaves_what_was_there(bench: Bench, small_disk: Path, command: tuple[str, ...]) -> None:
    assert bench.run("once").code == 0
    file = small_disk / "of-last-month"
    file.write_text("evidence")
    fill(small_disk)
    ran = bench.run(*command, str(file))
    assert (ran.code, "No space left on device; free space, or name" in ran.one_message()) == (1, True), ran
    assert file.read_text() == "evidence"
    assert sorted(each.name for each in small_disk.iterdir()) == ["filler", "of-last-month"]


def test_a_config_that_has_no_room_is_not_begun(bench: Bench, small_disk: Path) -> None:
    fill(small_disk)
    ran = bench.run("--config", str(small_disk / "new.toml"), "init")
    assert (ran.code, "new.toml cannot be written: No space left" in ran.one_message()) == (1, True), ran
    assert [each.name for each in small_disk.iterdir()] == ["filler"]


def test_a_sandbox_that_has_no_room_for_its_folder_does_not_speak_of_ports(bench: Bench, small_disk: Path) -> None:
    fill(small_disk)
    ran = bench.run("sandbox", "serve", "--case-port", "0", "--record-port", "0", "--dir", str(small_disk / "tour"))
    words = "cannot be written: No space left on device; free space, or name another f"
    assert (ran.code, words in ran.one_message()) == (1, True), ran


def test_a_disk_that_fills_up_in_the_middle_loses_nothing(on_small_disk: Bench) -> None:
    bench = on_small_disk
    assert bench.run("once").code == 0
    ballast = fill(bench.folder, room_bytes=1_000_000)
    for number in range(60):
        bench.new_case(f"Case {number}")
    ran = bench.run("once")
    words = ran.one_message()
    assert ran.code == 1
    assert "full" in words
    assert "free space" in words
    ballast.unlink()
    done = bench.query("SELECT case_id FROM audit_actions WHERE result = 'done'")
    made = {row["correlation_id"] for row in bench.world.servicenow.records()}
    assert 0 < len(done) < 60
    assert {row["case_id"] for row in done} <= made
    assert len(made) - len(done) <= 2  # one request is under way while what came of the one before is written down
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 60
    assert bench.query("SELECT count(*) AS n FROM audit_links WHERE number IS NOT NULL") == [{"n": 60}]


def test_a_read_only_disk_is_told_in_one_message_and_nothing_is_lost(on_small_disk: Bench) -> None:
    bench = on_small_disk
    bench.new_case()
    bench.run("status")
    subprocess.run(["mount", "-o", "remount,ro", str(bench.folder)], check=True)
    ran = bench.run("once")
    assert ran.code == 1
    assert "Read-only file system" in ran.one_message()
    subprocess.run(["mount", "-o", "remount,rw", str(bench.folder)], check=True)
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 1


@contextmanager
def an_auditors_tool(database: Path, begin: str) -> Iterator[None]:
    """Open the database as a tool does that forgets to end its transaction."""
    with closing(sqlite3.connect(database, isolation_level=None)) as tool:
        tool.execute(begin)
        tool.execute("SELECT count(*) FROM audit_links").fetchall()
        yield
        tool.execute("ROLLBACK")


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_a_lock_that_an_auditors_tool_holds_is_told_and_the_same_daemon_goes_on(bench: Bench, begin: str) -> None:
    """Nothing is written to a service that could not be remembered; nobody has to repair anything."""
    bench.numbers |= IMPATIENT
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        with an_auditors_tool(bench.database, begin):
            bench.new_case()
            said = daemon.read_until("cycle failed")
            assert "database is locked" in said
            assert "another process is writing to it: end that one, or try again" in said
            assert "Traceback" not in said
            assert not bench.traffic.mutations
        bench.traffic.wait_for(lambda _: len(bench.traffic.mutations) == 1)
        daemon.read_until("cycle done")
        daemon.terminate()
        assert daemon.end()[0] == 0
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 1
    assert bench.run("audit", "verify").code == 0


def test_a_command_that_meets_such_a_lock_ends_with_one_and_one_message(bench: Bench) -> None:
    bench.numbers |= IMPATIENT
    assert bench.run("once").code == 0
    bench.new_case()
    with an_auditors_tool(bench.database, "BEGIN IMMEDIATE"):
        ran = bench.run("once")
        assert ran.code == 1
        assert "database is locked" in ran.one_message()
        assert bench.run("status").code == 0
        assert bench.run("state", "check").code == 0
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 1


def test_a_tool_that_only_reads_for_hours_stops_nothing(bench: Bench) -> None:
    assert bench.run("once").code == 0
    with an_auditors_tool(bench.database, "BEGIN"):
        bench.new_case()
        bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 1


def test_a_backup_of_a_busy_daemon_is_restored_and_nothing_is_made_twice(bench: Bench) -> None:
    """As the page of operations has it: stop, move the database away, put the backup in place, start."""
    backup = bench.folder / "backup.db"
    bench.write_config(poll_seconds=1, rest="[limits]\nmax_creates_per_cycle = 500")
    with bench.started("run") as daemon:
        early = [bench.new_case(f"Early {number}") for number in range(20)]
        wait_for_records(bench, daemon, 20)
        late: list[str] = []
        people = threading.Thread(target=lambda: late.extend(bench.new_case(f"Late {number}") for number in range(40)))
        people.start()
        assert bench.run("state", "backup", str(backup)).code == 0
        people.join()
        bench.world.servicenow.people.resolve(bench.sys_id(early[0]))
        wait_for_records(bench, daemon, 60)
        daemon.kill()
    lost = bench.folder / "lost"
    lost.mkdir()
    for path in bench.folder.glob("reconciler.db*"):
        path.rename(lost / path.name)
    shutil.copy(backup, bench.database)
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 60
    assert {bench.record(case_id)["correlation_id"] for case_id in [*early, *late]} == {*early, *late}
    assert bench.status(early[0]) in {"RESOLVED", "CLOSED"}


def wait_for_records(bench: Bench, daemon: Running, count: int) -> None:
    while len(bench.world.servicenow.records()) < count:
        daemon.read_until("cycle done")
