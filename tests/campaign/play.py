"""One schedule, played from its first step to the rest after its last.

The end of a schedule is always the same. People are quiet, no fault is planned any more and every right to read is
given back; ``CALM_SECONDS`` pass, and as much as the clock was set back, in which everything late becomes visible. Then
each database has two cycles; in a third it must plan nothing. A day later, when every retry time has come and a full
check is due, each has one more for that, and must plan nothing in the next. Where each change was announced by its
time, no clock was wrong and no link waits, both sides must stand together before that day, by the pull alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from traceback import format_exception

from reconciler.audit.chain import verify
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.servicenow.copies import clone, restore, turn_back
from tests.campaign.again import again_violations
from tests.campaign.ending import ended_apart
from tests.campaign.further import further_violations
from tests.campaign.invariants import Violation, judge
from tests.campaign.people import act
from tests.campaign.promises import overwritten, unbraked
from tests.campaign.schedule import (
    Backup,
    CaseAct,
    Clone,
    Cycle,
    Interrupt,
    Kill,
    LateCommit,
    OtherCycle,
    RecordAct,
    Restore,
    Schedule,
    Skew,
    Step,
    Strike,
    TurnBack,
    Wait,
)
from tests.campaign.stage import Stage, no_gate
from tests.campaign.told import told_otherwise
from tests.campaign.trace import Ended, Event, Gate

BETWEEN_STEPS_SECONDS = 0.3
"""Several steps fall into one second, as several changes do."""
BETWEEN_QUIET_CYCLES_SECONDS = 60
"""Longer than any listing lags, so that each cycle sees what the one before did."""
CALM_SECONDS = 600
"""Longer than any lag, late commit or settling time."""
DRIFT_CHECK_SECONDS = 900
"""What no time announced is found by the next drift check, for which the first quiet cycle then waits."""
A_DAY_LATER_SECONDS = 25 * 3600
REST = ((CALM_SECONDS, 2), (A_DAY_LATER_SECONDS, 1))
"""How long everything is quiet, and how many cycles each database then has before it must be at rest."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """Hold what came of one schedule."""

    violations: tuple[Violation, ...]
    events: tuple[Event, ...]
    struck: Counter[str]
    kills: int
    cycles: int
    races: Counter[str] = field(default_factory=Counter)
    """what was lost to somebody who acted between our read and our write, by kind"""


def play(schedule: Schedule) -> Played:
    """Play a schedule and judge it."""
    stage = Stage(schedule.setting)
    try:
        found = _play(stage, schedule)
        found += overwritten(stage.events)
        found += unbraked(stage.events, schedule.setting.limit, stage.braked_cycles, stage.homes)
        found += further_violations(stage)
        found += again_violations(stage)
        found += _tampered(stage)
        found += told_otherwise(stage)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the violation
        found = [Violation("an error that nobody expected", "".join(format_exception(error)))]
    finally:
        stage.close()
    violations, races = judge(stage.events, has_successors=schedule.setting.on_reactivate == "new_record")
    return Played(
        violations=(*violations, *found),
        events=tuple(stage.events),
        struck=stage.faults.struck + stage.neighbour.faults.struck,
        kills=stage.kills,
        cycles=stage.cycles,
        races=races,
    )


def _play(stage: Stage, schedule: Schedule) -> list[Violation]:
    """Play every step and the rest, and name what was not as it must be in the end."""
    _cycle(stage, Cycle())
    stage.clock.advance(seconds=1)
    for step in schedule.steps:
        _do(stage, step)
        stage.clock.advance(seconds=BETWEEN_STEPS_SECONDS)
    return [*_end(stage), *ended_apart(stage)]


def _do(stage: Stage, step: Step) -> None:
    if isinstance(step, (CaseAct, RecordAct)):
        act(stage, step)
        return
    if not isinstance(step, Cycle):
        stage.note(step)
    DEEDS[type(step)](stage, step)


def _cycle(stage: Stage, step: Cycle) -> None:
    if step.host in stage.hosts:
        stage.cycle(step.host, Gate(step.interrupts, partial(_interrupt, stage)))


def _interrupt(stage: Stage, interrupt: Interrupt) -> None:
    stage.note(interrupt)
    match interrupt.what:
        case Kill():
            stage.kill()
        case OtherCycle(host):
            if host in stage.hosts:
                stage.cycle(host, no_gate())
        case person:
            act(stage, person)


def _wait(stage: Stage, step: Wait) -> None:
    stage.clock.advance(seconds=step.seconds)
    stage.set_back_seconds += max(0, -step.seconds)
    stage.announces_all = stage.announces_all and step.seconds > 0


def _skew(stage: Stage, step: Skew) -> None:
    stage.announces_all = False
    if step.host < 0:
        stage.servicenow.own_clock.skew = timedelta(seconds=step.seconds)
    elif step.host in stage.hosts:
        stage.skews[step.host] = timedelta(seconds=step.seconds)


def _strike(stage: Stage, step: Strike) -> None:
    until = stage.clock.now() + timedelta(seconds=step.seconds) if step.seconds else None
    fault = Fault(
        step.kind,
        step.operation,
        after_effect=step.after_effect,
        times=None if until else step.times,
        until=until,
        echoes=step.echoes,
        year=step.year,
    )
    stage.closed_until = max(stage.closed_until, until or stage.closed_until)
    stage.echoes = stage.echoes or step.echoes
    (stage.neighbour.faults if step.neighbour else stage.faults).add(fault)


def _late(stage: Stage, step: LateCommit) -> None:
    stage.servicenow.tables.delay_commit(step.seconds)


def _backup(stage: Stage, step: Backup) -> None:
    stage.save(step.host)


def _restore(stage: Stage, step: Restore) -> None:
    stage.restore(step.host)


def _turn_back(stage: Stage, step: TurnBack) -> None:
    at = stage.clock.now() - timedelta(seconds=step.seconds)
    worlds = (stage.servicenow, stage.neighbour)
    seen = [len(world.journal) for world in worlds]
    if step.case < 0:
        for world in worlds:
            restore(world, at)
    for sys_id in stage.records_of(step.case)[:1]:
        with suppress(LookupError):
            turn_back(stage.home_of(step.case), sys_id, at)
    _note_replaced(stage, step, seen)


def _clone(stage: Stage, step: Clone) -> None:
    seen = [len(stage.servicenow.journal), len(stage.neighbour.journal)]
    clone(stage.servicenow, over=stage.neighbour)
    _note_replaced(stage, step, seen)


def _note_replaced(stage: Stage, step: Step, seen: Sequence[int]) -> None:
    """Write down which Cases lost their record; what was announced before says nothing of the present any more."""
    stage.announces_all = False
    worlds = (stage.servicenow, stage.neighbour)
    replaced = [write for world, count in zip(worlds, seen, strict=True) for write in world.journal[count:]]
    gone = [write.correlation_id for write in replaced if not write.state_after]
    stage.note(step, takes_from=gone, turns_back=True, clones=isinstance(step, Clone))


DEEDS: Mapping[type, Callable[..., None]] = {
    Cycle: _cycle,
    Wait: _wait,
    Skew: _skew,
    Strike: _strike,
    LateCommit: _late,
    Backup: _backup,
    Restore: _restore,
    TurnBack: _turn_back,
    Clone: _clone,
}


def _end(stage: Stage) -> list[Violation]:
    """Bring the schedule to its rest, and name every cycle that should have been clean and quiet and was not."""
    stage.calm()
    stage.braked_cycles = stage.cycles
    stage.clock.advance(seconds=stage.shut_seconds)
    found: list[Violation] = []
    for seconds, clean_cycles in REST:
        stage.note(f"all is quiet for {seconds} seconds")
        unannounced = 0 if stage.announces_all and stage.lists_all else DRIFT_CHECK_SECONDS
        stage.clock.advance(seconds=seconds + stage.set_back_seconds + unannounced)
        stage.set_back_seconds = 0
        # What one daemon writes is news to one on another database, and so is what that makes of it.
        for _ in range(clean_cycles * len(stage.databases)):
            found += [violation for ended in _round(stage) for violation in _unclean(ended)]
        waiting = {case_id for host in range(len(stage.databases)) for case_id in stage.rejected(host)}
        ends = _round(stage)
        found += [violation for ended in ends for violation in (*_unclean(ended), *_restless(ended, waiting))]
        if stage.announces_all and not stage.waits():
            found += ended_apart(stage)
    return found


def _round(stage: Stage) -> list[Ended]:
    """Let one cycle fall on each database."""
    ends: list[Ended] = []
    for host in range(len(stage.databases)):
        stage.clock.advance(seconds=BETWEEN_QUIET_CYCLES_SECONDS)
        stage.cycle(host, no_gate(), limits_on=False)
        ended = stage.events[-1]
        assert isinstance(ended, Ended)
        ends.append(ended)
    return ends


def _tampered(stage: Stage) -> list[Violation]:
    """Hold every row of evidence to the chain, whatever was killed and put back."""
    found = [verify(stage.store(host).ledger) for host in range(len(stage.databases))]
    return [Violation("evidence is not as it was written", str(one.broken)) for one in found if not one.is_whole]


def _unclean(ended: Ended) -> list[Violation]:
    return [] if ended.well else [Violation("a quiet cycle failed", f"cycle {ended.number}: {ended.why}")]


def _restless(ended: Ended, waiting: set[str]) -> list[Violation]:
    """Name a plan that is not empty; a link that was rejected may be tried again whenever its time comes."""
    planned = [action for action in ended.planned if not any(case_id in action for case_id in waiting)]
    if not planned:
        return []
    return [Violation("not at rest after its clean cycles", f"cycle {ended.number} plans {', '.join(planned)}")]
