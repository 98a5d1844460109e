"""The scenarios of Coralogix's own ServiceNow guide, one test each, each with the config that gives it."""

from __future__ import annotations

import pytest

from reconciler.core.case_events import CaseEventKind
from reconciler.core.model import SkipReason, Verb
from reconciler.sandbox.servicenow.tables.schema import Lifecycle, task_schema
from tests.scenario.configured import ConfiguredWorld

ONE_WAY = '[[route]]\noutbound = "none"'
TWO_WAY = """
[outbound.default]
acknowledge_on = ["assigned", "in_progress"]
resolve_on = ["resolved"]
close_on = ["closed", "canceled"]
"""


def test_an_incident_is_created_when_a_case_is_created() -> None:
    world = ConfiguredWorld(text=ONE_WAY)
    case_id = world.started("Checkout fails", priority="P1")
    record = world.record(case_id)
    assert record["short_description"].endswith("Checkout fails")
    assert (record["state"], record["priority"]) == ("1", "1")


def test_the_incident_follows_as_the_case_is_acknowledged_updated_resolved_and_closed() -> None:
    world = ConfiguredWorld(text=ONE_WAY)
    case_id = world.started()
    seen = [world.state(case_id)]
    world.coralogix.acknowledge(case_id)
    world.cycle()
    seen.append(world.state(case_id))
    world.coralogix.set_title(case_id, "Payments are very slow")
    world.cycle()
    assert world.record(case_id)["short_description"].endswith("Payments are very slow")
    world.coralogix.resolve(case_id, "the disk was full")
    world.cycle()
    seen.append(world.state(case_id))
    world.coralogix.close(case_id)
    world.cycle()
    assert [*seen, world.state(case_id)] == ["1", "2", "6", "7"]
    assert "the disk was full" in world.record(case_id)["close_notes"]


def test_one_way_is_the_default_of_the_guide_and_here_what_none_gives() -> None:
    world = ConfiguredWorld(text=ONE_WAY)
    case_id = world.started()
    world.servicenow.people.progress(world.sys_id(case_id))
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.status(case_id) == "ACTIVE"


def test_assigning_the_incident_acknowledges_the_case() -> None:
    world = ConfiguredWorld(text=TWO_WAY)
    case_id = world.started()
    world.servicenow.people.assign(world.sys_id(case_id))
    world.cycle()
    assert world.status(case_id) == "ACKNOWLEDGED"


def test_an_incident_in_progress_acknowledges_the_case() -> None:
    world = ConfiguredWorld(text=TWO_WAY)
    case_id = world.started()
    world.servicenow.people.progress(world.sys_id(case_id))
    world.cycle()
    assert world.status(case_id) == "ACKNOWLEDGED"


def test_resolving_the_incident_resolves_the_case() -> None:
    world = ConfiguredWorld(text=TWO_WAY)
    case_id = world.started()
    world.servicenow.people.resolve(world.sys_id(case_id), close_notes="Restarted the pod")
    world.cycle()
    assert world.status(case_id) == "RESOLVED"
    assert "Restarted the pod" in world.coralogix.ledger.case(case_id).resolution_reason


@pytest.mark.parametrize("act", ["close", "cancel"])
def test_closing_or_canceling_the_incident_closes_the_case(act: str) -> None:
    world = ConfiguredWorld(text=TWO_WAY)
    case_id = world.started()
    getattr(world.servicenow.people, act)(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.status(case_id) == "CLOSED"


def test_reopening_the_incident_does_not_acknowledge_the_case_again() -> None:
    world = ConfiguredWorld(text=TWO_WAY)
    case_id = world.started()
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.cycle()
    before = world.cases.requests["cases.acknowledge"]
    world.servicenow.people.reopen(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.cases.requests["cases.acknowledge"] == before
    assert world.both(case_id) == ("RESOLVED", "2")
    assert world.skip(case_id) is SkipReason.INCIDENT_REOPENED


def test_only_resolved_cases_are_closed() -> None:
    world = ConfiguredWorld(text=TWO_WAY)
    case_id = world.started()
    world.servicenow.people.close(world.sys_id(case_id))
    report = world.cycle()
    assert [action.path for action in report.plan.actions] == [(Verb.RESOLVE, Verb.CLOSE)]
    changes = [event.data for event in world.coralogix.ledger.events(case_id) if event.key is CaseEventKind.STATUS]
    assert [change["to"] for change in changes][-2:] == ["RESOLVED", "CLOSED"]


def test_without_the_closure_condition_a_case_is_resolved_and_never_closed() -> None:
    world = ConfiguredWorld(text='[outbound.default]\nacknowledge_on = ["assigned"]\nresolve_on = ["resolved"]')
    resolved, closed, canceled = world.started("one"), world.started("two"), world.started("three")
    world.servicenow.people.resolve(world.sys_id(resolved))
    world.servicenow.people.close(world.sys_id(closed))
    world.servicenow.people.cancel(world.sys_id(canceled))
    world.run_until_quiet()
    world.servicenow.people.close(world.sys_id(resolved))
    world.run_until_quiet()
    statuses = [world.status(case_id) for case_id in (resolved, closed, canceled)]
    assert statuses == ["RESOLVED", "RESOLVED", "ACTIVE"]


SECURITY = Lifecycle(new="10", in_progress="18", on_hold="", resolved="21", closed="3", canceled="7")
SECURITY_TABLE = """
[inbound.default]
table = "sn_si_incident"
[inbound.default.states]
10 = "new"
18 = "in_progress"
21 = "resolved"
3 = "closed"
7 = "canceled"
"""


def test_a_custom_target_table_has_states_of_its_own_both_ways() -> None:
    world = ConfiguredWorld(text=SECURITY_TABLE)
    states = {"10": "Draft", "18": "Contain", "21": "Review", "3": "Closed", "7": "Cancelled"}
    world.servicenow.tables.register(task_schema("sn_si_incident", "SIR", states=states, lifecycle=SECURITY))
    forward, back = world.started("from the Case"), world.started("from the record")
    assert [row["number"][:3] for row in world.servicenow.records("sn_si_incident")] == ["SIR", "SIR"]
    for step in (world.coralogix.acknowledge, world.coralogix.resolve, world.coralogix.close):
        step(forward)
        world.cycle()
    for act in (world.servicenow.people.progress, world.servicenow.people.resolve, world.servicenow.people.close):
        act(world.sys_id(back))
        world.cycle()
    world.run_until_quiet()
    assert (world.both(forward), world.both(back)) == (("CLOSED", "3"), ("CLOSED", "3"))
    assert not world.servicenow.records("incident")


def test_a_condition_on_create_keeps_other_cases_without_a_record() -> None:
    world = ConfiguredWorld(text='[inbound.default]\ncreate_when = \'case.priority in ["P1", "P2"]\'')
    urgent, minor = world.started("urgent", priority="P1"), world.started("minor", priority="P4")
    assert len(world.servicenow.incidents_for(urgent)) == 1
    assert not world.servicenow.incidents_for(minor)
    assert world.skip(minor) is SkipReason.NOT_ROUTED


TWO_ROUTES = """
[[route]]
name = "security"
connector = "security"
when = 'case.category == "SECURITY"'
[[route]]
name = "the rest"
connector = "main"
fallback = true
"""


def test_two_routes_lead_to_two_connectors() -> None:
    world = ConfiguredWorld(text=TWO_ROUTES, connectors=("main", "security"))
    attack, outage = world.started("attack", category="SECURITY"), world.started("outage")
    places = {
        case_id: [name for name in world.instances if world.records_in(name, case_id)] for case_id in (attack, outage)
    }
    assert places == {attack: ["security"], outage: ["main"]}
    (record,) = world.records_in("security", attack)
    world.instances["security"].people.resolve(record["sys_id"])
    world.run_until_quiet()
    assert (world.status(attack), world.status(outage)) == ("RESOLVED", "ACTIVE")


def test_leaving_the_condition_of_a_route_moves_nothing_and_orphans_nothing() -> None:
    text = TWO_ROUTES.replace('case.category == "SECURITY"', 'case.title is starting_with("attack")')
    world = ConfiguredWorld(text=text, connectors=("main", "security"))
    case_id = world.started("attack on checkout")
    (record,) = world.records_in("security", case_id)
    world.coralogix.set_title(case_id, "harmless after all")
    world.run_until_quiet()
    assert not world.records_in("main", case_id)
    assert world.records_in("security", case_id)[0]["short_description"].endswith("harmless after all")
    world.instances["security"].people.resolve(record["sys_id"])
    world.run_until_quiet()
    assert world.status(case_id) == "RESOLVED"


def test_a_route_that_left_the_config_leaves_its_links_in_step() -> None:
    world = ConfiguredWorld(text=TWO_ROUTES, connectors=("main", "security"))
    case_id = world.started("attack", category="SECURITY")
    (record,) = world.records_in("security", case_id)
    world.read('[[route]]\nname = "all"\nconnector = "main"')
    world.instances["security"].people.progress(record["sys_id"])
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED"
    assert not world.records_in("main", case_id)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[route]]\nname = "all"\nconnector = "main"\ninbound = "other"\n[inbound.other]', "[inbound.narrow]"),
        ('[inbound.narrow]\n[[route]]\nname = "all"\nconnector = "main"', "[outbound.ears]"),
        ('[inbound.narrow]\ntable = "problem"\n[inbound.narrow.states]\n1 = "new"\n[outbound.ears]', "is for problem"),
    ],
    ids=["inbound", "outbound", "table"],
)
def test_a_link_whose_policy_left_the_config_is_named_and_left_alone(text: str, words: str) -> None:
    world = ConfiguredWorld(
        text='[[route]]\nname = "all"\ninbound = "narrow"\noutbound = "ears"\n[inbound.narrow]\n'
        '[outbound.ears]\nresolve_on = ["resolved"]'
    )
    case_id = world.started()
    before = world.written()
    world.read(text)
    world.coralogix.set_title(case_id, "another title")
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.written() == before
    (skip,) = world.store.links.standing_skips()
    assert skip.reason is SkipReason.NOT_ROUTED
    assert words in (skip.detail or "")


def test_by_default_each_case_has_one_incident_and_each_incident_one_case() -> None:
    world = ConfiguredWorld()
    case_ids = [world.started(f"Case {number}") for number in range(5)]
    for case_id in case_ids[:2]:
        world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    records = world.servicenow.records("incident")
    assert sorted(row["correlation_id"] for row in records) == sorted(case_ids)
    assert [world.status(case_id) for case_id in case_ids] == ["RESOLVED", "RESOLVED", "ACTIVE", "ACTIVE", "ACTIVE"]
