"""Further kinds of trouble, woven into a schedule without changing what else is in it.

Each kind has a source of chance of its own: what a seed gives without it stays as it is, step by step and in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from enum import StrEnum

from reconciler.sandbox.faults import ODD_ANSWERS, FaultKind
from reconciler.sandbox.servicenow.switches import Rewrite
from tests.campaign.schedule import (
    CaseAct,
    Clone,
    Cycle,
    Interrupt,
    Kill,
    RecordAct,
    Schedule,
    Step,
    Strike,
    TurnBack,
    Wait,
    When,
)


class Kind(StrEnum):
    """Name what can be woven in."""

    REWRITING = "rewriting"
    """the instance changes what it stores, and titles hold what it changes"""
    RESTORED = "restored"
    """records go back in time: one of them, or the whole instance"""
    ECHOES = "echoes"
    """answers repeat the request with its credentials"""
    PATIENCE = "patience"
    """a side asks to be left alone for up to an hour"""
    NEIGHBOUR = "neighbour"
    """every second Case goes to a second instance, whose writes may hang"""
    CLONE = "clone"
    """the first instance is cloned over the second"""
    ODD = "odd"
    """good answers with headers of thousands of digits, or with times of a year that no clock shows"""
    AGAIN = "again"
    """resolved Cases fire again, and their records get a note or a successor"""


ALWAYS: AbstractSet[Kind] = frozenset(Kind)
"""What the campaign plays unless it is asked for less.

With none of them, a seed gives the schedule that it gave before there were any.
"""

ODD_TITLES = ("on fire 🔥", "R&D", "two  blanks ", "a" * 120, "[EMEA] already", "plain")
YEARS = (1, 2099, 9999, 20000)
WAITS = (1, 40, 301, 3700)
Among = Sequence[Step]


def weave(schedule: Schedule, seed: str, kinds: AbstractSet[Kind]) -> Schedule:
    """Give a schedule with some of these kinds in it; half of the schedules get each."""
    for kind in Kind:
        chance = random.Random(f"{seed} {kind}")
        if kind in kinds and chance.random() < 0.5:
            schedule = _WEAVERS[kind](schedule, chance)
    return schedule


def _insert(schedule: Schedule, chance: random.Random, scenes: int, scene: Callable[[], Among]) -> Schedule:
    """Put scenes where chance wants them, behind the first step, which opens a Case."""
    steps = list(schedule.steps)
    for _ in range(scenes):
        place = chance.randint(1, len(steps))
        steps[place:place] = scene()
    return replace(schedule, steps=tuple(steps))


def _cases(schedule: Schedule) -> list[int]:
    return sorted({step.case for step in schedule.steps if isinstance(step, CaseAct)})


def _rewriting(schedule: Schedule, chance: random.Random) -> Schedule:
    rewrites = frozenset(rewrite for rewrite in Rewrite if chance.random() < 0.4) or frozenset({Rewrite.PREFIX})
    switches = replace(schedule.setting.switches, rewrites=rewrites)
    if chance.random() < 0.5:
        switches = replace(switches, text_units="utf_16")
    shaped = replace(schedule, setting=replace(schedule.setting, switches=switches))
    cases = _cases(schedule)

    def scene() -> Among:
        return [CaseAct(chance.choice(cases), "set_title", chance.choice(ODD_TITLES)), Cycle()]

    return _insert(shaped, chance, chance.randint(1, 3), scene)


def _restored(schedule: Schedule, chance: random.Random) -> Schedule:
    cases = _cases(schedule)

    def scene() -> Among:
        case = chance.choice(cases)
        forth = RecordAct(case, chance.choice(("progress", "resolve", "edit_title", "assign")), "b")
        back = TurnBack(chance.choice((1, 35, 35, 700, 90000)), chance.choice((-1, case)))
        after = CaseAct(case, chance.choice(("acknowledge", "resolve", "close", "set_title")), "c")
        return [Wait(30), forth, Wait(chance.choice((1, 30))), Cycle(), back, Cycle(), after, Cycle()]

    return _insert(schedule, chance, chance.randint(1, 2), scene)


def _echoes(schedule: Schedule, chance: random.Random) -> Schedule:
    kinds = (FaultKind.FORBIDDEN_403, FaultKind.ERROR_500, FaultKind.ERROR_502_HTML, FaultKind.UNAUTHORIZED_401)
    operations = ("cases.list", "cases.get", "cases.resolve", "records.list", "records.create", "records.update")

    def scene() -> Among:
        times = chance.choice((1, 2, 4))
        return [Strike(chance.choice(kinds), chance.choice(operations), times=times, echoes=True), Cycle()]

    return _insert(schedule, chance, chance.randint(1, 3), scene)


def _patience(schedule: Schedule, chance: random.Random) -> Schedule:
    def scene() -> Among:
        kind = chance.choice((FaultKind.RATE_429, FaultKind.ERROR_503_HTML))
        side, seconds = chance.choice(("cases.*", "records.*")), chance.choice((60, 300, 3600))
        return [Strike(kind, side, seconds=seconds), Cycle(), Wait(chance.choice(WAITS)), Cycle()]

    return _insert(schedule, chance, 1, scene)


def _neighbour(schedule: Schedule, chance: random.Random) -> Schedule:
    shared = replace(schedule, setting=replace(schedule.setting, connectors=2))
    opened = [CaseAct(case, "create") for case in range(2)]
    shared = replace(shared, steps=(*opened, *shared.steps))

    def scene() -> Among:
        operation, after = chance.choice(("records.create", "records.update")), chance.random() < 0.5
        times = chance.choice((1, 3, 8))
        strike = Strike(FaultKind.TIMEOUT, operation, after_effect=after, times=times, neighbour=True)
        return [CaseAct(1, chance.choice(("acknowledge", "set_title", "resolve")), "c"), strike, Cycle()]

    return _insert(shared, chance, chance.randint(0, 2), scene)


def _odd(schedule: Schedule, chance: random.Random) -> Schedule:
    operations = ("cases.*", "cases.list", "cases.get", "records.*", "records.list", "records.create", "records.update")

    def scene() -> Among:
        kind, times = chance.choice(sorted(ODD_ANSWERS)), chance.choice((1, 2, 4))
        return [Strike(kind, chance.choice(operations), times=times, year=chance.choice(YEARS)), Cycle()]

    return _insert(schedule, chance, chance.randint(1, 3), scene)


def _again(schedule: Schedule, chance: random.Random) -> Schedule:
    how = chance.choice(("note", "new_record"))
    shaped = replace(schedule, setting=replace(schedule.setting, on_reactivate=how))
    cases = _cases(schedule)

    def scene() -> Among:
        case, kind = chance.choice(cases), chance.choice((FaultKind.TIMEOUT, FaultKind.ERROR_500, FaultKind.RESET))
        operation = "records.create" if how == "new_record" else "records.update"
        strike = Strike(kind, operation, after_effect=chance.random() < 0.5)
        trouble = [strike] if chance.random() < 0.5 else []
        killed = Interrupt(operation, 1, chance.choice((When.BEFORE, When.AFTER)), Kill())
        interrupts = (killed,) if chance.random() < 0.3 else ()
        again = CaseAct(case, "reactivate", "d")
        return [CaseAct(case, "resolve", "c"), Cycle(), Wait(60), again, *trouble, Cycle(0, interrupts), Cycle()]

    return _insert(shaped, chance, chance.randint(1, 3), scene)


def _clone(schedule: Schedule, chance: random.Random) -> Schedule:
    shared = schedule if schedule.setting.connectors == 2 else _neighbour(schedule, chance)
    return _insert(shared, chance, 1, lambda: [Clone(), Cycle()])


_WEAVERS: Mapping[Kind, Callable[[Schedule, random.Random], Schedule]] = {
    Kind.REWRITING: _rewriting,
    Kind.RESTORED: _restored,
    Kind.ECHOES: _echoes,
    Kind.PATIENCE: _patience,
    Kind.NEIGHBOUR: _neighbour,
    Kind.CLONE: _clone,
    Kind.ODD: _odd,
    Kind.AGAIN: _again,
}
