"""The commands as a user has them: the real process, over real HTTP, by exit code, output and effect."""

from __future__ import annotations

import json
from collections.abc import Mapping

from reconciler.core.model import SkipReason
from reconciler.remotes.http import throttle
from reconciler.sandbox.faults import FaultKind
from tests.system.support import Bench

PLAN_KEYS = {"version", "hash", "actions", "skips", "counts"}
COUNT_KEYS = {"create_incident", "advance_incident", "update_incident", "advance_case"}
ACTION_KEYS = {"kind", "case_id", "case_key", "connector", "table", "sys_id", "number", "from", "to"} | {
    "path",
    "fields",
    "detail",
}
SKIP_KEYS = {"case_id", "case_key", "reason", "detail"}


# -- once ------------------------------------------------------------------------------------------------------


def test_once_says_what_it_did_in_one_document(spawned: Bench) -> None:
    case_id = spawned.new_case()
    pending = spawned.world.coralogix.create_case("Not yet", activate=False)
    ran = spawned.run("once", "--json")
    document = ran.document
    assert (ran.code, ran.err) == (0, "")
    assert document.keys() >= PLAN_KEYS | {"cycle_id", "cursors"}
    assert document["version"] == 1
    assert document["counts"].keys() >= COUNT_KEYS
    assert document["counts"]["create_incident"] == 1
    [action] = document["actions"]
    assert action.keys() == ACTION_KEYS | {"result"}
    assert (action["kind"], action["result"], action["from"], action["to"]) == ("create_incident", "done", None, "open")
    assert (action["case_id"], action["case_key"]) == (case_id, "CASE-1")
    assert (action["sys_id"], action["number"]) == (
        spawned.sys_id(case_id),
        spawned.record(case_id)["number"],
    )
    assert document["skips"] == [
        {"case_id": pending, "case_key": None, "reason": "pending_activation", "detail": document["skips"][0]["detail"]}
    ]
    assert document["cursors"].keys() == {"cases.created", "cases.updated", "incidents.main.incident"}


def test_once_tells_a_person_a_table_and_one_line(bench: Bench) -> None:
    bench.new_case()
    ran = bench.run("once")
    assert (ran.code, ran.err) == (0, "")
    assert "create_incident" in ran.out
    assert "made INC0010001" in ran.out
    assert ran.out.splitlines()[-1].startswith("cycle done in ")
    assert "1 planned, 1 done" in ran.out.splitlines()[-1]


def test_a_path_of_verbs_is_told_in_order_and_walked(bench: Bench) -> None:
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.world.servicenow.people.cancel(bench.sys_id(case_id))
    ran = bench.run("once", "--json")
    [action] = ran.document["actions"]
    assert (action["kind"], action["path"], action["to"]) == ("advance_case", ["resolve", "close"], "closed")
    assert bench.record(case_id)["number"] in action["fields"]["reason"]
    assert bench.status(case_id) == "CLOSED"


def test_since_takes_in_what_was_before_the_first_start(bench: Bench) -> None:
    clock = bench.world.clock
    clock.advance(days=-3)
    old, over = bench.new_case("Old"), bench.new_case("Over")
    bench.world.coralogix.resolve(over)
    clock.advance(days=3)
    first = bench.run("once", "--json").document
    assert first["actions"] == []
    assert {skip["reason"] for skip in first["skips"]} <= {"before_origin"}
    backfill = bench.run("once", "--since", "4d", "--json").document
    assert [action["case_id"] for action in backfill["actions"]] == [old]
    assert backfill["kind"] == "backfill"
    assert bench.run("once", "--since", "4d", "--include-resolved").code == 0
    assert bench.world.servicenow.incidents_for(over) != ()


# -- plan and apply --------------------------------------------------------------------------------------------


def test_plan_sends_no_write_and_makes_no_database(bench: Bench) -> None:
    bench.new_case()
    before = bench.bytes_of_folder()
    ran = bench.run("plan", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.document.keys() >= PLAN_KEYS
    [action] = ran.document["actions"]
    assert action.keys() == ACTION_KEYS
    assert action["number"] is None
    assert bench.traffic.mutations == []
    assert bench.bytes_of_folder() == before


def test_plan_leaves_folder_and_database_byte_for_byte(bench: Bench) -> None:
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.world.servicenow.people.resolve(bench.sys_id(case_id))
    bench.new_case("Another")
    bench.traffic.forget()
    before = bench.bytes_of_folder()
    ran = bench.run("plan")
    assert ran.code == 0
    assert "advance_case" in ran.out
    assert "create_incident" in ran.out
    assert bench.traffic.mutations == []
    assert bench.bytes_of_folder() == before
    done = bench.run("once", "--json").document["counts"]
    assert (done["advance_case"], done["create_incident"]) == (1, 1)


def test_a_saved_plan_is_carried_out(bench: Bench) -> None:
    bench.new_case()
    saved = bench.folder / "plan.json"
    planned = bench.run("plan", "--json", "--out", str(saved))
    ran = bench.run("apply", str(saved), "--json")
    assert (planned.code, ran.code, ran.err) == (0, 0, "")
    assert ran.document.keys() >= PLAN_KEYS | {"cycle_id", "cursors"}
    assert ran.document["hash"] == planned.document["hash"] == json.loads(saved.read_text())["hash"]
    assert [action["result"] for action in ran.document["actions"]] == ["done"]
    assert bench.query("SELECT kind, result FROM audit_cycles") == [{"kind": "apply", "result": "done"}]


def test_a_stale_plan_is_refused_and_what_changed_is_named(bench: Bench) -> None:
    moved, saved = bench.new_case(), bench.folder / "plan.json"
    assert bench.run("plan", "--out", str(saved)).code == 0
    bench.world.coralogix.acknowledge(moved)
    bench.new_case("News")
    ran = bench.run("apply", str(saved), "--json")
    words = ran.one_message()
    assert ran.code == 3
    assert "decided from something else now: create_incident for CASE-1" in words
    assert "newly planned: create_incident for CASE-2" in words
    assert "Plan again" in words
    assert [action["result"] for action in ran.document["actions"]] == [None, None]
    assert bench.traffic.mutations == []


def test_a_plan_that_was_edited_is_refused(bench: Bench) -> None:
    """Who takes an action out, or changes a value, would see it done all the same."""
    bench.new_case()
    saved = bench.folder / "plan.json"
    document = bench.run("plan", "--json", "--out", str(saved)).document
    document["actions"][0]["fields"]["urgency"] = "3"
    saved.write_text(json.dumps(document))
    ran = bench.run("apply", str(saved))
    assert (ran.code, bench.traffic.mutations) == (3, [])
    assert "the file is not as it was saved; decided from something else now: create_incident for CASE-1" in ran.err


def test_a_failed_plan_does_not_say_that_nothing_is_to_do(bench: Bench) -> None:
    bench.numbers[f"{throttle.__name__}.FIRST_PAUSE_SECONDS"] = 0.01
    bench.strike(FaultKind.ERROR_503_HTML, "records.list", times=None)
    told, document = bench.run("plan"), bench.run("plan", "--json")
    assert (told.code, told.out, document.code) == (1, "", 1)
    assert "503" in told.one_message()
    assert "503" in document.document["error"]


# -- refusals --------------------------------------------------------------------------------------------------


def test_a_plan_beyond_the_limits_is_refused_whole(bench: Bench) -> None:
    bench.write_config(rest="[limits]\nmax_creates_per_cycle = 2")
    for number in range(3):
        bench.new_case(f"Case {number}")
    ran = bench.run("once", "--json")
    words = ran.one_message()
    assert ran.code == 3
    assert "the plan needs 3, [limits] max_creates_per_cycle allows 2" in words
    assert "--limits off" in words
    assert [action["result"] for action in ran.document["actions"]] == [None, None, None]
    assert bench.traffic.mutations == []
    planned = bench.run("plan")
    assert planned.code == 0
    assert "max_creates_per_cycle allows 2" in planned.err
    assert bench.run("once", "--limits", "off", "--json").document["counts"]["create_incident"] == 3
    assert len(bench.world.servicenow.records()) == 3


def test_a_key_that_does_not_see_everything_stops_the_cycle_unless_that_is_on_purpose(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    cursors = bench.cursors()
    visible, hidden = bench.new_case("Visible"), bench.new_case("Hidden")
    bench.world.coralogix.hide(hidden)
    bench.traffic.forget()
    ran = bench.run("once", "--json")
    words = ran.one_message()
    assert ran.code == 3
    assert "pbacTruncated" in words
    assert 'partial_view = "accept"' in words
    assert cursors_of_cases(bench.cursors()) == cursors_of_cases(cursors)
    assert bench.traffic.mutations == []
    assert bench.run("plan").code == 3
    bench.write_config(coralogix='partial_view = "accept"')
    accepted = bench.run("once", "--json")
    assert (accepted.code, [action["case_id"] for action in accepted.document["actions"]]) == (0, [visible])
    assert cursors_of_cases(bench.cursors()) != cursors_of_cases(cursors)


def cursors_of_cases(cursors: Mapping[str, str]) -> list[str]:
    return [cursors["cases.created"], cursors["cases.updated"]]


def test_a_rejected_write_is_held_and_the_others_are_done(bench: Bench) -> None:
    bench.new_case("Poison")
    fine = bench.new_case("Fine")
    bench.strike(FaultKind.FORBIDDEN_403, "records.create")
    ran = bench.run("once", "--json")
    assert ran.code == 1
    assert [action["result"] for action in ran.document["actions"]] == ["rejected", "done"]
    assert bench.record(fine)["state"] == "1"
    again = bench.run("once", "--json")
    assert (again.code, [skip["reason"] for skip in again.document["skips"]]) == (0, ["rejected"])


# -- the others ------------------------------------------------------------------------------------------------


def test_init_writes_a_config_once(bench: Bench) -> None:
    path = bench.folder / "mine.toml"
    command = [*bench.command()[:3], "--config", str(path), "init"]
    first = bench.run_plain(command)
    text = path.read_text()
    assert (first.code, first.out) == (0, f"{path}\n")
    assert "fill in" in first.err
    path.write_text("# edited\n")
    second = bench.run_plain(command)
    assert second.code == 2
    assert "--force" in second.one_message()
    assert path.read_text() == "# edited\n"
    assert "[coralogix]" in text


def test_status_of_a_database_that_is_not_there_says_so_and_makes_none(bench: Bench) -> None:
    ran = bench.run("status", "--json")
    assert (ran.code, ran.document["version"]) == (2, 1)
    assert str(bench.database) in ran.document["error"]
    assert not bench.database.exists()


def test_status_tells_a_monitor_whether_each_side_was_read(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once", "--json").code == 0
    document = bench.run("status", "--json").document
    assert {name: side["age_seconds"] is not None for name, side in document["sides"].items()} == {
        "coralogix": True,
        "main": True,
    }
    assert (document["daemon"]["running"], document["brake"]) == (False, None)
    assert document["chain"]["seq"] > 0
    assert f"{document['chain']['seq']} entries, head {document['chain']['head']}" in bench.run("status").out
    assert bench.run("status", "--check", "--max-age", "1h").code == 0
    late = bench.run("status", "--check", "--max-age", "0s")
    assert late.code == 1
    assert "coralogix: last read whole" in late.err


def test_status_says_how_long_changes_took_to_the_other_side(bench: Bench) -> None:
    bench.write_config(rest="lag_objective_seconds = 7")
    assert bench.run("once").code == 0
    none = bench.run("status", "--json").document["sync_lag"]
    assert none == {"p50_seconds": None, "p95_seconds": None, "objective_seconds": 7.0}
    assert "no change was carried in the last day" in bench.run("status").out
    bench.new_case()
    assert bench.run("once").code == 0
    told = bench.run("status", "--json").document["sync_lag"]
    assert 0 <= told["p50_seconds"] <= told["p95_seconds"] < 60
    assert "of the last day: half within " in bench.run("status").out


def test_a_brake_is_told_to_a_monitor(bench: Bench) -> None:
    bench.write_config(rest="[limits]\nmax_creates_per_cycle = 0")
    bench.new_case()
    assert bench.run("once", "--json").code == 3
    checked = bench.run("status", "--check", "--max-age", "1h")
    assert checked.code == 3
    assert "max_creates_per_cycle" in checked.err


def test_the_words_of_skips_are_those_of_the_contract() -> None:
    assert {reason.value for reason in SkipReason} == {
        "pending_activation",
        "not_routed",
        "before_origin",
        "incident_reopened",
        "case_moved_back",
        "rejected",
        "settling",
        "duplicate_incidents",
        "incident_missing",
        "case_missing",
        "unknown_state",
        "incident_terminal",
        "kept_elsewhere",
    }
