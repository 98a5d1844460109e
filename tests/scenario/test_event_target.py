"""Event Management as the target: a Case is events under one key, and the way back is read from what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from reconciler.core.model import ActionKind, Result, SkipReason
from reconciler.core.policies.policies import EVENT_TABLE, Inbound, WayBack
from reconciler.sandbox.faults import FaultKind
from tests.builders import an_inbound, compiled, policies
from tests.world import World, results

FIELDS = {
    "source": "Coralogix",
    "type": "Case",
    "severity": '{{ case.priority | map_to({"P1": 1, "P2": 2, "P3": 3, "P4": 4, "P5": 5}) }}',
    "description": "{{ case.title }}",
}
CLEAR = compiled({"severity": "0", "resolution_state": "Closing"})


def events_policy(way_back: WayBack = WayBack.NONE) -> Inbound:
    return replace(
        an_inbound(),
        table=EVENT_TABLE,
        fields=compiled(FIELDS),
        on_create={},
        on_acknowledge={},
        on_resolve=CLEAR,
        on_close=CLEAR,
        references={},
        way_back=way_back,
    )


def a_world(way_back: WayBack = WayBack.NONE) -> World:
    world = World(rules=policies(inbound=events_policy(way_back)))
    world.cycle()
    return world


def alert(world: World) -> Mapping[str, str]:
    (row,) = world.servicenow.records("em_alert")
    return row


def test_create_update_and_clear_are_events_with_one_key() -> None:
    world = a_world()
    case_id = world.new_case("Payments are slow")
    report = world.cycle()
    assert [o.action.kind for o in report.outcomes] == [ActionKind.SEND_EVENT]
    assert (alert(world)["message_key"], alert(world)["severity"], alert(world)["state"]) == (case_id, "2", "Open")
    world.coralogix.set_priority(case_id, "P1")
    world.run_until_quiet()
    assert alert(world)["severity"] == "1"
    world.coralogix.resolve(case_id, "done")
    world.run_until_quiet()
    assert alert(world)["state"] == "Closed"
    world.coralogix.close(case_id)
    world.run_until_quiet()
    assert len(world.servicenow.records("em_event")) == 3
    assert not world.servicenow.records("incident")


def test_what_says_nothing_new_is_not_sent() -> None:
    world = a_world()
    case_id = world.new_case()
    world.run_until_quiet()
    world.coralogix.acknowledge(case_id)
    world.coralogix.assign(case_id, "00000000-0000-4000-8000-000000000001")
    world.run_until_quiet()
    assert len(world.servicenow.records("em_event")) == 1


def test_an_event_that_may_be_lost_is_said_again() -> None:
    world = a_world()
    world.new_case()
    world.strike_records(FaultKind.TIMEOUT, "records.event", after_effect=True)
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.run_until_quiet()
    assert alert(world)["state"] == "Open"


def test_the_way_back_is_read_from_the_alert() -> None:
    world = a_world(WayBack.ALERT)
    case_id = world.new_case()
    world.run_until_quiet()
    _edit_alert(world, acknowledged="true")
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED"
    _edit_alert(world, state="Closed")
    world.run_until_quiet()
    assert world.status(case_id) == "RESOLVED"
    assert len(world.servicenow.records("em_event")) == 1, "a closed alert is sent nothing more"


def test_the_way_back_is_read_from_the_incident_that_the_alert_led_to() -> None:
    world = a_world(WayBack.INCIDENT)
    case_id = world.new_case()
    world.run_until_quiet()
    sys_id = world.servicenow.people.open_incident("made by Event Management")
    _edit_alert(world, incident=sys_id)
    world.run_until_quiet()
    assert world.status(case_id) == "ACTIVE"
    world.servicenow.people.progress(sys_id)
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED"
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert world.status(case_id) == "RESOLVED"


def test_each_case_follows_the_one_incident_that_its_alert_was_grouped_into() -> None:
    world = a_world(WayBack.INCIDENT)
    case_ids = [world.new_case(), world.new_case()]
    world.run_until_quiet()
    sys_id = world.servicenow.people.open_incident("made by Event Management")
    admin = world.servicenow.people.actor("admin")
    for row in world.servicenow.records("em_alert"):
        world.servicenow.writes.update("em_alert", row["sys_id"], {"incident": sys_id}, admin)
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    assert [world.status(case_id) for case_id in case_ids] == ["RESOLVED", "RESOLVED"]


@pytest.mark.parametrize("way_back", [WayBack.NONE, WayBack.ALERT])
def test_a_reactivated_case_reopens_no_alert(way_back: WayBack) -> None:
    world = a_world(way_back)
    case_id = world.new_case()
    world.run_until_quiet()
    world.coralogix.recover(case_id)
    world.run_until_quiet()
    world.coralogix.reactivate(case_id)
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.CASE_MOVED_BACK
    assert alert(world)["state"] == "Closed"


def _edit_alert(world: World, **fields: str) -> None:
    world.servicenow.writes.update("em_alert", alert(world)["sys_id"], fields, world.servicenow.people.actor("admin"))
