"""The database is yesterday's: nothing is made twice, nothing is moved back, and all comes to rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.core.model import Result, SkipReason, Stage
from reconciler.core.policies.policies import OnReactivate
from reconciler.store.store import Store
from tests.builders import an_inbound, policies
from tests.world import World, results


def linked(world: World, count: int = 1) -> list[str]:
    """Make Cases with their records, all at rest."""
    world.cycle()
    case_ids = [world.new_case(f"Case number {number}") for number in range(count)]
    world.run_until_quiet()
    return case_ids


class Yesterday:
    """Keep a copy of a world's database, and put it back later."""

    def __init__(self, folder: Path) -> None:
        self.live, self.copy = folder / "reconciler.db", folder / "yesterday.db"
        self.world = World(store=Store.open(self.live, now=World().clock.now()))

    def keep(self) -> None:
        self.world.store.close()
        shutil.copyfile(self.live, self.copy)
        self.world.store = Store.open(self.live, now=self.world.clock.now())
        self.world.clock.advance(hours=1)

    def put_back(self) -> None:
        self.world.clock.advance(hours=23)
        self.world.store.close()
        shutil.copyfile(self.copy, self.live)
        self.world.store = Store.open(self.live, now=self.world.clock.now())


def test_a_database_of_yesterday_makes_nothing_twice_and_moves_nothing_back(tmp_path: Path) -> None:
    stage = Yesterday(tmp_path)
    world = stage.world
    still, moved, retitled, edited = linked(world, 4)
    stage.keep()
    made, short = world.new_case("made since"), world.new_case("short")
    world.coralogix.resolve(short)
    world.coralogix.resolve(moved)
    world.coralogix.set_title(retitled, "another title")
    world.run_until_quiet()
    world.servicenow.people.progress(world.sys_id(made))
    world.run_until_quiet()
    world.servicenow.people.close(world.sys_id(moved))
    world.run_until_quiet()
    world.servicenow.people.edit(world.sys_id(edited), short_description="what it really is")
    cases = (still, moved, retitled, edited, made, short)
    stands = {case_id: world.both(case_id) for case_id in cases}
    written = world.writes()
    stage.put_back()
    world.run_until_quiet()
    assert {case_id: world.both(case_id) for case_id in cases} == stands
    assert world.writes() == written
    for case_id in cases:
        assert len(world.servicenow.incidents_for(case_id)) == 1
        assert world.pair(case_id).link.sys_id == world.sys_id(case_id)
    assert world.agreed(moved) is Stage.CLOSED
    world.coralogix.resolve(made)
    assert results(world.cycle()) == [Result.DONE]
    assert world.state(made) == "6"


@pytest.mark.parametrize("side", ["record", "case"])
def test_what_came_back_since_yesterday_is_left_alone(tmp_path: Path, side: str) -> None:
    stage = Yesterday(tmp_path)
    world = stage.world
    (known,) = linked(world)
    stage.keep()
    new = world.new_case("made since")
    world.run_until_quiet()
    for case_id in (known, new):
        world.coralogix.recover(case_id)
    world.run_until_quiet()
    for case_id in (known, new):
        if side == "record":
            world.servicenow.people.reopen(world.sys_id(case_id))
        else:
            world.coralogix.reactivate(case_id)
    stands, reason, notes = {
        "record": (("RESOLVED", "2"), SkipReason.INCIDENT_REOPENED, 0),
        "case": (("ACTIVE", "6"), SkipReason.CASE_MOVED_BACK, 1),
    }[side]
    written = world.writes()
    stage.put_back()
    world.run_until_quiet()
    assert [world.both(case_id) for case_id in (known, new)] == [stands] * 2
    assert [world.skip(case_id) for case_id in (known, new)] == [reason] * 2
    assert world.writes() == written + 2 * notes


@pytest.mark.parametrize("since", [1, 2])
def test_the_next_record_that_yesterday_does_not_know_is_no_rival(tmp_path: Path, since: int) -> None:
    """The Case fired again since; the link goes on with the newest record, and the one before is left as it is."""
    stage = Yesterday(tmp_path)
    world = stage.world
    world.rules = policies(inbound=an_inbound(on_reactivate=OnReactivate.NEW_RECORD))
    (case_id,) = linked(world)
    stage.keep()
    for _ in range(since):
        world.coralogix.resolve(case_id)
        world.run_until_quiet()
        world.clock.advance(seconds=60)
        world.coralogix.reactivate(case_id)
        world.run_until_quiet()
    records = world.servicenow.incidents_for(case_id)
    written = world.writes()
    stage.put_back()
    world.run_until_quiet()
    pair = world.pair(case_id)
    assert (pair.link.generation, len(pair.link.earlier)) == (1 + since, since)
    assert (world.skip(case_id), world.writes(), len(records)) == (None, written, 1 + since)
    world.servicenow.people.resolve(pair.link.sys_id)
    world.run_until_quiet()
    assert world.status(case_id) == "RESOLVED"


def test_a_backfill_since_yesterday_is_taken_up_again(tmp_path: Path) -> None:
    stage = Yesterday(tmp_path)
    world = stage.world
    old = world.new_case("older than the first start")
    world.clock.advance(days=10)
    linked(world)
    stage.keep()
    assert not world.servicenow.incidents_for(old)
    world.cycle(since=world.coralogix.ledger.case(old).created_at)
    assert len(world.servicenow.incidents_for(old)) == 1
    stage.put_back()
    world.coralogix.acknowledge(old)
    world.run_until_quiet()
    assert len(world.servicenow.incidents_for(old)) == 1
    assert world.both(old) == ("ACKNOWLEDGED", "2")
