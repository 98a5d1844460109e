"""Creates whose outcome is not known, while the Case, the config or the record changes: one record stays one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

import pytest

from reconciler.core.identity import record_id
from reconciler.core.model import ActionKind, Result, SkipReason, System
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.store.journal import Journal
from reconciler.store.values import FinishedAction, StageRules
from tests.builders import an_inbound, condition, policies
from tests.scenario.wild_support import Killed, WildWorld, kill, two_instances
from tests.store_helpers import empty_store
from tests.world import results

STRIPPING = Switches(sys_id_on_post="strip")


def lose_the_next_create(world: WildWorld) -> None:
    """Let the next create take effect, and neither its answer nor the look for it come back."""
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    world.once("before get", lambda: world.strike_records(FaultKind.ERROR_503_HTML, "records.get"))


def test_a_case_is_routed_elsewhere_while_its_create_is_in_doubt() -> None:
    """The record is looked for where the create was sent, and nowhere else is another one made."""
    world, second = two_instances('case.priority == "P1"')
    world.cycle()
    case_id = world.new_case(priority="P2")
    lose_the_next_create(world)
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.coralogix.set_priority(case_id, "P1")
    world.run_until_quiet()
    assert (len(world.servicenow.incidents_for(case_id)), len(second.incidents_for(case_id))) == (1, 0)
    assert world.skip(case_id) is None


def test_a_create_in_doubt_commits_late_while_its_case_is_routed_elsewhere() -> None:
    world, second = two_instances('case.priority == "P1"')
    world.link_one("first")
    case_id = world.new_case(priority="P2")
    world.servicenow.tables.delay_commit(45)
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.coralogix.set_priority(case_id, "P1")
    world.run_until_quiet()
    assert (len(world.servicenow.incidents_for(case_id)), len(second.incidents_for(case_id))) == (1, 0)


def test_the_rules_of_a_create_in_doubt_leave_the_config() -> None:
    """Nothing says any more how that record is written, so nothing is, and the link says why."""
    world, second = two_instances('case.priority == "P1"')
    world.cycle()
    case_id = world.new_case(priority="P1")
    second.tables.delay_commit(45)
    second.faults.add(Fault(FaultKind.TIMEOUT, "records.create", after_effect=True))
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.rules, world.further = policies(connectors=frozenset({"main"})), {}
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.NOT_ROUTED
    assert "[servicenow.second]" in world.detail(case_id)
    assert not world.servicenow.incidents_for(case_id)


@pytest.mark.parametrize(
    ("create_when", "change"),
    [
        ('case.status == "ACTIVE"', lambda world, case_id: world.coralogix.acknowledge(case_id)),
        ('case.priority in ["P1", "P2"]', lambda world, case_id: world.coralogix.set_priority(case_id, "P4")),
    ],
)
def test_create_when_narrows_creation_and_not_what_was_created(create_when: str, change: object) -> None:
    """The record is there, unseen, when its Case changes so that it would not get one any more."""
    assert callable(change)
    world = WildWorld(rules=policies(inbound=an_inbound(create_when=condition(create_when))))
    world.cycle()
    case_id = world.new_case(priority="P2")
    lose_the_next_create(world)
    world.cycle()
    change(world, case_id)
    world.run_until_quiet()
    world.coralogix.resolve(case_id, "done")
    world.run_until_quiet()
    assert world.both(case_id) == ("RESOLVED", "6")
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_create_when_does_not_keep_a_known_record_of_a_new_database_from_being_adopted() -> None:
    world = WildWorld(rules=policies(inbound=an_inbound(create_when=condition('case.status == "ACTIVE"'))))
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    fresh = empty_store()
    world.cycle_of(fresh)
    pair = fresh.links.pair(case_id)
    assert pair is not None
    assert pair.link.sys_id == sys_id


def test_the_first_answer_teaches_that_ids_are_stripped() -> None:
    world = WildWorld(switches=STRIPPING)
    case_id, sys_id = world.link_one()
    assert sys_id != record_id("Coralogix", case_id)
    assert world.store.facts.get("ids_not_honoured.main")
    assert_a_late_create_is_waited_for(world)


def test_an_adopted_record_teaches_that_ids_are_stripped() -> None:
    """The first answer of all is lost with the process; the record that is found says the same."""
    world = WildWorld(switches=STRIPPING)
    world.cycle()
    world.new_case("first")
    world.once("after create", kill)
    with suppress(Killed):
        world.cycle()
    assert [outcome.action.kind for outcome in world.cycle().outcomes] == [ActionKind.ADOPT_INCIDENT]
    assert_a_late_create_is_waited_for(world)


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "no answer"])
def test_a_record_whose_create_got_no_answer_follows_its_case_though_a_person_wrote_it_first(is_killed: bool) -> None:
    """What was sent is remembered, so what the person left as it was is known to be ours."""
    world = WildWorld()
    world.cycle()
    case_id = world.new_case()
    if is_killed:
        world.once("after create", kill)
    else:
        world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
        world.strike_records(FaultKind.TIMEOUT, "records.get")
    with suppress(Killed):
        world.cycle()
    world.servicenow.people.edit(world.record(case_id)["sys_id"], assigned_to="ana")
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("Payments are down")
    story = world.store.reports.story(case_id)
    assert story
    assert "unknown" in {row["result"] for row in story.actions if row["kind"] == "create_incident"}


class MortalJournal(Journal):
    """A journal whose process is killed, once, as it is about to finish an action."""

    killed = False

    def finish_actions(
        self,
        ended: Sequence[FinishedAction],
        *,
        stage_rules: StageRules,
        now: datetime,
        hides_values: bool = False,
        follows: frozenset[System] = frozenset(),
    ) -> None:
        if not self.killed:
            self.killed = True
            kill()
        super().finish_actions(ended, stage_rules=stage_rules, now=now, hides_values=hides_values, follows=follows)


def test_what_the_first_answer_teaches_is_not_lost_with_the_process() -> None:
    """Kill between the answer's two commits: the first of them is what was learned."""
    store = empty_store()
    store.journal = MortalJournal(store.database)
    world = WildWorld(switches=STRIPPING, store=store)
    world.cycle()
    world.new_case("first")
    with suppress(Killed):
        world.cycle()
    world.run_until_quiet()
    assert_a_late_create_is_waited_for(world)


def assert_a_late_create_is_waited_for(world: WildWorld) -> None:
    """See that a create which commits long after its time-out is not sent again before."""
    case_id = world.new_case("another")
    world.servicenow.tables.delay_commit(100)
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    assert results(world.cycle()) == [Result.UNKNOWN]
    assert not world.cycle().outcomes
    assert world.skip(case_id) is SkipReason.SETTLING
    world.cycle(seconds=300)
    assert len(world.servicenow.incidents_for(case_id)) == len(world.sent(case_id, Operation.INSERT)) == 1


def test_a_refused_create_is_over_when_its_record_appears() -> None:
    """A person sets key and mark by hand while the hold waits for up to a day; that is a change of a side."""
    world = WildWorld()
    world.cycle()
    case_id = world.new_case()
    world.strike_records(FaultKind.FORBIDDEN_403, "records.create", times=None)
    world.cycle()
    assert world.skip(case_id) is SkipReason.REJECTED
    by_hand = world.servicenow.people.open_incident("by hand", correlation_id=case_id, correlation_display="Coralogix")
    world.cycle()
    assert world.pair(case_id).link.sys_id == by_hand
    assert world.skip(case_id) is None
