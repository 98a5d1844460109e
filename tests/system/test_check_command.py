"""The command ``check``: what is told without a network, and what both services say with ``--live``."""

from __future__ import annotations

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
    assert ran.err.splitlines() == [f"warning: {words}" for words in document["warnings"]]
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
    ran = bench.run("check", "--live", "--json")
    assert (ran.code, ran.err) == (0, "")
    verdicts = {(one["side"], one["probe"]): one["verdict"] for one in ran.document["probes"]}
    assert {place for place, verdict in verdicts.items() if verdict != "passed"} == {
        ("coralogix", "writes"),
        ("main", "incident: notes"),
        ("main", "writes"),
    }
    assert bench.traffic.requests
    assert not bench.traffic.mutations


def test_live_is_one_where_a_login_is_refused(bench: Bench) -> None:
    ran = bench.run("check", "--live", SERVICENOW_PASSWORD="wrong")
    assert ran.code == 1
    assert "failed: main, login: " in ran.err
    assert "credentials" in ran.err


def test_live_is_one_where_a_service_does_not_answer(bench: Bench) -> None:
    bench.records.stop()
    ran = bench.run("check", "--live")
    bench.revive_records()
    assert ran.code == 1
    assert "failed: main, login: " in ran.err
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
