"""Many schedules, one after another or in several processes, and what came of them all."""

from __future__ import annotations

import gc
import logging
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tests.campaign.generate import generate
from tests.campaign.more import ALWAYS, Kind
from tests.campaign.play import Played, play
from tests.campaign.trace import Request

CHUNK = 100
"""How many schedules a process is handed at once."""


@dataclass
class Tally:
    """Count what came of many schedules."""

    schedules: int = 0
    cycles: int = 0
    kills: int = 0
    requests: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    races: Counter[str] = field(default_factory=Counter)
    failed: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """number of the schedule -> the promises that it broke"""

    def count(self, number: int, played: Played) -> None:
        """Count one schedule."""
        self.schedules += 1
        self.cycles += played.cycles
        self.kills += played.kills
        self.requests += sum(isinstance(event, Request) for event in played.events)
        self.struck += played.struck
        self.races += played.races
        if played.violations:
            self.failed[number] = tuple(violation.promise for violation in played.violations)

    def add(self, other: Tally) -> None:
        """Count what another tally counted."""
        self.schedules += other.schedules
        self.cycles += other.cycles
        self.kills += other.kills
        self.requests += other.requests
        self.struck += other.struck
        self.races += other.races
        self.failed |= other.failed

    def promises(self) -> Counter[str]:
        """Count in how many schedules each promise was broken."""
        return Counter(promise for promises in self.failed.values() for promise in set(promises))


def seed_of(seed: int, number: int) -> str:
    """Give the seed of one schedule of a campaign."""
    return f"{seed}/{number}"


def run(
    schedules: int,
    seed: int,
    *,
    workers: int = 1,
    kinds: AbstractSet[Kind] = ALWAYS,
    heard: Callable[[Tally, Tally], None] | None = None,
) -> Tally:
    """Play that many schedules; ``heard`` is told what each part brought, and what all parts have brought so far."""
    chunks = [(seed, range(start, min(start + CHUNK, schedules)), kinds) for start in range(0, schedules, CHUNK)]
    if workers <= 1:
        return _sum(map(_play_chunk, chunks), heard)
    with multiprocessing.get_context("spawn").Pool(workers, initializer=logging.disable) as pool:
        return _sum(pool.imap_unordered(_play_chunk, chunks), heard)


def _sum(tallies: Iterable[Tally], heard: Callable[[Tally, Tally], None] | None) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
        if heard is not None:
            heard(tally, total)
    return total


def _play_chunk(chunk: tuple[int, range, AbstractSet[Kind]]) -> Tally:
    seed, numbers, kinds = chunk
    tally = Tally()
    gc.collect()
    gc.disable()  # a schedule's garbage is small; looking for it after every few objects costs a tenth of the time
    try:
        for number in numbers:
            tally.count(number, play(generate(seed_of(seed, number), kinds)))
    finally:
        gc.enable()
    return tally
