"""How long a change takes to the other side, as status and the metrics tell it: of changes that were carried alone."""

from __future__ import annotations

from datetime import timedelta

from reconciler.core.model import Result
from reconciler.core.policies.defaults import DEFAULT_FIELDS
from reconciler.sandbox.faults import FaultKind
from tests.builders import an_inbound, compiled, policies
from tests.world import START, World, results


def lags(world: World) -> list[tuple[str, float]]:
    found = world.store.reports.lags(since=world.clock.now() - timedelta(days=1))
    return [(lag.direction, lag.seconds) for lag in found]


def begun() -> World:
    """Give a world whose first cycle is long over."""
    world = World()
    world.cycle()
    world.clock.advance(hours=1)
    return world


def test_the_lag_is_the_time_from_the_change_to_the_end_of_the_write_by_direction() -> None:
    world = begun()
    case_id = world.new_case()
    world.cycle(seconds=20)
    world.servicenow.people.assign(world.sys_id(case_id), "somebody")
    world.cycle(seconds=40)
    (_, back), (_, there) = found = lags(world)
    assert [direction for direction, _ in found] == ["to_coralogix", "to_servicenow"]
    assert 20 <= there < 22
    assert 40 <= back < 42


def test_a_change_that_was_held_up_counts_from_its_own_time() -> None:
    world = begun()
    world.new_case()
    world.strike_records(FaultKind.RATE_429, "records.create")
    world.cycle(seconds=10)
    assert lags(world) == []
    world.cycle(seconds=300)
    [(direction, seconds)] = lags(world)
    assert direction == "to_servicenow"
    assert 310 <= seconds < 313


def test_what_a_first_start_and_a_backfill_take_in_is_no_lag() -> None:
    world = World()
    world.new_case("From before the first start")
    world.clock.advance(hours=2)
    world.cycle()
    assert len(world.servicenow.records()) == 1
    world.clock.advance(hours=1)
    world.cycle(since=START - timedelta(days=30))
    assert lags(world) == []


def test_a_write_that_a_changed_config_makes_is_no_lag() -> None:
    world = begun()
    case_id = world.new_case()
    world.run_until_quiet()
    before = lags(world)
    world.clock.advance(hours=5)
    world.rules = policies(
        inbound=an_inbound(fields=compiled(DEFAULT_FIELDS, short_description="{{ case.title }} again"))
    )
    world.store.links.plan_again([case_id])
    assert results(world.cycle()) == [Result.DONE]
    assert lags(world) == before
    assert len(before) == 1
