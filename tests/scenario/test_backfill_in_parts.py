"""A backfill in parts: oldest first, each part behind the last, nothing twice, nothing left behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.errors import Refused
from reconciler.core.policies.policies import Limits
from reconciler.engine.backfill import BackfillProgress, next_part
from reconciler.engine.context import Settings
from reconciler.engine.parts import BackfillRequest, part_size
from reconciler.sandbox.faults import FaultKind
from tests.scenario.configured import ConfiguredWorld


def with_old_cases(count: int, text: str = "") -> tuple[ConfiguredWorld, list[str]]:
    world = ConfiguredWorld(text=text)
    cases = []
    for number in range(count):
        cases.append(world.new_case(f"Old {number}"))
        world.clock.advance(minutes=10)
    world.clock.advance(days=5)
    world.cycle()
    return world, cases


def played(world: ConfiguredWorld, asked: BackfillRequest, most: int = 12) -> tuple[BackfillProgress, list[list[str]]]:
    """Run part after part to the end; give the Cases of each part that got something."""
    progress, parts = BackfillProgress(), []
    for _ in range(most):
        world.clock.advance(seconds=30)
        # As it is written down between two parts.
        progress, asked = BackfillProgress.of(progress.document()), BackfillRequest.of(asked.document())
        report, progress = next_part(world.context, asked, progress, f"cycle-{next(world.numbers):06d}")
        parts.append([outcome.action.case_id for outcome in report.outcomes] if report else [])
        if progress.is_over:
            return progress, parts
    raise AssertionError("it never ended")


def since(world: ConfiguredWorld, **more: object) -> BackfillRequest:
    return replace(BackfillRequest(since=world.clock.now().replace(year=2025)), **more)  # type: ignore[arg-type]


def test_the_oldest_come_first_and_each_once() -> None:
    world, cases = with_old_cases(5)
    progress, parts = played(world, since(world, batch=2))
    assert parts == [cases[:2], cases[2:4], cases[4:]]
    assert (progress.cases, progress.left, progress.exit_code) == (5, 0, 0)
    assert world.run_until_quiet() == 0


def test_what_is_due_anyway_waits_for_its_own_cycle() -> None:
    world, cases = with_old_cases(1)
    young = world.new_case("young")
    _, parts = played(world, since(world, batch=5, until=world.clock.now().replace(day=2)))
    assert parts == [cases]
    world.cycle()
    assert len(world.servicenow.incidents_for(young)) == 1


def test_a_case_that_is_refused_does_not_come_again_in_the_next_part() -> None:
    world, cases = with_old_cases(3)
    world.strike_records(FaultKind.RATE_429, "records.create", times=1)
    progress, parts = played(world, since(world, batch=1))
    assert [part[0] for part in parts] == cases
    assert progress.exit_code == 1


def test_a_part_of_which_nothing_comes_is_followed_by_the_next() -> None:
    """Each of the first Cases has a record elsewhere, as the look-up of its part shows."""
    world, cases = with_old_cases(4, '[inbound.default]\nexisting = "short_description=kept {{ case.key }}"\n')
    for case_id in cases[:2]:
        key = world.coralogix.ledger.case(case_id).key
        world.servicenow.people.open_incident(f"kept {key}")
    progress, parts = played(world, since(world, batch=2))
    assert parts == [[], cases[2:]]
    assert progress.cases == 2


def test_one_that_is_over_is_taken_in_on_demand_alone() -> None:
    world, cases = with_old_cases(2)
    world.coralogix.resolve(cases[0])
    assert played(world, since(world, batch=5))[1] == [[cases[1]]]
    assert played(world, BackfillRequest(refs=(cases[0],)))[1] == [[]]
    assert played(world, BackfillRequest(refs=(cases[0],), include_resolved=True))[1] == [[cases[0]]]


def test_the_listing_is_read_back_once() -> None:
    world, _ = with_old_cases(6)
    world.settings = Settings(workers=1, case_page_rows=2, all_cases_page_rows=2)
    asked, progress, listed = since(world, batch=2), BackfillProgress(), []
    while not progress.is_over:
        world.clock.advance(seconds=30)
        before = world.cases.requests["cases.list"]
        _, progress = next_part(world.context, asked, progress, f"cycle-{next(world.numbers):06d}")
        listed.append(world.cases.requests["cases.list"] - before)
    assert listed[0] == 3 + 2, "by creation to the end, by change as far as any first cycle looks back"
    assert max(listed[1:]) < 3 + 2


def test_three_parts_in_a_row_that_cannot_be_read_end_it() -> None:
    world, cases = with_old_cases(2)
    world.strike_cases(FaultKind.ERROR_500, "cases.list", times=None)
    progress, parts = played(world, since(world, batch=1))
    assert (len(parts), progress.exit_code, progress.cases) == (3, 1, 0)
    assert "500" in str(progress.error)
    world.case_faults.clear()
    assert world.cycle().plan.actions == ()
    assert not world.servicenow.incidents_for(cases[0])


def test_a_part_is_as_large_as_the_brakes_allow() -> None:
    limits = Limits(max_creates_per_cycle=7, max_case_resolves_per_cycle=9, max_changes_on_new_config=0)
    assert part_size(BackfillRequest(batch=100), limits) == 7
    assert part_size(BackfillRequest(batch=3), limits) == 3
    assert part_size(BackfillRequest(batch=100, limits_on=False), limits) == 100
    assert part_size(BackfillRequest(), limits) is None
    with pytest.raises(Refused, match="max_case_resolves_per_cycle = 0"):
        part_size(BackfillRequest(batch=1), replace(limits, max_case_resolves_per_cycle=0))
