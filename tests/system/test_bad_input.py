"""Bad input: one clear message each, the exit code of the contract, no traceback, and nothing lost."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence

import pytest

from reconciler.config.file import SYSTEM_FILE
from reconciler.remotes.http import throttle
from reconciler.sandbox.faults import FaultKind
from tests.system.support import THIS_PROGRAM, Bench

# -- config and command line -----------------------------------------------------------------------------------


def test_a_wrong_config_names_every_problem_with_its_line(bench: Bench) -> None:
    bench.write_config(coralogix="regoin = 'eu2'", rest="poll_minutes = 2\n[limits]\nmax_creates_per_cycle = 'many'")
    lines = bench.config.read_text().splitlines()
    ran = bench.run("once")
    words = ran.one_message()
    assert (ran.code, ran.out) == (2, "")
    for key in ("regoin", "poll_minutes", "max_creates_per_cycle"):
        number = next(number for number, line in enumerate(lines, 1) if line.startswith(key))
        assert f"reconciler.toml:{number}:" in words
        assert key in words
    assert not bench.database.exists()


def test_a_secret_that_is_not_set_is_named(bench: Bench) -> None:
    bench.config.write_text(bench.config.read_text().replace("SERVICENOW_PASSWORD", "NO_SUCH_SECRET"))
    ran = bench.run("once")
    assert ran.code == 2
    assert "NO_SUCH_SECRET" in ran.one_message()


def test_a_config_that_everybody_can_write_or_that_is_no_config_is_refused(bench: Bench) -> None:
    bench.config.chmod(0o602)
    ran = bench.run("once")
    assert ran.code == 2
    assert "can be written by every user" in ran.one_message()
    bench.config.chmod(0o600)
    with bench.config.open("ab") as file:
        file.truncate(1_000_001)
    ran = bench.run("once")
    assert ran.code == 2
    assert "longer than 1000000 bytes" in ran.one_message()


def test_no_word_of_a_service_moves_a_cursor_or_starts_a_line(bench: Bench) -> None:
    hostile = "INC1\x1b]0;owned\x07\x9b2J\u202e\nreconciler: ok"
    case_id = bench.new_case(f"Disk {hostile}")
    assert bench.run("once").code == 0
    bench.world.servicenow.people.edit(bench.sys_id(case_id), number=hostile)
    bench.world.coralogix.acknowledge(case_id)
    for command in (
        ["once"],
        ["explain", case_id],
        ["explain", case_id, "--json"],
        ["status"],
        ["plan"],
        ["holds", "show"],
    ):
        ran = bench.run(*command)
        shown = ran.out + ran.err
        assert not set(shown) & set("\x1b\x07\x9b\u202e"), command
        assert "\nreconciler: ok" not in shown, command
    assert bench.run("explain", case_id, "--json").document["incident"]["number"] == hostile
    assert "\\x1b]0;owned" in bench.run("explain", case_id).out


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_whose_caller_closed_a_stream_does_its_work(bench: Bench, closed: str) -> None:
    bench.new_case("Disk is full")
    for arguments in (["once"], ["once", "--since", "1h", "--batch", "1"], ["status"]):
        ran = bench.run_plain(["sh", "-c", f"{shlex.join(bench.command(*arguments))} {closed}"])
        assert (ran.code, "Traceback" in ran.err) == (0, False), ran
    assert bench.run("once", "--json").document["actions"] == []


def test_what_cannot_be_written_is_named(bench: Bench) -> None:
    assert bench.run("once").code == 0
    ran = bench.run("plan", "--out", "/dev/full")
    assert (ran.code, ran.one_message()) == (
        1,
        "reconciler: --out /dev/full cannot be written: No space left on device; free space, or name another file\n",
    )
    ran = bench.run_plain(["sh", "-c", f"{shlex.join(bench.command('status'))} >/dev/full"])
    assert (ran.code, ran.one_message()) == (1, "reconciler: standard output: No space left on device\n")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (
            ("plan", "--out", "none/plan.json"),
            2,
            "plan.json cannot be written: No such file or directory; name another",
        ),
        (("plan", "--out", "reconciler.toml/plan.json"), 2, "plan.json cannot be written: Not a directory; name"),
        (("init", "--config", "none/new.toml"), 2, "none/new.toml cannot be written: No such file or directory"),
        (("init", "--config", "/dev"), 2, "/dev is no file; name another"),
        (("init", "--config", "pipe", "--force"), 2, "pipe is no file; name another"),
        (("state", "backup", "dangling"), 2, "dangling is there already; name another file"),
        (("state", "backup", "none/copy.db"), 2, "none is no folder; name another place"),
        (("state", "backup", "reconciler.toml/copy.db"), 2, "reconciler.toml is no folder; name another place"),
        (("audit", "export", "all", "--out", "reconciler.toml/x"), 2, "written: Not a directory; name another fol"),
        (
            ("audit", "coverage", "--since", "1h", "--html", "none/page.html"),
            2,
            "none/page.html cannot be written: No su",
        ),
        (
            ("audit", "coverage", "--since", "1h", "--html", "/dev/full"),
            1,
            "/dev/full cannot be written: No space left",
        ),
    ],
)
def test_a_wrong_path_is_wrong_usage_and_what_fails_while_it_is_written_is_not(
    bench: Bench, command: Sequence[str], code: int, words: str
) -> None:
    assert bench.run("once").code == 0
    (bench.folder / "dangling").symlink_to("none/at-all")
    os.mkfifo(bench.folder / "pipe")
    ran = bench.run(*command)
    assert (ran.code, words in ran.one_message()) == (code, True), ran


def test_files_for_people_are_read_by_no_other_user(bench: Bench) -> None:
    assert bench.run("--config", str(bench.folder / "new.toml"), "init").code == 0
    assert bench.run("plan", "--out", str(bench.folder / "plan.json")).code == 0
    assert bench.run("once").code == 0
    assert bench.run("state", "backup", str(bench.folder / "copy.db")).code == 0
    files = [bench.folder / "new.toml", bench.folder / "plan.json", bench.folder / "copy.db"]
    files += [file for file in bench.database.parent.iterdir() if file.name.startswith(bench.database.name)]
    assert len(files) > 4
    assert {file.name: oct(file.stat().st_mode) for file in files if file.stat().st_mode & 0o027} == {}


def test_without_a_config_the_places_searched_are_named(bench: Bench) -> None:
    if SYSTEM_FILE.exists():
        pytest.skip(f"this machine has {SYSTEM_FILE}")
    bench.config.unlink()
    ran = bench.run_plain([*THIS_PROGRAM, "once"])
    words = ran.one_message()
    assert ran.code == 2
    assert "reconciler.toml" in words
    assert str(SYSTEM_FILE) in words
    assert "reconciler init" in words


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sync"], "sync"),
        (["once", "--since", "yesterday"], "'yesterday' is neither a duration"),
        (["once", "--since", "999999w"], "'999999w' lies outside the years 1 to 9999"),
        (["once", "--since", "2999-01-01"], "in the future"),
        (["once", "--jsno"], "--jsno"),
        (["explain", "CASE-404"], "there is no database at"),
        (["apply", "nowhere.json"], "nowhere.json"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_wrong_usage(bench: Bench, arguments: list[str], named: str) -> None:
    ran = bench.run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err
    assert "Traceback" not in ran.err
    assert not bench.database.exists()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "hash": "x", "basis": ["y"], "actions": [1]}',
        b'{"version": 1, "hash": "x", "basis": [], "actions": [], "since": "2026-01-01"}',
    ],
    ids=["empty", "binary", "list", "no-hash", "no-actions", "naive-time"],
)
def test_a_file_that_is_no_saved_plan(bench: Bench, text: bytes) -> None:
    file = bench.folder / "plan.json"
    file.write_bytes(text)
    ran = bench.run("apply", str(file))
    assert ran.code == 2
    assert "is not a saved plan" in ran.one_message()


# -- the database ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["once", "plan", "status"])
def test_a_file_that_is_no_database_is_named_and_kept(bench: Bench, command: str) -> None:
    bench.database.write_bytes(b"not a database at all\n" * 100)
    before = bench.database.read_bytes()
    ran = bench.run(command)
    words = ran.one_message()
    assert ran.code == 1
    assert str(bench.database) in words
    assert "[state] path" in words
    assert bench.database.read_bytes() == before
    assert bench.traffic.requests == []


def test_a_truncated_database_is_called_damaged(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    half = bench.database.read_bytes()[: bench.database.stat().st_size // 2]
    bench.database.write_bytes(half)
    bench.traffic.forget()
    for command in ("once", "plan"):
        ran = bench.run(command)
        words = ran.one_message()
        assert ran.code == 1
        assert str(bench.database) in words
        assert "damaged" in words
        assert "state rebuild" in words
    assert bench.database.read_bytes() == half
    assert bench.traffic.requests == []


def test_a_folder_in_the_place_of_the_database(bench: Bench) -> None:
    bench.database.mkdir()
    ran = bench.run("once")
    words = ran.one_message()
    assert ran.code == 2
    assert "state.path" in words
    assert "allowed is the path of a file" in words


def test_a_database_of_a_newer_version_is_left_alone(bench: Bench) -> None:
    assert bench.run("once").code == 0
    bench.query("PRAGMA user_version = 9999")
    before = bench.database.read_bytes()
    for command in ("once", "plan", "status"):
        ran = bench.run(command)
        assert ran.code == 1
        assert "newer version" in ran.one_message()
    assert bench.database.read_bytes() == before


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(bench: Bench) -> None:
    bench.new_case()
    limited = f"ulimit -f 16; exec {shlex.join(bench.command('once'))}"
    # Without bytecode: a file of it that the limit cut short would break every process that comes after.
    ran = bench.run_plain(["bash", "-c", limited], PYTHONDONTWRITEBYTECODE="1")
    assert ran.code == 1
    assert str(bench.database) in ran.one_message()
    bench.run_until_quiet()
    assert len(bench.world.servicenow.records()) == 1


# -- the services ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["cases", "records"])
def test_a_service_that_is_not_there(bench: Bench, side: str) -> None:
    bench.new_case()
    server = bench.cases if side == "cases" else bench.records
    server.stop()
    ran = bench.run("once")
    assert ran.code == 1
    assert "nobody answers at the service's address" in ran.one_message()
    assert bench.traffic.mutations == []


@pytest.mark.parametrize(
    ("secret", "system"), [("CORALOGIX_API_KEY", "coralogix"), ("SERVICENOW_PASSWORD", "servicenow")]
)
def test_a_wrong_secret(bench: Bench, secret: str, system: str) -> None:
    ran = bench.run("once", **{secret: "wrong-horse"})
    words = ran.one_message()
    assert ran.code == 1
    assert system in words
    assert "answered 401" in words
    assert "credentials" in words
    assert "wrong-horse" not in words


def test_an_answer_that_is_none_is_told_on_both_ways(bench: Bench) -> None:
    bench.new_case()
    bench.numbers[f"{throttle.__name__}.FIRST_PAUSE_SECONDS"] = 0.01
    bench.strike(FaultKind.ERROR_503_HTML, "records.list", times=None)
    ran = bench.run("once", "--json")
    assert ran.code == 1
    assert "answered 503" in ran.one_message()
    assert ran.document["error"] in ran.err
    assert bench.traffic.mutations == []


def test_what_was_applied_before_a_failure_stays_recorded(bench: Bench) -> None:
    for title in ("One", "Two", "Three"):
        bench.new_case(title)
    bench.traffic.step_in(2, "before", lambda _: bench.strike(FaultKind.UNAUTHORIZED_401, "records.*", times=None))
    ran = bench.run("once", "--json")
    assert ran.code == 1
    assert [action["result"] for action in ran.document["actions"]] == ["done", "retry", "retry"]
    assert bench.query("SELECT case_key FROM audit_links WHERE number IS NOT NULL") == [{"case_key": "CASE-1"}]
    bench.world.faults.clear()
    again = bench.run("once", "--json").document
    assert [(action["case_key"], action["result"]) for action in again["actions"]] == [
        ("CASE-2", "done"),
        ("CASE-3", "done"),
    ]


def test_json_stays_json_whatever_goes_wrong(bench: Bench) -> None:
    bench.strike(FaultKind.UNAUTHORIZED_401, "*", times=None)
    for command in ("once", "plan"):
        ran = bench.run(command, "--json")
        assert ran.code == 1
        assert json.loads(ran.out)["actions"] == []
