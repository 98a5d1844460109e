"""What is left to read after a small story: the six audit views, ``status`` and ``explain``.

The story: one Case is taken up on both sides and closed from ServiceNow, one is held since its record was reopened,
and one waits for its activation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from reconciler.store.store import Store
from tests.builders import NOW
from tests.store_helpers import remember
from tests.system.forks import Forks
from tests.system.support import Bench

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
COLUMNS = {
    "audit_links": "case_id, case_key, case_status, connector, target_table, sys_id, number, incident_state, "
    "case_stage, incident_stage, agreed_stage, hold_reason, hold_detail, created_at, updated_at",
    "audit_notifications": "seq, cycle_id, source, case_id, sys_id, event, from_value, to_value, actor, observed_at, "
    "source_time",
    "audit_actions": "seq, cycle_id, key, kind, case_id, connector, sys_id, from_stage, to_stage, result, detail, "
    "attempts, started_at, finished_at",
    "audit_cycles": "cycle_id, kind, started_at, finished_at, result, pulled_cases, pulled_incidents, planned, done, "
    "failed, refused_because, config_hash, program_version",
    "audit_http": "seq, cycle_id, action_seq, system, method, path, status, duration_ms, request_id, attempt, sent_at",
    "audit_holds": "case_id, case_key, number, reason, detail, since, next_retry_at",
}


@dataclass(frozen=True, kw_only=True)
class Story:
    bench: Bench
    closed: str
    reopened: str
    pending: str

    def view(self, name: str) -> Sequence[Mapping[str, Any]]:
        return self.bench.query(f"SELECT * FROM {name}")  # noqa: S608 - the names above


@pytest.fixture(scope="module")
def story(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Bench(tmp_path_factory.mktemp("story"), runner=forks) as bench:
        closed, reopened = bench.new_case("Checkout fails"), bench.new_case("Disk is full")
        pending = bench.world.coralogix.create_case("Not yet", activate=False)
        bench.run_until_quiet()
        bench.world.servicenow.people.assign(bench.sys_id(closed))
        bench.world.coralogix.acknowledge(reopened)
        bench.run_until_quiet()
        bench.world.servicenow.people.close(bench.sys_id(closed))
        bench.world.servicenow.people.resolve(bench.sys_id(reopened))
        bench.run_until_quiet()
        bench.world.servicenow.people.reopen(bench.sys_id(reopened))
        bench.run_until_quiet()
        yield Story(bench=bench, closed=closed, reopened=reopened, pending=pending)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_view_has_the_columns_of_the_contract_in_its_order(story: Story, name: str) -> None:
    described = story.bench.query(f"SELECT name FROM pragma_table_info('{name}')")  # noqa: S608 - the names above
    assert [row["name"] for row in described][: len(COLUMNS[name].split(", "))] == COLUMNS[name].split(", ")


@pytest.mark.parametrize("name", COLUMNS)
def test_times_are_text_in_utc(story: Story, name: str) -> None:
    rows = story.view(name)
    times = [row[column] for row in rows for column in row if column.endswith(("_at", "_time")) or column == "since"]
    assert rows != []
    assert [time for time in times if time is not None and not TIME.fullmatch(time)] == []


def test_a_link_shows_both_sides(story: Story) -> None:
    links = {row["case_id"]: row for row in story.view("audit_links")}
    closed, reopened, pending = links[story.closed], links[story.reopened], links[story.pending]
    assert (closed["case_status"], closed["incident_state"], closed["agreed_stage"]) == ("CLOSED", "7", "closed")
    assert (closed["case_key"], closed["connector"], closed["target_table"]) == ("CASE-1", "main", "incident")
    assert closed["number"] == story.bench.record(story.closed)["number"]
    assert closed["hold_reason"] is None
    assert (reopened["case_stage"], reopened["incident_stage"]) == ("resolved", "acknowledged")
    assert reopened["hold_reason"] == "incident_reopened"
    assert (pending["case_status"], pending["sys_id"], pending["case_stage"]) == ("PENDING_ACTIVATION", None, None)
    assert pending["hold_reason"] == "pending_activation"


def test_every_change_seen_is_one_notification(story: Story) -> None:
    rows = story.view("audit_notifications")
    moves = [
        (row["source"], row["event"], row["from_value"], row["to_value"])
        for row in rows
        if row["case_id"] == story.closed and row["event_id"] is None
    ]
    assert moves[0] == ("coralogix", "first_seen", None, "ACTIVE")
    assert ("servicenow", "first_seen", None, "1") in moves
    changes = [(source, before, after) for source, event, before, after in moves if event != "first_seen"]
    assert len(changes) == len(set(changes))
    assert {("coralogix", "ACTIVE", "ACKNOWLEDGED"), ("servicenow", "1", "7")} <= set(changes)
    assert [row["seq"] for row in rows] == sorted(row["seq"] for row in rows)


def test_every_step_that_coralogix_tells_is_one_notification_with_its_person(story: Story) -> None:
    rows = [row for row in story.view("audit_notifications") if row["event_id"] and row["case_id"] == story.closed]
    assert len({row["event_id"] for row in rows}) == len(rows)
    assert [(row["to_value"], row["actor"]) for row in rows if row["event"] == "statusChanged"] == [
        ("ACKNOWLEDGED", "apiKey:Sandbox key"),
        ("RESOLVED", "apiKey:Sandbox key"),
        ("CLOSED", "apiKey:Sandbox key"),
    ]


def test_every_write_is_one_action_with_its_outcome(story: Story) -> None:
    rows = story.view("audit_actions")
    told = [(row["kind"], row["from_stage"], row["to_stage"], row["result"]) for row in rows]
    assert sorted(told, key=str) == sorted(
        [
            ("create_incident", None, "open", "done"),
            ("create_incident", None, "open", "done"),
            ("advance_case", "open", "acknowledged", "done"),
            ("advance_incident", "open", "acknowledged", "done"),
            ("advance_case", "acknowledged", "closed", "done"),
            ("advance_case", "acknowledged", "resolved", "done"),
        ],
        key=str,
    )
    assert len({row["key"] for row in rows}) == len(rows)


def test_every_request_is_one_row_under_the_action_that_it_was_made_for(story: Story) -> None:
    rows = story.view("audit_http")
    sent = sorted((request.method, request.path) for request in story.bench.traffic.requests)
    assert sorted((row["method"], row["path"]) for row in rows) == sent
    assert {row["status"] for row in rows} == {200, 201}
    actions = {row["seq"]: row for row in story.view("audit_actions")}
    for row in rows:
        action = actions.get(row["action_seq"])
        is_listing = row["path"].endswith(("/cases/cases/v1", "/events")) or (row["method"], row["path"][-9:]) == (
            "GET",
            "/incident",
        )
        assert is_listing == (action is None)
        if action and action["kind"] != "create_incident":
            assert row["path"].endswith((action["case_id"], action["sys_id"]))


def test_every_cycle_is_one_row_whose_numbers_add_up(story: Story) -> None:
    rows = story.view("audit_cycles")
    assert {(row["kind"], row["result"], row["failed"], row["refused_because"]) for row in rows} == {
        ("cycle", "done", 0, None)
    }
    assert sum(row["done"] for row in rows) == sum(row["planned"] for row in rows) == len(story.view("audit_actions"))
    assert all(row["finished_at"] >= row["started_at"] for row in rows)
    assert {row["cycle_id"] for row in story.view("audit_http")} == {row["cycle_id"] for row in rows}


def test_holds_are_what_waits_for_a_person(story: Story) -> None:
    [hold] = story.view("audit_holds")
    assert (hold["case_id"], hold["reason"]) == (story.reopened, "incident_reopened")
    assert hold["number"] in hold["detail"]


def test_status_says_the_same(story: Story) -> None:
    ran = story.bench.run("status", "--json")
    document = ran.document
    assert (ran.code, ran.err) == (0, "")
    assert (document["version"], document["links"], document["holds"]) == (1, 3, {"incident_reopened": 1})
    assert document["last_cycle"]["cycle_id"] == story.view("audit_cycles")[-1]["cycle_id"]
    assert {name: bool(cursor["time"]) for name, cursor in document["cursors"].items()} == {
        "cases.created": True,
        "cases.updated": True,
        "incidents.main.incident": True,
    }
    told = story.bench.run("status")
    assert "1 incident_reopened" in told.out


def test_explain_tells_one_story_whatever_the_reference(story: Story) -> None:
    record = story.bench.record(story.reopened)
    references = (story.reopened, "CASE-2", record["number"], record["sys_id"])
    documents = [story.bench.run("explain", reference, "--json").document for reference in references]
    assert all(document == documents[0] for document in documents)
    assert documents[0]["case"]["id"] == story.reopened
    assert documents[0]["skip"]["reason"] == "incident_reopened"
    assert [row["kind"] for row in documents[0]["actions"]] == ["create_incident", "advance_incident", "advance_case"]


def test_explain_tells_it_to_a_person_in_order(story: Story) -> None:
    ran = story.bench.run("explain", "CASE-1")
    assert (ran.code, ran.err) == (0, "")
    told = [ran.out.index(words) for words in ("first seen", "create incident", "open → acknowledged", "→ closed")]
    assert told == sorted(told)


def test_explain_tells_which_change_led_to_which_action_by_which_rule(story: Story) -> None:
    document = story.bench.run("explain", "CASE-1", "--json").document
    seen = {row["seq"]: row for row in document["notifications"]}
    causes = [(one["kind"], seen[one["cause"]]["event"], one["rule"]) for one in document["actions"]]
    assert causes == [
        ("create_incident", "first_seen", "route everything, [inbound.default]"),
        ("advance_case", "assigned_to", "[outbound.default] acknowledge_on"),
        ("advance_case", "state", "[outbound.default] close_on"),
    ]
    [closed] = [row for row in document["notifications"] if row["event"] == "state"]
    assert (
        f"because of #{closed['seq']}, by [outbound.default] close_on, config "
        in story.bench.run("explain", "CASE-1").out
    )
    hashes = {row["config_hash"] for row in story.view("audit_configs")}
    assert {one["config_hash"] for one in document["actions"]} == hashes


def test_explain_says_what_was_written_and_who_did_what(story: Story) -> None:
    told = story.bench.run("explain", "CASE-2").out
    assert "state New → In Progress" in told
    assert re.search(r"ServiceNow +beth\.anglin +state: In Progress → Resolved\n", told)
    assert re.search(r"Coralogix +reconciler +status: Acknowledged → Resolved\n", told)


def test_explain_says_why_nothing_is_done_and_what_would_change_that(story: Story) -> None:
    now = {
        ref: story.bench.run("explain", ref, "--json").document["now"] for ref in ("CASE-1", "CASE-2", story.pending)
    }
    assert now["CASE-1"] == {
        "next": [],
        "because": ["both sides stand at closed"],
        "until": ["nothing: both sides are closed"],
    }
    assert now["CASE-2"]["because"][0].startswith("incident_reopened: INC")
    assert now["CASE-2"]["until"][0].startswith("somebody reopened the Incident")
    assert now[story.pending]["until"] == ["Coralogix activates the Case"]


@pytest.fixture
def at_rest(bench: Bench) -> Bench:
    bench.new_case()
    bench.run_until_quiet()
    assert bench.run("explain", "CASE-1", "--json").document["now"]["next"] == []
    return bench


def test_explain_tells_what_a_config_that_no_cycle_met_makes_of_a_link_at_rest(at_rest: Bench) -> None:
    at_rest.write_config(rest='[inbound.default.fields]\nshort_description = "told otherwise"')
    [action] = at_rest.run("explain", "CASE-1", "--json").document["now"]["next"]
    assert action["kind"] == "update_incident"


def test_explain_tells_what_is_to_be_planned_of_a_link_that_was_at_rest(at_rest: Bench) -> None:
    with Store.open(at_rest.database, now=NOW) as store:
        [pair] = store.links.all_pairs(open_only=True)
        remember(store, replace(pair.case, title="Otherwise", updated_at=pair.case.created_at + timedelta(days=1)))
    [action] = at_rest.run("explain", "CASE-1", "--json").document["now"]["next"]
    assert action["kind"] == "update_incident"


def test_explain_shows_local_time_and_utc(story: Story) -> None:
    local, utc = (story.bench.run("explain", "CASE-1", *more, TZ="XYZ-5:30") for more in ([], ["--utc"]))
    assert "what happened, in local time (XYZ, UTC+05:30; --utc shows the other)" in local.out
    assert "what happened, in UTC\n" in utc.out
    [opened] = re.findall(r"opened (\S+ \S+),", utc.out)
    at = datetime.fromisoformat(f"{opened}+00:00").astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert f"opened {at:%Y-%m-%d %H:%M:%S}," in local.out


def test_explain_cuts_nothing_where_output_is_no_terminal(story: Story) -> None:
    told = story.bench.run("explain", "CASE-1", COLUMNS="20").out
    assert "sent category, correlation_display, correlation_id, description, impact, short_description" in told
    assert "…" not in told


def test_explain_needs_no_secret(story: Story) -> None:
    ran = story.bench.run("explain", "CASE-1", CORALOGIX_API_KEY="", SERVICENOW_PASSWORD="")
    assert (ran.code, ran.err) == (0, "")


def test_explain_tells_what_happened_although_the_config_is_wrong(story: Story) -> None:
    right = story.bench.config.read_text()
    story.bench.config.write_text(f'{right}\n[[route]]\nname = "odd"\nwhen = "no.such.name"\n')
    try:
        told = story.bench.run("explain", "CASE-1")
    finally:
        story.bench.config.write_text(right)
    assert (told.code, told.err) == (0, "")
    assert "advance case acknowledged → closed: done" in told.out
    assert "the config is wrong, so what it makes of this is not known" in told.out
