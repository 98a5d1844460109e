"""``holds`` as a person has it: what waits, what to do, and acting on it while a daemon runs."""

from __future__ import annotations

import pytest

from reconciler.cli.showing.what_to_do import WHAT_TO_DO
from reconciler.core.model import HOLD_REASONS
from reconciler.sandbox.faults import FaultKind
from tests.system.support import Bench


@pytest.fixture
def rejected(bench: Bench) -> str:
    """Make a Case whose record refuses to be moved once."""
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.world.coralogix.acknowledge(case_id)
    bench.strike(FaultKind.FORBIDDEN_403, "records.update")
    assert bench.run("once").code == 1
    assert bench.run("once").code == 0
    return case_id


def test_every_reason_has_its_advice() -> None:
    assert set(WHAT_TO_DO) == HOLD_REASONS


def test_a_hold_is_listed_with_all_that_a_person_needs_and_listing_touches_nothing(bench: Bench, rejected: str) -> None:
    before = bench.bytes_of_folder()
    [row] = bench.run("holds", "list", "--json").document["holds"]
    assert (row["case_id"], row["case_key"], row["number"]) == (rejected, "CASE-1", bench.record(rejected)["number"])
    assert (row["reason"], row["asked"]) == ("rejected", None)
    assert "403" in row["detail"]
    assert row["since"] < row["next_retry_at"]
    assert "holds retry" in row["what_to_do"]
    words = bench.run("holds", "list").out
    assert all(word in words for word in ("CASE-1", row["number"], "rejected", row["detail"], row["what_to_do"]))
    assert words.endswith("1 waiting for a person\n")
    assert bench.bytes_of_folder() == before


def test_a_retry_is_shown_by_plans_and_done_by_the_next_cycle(bench: Bench, rejected: str) -> None:
    ran = bench.run("holds", "retry", "CASE-1", bench.record(rejected)["number"], "--json")
    asked = {"case_id": rejected, "case_key": "CASE-1", "number": bench.record(rejected)["number"]}
    assert (ran.code, ran.err) == (0, "")
    assert ran.document == {"version": 1, "asked": [asked | {"reason": "rejected", "wish": "retry"}]}
    assert bench.run("holds", "list", "--json").document["holds"][0]["asked"] == "retry"
    for _ in range(2):
        assert bench.run("plan", "--json").document["counts"]["advance_incident"] == 1
    assert bench.record(rejected)["state"] == "1"
    assert [action["result"] for action in bench.run("once", "--json").document["actions"]] == ["done"]
    assert bench.run("holds", "list", "--json").document["holds"] == []
    assert bench.record(rejected)["state"] == "2"


def test_everything_that_waits_for_one_reason_is_tried_again(bench: Bench, rejected: str) -> None:
    """A Case that fired again waits, too, and for another reason."""
    other = bench.new_case("Another")
    bench.run_until_quiet()
    bench.world.coralogix.resolve(other)
    bench.run_until_quiet()
    bench.world.coralogix.reactivate(other)
    bench.run_until_quiet()
    assert bench.run("holds", "retry", "--all", "--reason", "incident_missing", "--json").document["asked"] == []
    ran = bench.run("holds", "retry", "--all", "--reason", "incident_missing")
    assert (ran.code, ran.out) == (0, "nothing like that waits for a person\n")
    ran = bench.run("holds", "retry", "--all", "--reason", "rejected", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert [each["case_id"] for each in ran.document["asked"]] == [rejected]
    assert [action["case_id"] for action in bench.run("once", "--json").document["actions"]] == [rejected]
    assert [row["reason"] for row in bench.run("holds", "list", "--json").document["holds"]] == ["case_moved_back"]
    assert [each["case_id"] for each in bench.run("holds", "retry", "--all", "--json").document["asked"]] == [other]
    for wrong in (("CASE-1", "--all"), ("CASE-1", "--reason", "rejected"), ("--all", "--reason", "nothing"), ()):
        assert bench.run("holds", "retry", *wrong).code == 2


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_new_record_is_made_by_hand(bench: Bench, is_deleted: bool) -> None:
    """For a record that was deleted, and for a Case that fired again."""
    case_id = bench.new_case()
    bench.run_until_quiet()
    first = bench.record(case_id)
    if is_deleted:
        bench.world.servicenow.people.remove(first["sys_id"])
        bench.world.coralogix.acknowledge(case_id)
    else:
        bench.world.coralogix.resolve(case_id)
        bench.run_until_quiet()
        bench.world.coralogix.reactivate(case_id)
    while not (held := bench.run("holds", "list", "--json").document["holds"]):
        bench.run("once")
    assert held[0]["reason"] == ("incident_missing" if is_deleted else "case_moved_back")
    ran = bench.run("holds", "recreate", "CASE-1", "--json")
    assert (ran.code, [each["wish"] for each in ran.document["asked"]]) == (0, ["recreate"])
    bench.run_until_quiet()
    records = bench.world.servicenow.incidents_for(case_id)
    assert len(records) == (1 if is_deleted else 2)
    made = next(each for each in records if each["sys_id"] != first["sys_id"])
    assert (made["state"], first["number"] in made["description"]) == ("2" if is_deleted else "1", True)
    assert bench.run("holds", "list", "--json").document["holds"] == []
    assert bench.run("holds", "recreate", "CASE-1").code == 2


def test_an_ignored_hold_leaves_the_list_and_a_retry_brings_it_back(bench: Bench, rejected: str) -> None:
    assert bench.run("holds", "ignore", rejected).code == 0
    assert bench.run("once", "--json").document["actions"] == []
    assert bench.run("holds", "list").out == "nothing waits for a person\n"
    assert bench.run("holds", "ignore", rejected).code == 2
    assert bench.run("holds", "retry", rejected).code == 0
    assert len(bench.run("once", "--json").document["actions"]) == 1


def test_every_wrong_ref_is_named_at_once_and_nothing_is_asked(bench: Bench, rejected: str) -> None:
    bench.new_case("Fine")
    bench.run("once")
    ran = bench.run("holds", "retry", "CASE-1", "CASE-99", "INC0000001", "CASE-2")
    assert (ran.code, ran.out) == (2, "")
    assert all(name in ran.one_message() for name in ("'CASE-99'", "'INC0000001'", "'CASE-2' does not wait"))
    assert "'CASE-1'" not in ran.err
    assert bench.query("SELECT * FROM hold_requests") == []


def test_without_a_database_nothing_is_held_and_none_is_made(bench: Bench) -> None:
    ran = bench.run("holds", "list")
    assert ran.code == 2
    assert "there is no database at" in ran.one_message()
    assert bench.run("holds", "retry", "CASE-1").code == 2
    assert bench.run("holds", "retry").code == 2
    assert not bench.database.exists()


def test_a_person_acts_while_the_daemon_runs(bench: Bench, rejected: str) -> None:
    bench.traffic.forget()
    with bench.started("run"):
        bench.traffic.wait_for(lambda seen: len(seen) > 8)
        assert bench.traffic.mutations == []
        ran = bench.run("holds", "retry", "CASE-1")
        assert (ran.code, ran.err) == (0, "")
        bench.traffic.wait_for(lambda seen: any(request.method == "PATCH" for request in seen))
    assert bench.record(rejected)["state"] == "2"
