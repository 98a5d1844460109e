"""Failures outside a cycle: what a script reads, what a person's slip must not destroy, what the daemon outlives."""

from __future__ import annotations

import pytest

from tests.system.support import Bench


def test_json_is_one_document_also_where_no_cycle_began(bench: Bench) -> None:
    with bench.started("run") as daemon:
        daemon.read_until("cycle done")
        locked = bench.run("once", "--json")
    for path in bench.folder.glob("reconciler.db-*"):
        path.unlink()
    bench.database.write_text("this is no database " * 100)
    damaged = bench.run("once", "--json")
    bench.write_config(rest="[limits]\nmax_creates_per_cycle = 'many'")
    wrong = bench.run("plan", "--json")
    assert [ran.code for ran in (locked, damaged, wrong)] == [3, 1, 2]
    for ran, words in ((locked, f"pid {daemon.pid}"), (damaged, "not a SQLite database"), (wrong, "max_creates_per_")):
        assert ran.document.keys() == {"version", "error"}
        assert ran.document["version"] == 1
        assert words in ran.document["error"]
        ran.one_message()


WRITING = [("plan", "--out"), ("audit", "coverage", "--since", "1h", "--html")]


@pytest.mark.parametrize("command", WRITING, ids=["plan", "coverage"])
@pytest.mark.parametrize("ending", ["", "-wal", "-shm", ".lock"])
def test_nothing_is_ever_saved_over_the_database(bench: Bench, command: tuple[str, ...], ending: str) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    before = bench.database.read_bytes()
    ran = bench.run(*command, f"{bench.database}{ending}")
    assert ran.code == 2
    assert "that is the database" in ran.one_message()
    assert bench.database.read_bytes() == before


@pytest.mark.parametrize("command", WRITING, ids=["plan", "coverage"])
def test_nothing_is_saved_over_the_config_of_the_same_call(bench: Bench, command: tuple[str, ...]) -> None:
    assert bench.run("once").code == 0
    before = bench.config.read_bytes()
    ran = bench.run(*command, str(bench.config))
    assert (ran.code, "that is the config itself" in ran.one_message()) == (2, True)
    assert bench.config.read_bytes() == before


def test_a_page_that_is_there_keeps_its_rights(bench: Bench) -> None:
    assert bench.run("once").code == 0
    page = bench.folder / "page.html"
    page.write_text("of last month")
    page.chmod(0o644)
    assert bench.run("audit", "coverage", "--since", "1h", "--html", str(page)).code == 0
    assert (page.read_text()[:9].lower(), oct(page.stat().st_mode & 0o777)) == ("<!doctype", "0o644")


def test_a_plan_goes_into_a_pipe_as_it_is(spawned: Bench) -> None:
    spawned.new_case()
    assert spawned.run("plan", "--out", "/dev/stderr").err.startswith('{\n  "version": 1')


def test_a_plan_goes_through_a_link_and_leaves_it_there(bench: Bench) -> None:
    link, place = bench.folder / "latest.json", bench.folder / "plan.json"
    place.write_text("an older plan")
    link.symlink_to(place)
    bench.new_case()
    assert bench.run("plan", "--out", str(link)).code == 0
    assert link.is_symlink()
    assert place.read_text().startswith('{\n  "version": 1')


def test_a_terminal_that_lacks_a_character_ends_no_call(bench: Bench) -> None:
    bench.new_case("Gęś")
    assert bench.run("once", PYTHONIOENCODING="latin-1").code == 0
    ran = bench.run("explain", "CASE-1", PYTHONIOENCODING="latin-1")
    assert (ran.code, ran.err) == (0, "")
    assert r"G\u0119\u015b" in ran.out
