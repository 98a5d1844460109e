"""The command ``simulate``: what a config would have made of Cases that happened, with nothing written anywhere."""

from __future__ import annotations

from collections import Counter

from tests.system.support import Bench

READS = {("POST", "/mgmt/openapi/5/cases/cases/v1")}


def two_days_ago(bench: Bench) -> str:
    """Let a Case be opened, acknowledged and resolved two days ago; give its id."""
    clock = bench.world.clock
    clock.advance(days=-2)
    case_id = bench.world.coralogix.create_case("Payments are slow")
    for seconds, act in ((600, bench.world.coralogix.acknowledge), (3600, bench.world.coralogix.resolve)):
        clock.advance(seconds=seconds)
        act(case_id)
    clock.advance(days=2, seconds=-4200)
    return case_id


def test_a_week_is_played_and_nothing_is_written(bench: Bench) -> None:
    bench.write_config(poll_seconds=30)
    case_id = two_days_ago(bench)
    before = list(bench.world.coralogix.journal)
    ran = bench.run("simulate", "--json")
    assert (ran.code, ran.err) == (0, "")
    made = [(one["kind"], one["case_id"], one["from"], one["to"], one["result"]) for one in ran.document["actions"]]
    assert made == [
        ("create_incident", case_id, None, "open", "done"),
        ("advance_incident", case_id, "open", "acknowledged", "done"),
        ("advance_incident", case_id, "acknowledged", "resolved", "done"),
    ]
    assert (ran.document["version"], ran.document["cases"], ran.document["events"]) == (1, 1, 3)
    assert ran.document["brakes"] == ran.document["skips"] == []
    assert len(ran.document["hours"]) == 169
    assert bench.world.coralogix.journal == before
    assert bench.world.servicenow.records() == ()
    assert {(one.method, one.path) for one in bench.traffic.requests if one.method != "GET"} <= READS
    assert not [one for one in bench.traffic.requests if one.path.startswith("/api/now")]
    assert list(bench.folder.iterdir()) == [bench.config], "no database was made"


def test_a_person_reads_when_what_would_have_been_made(bench: Bench) -> None:
    bench.write_config(poll_seconds=30, rest="[limits]\nmax_incident_resolves_per_cycle = 0")
    two_days_ago(bench)
    ran = bench.run("simulate", "--since", "3d")
    assert ran.code == 0
    assert Counter(line.split()[2] for line in ran.out.splitlines()[2:5]) == {
        "create_incident": 1,
        "advance_incident": 2,
    }
    assert "1 Case with 3 events, 8641 cycles" in ran.out
    assert "would have been done: 2 advance_incident, 1 create_incident" in ran.out
    assert "requests to main: " in ran.out
    assert "max_incident_resolves_per_cycle" in ran.out
    assert "Nothing was written." in ran.err


def test_an_empty_window_is_no_mistake(bench: Bench) -> None:
    ran = bench.run("simulate", "--since", "10m")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "nothing would have been done")


def test_a_refused_key_is_one(bench: Bench) -> None:
    ran = bench.run("simulate", "--json", CORALOGIX_API_KEY="wrong")
    assert ran.code == 1
    assert "coralogix" in ran.document["error"]
    assert ran.err.count("\n") == 1
