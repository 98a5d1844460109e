"""What the audit says about who and when is true, or it says nothing; our own write is no person's act."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.sandbox.faults import FaultKind
from tests.builders import an_inbound, compiled, policies
from tests.scenario.wild_support import Killed, WildWorld, kill


def actors(world: WildWorld, event: str) -> list[str | None]:
    """Name who the audit says made each change of one kind, after the record was made."""
    rows = world.store.database.named(
        "SELECT actor FROM audit_notifications WHERE source = 'servicenow' AND event = ? ORDER BY seq", (event,)
    )
    return [row["actor"] for row in rows]


def unanswered(world: WildWorld) -> list[tuple[object, ...]]:
    """List the requests of which nobody knows whether they were answered."""
    rows = world.store.database.named("SELECT * FROM audit_http WHERE outcome = 'sent, outcome unknown'")
    return [(row["method"], row["path"], row["status"]) for row in rows]


def test_one_write_since_the_last_look_names_its_person() -> None:
    world = WildWorld()
    _, sys_id = world.link_one()
    world.servicenow.people.assign(sys_id, by="beth.anglin")
    world.cycle()
    assert actors(world, "assigned_to") == ["beth.anglin"]


def test_two_writes_since_the_last_look_name_nobody() -> None:
    """One assigns, another edits the title a second later: the second is not named for both."""
    world = WildWorld()
    _, sys_id = world.link_one()
    world.servicenow.people.assign(sys_id, by="beth.anglin")
    world.clock.advance(seconds=1)
    world.servicenow.people.edit(sys_id, by="admin", short_description="mine")
    world.cycle()
    assert actors(world, "assigned_to") == [None]
    assert actors(world, "short_description") == [None]


def test_who_resolved_is_named_by_the_record_itself() -> None:
    world = WildWorld()
    _, sys_id = world.link_one()
    world.servicenow.people.resolve(sys_id, by="beth.anglin")
    world.servicenow.people.edit(sys_id, by="admin", short_description="mine")
    world.cycle()
    assert actors(world, "state") == ["beth.anglin"]
    assert actors(world, "short_description") == [None]


ASSIGNING = policies(
    inbound=an_inbound(on_create=compiled({"assigned_to": "6816f79cc0a8016401c5a33be04be441"}), references={})
)


@pytest.mark.parametrize("kind", [None, FaultKind.TIMEOUT, FaultKind.ERROR_500])
def test_a_record_that_our_template_assigned_is_not_taken_by_anybody(kind: FaultKind | None) -> None:
    """Nobody touched it, so its Case is not acknowledged, which would stop its escalation."""
    world = WildWorld(rules=ASSIGNING)
    world.cycle()
    if kind:
        world.strike_records(kind, "records.create", after_effect=True)
    case_id = world.new_case()
    world.run_until_quiet()
    assert world.record(case_id)["assigned_to"]
    assert world.both(case_id) == ("ACTIVE", "1")
    world.servicenow.people.assign(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED", "somebody else took it"


def test_a_record_that_our_template_assigned_is_not_taken_where_the_create_was_killed() -> None:
    world = WildWorld(rules=ASSIGNING)
    world.cycle()
    case_id = world.new_case()
    world.once("after create", kill)
    with pytest.raises(Killed):
        world.cycle()
    world.run_until_quiet()
    assert world.both(case_id) == ("ACTIVE", "1")


def test_a_backfill_that_was_killed_leaves_nothing_that_it_had_not_begun() -> None:
    world = WildWorld()
    for number in range(30):
        world.new_case(f"Case {number}")
    world.clock.advance(days=10)
    world.cycle()
    before = len(world.servicenow.records())
    world.once("after create", kill)
    with pytest.raises(Killed):
        world.cycle(since=world.clock.now() - timedelta(days=20))
    world.run_until_quiet()
    assert len(world.servicenow.records()) == before + 1, "the one that was begun"


def test_a_killed_process_leaves_its_request_in_the_audit() -> None:
    """The request may have landed: it stands there as sent, with no outcome, from the moment of its action."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.once("before update", kill)
    with pytest.raises(Killed):
        world.cycle()
    expected = [("PATCH", f"/api/now/table/incident/{sys_id}", None)]
    assert unanswered(world) == expected
    world.run_until_quiet()
    assert unanswered(world) == expected, "nobody will ever know"
