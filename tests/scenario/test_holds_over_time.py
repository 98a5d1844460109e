"""Holds and brakes as time passes: when they begin, how long they wait, what ends them, what they count."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from reconciler.core.expressions.templates import Template
from reconciler.core.identity import fingerprint
from reconciler.core.model import Result, SkipReason
from reconciler.core.planning.plan import needs
from reconciler.core.policies.policies import Limits
from reconciler.sandbox.faults import FaultKind
from tests.builders import policies
from tests.scenario.wild_support import WildWorld
from tests.store_helpers import empty_store
from tests.world import results


def test_a_resolve_that_is_followed_by_a_close_counts_for_its_brake() -> None:
    """Canceled and closed records resolve their Cases as well: that cannot be undone, and the brake counts it."""
    world = WildWorld(rules=policies(limits=Limits(max_case_resolves_per_cycle=1)))
    case_ids = [world.link_one(f"Case {number}")[0] for number in range(2)]
    for case_id, act in zip(case_ids, (world.servicenow.people.cancel, world.servicenow.people.close), strict=True):
        act(world.sys_id(case_id))
    report = world.cycle()
    assert report.exit_code == 3
    assert "needs 2, [limits] max_case_resolves_per_cycle allows 1" in str(report.error)
    assert needs(report.plan)["max_case_resolves_per_cycle"] == 2


def test_a_record_in_an_unknown_state_is_not_adopted() -> None:
    """A new host finds a record of ours whose state nothing explains. It is held, not bound, and nothing is written."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.servicenow.people.set_state(sys_id, "42")
    world.coralogix.acknowledge(case_id)
    world.store = empty_store()
    world.run_until_quiet()
    assert world.skip(case_id) is SkipReason.UNKNOWN_STATE
    assert world.pair(case_id).link.sys_id == ""
    assert not world.sent(case_id)


def test_a_step_whose_template_fails_is_not_sent_without_it() -> None:
    """A field of a step cannot be rendered. Nothing of that step leaves, rather than the step without the field."""
    rules = policies()
    (name,) = rules.inbound
    step = {**(rules.inbound[name].on_resolve or {}), "close_notes": Template.compile("{{ case.labels.team }}")}
    world = WildWorld(rules=replace(rules, inbound={name: replace(rules.inbound[name], on_resolve=step)}))
    case_id, _ = world.link_one()
    world.coralogix.resolve(case_id, "over")
    world.cycle()
    assert world.skip(case_id) is SkipReason.REJECTED
    assert world.state(case_id) == "1"
    assert not world.sent(case_id)


def test_a_rejection_that_changed_begins_its_waiting_anew() -> None:
    """Rejected three times; then a side changes and it is rejected once more. It waits 15 minutes, not a day."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.servicenow.rules.add("frozen", lambda before, after: bool(before) and after["state"] != before["state"])
    world.coralogix.acknowledge(case_id)
    for seconds in (30, 900, 3600):
        assert results(world.cycle(seconds=seconds)) == [Result.REJECTED]
    world.coralogix.set_priority(case_id, "P1")
    world.coralogix.resolve(case_id, "over")
    assert results(world.cycle()) == [Result.REJECTED]
    pair = world.pair(case_id)
    assert pair.link.hold is not None
    assert pair.link.hold.attempts == 1
    assert pair.link.hold.next_retry_at - pair.link.hold.since == timedelta(minutes=15)


def test_a_hold_keeps_the_time_since_when_it_stands() -> None:
    """The third rejection in a row is still the same hold: ``since`` is that of the first."""
    world = WildWorld()
    case_id, _ = world.link_one()
    world.servicenow.rules.add("frozen", lambda before, after: bool(before) and after["state"] == "2")
    world.coralogix.acknowledge(case_id)
    world.cycle()
    first = world.store.links.pair(case_id)
    world.cycle(seconds=900)
    world.cycle(seconds=3600)
    third = world.store.links.pair(case_id)
    assert first is not None
    assert third is not None
    assert first.link.hold is not None
    assert third.link.hold is not None
    assert (third.link.hold.since, third.link.hold.attempts) == (first.link.hold.since, 3)


def test_a_link_is_settled_once_its_record_is_found() -> None:
    """A create of unknown outcome is found by the next look-up: from then on the link is not planned each cycle."""
    world = WildWorld()
    world.cycle()
    case_id = world.new_case()
    world.strike_records(FaultKind.TIMEOUT, "records.create", after_effect=True)
    world.once("before get", lambda: world.strike_records(FaultKind.ERROR_503_HTML, "records.get"))
    assert results(world.cycle()) == [Result.UNKNOWN]
    world.run_until_quiet()
    pair = world.pair(case_id)
    assert pair.link.sys_id
    assert pair.link.create_in_doubt_since is None
    assert world.store.links.pairs_to_plan(world.clock.now()) == []


def test_a_label_that_changes_ends_a_hold() -> None:
    """A template needs a label that the Case lacks. As soon as the Case has it, the record is made."""
    rules = policies()
    (name,) = rules.inbound
    fields = {**rules.inbound[name].fields, "category": Template.compile("{{ case.labels.team }}")}
    world = WildWorld(rules=replace(rules, inbound={name: replace(rules.inbound[name], fields=fields)}))
    world.cycle()
    case_id = world.new_case()
    world.cycle()
    before = world.store.links.pair(case_id)
    assert before is not None
    assert fingerprint(before) != fingerprint(replace(before, case=replace(before.case, labels={"team": ("sre",)})))


def test_what_stood_there_already_is_ours_afterwards() -> None:
    """A person wrote what the Case then came to say. From there on the field follows the Case again."""
    world = WildWorld()
    case_id, sys_id = world.link_one()
    world.coralogix.set_priority(case_id, "P1")
    world.servicenow.people.edit(sys_id, urgency="1", impact="1")
    world.run_until_quiet()
    world.coralogix.set_priority(case_id, "P5")
    world.run_until_quiet()
    assert world.record(case_id)["urgency"] == "3"
