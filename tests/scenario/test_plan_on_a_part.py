"""A plan made on the part of a database that it needs is the plan that the whole database gives."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.model import JsonObject
from reconciler.engine.context import Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.store.store import Store
from tests.world import START, World

STEPS = 15


def planned(world: World, store: Store, request: CycleRequest, policy_hash: str) -> JsonObject:
    """Plan on a store, and give all that the plan and the store tell afterwards."""
    with store:
        context = replace(world.context, store=store, policy_hash=policy_hash)
        report = run_cycle(context, request, cycle_id="planned")
        told = report.document()
        return {name: told[name] for name in told if name != "cycle_id"} | {
            "skips": store.links.count_skips(),
            "open": store.links.open_links(),
            "doubled": store.links.doubled_pairs(),
            "cursors": store.snapshots.cursors(),
            "links": list(store.links.all_pairs(open_only=False)),
        }


def something_happens(world: World, rng: random.Random) -> None:
    """Let a person do one thing on either side; what is not allowed there does not happen."""
    cases, records = world.coralogix, world.servicenow.people
    known = list(world.store.links.all_pairs(open_only=False))
    pair = rng.choice(known) if known else None
    if pair is None or rng.random() < 0.3:
        world.new_case(f"Case {rng.random()}")
        return
    sys_id = pair.link.sys_id or "none"
    deeds: list[Callable[[], object]] = [
        lambda: cases.acknowledge(pair.case.id),
        lambda: cases.recover(pair.case.id),
        lambda: cases.reactivate(pair.case.id),
        lambda: cases.close(pair.case.id),
        lambda: records.progress(sys_id),
        lambda: records.resolve(sys_id),
        lambda: records.close(sys_id),
        lambda: records.reopen(sys_id),
        lambda: records.remove(sys_id),
        lambda: records.back_to_new(sys_id),
        lambda: records.copy(sys_id),
        lambda: records.silent_edit(sys_id, urgency="1"),
        lambda: records.set_state(sys_id, "-77"),
        lambda: records.edit(sys_id, correlation_id=rng.choice(known).case.id),
        lambda: cases.unacknowledge(pair.case.id),
        lambda: cases.set_title(pair.case.id, f"changed {rng.random()}"),
        lambda: cases.delete(pair.case.id),
    ]
    with suppress(Exception):
        rng.choice(deeds)()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.gate) for seed in (1, 2))])
def test_it_is_what_the_whole_gives(tmp_path: Path, seed: int) -> None:
    rng, path = random.Random(seed), tmp_path / "x.db"
    settings = Settings(workers=1)
    with Store.open(path, now=START) as store:
        world = World(store=store, settings=settings, seed=seed)
        for _ in range(STEPS):
            for _ in range(rng.randrange(3)):
                something_happens(world, rng)
            request = CycleRequest(carry_out=False, since=START if rng.random() < 0.1 else None)
            policy_hash = "another" if rng.random() < 0.2 else "policies"
            on_a_part = planned(world, Store.planning(path), request, policy_hash)
            assert on_a_part == planned(world, Store.copy_of(path), request, policy_hash)
            world.cycle(seconds=rng.choice([1, 30, 30, 600, 1200, 90000]))
        assert len({pair.case.status for pair in store.links.all_pairs(open_only=False)}) > 1
