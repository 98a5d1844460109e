"""The command ``check``: what is told without a network, and what both services say with ``--live``."""

from __future__ import annotations

import pytest

from reconciler.core.findings import PAGES
from reconciler.preflight.probes import NO_CASE
from reconciler.preflight.writing import PROBE_MARK, TITLE
from tests.system.support import Bench

ROUTES = """
[[route]]
name = "attacks"
when = 'case.category == "SECURITY"'
outbound = "none"
[[route]]
name = "all"
[[route]]
name = "late"
priorities = ["P1"]
[inbound.idle]
"""


def test_without_live_it_asks_nobody_and_makes_no_database(bench: Bench) -> None:
    ran = bench.run("check")
    assert (ran.code, ran.err) == (0, "")
    assert bench.records.url in ran.out
    assert not bench.traffic.requests
    assert list(bench.folder.iterdir()) == [bench.config]


def test_it_shows_what_will_be_used_and_what_is_odd(bench: Bench) -> None:
    bench.write_config(rest=ROUTES)
    document = bench.run("check", "--json").document
    assert document["version"] == 1
    assert [route["name"] for route in document["routes"]] == ["attacks", "all", "late"]
    assert document["routes"][0]["outbound"] is None
    assert document["limits"]["max_changes_on_new_config"] == 50
    assert "probes" not in document
    ran = bench.run("check")
    assert ran.code == 0
    *told, more = ran.err.splitlines()
    coded = zip(document["warning_codes"], document["warnings"], strict=True)
    assert told == [f"warning {code}: {words}" for code, words in coded]
    assert more == "`reconciler explain RC101` tells more, of each code"
    assert "'late' is never reached" in ran.err
    assert "[inbound.idle] is used by no route" in ran.err


def test_no_secret_is_shown(bench: Bench) -> None:
    for arguments in (["check"], ["check", "--json"], ["check", "--live", "--json"]):
        ran = bench.run(*arguments, SERVICENOW_PASSWORD="pa55-w0rd", CORALOGIX_API_KEY="k3y-0f-k3ys")
        assert "pa55-w0rd" not in ran.out + ran.err
        assert "k3y-0f-k3ys" not in ran.out + ran.err


def test_a_wrong_config_is_two_with_every_problem(bench: Bench) -> None:
    bench.write_config(rest='[[route]]\nwhen = "case.pirority"\nconnector = "mian"')
    ran = bench.run("check", "--json")
    assert ran.code == 2
    for words in (ran.err, ran.document["error"]):
        assert "priority" in words
        assert '"main"' in words


def test_live_passes_on_a_usual_sandbox_and_writes_nothing(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    bench.traffic.forget()

    def changes() -> tuple[int, int]:
        changed = [entry for entry in bench.world.coralogix.journal if entry.changed]
        return len(changed), len(bench.world.servicenow.journal)

    before = changes()
    ran = bench.run("check", "--live", "--json")
    assert (ran.code, ran.err) == (0, "")
    verdicts = {(one["side"], one["probe"]): one["verdict"] for one in ran.document["probes"]}
    assert {place for place, verdict in verdicts.items() if verdict != "passed"} == {
        ("main", "incident: notes"),
        ("main", "roles"),
        ("main", "writes"),
    }
    assert bench.traffic.requests
    assert changes() == before
    assert {request.path.rsplit("/", 1)[1] for request in bench.traffic.mutations} == {NO_CASE}


def test_live_is_one_where_a_login_is_refused(bench: Bench) -> None:
    ran = bench.run("check", "--live", SERVICENOW_PASSWORD="wrong")
    assert ran.code == 1
    assert "failed RC001: main, login: " in ran.err
    assert "credentials" in ran.err


def test_live_is_one_where_a_service_does_not_answer(bench: Bench) -> None:
    bench.records.stop()
    ran = bench.run("check", "--live")
    bench.revive_records()
    assert ran.code == 1
    assert "failed RC002: main, login: " in ran.err
    assert "network" in ran.err


def test_live_is_two_where_a_setting_has_to_change(bench: Bench) -> None:
    bench.write_config(rest='[inbound.default.on_resolve]\nclose_code = "Solved (Permanently)"')
    ran = bench.run("check", "--live")
    assert ran.code == 2
    assert "close_code = 'Solved (Permanently)' is not in the list" in ran.err


def test_variables_need_no_config(bench: Bench) -> None:
    bench.config.unlink()
    ran = bench.run("check", "--variables", "--json")
    assert ran.code == 0
    names = {one["name"]: one for one in ran.document["variables"]}
    assert names["case.priority"]["example"] == "P2"
    assert all(one["about"] for one in names.values())
    shown = bench.run("check", "--variables").out
    assert all(f"{name}\n" in shown for name in names)
    assert bench.run("check", "--variables", "--live").code == 2


# -- codes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", PAGES)
def test_every_code_has_its_page(bench: Bench, code: str) -> None:
    bench.config.unlink()
    ran = bench.run("explain", code.lower())
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{code}  ")
    assert "cause  " in ran.out
    assert "to do  " in ran.out
    assert bench.run("explain", code, "--json").document["code"] == code


def test_a_code_that_there_is_not_is_two_and_names_them_all(bench: Bench) -> None:
    ran = bench.run("explain", "RC999")
    assert ran.code == 2
    assert "RC012" in ran.one_message()


# -- routes on what is remembered --------------------------------------------------------------------------------------


def test_each_route_says_how_many_remembered_cases_it_takes(bench: Bench) -> None:
    for number in range(21):
        bench.new_case(f"number {number}")
    bench.write_config(rest=TYPO)
    assert bench.run("check", "--json").document["cases_counted"] is None
    assert bench.run("once").code == 0
    document = bench.run("check", "--json").document
    assert [(route["name"], route["cases"]) for route in document["routes"]] == [("sre", 0), ("rest", 21)]
    ran = bench.run("check")
    assert "of 21 Cases" in ran.out
    assert "warning RC107: route 'sre' takes 0 of 21 remembered Cases" in ran.err


def test_what_becomes_of_cases_that_no_route_takes_is_shown_and_no_warning(bench: Bench) -> None:
    bench.write_config(rest='[[route]]\nname = "sre"\nlabels = { "routing.team" = "sre" }')
    bench.new_case()
    assert bench.run("once").code == 0
    ran = bench.run("check")
    assert (ran.code, ran.err) == (0, "")
    [row] = [line for line in ran.out.splitlines() if "not_routed" in line]
    assert row.split()[-1] == "1"


def test_a_label_that_the_route_demands_raises_no_warning(bench: Bench) -> None:
    field = """assignment_group = '{{ case.labels["routing.team"] }} {{ case.key }}'"""
    bench.write_config(rest=f"{TEAM}[inbound.default.fields]\n{field}\n")
    assert bench.run("check").err == ""


TEAM = """
[[route]]
name = "sre"
labels = { "routing.team" = "sre" }
"""
TYPO = """
[[route]]
name = "sre"
labels = { "routing.taem" = "sre" }
[[route]]
name = "rest"
fallback = true
"""


# -- the probe that writes ---------------------------------------------------------------------------------------------


def test_the_write_probe_makes_resolves_and_closes_one_record_that_no_cycle_takes(bench: Bench) -> None:
    bench.new_case()
    assert bench.run("once").code == 0
    ran = bench.run("check", "--live", "--write-probe", "--yes", "--json")
    assert (ran.code, ran.err) == (0, "")
    probes = {one["probe"]: one["verdict"] for one in ran.document["probes"] if "write probe" in one["probe"]}
    assert probes == {
        f"incident: write probe, {step}": "passed" for step in ("create", "chosen id", "read", "resolve", "close")
    }
    [record] = [row for row in bench.world.servicenow.records() if row["short_description"] == TITLE]
    assert (record["state"], record["correlation_display"]) == ("7", PROBE_MARK)
    after = bench.run("once", "--json")
    assert (after.code, after.document["actions"], after.document["skips"]) == (0, [], [])
    assert record["number"] not in {row["number"] for row in bench.query("SELECT number FROM audit_links")}
    [deed] = bench.query("SELECT what, detail FROM audit_people WHERE what = 'write probe'")
    assert record["number"] in deed["detail"]


def test_the_write_probe_wants_a_persons_word(bench: Bench) -> None:
    ran = bench.run("check", "--live", "--write-probe")
    assert ran.code == 2
    assert "Say so with --yes" in ran.one_message()
    assert not bench.traffic.requests
    assert bench.run("check", "--write-probe", "--yes").code == 2


def test_the_write_probe_is_refused_where_nothing_may_be_written(bench: Bench) -> None:
    bench.config.write_text(f'mode = "observe"\n{bench.config.read_text()}')
    ran = bench.run("check", "--live", "--write-probe", "--yes")
    assert ran.code == 2
    assert "observe" in ran.one_message()
    observed = bench.run("check", "--live", "--json")
    rights = [one for one in observed.document["probes"] if one["probe"] in {"acknowledge", "resolve", "close"}]
    assert [one["verdict"] for one in rights] == ["not_checked"] * 3
    assert not bench.traffic.mutations


def test_a_record_that_cannot_be_closed_is_named(bench: Bench) -> None:
    bench.write_config(rest='[inbound.default.on_resolve]\nclose_code = "Solved (Permanently)"\nclose_notes = "done"')
    ran = bench.run("check", "--live", "--write-probe", "--yes")
    assert ran.code == 2
    assert "failed RC030: main, incident: write probe, resolve: " in ran.err
    assert "close INC0010001 by hand" in ran.err
