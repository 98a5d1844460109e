"""Old rows go by themselves once a day, and the chain still holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.audit.chain import verify
from reconciler.core.copies import replace
from reconciler.engine.context import Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.remotes.ports import CasePage
from tests.clients import CasesInProcess
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


def with_history(days: int) -> World:
    """Make a world with a Case that came and went, and a day on which what is older than ten days goes."""
    world = World(settings=Settings(workers=1, history_kept=timedelta(days=10)))
    world.cycle()
    case_id = world.coralogix.create_case("first")
    world.cycle()
    world.coralogix.resolve(case_id)
    world.coralogix.close(case_id)
    world.run_until_quiet()
    world.clock.advance(days=days)
    return world


class WithoutTime(CasesInProcess):
    """Speak to a Coralogix whose answers do not say when they were given."""

    def list_cases(self, **asked: object) -> CasePage:
        return replace(super().list_cases(**asked), server_time=None)  # type: ignore[arg-type]


def ten_years_ahead(world: World) -> None:
    """Let a cycle fall on a machine whose clock was set wrong."""
    world.clock.advance(minutes=1)
    context = replace(world.context, clock=lambda: world.clock.now() + timedelta(days=3650))
    run_cycle(context, CycleRequest(), cycle_id=f"ahead-{next(world.numbers):06d}")


def test_a_clock_that_jumps_ahead_prunes_nothing_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    world = with_history(days=1)
    before = counts(world)
    for _ in range(3):
        ten_years_ahead(world)
    assert counts(world) == before
    told = [record for record in caplog.records if "runs ahead" in record.message]
    assert len(told) == 1


def test_what_is_old_goes_also_while_the_clock_runs_ahead() -> None:
    world = with_history(days=11)
    ten_years_ahead(world)
    assert counts(world)[1] > 0


@pytest.mark.parametrize(("days", "goes"), [(9, False), (11, True)])
def test_where_no_answer_has_a_time_the_newest_change_counts(days: int, goes: bool) -> None:
    world = with_history(days=days)
    world.coralogix.create_case("second")
    world.cases = WithoutTime(world.coralogix)
    ten_years_ahead(world)
    assert (counts(world)[1] > 0) is goes
