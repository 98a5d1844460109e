"""What an instance makes of the values that it is given is no person's edit; what a person makes of them is."""

from __future__ import annotations

import pytest

from reconciler.core.model import Result
from reconciler.sandbox.servicenow.switches import Rewrite, Switches
from tests.scenario.wild_support import WildWorld
from tests.world import results

TITLES = {
    Rewrite.QUESTION_MARKS: ("Payments 🔥 are slow", "Payments 🔥🔥 are down"),
    Rewrite.PREFIX: ("Payments are slow", "Payments are down"),
    Rewrite.NARROW: ("slow " * 30, "down " * 30),
    Rewrite.BLANKS: ("Payments  are   slow", "Payments  are   down"),
    Rewrite.ENTITIES: ("Payments & co are slow", "Payments & co are down"),
}


def blamed(world: WildWorld) -> int:
    """Count the fields that the audit says a person changed."""
    return len(world.store.database.named("SELECT * FROM audit_notifications WHERE event = 'field_kept'"))


@pytest.mark.parametrize("rewrite", list(TITLES))
def test_a_field_follows_its_case_on_an_instance_that_rewrites_it(rewrite: Rewrite) -> None:
    before, after = TITLES[rewrite]
    world = WildWorld(switches=Switches(rewrites=frozenset({rewrite})))
    case_id, _ = world.link_one(before)
    assert world.run_until_quiet() == 0, "what was kept is no news"
    kept = world.record(case_id)["short_description"]
    world.coralogix.set_title(case_id, after)
    assert results(world.cycle()) == [Result.DONE]
    assert world.record(case_id)["short_description"] != kept
    assert world.run_until_quiet() == 0
    assert blamed(world) == 0


def test_a_person_who_edits_a_rewritten_value_is_left_alone() -> None:
    world = WildWorld(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))
    case_id, sys_id = world.link_one("Payments are slow")
    world.servicenow.people.edit(sys_id, short_description="mine")
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("mine")
    assert blamed(world) == 1


def test_an_answer_that_shows_another_write_is_not_the_base() -> None:
    """A person edits the title between our read and our write, and again before the answer: that is theirs."""
    world = WildWorld()
    case_id, sys_id = world.link_one("Payments are slow")
    world.coralogix.set_title(case_id, "Payments are down")
    world.once("before update", lambda: world.servicenow.people.edit(sys_id, urgency="1"))
    world.cycle()
    pair = world.store.links.pair(case_id)
    assert pair is not None
    assert "short_description" not in pair.link.kept
