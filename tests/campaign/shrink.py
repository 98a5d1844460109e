"""Cutting a failing schedule down to what it takes: fewer steps, fewer interrupts, a plainer setting."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import fields, replace

from tests.campaign.play import play
from tests.campaign.schedule import Cycle, Schedule, Setting


def shrink(schedule: Schedule, promises: AbstractSet[str]) -> Schedule:
    """Give the smallest schedule found that still breaks one of the promises; it ends when no cut helps any more."""
    while True:
        smaller = next((each for each in _smaller(schedule) if _breaks(each, promises)), None)
        if smaller is None:
            return schedule
        schedule = smaller


def _breaks(schedule: Schedule, promises: AbstractSet[str]) -> bool:
    return any(violation.promise in promises for violation in play(schedule).violations)


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    steps = schedule.steps
    for size in (8, 4, 2, 1):
        for start in range(0, len(steps), size):
            yield replace(schedule, steps=steps[:start] + steps[start + size :])
    for index, step in enumerate(steps):
        if isinstance(step, Cycle):
            for left_out in range(len(step.interrupts)):
                fewer = step.interrupts[:left_out] + step.interrupts[left_out + 1 :]
                yield replace(schedule, steps=(*steps[:index], replace(step, interrupts=fewer), *steps[index + 1 :]))
    yield from (replace(schedule, setting=setting) for setting in _plainer(schedule.setting))


def _plainer(setting: Setting) -> Iterator[Setting]:
    """Put one choice after another back to what is usual."""
    usual = Setting()
    for name in ("profile", "record_lag_seconds", "hosts", "limit", "connectors"):
        if getattr(setting, name) != getattr(usual, name):
            yield replace(setting, **{name: getattr(usual, name)})
    for name in ("knobs", "switches"):
        value, plain = getattr(setting, name), getattr(usual, name)
        for each in fields(value):
            if getattr(value, each.name) != getattr(plain, each.name):
                changed = replace(value, **{each.name: getattr(plain, each.name)})
                yield replace(setting, **{name: changed})
