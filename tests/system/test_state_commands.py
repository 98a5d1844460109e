"""``state``: a backup of a live database, a rebuild of a lost one, and old rows that go."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.model import ActionKind, HttpRecord, Outcome, Result, Stage, System
from reconciler.store import maintenance
from reconciler.store.database.codec import time_text
from reconciler.store.maintenance import Retention, back_up
from reconciler.store.opening.lock import DatabaseLock
from reconciler.store.store import Store
from reconciler.store.values import CycleCounts, Decided
from tests.builders import NOW, a_case, a_link, an_incident
from tests.store_helpers import an_action, begin_action, case_id, decide_on, finish_action, remember, unguarded
from tests.system.support import Bench

LONG_AGO = NOW - timedelta(days=100)
CUT = NOW - timedelta(days=90)


def lose(bench: Bench) -> None:
    for file in bench.folder.glob("reconciler.db*"):
        file.unlink()


# -- rebuild -------------------------------------------------------------------------------------------------------


def test_a_lost_database_is_rebuilt_and_the_next_cycle_writes_nothing(bench: Bench) -> None:
    plain, reopened = bench.new_case("plain"), bench.new_case("reopened")
    assert bench.run("once").code == 0
    bench.world.servicenow.people.resolve(bench.sys_id(reopened))
    assert bench.run("once").code == 0
    bench.world.servicenow.people.reopen(bench.sys_id(reopened))
    lose(bench)
    bench.traffic.forget()
    document = bench.run("state", "rebuild", "--json").document
    assert (document["version"], document["records"], document["links"], document["backup"]) == (1, 2, 2, None)
    [finding] = document["findings"]
    assert (finding["kind"], finding["case_id"], finding["case_key"]) == ("ambiguous", reopened, "CASE-2")
    assert finding["record"] == bench.record(reopened)["number"]
    assert "incident_reopened" in finding["why"]
    assert bench.run("once", "--json").document["actions"] == []
    assert bench.traffic.mutations == []
    assert [row["reason"] for row in bench.query("SELECT * FROM audit_holds")] == ["incident_reopened"]
    assert bench.query("SELECT kind, result FROM audit_cycles")[0] == {"kind": "rebuild", "result": "done"}
    bench.world.coralogix.acknowledge(plain)
    assert bench.run("once").code == 0
    assert bench.record(plain)["state"] == "2"


def test_a_rebuild_tells_a_person_what_it_found(bench: Bench) -> None:
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.world.servicenow.people.resolve(bench.sys_id(case_id))
    lose(bench)
    ran = bench.run("state", "rebuild")
    assert ran.code == 0
    assert ran.out.startswith("ambiguous  CASE-1  INC")
    assert ran.out.endswith("1 record read, 1 link, 1 to look at\n")
    assert "reconciler plan" in ran.err


def test_a_database_with_links_is_refused_and_forced_only_after_a_backup(bench: Bench) -> None:
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    before = bench.query("SELECT * FROM audit_links")
    refused = bench.run("state", "rebuild")
    assert refused.code == 3
    assert "--force" in refused.one_message()
    document = bench.run("state", "rebuild", "--force", "--json").document
    assert document["links"] == 1
    with closing(sqlite3.connect(document["backup"])) as kept:
        assert len(kept.execute("SELECT * FROM audit_links").fetchall()) == len(before)
    assert bench.query("SELECT sys_id FROM links") == [{"sys_id": bench.sys_id(case_id)}]
    assert len(bench.query("SELECT * FROM audit_actions")) == 1


def test_a_damaged_database_is_not_overwritten(bench: Bench) -> None:
    bench.database.write_bytes(b"this is no database at all, but it is somebody's\n" * 99)
    before = bench.database.read_bytes()
    ran = bench.run("state", "rebuild", "--force")
    assert ran.code == 3
    assert "away" in ran.one_message()
    assert bench.database.read_bytes() == before


def test_a_rebuild_waits_for_nobody(bench: Bench) -> None:
    with DatabaseLock(bench.database, command="reconciler run"):
        ran = bench.run("state", "rebuild")
    assert ran.code == 3
    assert "reconciler run" in ran.one_message()


def test_a_rebuild_that_was_killed_is_simply_run_again(bench: Bench) -> None:
    for number in range(3):
        bench.new_case(f"Case number {number}")
    assert bench.run("once").code == 0
    bench.world.coralogix.delete("CASE-2")
    lose(bench)
    with bench.started("state", "rebuild") as process:
        bench.traffic.forget()
        bench.traffic.wait_for(lambda seen: any("/incident" in request.path for request in seen))
        process.kill()
    document = bench.run("state", "rebuild", "--force", "--json").document
    assert (document["records"], document["links"]) == (3, 2)
    assert [finding["kind"] for finding in document["findings"]] == ["case_missing"]


def test_a_service_that_does_not_answer_ends_a_rebuild_with_1(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    lose(bench)
    bench.records.stop()
    assert bench.run("state", "rebuild").code == 1
    assert bench.query("SELECT * FROM links") == []


# -- backup --------------------------------------------------------------------------------------------------------


def test_a_live_database_is_copied_whole_into_one_private_file(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    place = bench.folder / "kept"
    place.mkdir()
    with Store.open(bench.database, now=datetime.now(UTC)) as live:
        live.facts.put("word", "still in the log")
        ran = bench.run("state", "backup", "kept/copy.db", "--json")
    assert (ran.code, ran.document["bytes"]) == (0, (place / "copy.db").stat().st_size)
    assert [each.name for each in place.iterdir()] == ["copy.db"]
    assert stat.S_IMODE((place / "copy.db").stat().st_mode) == 0o600
    with Store.copy_of(place / "copy.db") as copy:
        assert copy.facts.get("word") == "still in the log"
        assert copy.reports.status_summary().links == 1
    assert [each.name for each in place.iterdir()] == ["copy.db"]


def test_a_backup_replaces_no_file_and_names_every_problem(bench: Bench) -> None:
    (bench.folder / "there").write_text("mine")
    ran = bench.run("state", "backup", "there")
    assert ran.code == 2
    assert "there is there already" in ran.one_message()
    assert "no database" in ran.err
    assert (bench.folder / "there").read_text() == "mine"


def test_a_damaged_database_gives_no_backup(bench: Bench) -> None:
    with Store.open(bench.database, now=NOW) as store:
        for number in range(300):
            remember(store, a_case(id=case_id(number), title="long " * 50))
    raw = bytearray(bench.database.read_bytes())
    raw[20 * 4096 : 40 * 4096] = b"\xff" * (20 * 4096)
    bench.database.write_bytes(raw)
    before = set(bench.folder.iterdir())
    ran = bench.run("state", "backup", "copy.db")
    assert ran.code == 1
    assert "damaged" in ran.one_message()
    assert not (bench.folder / "copy.db").exists()
    assert {each.name for each in set(bench.folder.iterdir()) - before} <= {"reconciler.db-wal", "reconciler.db-shm"}


def test_a_backup_starts_a_reconciler(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    back_up(bench.database, bench.folder / "copy.db")
    lose(bench)
    shutil.copyfile(bench.folder / "copy.db", bench.database)
    assert bench.run("once", "--json").document["actions"] == []


# -- prune ---------------------------------------------------------------------------------------------------------


def story(store: Store, number: int, at: datetime, *, closed: bool) -> None:
    """Let one link have a cycle, news, an action and a request, all at one time."""
    name, cycle_id = case_id(number), f"cycle {number}"
    state, stage = ("7", Stage.CLOSED) if closed else ("2", Stage.ACKNOWLEDGED)
    case = a_case(id=name, status="CLOSED" if closed else "ACKNOWLEDGED")
    record = an_incident(sys_id=f"{number:032d}", correlation_id=name, state=state, number=f"INC{number}")
    store.journal.begin_cycle(cycle_id, kind="cycle", now=at, config_hash="h", program_version="1")
    remember(store, case, record, cycle_id=cycle_id, now=at)
    link = a_link(case_id=name, sys_id=record.sys_id, case_peak=stage, incident_peak=stage)
    decide_on(store, Decided(link=link, needs_plan=False))
    action = an_action(case_id=name, sys_id=record.sys_id, kind=ActionKind.ADVANCE_INCIDENT)
    seq = begin_action(store, action, cycle_id=cycle_id, now=at)
    sent = HttpRecord(
        system=System.SERVICENOW,
        method="PATCH",
        path="/",
        status=200,
        duration_ms=1,
        request_id=None,
        attempt=1,
        sent_at=at,
    )
    done = Outcome(action=action, result=Result.DONE, incident=record, link=link)
    finish_action(store, seq, done, now=at, requests=[sent])
    store.journal.record_requests([sent], cycle_id)
    store.journal.finish_cycle(cycle_id, result="done", counts=CycleCounts(), now=at)


def prune(store: Store, before: datetime) -> Mapping[str, int]:
    return store.maintenance.prune(Retention(requests_before=before, history_before=before), now=NOW)


def told(store: Store, number: int) -> dict[str, Any]:
    found = store.reports.story(case_id(number))
    assert found is not None
    return {"news": found.notifications, "actions": found.actions, "requests": found.requests}


def fill(store: Store) -> None:
    story(store, 1, LONG_AGO, closed=True)
    story(store, 2, LONG_AGO, closed=False)
    story(store, 3, NOW, closed=True)


def test_only_old_rows_of_closed_links_go() -> None:
    with Store.in_memory() as store:
        fill(store)
        before = {number: told(store, number) for number in (1, 2, 3)}
        assert all(all(parts.values()) for parts in before.values())
        links = store.database.read("SELECT * FROM links, cases, incidents")
        counts = prune(store, CUT)
        assert counts == {"http": 3, "written_values": 2, "actions": 1, "notifications": 2, "cycles": 1}
        assert {number: told(store, number) for number in (2, 3)} == {2: before[2], 3: before[3]}
        assert told(store, 1) == {"news": (), "actions": (), "requests": ()}
        assert store.database.read("SELECT * FROM links, cases, incidents") == links
        assert [row["cycle_id"] for row in store.journal.last_cycles(9)] == ["cycle 3", "cycle 2"]
        assert store.facts.get("pruned_before") == time_text(CUT)
        assert not any(prune(store, CUT).values())


def test_held_links_unfinished_actions_and_the_last_cycle_stay() -> None:
    with Store.in_memory() as store:
        fill(store)
        story(store, 4, NOW, closed=False)
        store.database.connection.execute("UPDATE links SET skip_reason = 'duplicate_incidents'")
        prune(store, NOW + timedelta(days=1))
        assert all(told(store, 1).values())
        store.database.connection.execute("UPDATE links SET skip_reason = NULL")
        with unguarded(store) as conn:
            conn.execute("UPDATE actions SET result = NULL, finished_at = NULL WHERE case_id = ?", (case_id(1),))
        counts = prune(store, NOW + timedelta(days=1))
        assert counts["actions"] == 1
        assert len(told(store, 1)["actions"]) == 1
        assert {row["cycle_id"] for row in store.journal.last_cycles(9)} >= {"cycle 1", "cycle 4"}


def test_many_rows_go_in_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "ROWS_PER_STEP", 2)
    with Store.in_memory() as store:
        for number in range(5):
            story(store, number, LONG_AGO, closed=True)
        assert prune(store, CUT) == {"http": 9, "written_values": 8, "actions": 4, "notifications": 8, "cycles": 4}


def test_what_is_old_is_found_in_each_step_anew_and_a_stop_between_two_leaves_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintenance, "ROWS_PER_STEP", 1)
    retention = Retention(requests_before=CUT, history_before=CUT)
    with Store.in_memory() as store:
        for number in range(3):
            story(store, number, LONG_AGO, closed=True)
        story(store, 9, NOW, closed=True)
        answers = iter([False, True])
        first = store.maintenance.prune(retention, now=NOW, should_stop=lambda: next(answers))
        assert first == {"http": 1, "written_values": 2, "actions": 1, "notifications": 0, "cycles": 0}
        assert store.facts.get("pruned_before") is None
        before = told(store, 1)

        def opens_again() -> bool:
            store.database.connection.execute("UPDATE links SET case_stage = 1 WHERE case_id = ?", (case_id(1),))
            return False

        rest = store.maintenance.prune(retention, now=NOW, should_stop=opens_again)
        assert told(store, 1) == before
        assert rest == {"http": 4, "written_values": 2, "actions": 1, "notifications": 4, "cycles": 2}


def test_the_command_counts_first_and_then_prunes_and_shrinks_the_file(bench: Bench) -> None:
    with Store.open(bench.database, now=NOW) as store:
        fill(store)
    before = bench.bytes_of_folder()
    dry = bench.run("state", "prune", "--older-than", CUT.isoformat(), "--dry-run", "--json")
    assert dry.document["rows"] == {"http": 3, "written_values": 2, "actions": 1, "notifications": 2, "cycles": 1}
    assert bench.bytes_of_folder() == before
    ran = bench.run("state", "prune", "--older-than", CUT.isoformat(), "--json")
    assert ran.document == dry.document | {"dry_run": False, "compacted": True}
    assert bench.run("state", "prune", "--older-than", CUT.isoformat()).out.endswith("0 of cycles\n")
    assert bench.run("state", "prune").code == 2


def test_beside_a_running_daemon_it_prunes_and_leaves_the_file_its_size(bench: Bench) -> None:
    with Store.open(bench.database, now=NOW) as store:
        fill(store)
        with DatabaseLock(bench.database, command="reconciler run"):
            ran = bench.run("state", "prune", "--older-than", CUT.isoformat())
    assert ran.code == 0
    assert "keeps its size" in ran.err


# -- who did what --------------------------------------------------------------------------------------------------


def test_what_a_person_did_and_by_which_rules_is_told(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    assert bench.query("SELECT * FROM audit_people") == []
    assert bench.run("once", "--since", "1h", "--limits", "off").code == 0
    assert bench.run("state", "prune", "--older-than", "1d").code == 0
    once, pruned = bench.query("SELECT what, os_user, host, arguments, detail FROM audit_people ORDER BY seq")
    assert (once["what"], once["detail"]) == ("once", "the brakes were set aside")
    assert once["arguments"].endswith("once --since 1h --limits off")
    assert (pruned["what"], pruned["detail"][:9]) == ("state prune", "0 of http")
    assert once["os_user"]
    assert once["host"]
    [config] = bench.query("SELECT config_hash, text FROM audit_configs")
    assert [config["config_hash"]] == [
        row["config_hash"] for row in bench.query("SELECT DISTINCT config_hash FROM audit_cycles")
    ]
    assert "[coralogix]" in config["text"]


def test_the_chain_is_verified_beside_whoever_writes_and_a_change_is_named(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    whole = bench.run("audit", "verify", "--json")
    assert (whole.code, whole.document["whole"], whole.document["broken"]) == (0, True, [])
    assert bench.run("state", "check", "--json").document["chain"]["whole"]
    head = whole.document["head"]
    bench.new_case("Another")
    assert bench.run("once").code == 0
    assert bench.run("audit", "verify", "--head", head).code == 0
    assert bench.run("audit", "verify", "--head", "0" * 64).code == 3
    assert bench.run("audit", "verify", "--head", "x").code == 2
    with closing(sqlite3.connect(bench.database)) as stranger, stranger:
        stranger.execute("DROP TRIGGER notifications_kept")
        stranger.execute("UPDATE notifications SET actor = 'nobody' WHERE seq = 1")
    ran = bench.run("audit", "verify")
    assert ran.code == 3
    assert "notifications_kept" in ran.one_message()
    assert "notifications 1: is not as it was written" in ran.out
    assert bench.run("state", "check").code == 3


def test_there_is_nothing_to_verify_without_a_database(bench: Bench) -> None:
    for command in (("audit", "verify"), ("state", "check"), ("explain", "CASE-1"), ("policy", "replay")):
        ran = bench.run(*command)
        assert ran.code == 2
        assert "there is no database at" in ran.one_message()
