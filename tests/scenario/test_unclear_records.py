"""Records of which it is not clear whose they are, or whether they are there: copies, refusals, rebuilds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.expressions.templates import Template
from reconciler.core.model import Result, SkipReason
from reconciler.core.policies.defaults import DEFAULT_REFERENCES
from reconciler.rebuild.rebuild import rebuild
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.sandbox.servicenow.switches import Rewrite, Switches
from tests.builders import policies
from tests.scenario.wild_support import WildWorld, after_a_drift_check
from tests.store_helpers import empty_store
from tests.world import results


def test_a_create_that_is_refused_by_a_rule_is_held_and_not_sent_each_cycle() -> None:
    """403 on a create, and no record there: that is a refusal. It is held, and sent again at its retry time only."""
    world = WildWorld()
    world.cycle()
    case_id = world.new_case()
    world.servicenow.rules.add("no records today", lambda before, _after: not before)
    assert results(world.cycle()) == [Result.REJECTED]
    for _ in range(10):
        assert world.cycle().outcomes == ()
    assert world.skip(case_id) is SkipReason.REJECTED
    assert len(world.sent(case_id, Operation.INSERT)) == 1


@pytest.mark.parametrize("year", [1, 9999, 20000])
def test_a_create_whose_answer_makes_no_sense_makes_a_record_that_follows_its_case(year: int) -> None:
    """The instance rewrites what it is given, so that only its own record shows what it kept."""
    world = WildWorld(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))
    world.cycle()
    case_id = world.new_case()
    world.strike_records(FaultKind.STRANGE_TIMES, "records.create", year=year)
    (outcome,) = world.cycle().outcomes
    assert outcome.result is Result.DONE
    assert "the record itself can" in (outcome.detail or "")
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("Payments are down")


@pytest.mark.parametrize("rewrites", [frozenset(), frozenset({Rewrite.PREFIX})], ids=["as sent", "rewritten"])
def test_a_record_that_cannot_be_read_for_a_while_follows_its_case_afterwards(rewrites: frozenset[Rewrite]) -> None:
    world = WildWorld(switches=Switches(rewrites=rewrites))
    world.cycle()
    case_id = world.new_case()
    for operation in ("records.create", "records.get", "records.list"):
        world.strike_records(FaultKind.STRANGE_TIMES, operation, year=9999, times=None)
    (outcome,) = world.cycle().outcomes
    assert outcome.result is Result.REJECTED
    world.record_faults.clear()
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("Payments are down")
    assert len(world.servicenow.incidents_for(case_id)) == 1


def test_two_records_after_a_doubtful_create_are_both_held() -> None:
    """The create is lost, and the look after it shows two with the key. None of them is bound by chance."""
    world = WildWorld(switches=Switches(sys_id_on_post="strip"))
    world.link_one()
    case_id = world.new_case("another")

    def copied() -> None:
        world.servicenow.people.copy(world.servicenow.incidents_for(case_id)[0]["sys_id"])

    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    world.once("after create", lambda: None)
    world.once("before get", copied)
    report = world.cycle()
    assert results(report) == [Result.UNKNOWN]
    after_a_drift_check(world)
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    assert not world.sent(case_id)


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_copy_that_is_ours_no_more_frees_its_link_by_itself(is_deleted: bool) -> None:
    """A person deletes the copy, which no pull shows, or takes our mark off it and keeps the key. The link goes on."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.copy(sys_id)
    world.coralogix.acknowledge(case_id)
    world.cycle()
    assert world.skip(case_id) is SkipReason.DUPLICATE_INCIDENTS
    (other,) = [row["sys_id"] for row in world.servicenow.incidents_for(case_id) if row["sys_id"] != sys_id]
    if is_deleted:
        world.servicenow.people.remove(other)
    else:
        world.servicenow.people.edit(other, correlation_display="somebody else")
    after_a_drift_check(world)
    assert world.skip(case_id) is None
    assert world.servicenow.record(sys_id)["state"] == "2"


def test_a_rebuild_of_two_records_remembers_how_far_either_came() -> None:
    """Two records, one of them resolved, are rebuilt. Whichever of them stays, it does not push the Case."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.run_until_quiet()
    world.servicenow.people.copy(sys_id)
    world.servicenow.people.resolve(sys_id)
    world.store = empty_store()
    rebuild(world.context, cycle_id="rebuild")
    pair = world.pair(case_id)
    assert pair.link.case_peak is not None
    assert pair.link.case_peak.word == "resolved"


def test_a_default_serves_where_the_name_is_unknown() -> None:
    reference = replace(DEFAULT_REFERENCES["assignment_group"], default="Hardware")
    rules = policies()
    (name,) = rules.inbound
    fields = {**rules.inbound[name].fields, "assignment_group": Template.compile("Nobody knows this one")}
    inbound = replace(rules.inbound[name], fields=fields, references={"assignment_group": reference})
    world = WildWorld(rules=replace(rules, inbound={name: inbound}))
    world.cycle()
    case_id = world.new_case()
    world.run_until_quiet()
    assert world.record(case_id)["assignment_group"]


def test_a_backfill_takes_in_a_case_that_was_passed_over_and_does_not_change() -> None:
    """An open Case was older than the first lookback. ``once --since`` takes it in although nothing about it moves."""
    world = WildWorld()
    old = world.new_case("old")
    world.clock.advance(days=3)
    world.cycle()
    world.cycle(since=world.coralogix.ledger.case(old).created_at)
    assert world.state(old) == "1"
    world.run_until_quiet()
