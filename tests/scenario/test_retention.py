"""Old rows go by themselves once a day, and the chain still holds."""

from __future__ import annotations

from datetime import timedelta

from reconciler.audit.chain import verify
from reconciler.engine.context import Settings
from tests.world import World


def counts(world: World) -> tuple[int, int]:
    value = world.store.database.value
    return value("SELECT count(*) FROM actions"), value("SELECT count(*) FROM seals")


def test_what_is_old_goes_with_the_full_check_and_is_sealed() -> None:
    world = World(settings=Settings(workers=1, history_kept=timedelta(days=10)))
    world.cycle()
    for title in ("first", "second"):
        case_id = world.coralogix.create_case(title)
        world.cycle()
        world.coralogix.resolve(case_id)
        world.coralogix.close(case_id)
        world.cycle()
        world.clock.advance(minutes=1)
    assert counts(world)[1] == 0
    before = counts(world)[0]
    world.clock.advance(days=9)
    world.cycle()
    assert counts(world) == (before, 0)
    world.clock.advance(days=2)
    world.cycle()
    assert counts(world)[0] < before
    assert counts(world)[1] > 0
    found = verify(world.store.ledger)
    assert found.is_whole
    assert found.pruned > 0


def test_nothing_goes_where_everything_is_kept() -> None:
    world = World()
    world.cycle()
    world.coralogix.create_case("first")
    world.cycle()
    world.clock.advance(days=4000)
    world.cycle()
    assert counts(world)[1] == 0
