"""The recipes of the config's page, each played as it stands there."""

from __future__ import annotations

import pytest

from reconciler.core.model import SkipReason
from reconciler.core.policies.lint import advice
from tests.scenario.configured import ConfiguredWorld
from tests.unit.config.test_load import MINIMAL, read
from tests.unit.house.docs_pages import CONFIG_PAGE, blocks, section

PILOT, LATE, TEAM, UNCLOSED, IN_PROGRESS = (
    block.body for block in blocks(section(CONFIG_PAGE.read_text(encoding="utf-8"), "Recipes"), "toml")
)


def test_a_pilot_takes_the_urgent_cases_of_one_team() -> None:
    world = ConfiguredWorld(text=PILOT)
    taken = world.started("taken", priority="P1", labels=[("routing.team", "sre")])
    other_team = world.started("other team", priority="P1", labels=[("routing.team", "web")])
    minor = world.started("minor", priority="P4", labels=[("routing.team", "sre")])
    assert len(world.servicenow.incidents_for(taken)) == 1
    assert [world.skip(case_id) for case_id in (other_team, minor)] == [SkipReason.NOT_ROUTED] * 2


def test_what_goes_away_by_itself_gets_no_record_and_what_is_taken_up_does() -> None:
    world = ConfiguredWorld(text=LATE)
    gone, taken_up, urgent = world.started("gone"), world.started("taken up"), world.started("urgent", priority="P1")
    assert [len(world.servicenow.incidents_for(one)) for one in (gone, taken_up, urgent)] == [0, 0, 1]
    world.coralogix.recover(gone)
    world.coralogix.acknowledge(taken_up)
    world.cycle()
    assert [len(world.servicenow.incidents_for(one)) for one in (gone, taken_up)] == [0, 1]


def test_the_label_names_the_group_and_another_serves_where_there_is_none() -> None:
    world = ConfiguredWorld(text=TEAM)
    groups = {row["name"]: row["sys_id"] for row in world.servicenow.records("sys_user_group")}
    known = next(name for name in groups if name != "Service Desk")
    named = world.started("named", labels=[("routing.team", known)])
    unknown = world.started("unknown", labels=[("routing.team", "nobody has this name")])
    without = world.started("without")
    assert [world.record(one)["assignment_group"] for one in (named, unknown, without)] == [
        groups[known],
        groups["Service Desk"],
        groups["Service Desk"],
    ]


def test_a_closed_case_leaves_its_record_resolved() -> None:
    world = ConfiguredWorld(text=UNCLOSED)
    case_id = world.started()
    world.coralogix.resolve(case_id, "done")
    world.coralogix.close(case_id)
    world.run_until_quiet()
    assert world.both(case_id) == ("CLOSED", "6")


def test_a_rule_that_assigns_acknowledges_nothing() -> None:
    world = ConfiguredWorld(text=IN_PROGRESS)
    case_id = world.started()
    world.servicenow.people.assign(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.status(case_id) == "ACTIVE"
    world.servicenow.people.progress(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED"


@pytest.mark.parametrize("text", [PILOT, LATE, TEAM, UNCLOSED, IN_PROGRESS])
def test_a_recipe_raises_no_warning(text: str) -> None:
    assert advice(read(MINIMAL + text).policies) == ()
