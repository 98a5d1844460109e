"""Records and Cases whose times are ahead of their service's own clock: kept in step, and no cursor follows them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from tests.scenario.wild_support import WildWorld

FAR = datetime(2099, 1, 1, tzinfo=UTC)


def reached(world: WildWorld) -> dict[str, datetime | None]:
    return {name: cursor.time for name, cursor in world.store.snapshots.cursors().items()}


def test_a_record_from_the_year_2099_does_not_poison_its_cursor(caplog: pytest.LogCaptureFixture) -> None:
    world = WildWorld()
    first, far = world.link_one()
    second, near = world.link_one("another")
    world.servicenow.own_clock.set(FAR)
    world.servicenow.people.assign(far)
    world.servicenow.own_clock.set(world.clock.now())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            world.cycle()
    assert world.servicenow.record(far)["sys_updated_on"] == "2099-01-01 00:00:00"
    assert all(time is None or time <= world.clock.now() for time in reached(world).values())
    world.servicenow.people.resolve(near)
    world.run_until_quiet()
    assert world.status(second) == "RESOLVED"
    assert world.status(first) == "ACKNOWLEDGED"
    told = [one for one in caplog.records if one.message == "times ahead of the service's own clock move no cursor"]
    assert [(one.__dict__["side"], one.__dict__["first"]) for one in told] == [
        ("main.incident", world.servicenow.record(far)["number"])
    ]


def test_a_case_from_the_year_2099_does_not_poison_its_cursors(caplog: pytest.LogCaptureFixture) -> None:
    world = WildWorld()
    world.link_one()
    ahead = FAR - world.clock.now()
    world.clock.advance(seconds=ahead.total_seconds())
    far = world.new_case("from elsewhere")
    world.clock.advance(seconds=-ahead.total_seconds())
    with caplog.at_level(logging.WARNING):
        world.run_until_quiet()
    assert all(time is None or time <= world.clock.now() for time in reached(world).values())
    assert world.sys_id(far)
    later = world.new_case("another")
    world.coralogix.acknowledge(far)
    world.run_until_quiet()
    assert world.state(later) == "1"
    assert world.state(far) == "2"
    assert [one.__dict__["side"] for one in caplog.records if "ahead" in one.message] == ["coralogix"]


@pytest.mark.parametrize("ahead", [timedelta(minutes=59), timedelta()])
def test_a_clock_that_is_a_little_ahead_moves_the_cursor(ahead: timedelta) -> None:
    """Nodes of one instance do not agree to the second, and a time of change is given by one of them."""
    world = WildWorld()
    _, sys_id = world.link_one()
    world.servicenow.own_clock.set(world.clock.now() + ahead)
    world.servicenow.people.note(sys_id, "A note.")
    changed = world.servicenow.record(sys_id)["sys_updated_on"]
    world.servicenow.own_clock.set(world.clock.now())
    world.cycle()
    time = reached(world)["incidents.main.incident"]
    assert time is not None
    assert time.strftime("%Y-%m-%d %H:%M:%S") == changed
