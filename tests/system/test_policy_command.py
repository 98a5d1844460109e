"""The command ``policy``: trying a config on Cases, and the gate through which a new one goes."""

from __future__ import annotations

import json

import pytest

from tests.system.support import Bench, Ran

NARROW = """
[[route]]
name = "urgent"
when = 'case.priority == "P1"'
[[route]]
name = "the rest"
fallback = true
outbound = "none"
inbound = "plain"
[inbound.plain.fields]
urgency = "3"
"""
CASE = {
    "id": "3f166e9f-3c88-4af2-b52e-138f339dab3e",
    "readableId": "CASE-7",
    "title": "Disk \u001b[31mfull",
    "status": "CASE_STATUS_ACTIVE",
    "priority": "CASE_PRIORITY_P1",
    "category": "CASE_CATEGORY_AVAILABILITY",
    "createTime": "2026-01-15T10:30:00Z",
    "labels": [],
    "groupings": [],
    "impactedEntities": [],
}


def quiet(bench: Bench, *arguments: str) -> Ran:
    """Run a command that must neither ask a service nor write a byte."""
    files = bench.bytes_of_folder()
    bench.traffic.forget()
    ran = bench.run(*arguments)
    assert not bench.traffic.requests
    assert bench.bytes_of_folder() == files
    return ran


def case_file(bench: Bench, document: object) -> str:
    file = bench.folder / "case.json"
    file.write_text(json.dumps(document))
    return str(file)


def test_an_example_serves_where_no_case_is_named(bench: Bench) -> None:
    bench.write_config(rest=NARROW)
    document = quiet(bench, "policy", "test", "--json").document
    assert [(route["name"], route["took"]) for route in document["routes"]] == [("urgent", False), ("the rest", True)]
    assert document["target"]["inbound"] == "plain"
    assert document["request"]["fields"]["urgency"] == "3"
    assert document["way_back"] is None


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_case_from_a_file(bench: Bench, is_wrapped: bool) -> None:
    bench.write_config(rest=NARROW)
    file = case_file(bench, {"case": CASE} if is_wrapped else CASE)
    document = quiet(bench, "policy", "test", "--case", file, "--json").document
    assert document["target"]["inbound"] == "default"
    assert document["request"]["fields"]["correlation_id"] == CASE["id"]
    assert document["way_back"]["asks"]["resolved"] == "resolved"
    shown = quiet(bench, "policy", "test", "--case", file).out
    assert "CASE-7: Disk [31mfull" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("document", [{}, [], {"case": {"id": "x"}}, "text"])
def test_a_file_that_is_no_case_is_refused(bench: Bench, document: object) -> None:
    ran = bench.run("policy", "test", "--case", case_file(bench, document))
    assert (ran.code, ran.out) == (2, "")
    assert "no Case" in ran.one_message()


def test_a_remembered_case_with_what_would_be_done_next(bench: Bench) -> None:
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.write_config(rest=NARROW)
    document = quiet(bench, "policy", "test", "case-1", "--json").document
    assert document["case"]["id"] == case_id
    assert document["link"]["number"] == bench.record(case_id)["number"]
    assert document["link"]["route"] == "everything"
    assert document["target"]["inbound"] == "plain"
    assert document["link"]["actions"] == []
    assert "stays there" in quiet(bench, "policy", "test", "CASE-1").out
    assert bench.run("policy", "test", "CASE-99").code == 2


def test_a_proposed_config_is_compared_with_the_present_one(bench: Bench) -> None:
    case_id = bench.new_case()
    bench.world.coralogix.create_case("urgent", priority="P1")
    assert bench.run("once").code == 0
    assert quiet(bench, "policy", "replay", "--json").document["differences"] == []
    present = bench.config.read_text()
    bench.write_config(rest=NARROW)
    proposed = bench.folder / "proposed.toml"
    bench.config.rename(proposed)
    bench.config.write_text(present)
    document = quiet(bench, "policy", "replay", "--config", str(proposed), "--json").document
    assert (document["cases"], document["records"]) == (2, {"before": 2, "after": 2})
    differences = {
        (one["case_id"], one["kind"], one["name"], one["before"], one["after"]) for one in document["differences"]
    }
    assert (case_id, "route", "", "everything", "the rest") in differences
    assert (case_id, "field", "urgency", "2", "3") in differences
    assert document["counts"]["route"] == 2
    assert "2 Cases, 2 records before and 2 after" in quiet(bench, "policy", "replay", "--config", str(proposed)).out
    assert bench.run("policy", "replay", "--since", "2030-01-01").code == 2


def test_a_changed_config_waits_at_the_gate_until_it_is_accepted(bench: Bench) -> None:
    limit = "[limits]\nmax_changes_on_new_config = 0\n"
    bench.write_config(rest=limit)
    case_id = bench.new_case()
    assert bench.run("once").code == 0
    bench.write_config(rest=f'{limit}[inbound.default.fields]\nurgency = "3"')
    planned = bench.run("plan")
    assert planned.code == 0
    assert "`once` would refuse this plan: routes or policies changed" in planned.err
    refused = [bench.run("once"), bench.run("once")]
    assert [ran.code for ran in refused] == [3, 3]
    assert "once --accept-config" in refused[1].one_message()
    assert bench.record(case_id)["urgency"] == "2"
    assert bench.run("once", "--accept-config").code == 0
    assert bench.record(case_id)["urgency"] == "3"
    assert bench.run("once").code == 0


def test_a_condition_on_update_is_told_by_every_command_that_explains(bench: Bench) -> None:
    bench.new_case("Disk is full")
    assert bench.run("once").code == 0
    bench.write_config(rest="[inbound.default]\nupdate_when = 'incident.assignment_group is defined'\n")
    bench.world.coralogix.set_title(bench.world.coralogix.ledger.cases()[0].id, "Disk is really full")
    assert bench.run("once", "--json").document["actions"] == []
    words = "update_when of [inbound.default] does not hold: it is false"
    told = bench.run("explain", "CASE-1").out
    assert f"nothing   is done now: not_routed: {words}" in told
    assert "until     the policy that it names is there again and lets the record be changed" in told
    assert f"gets nothing now: {words}" in quiet(bench, "policy", "test", "CASE-1").out
    assert quiet(bench, "policy", "test", "CASE-1", "--json").document["update_withheld"] == words
    (difference,) = [
        one
        for one in quiet(bench, "policy", "replay", "--json").document["differences"]
        if one["name"] == "short_description"
    ]
    assert difference["after"].endswith("really full")


@pytest.mark.parametrize("command", [("check",), ("policy", "test"), ("policy", "replay")])
def test_policies_are_tried_without_a_secret(bench: Bench, command: tuple[str, ...]) -> None:
    assert bench.run("once").code == 0
    ran = bench.run(*command, CORALOGIX_API_KEY="", SERVICENOW_PASSWORD="")
    assert (ran.code, ran.err) == (0, "")
