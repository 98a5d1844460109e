"""A condition on update: while it is false, a record that exists gets nothing from its Case, and nothing is lost."""

from __future__ import annotations

from typing import Any

from reconciler.cli.build import mapped_fields
from reconciler.core.model import ActionKind, SkipReason, Stage
from tests.scenario.configured import ConfiguredWorld, config_of

NOT_ON_HOLD = """
[inbound.default]
update_when = 'incident.state_word != "on_hold"'
[inbound.default.on_acknowledge]
work_notes = "{{ case.title }} was acknowledged"
"""


def held_world(text: str = NOT_ON_HOLD, **how: Any) -> tuple[ConfiguredWorld, str]:
    """Give a world in which a record waits On Hold, and its Case."""
    world = ConfiguredWorld(text=text, **how)
    case_id = world.started("Payments are slow", priority="P3")
    world.servicenow.people.set_state(world.sys_id(case_id), "3", hold_reason="1")
    world.run_until_quiet()
    return world, case_id


def test_while_it_is_false_a_record_gets_nothing_and_then_one_write() -> None:
    world, case_id = held_world()
    before = world.record(case_id)
    world.coralogix.set_title(case_id, "Payments are down")
    world.coralogix.set_priority(case_id, "P1")
    writes = world.writes()
    for _ in range(3):
        assert not world.cycle().plan.actions
    assert (world.writes(), world.skip(case_id)) == (writes, SkipReason.NOT_ROUTED)
    assert world.record(case_id)["short_description"] == before["short_description"]
    world.servicenow.people.set_state(world.sys_id(case_id), "2")
    (action,) = world.cycle().plan.actions
    assert action.kind is ActionKind.UPDATE_INCIDENT
    assert set(action.fields) == {"short_description", "impact", "urgency"}
    assert world.record(case_id)["short_description"].endswith("Payments are down")
    assert world.skip(case_id) is None
    assert not world.cycle().plan.actions


def test_a_step_is_withheld_too_and_comes_with_the_fields_as_one_write() -> None:
    world, case_id = held_world()
    world.coralogix.set_title(case_id, "Payments are down")
    world.coralogix.resolve(case_id, "rolled back")
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "3")
    assert world.skip(case_id) is SkipReason.NOT_ROUTED
    world.servicenow.people.set_state(world.sys_id(case_id), "2")
    (action,) = world.cycle().plan.actions
    assert (action.kind, action.to_stage) == (ActionKind.ADVANCE_INCIDENT, Stage.RESOLVED)
    assert "short_description" in action.fields
    assert world.both(case_id) == ("RESOLVED", "6")


def test_the_way_back_is_not_touched() -> None:
    world, case_id = held_world(text="[inbound.default]\nupdate_when = 'case.priority == \"P1\"'")
    world.coralogix.set_title(case_id, "Payments are down")
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert not world.record(case_id)["short_description"].endswith("Payments are down")


def test_what_a_person_wrote_meanwhile_stays() -> None:
    world, case_id = held_world()
    world.coralogix.set_title(case_id, "Payments are down")
    world.servicenow.people.edit(world.sys_id(case_id), short_description="their words")
    world.run_until_quiet()
    world.servicenow.people.set_state(world.sys_id(case_id), "2")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"] == "their words"


def test_a_record_that_is_made_or_adopted_is_made_whatever_it_says() -> None:
    world = ConfiguredWorld(text="[inbound.default]\nupdate_when = 'incident.assignment_group is defined'")
    case_id = world.started("Payments are slow")
    assert world.record(case_id)["short_description"].endswith("Payments are slow")
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.NOT_ROUTED


def test_every_column_that_it_looks_at_is_read() -> None:
    config = config_of("[inbound.default]\nupdate_when = 'incident.u_region == \"eu\"'")
    assert "u_region" in mapped_fields(config.policies)["incident"]
