"""Plays a script: things happen at their times, and cycles fall as the schedule lets them.

A cycle that would find nothing is not run: it is counted, with what the last one like it cost. So is a drift check,
which looks at everything and finds nothing here: a few are run, to see what the others cost. A plan that a brake holds
back is told, and let through as a person would do it, so that the rest of the window can be seen.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.core.errors import Refused
from reconciler.core.model import Outcome, Skip
from reconciler.core.planning.plan import over_limits
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleKind, CycleReport, CycleRequest
from reconciler.simulate.history import Progress
from reconciler.simulate.script import Scene
from reconciler.simulate.simulation import Simulation

HOUR = timedelta(hours=1)
LOOK_EVERY = timedelta(hours=6)
"""so often, at the most, a drift check is run"""
NEVER = timedelta(days=100_000)
MOST_BUSY_CYCLES = 20
"""A config that plans something in every cycle would never come to rest; after so many in a row time goes on."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One thing that would have been done."""

    at: datetime
    route: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Braked:
    """One plan that would have been refused whole, with the words of the brake."""

    at: datetime
    planned: int
    words: str


@dataclass(frozen=True, kw_only=True)
class Hour:
    """Count what left the program in one hour, by side."""

    begins_at: datetime
    requests: Counter[str]
    actions: int


@dataclass(frozen=True, kw_only=True)
class Played:
    """What a simulation comes to."""

    made: tuple[Made, ...]
    braked: tuple[Braked, ...]
    skips: tuple[Skip, ...]
    """what stands skipped or held at the end"""
    hours: tuple[Hour, ...]
    cycles: int
    """those that the schedule would have run"""


def play(
    simulation: Simulation,
    script: Sequence[Scene],
    *,
    until: datetime,
    poll: timedelta,
    drift_check: timedelta,
    progress: Progress,
) -> Played:
    """Play a script to its end; raise the error of a cycle that fails for another reason than a brake."""
    return _Play(simulation, script, until=until, poll=poll, drift_check=drift_check, progress=progress).run()


@dataclass
class _Hours:
    """Count requests and actions by the hour since the beginning."""

    began_at: datetime
    requests: dict[int, Counter[str]] = field(default_factory=dict)
    actions: Counter[int] = field(default_factory=Counter)

    def add(self, at: datetime, requests: Counter[str], actions: int = 0) -> None:
        number = int((at - self.began_at) / HOUR)
        self.requests.setdefault(number, Counter()).update(requests)
        self.actions[number] += actions

    def until(self, end: datetime) -> Iterable[Hour]:
        for number in range(int((end - self.began_at) / HOUR) + 1):
            begins_at = self.began_at + number * HOUR
            yield Hour(begins_at=begins_at, requests=self.requests.get(number, Counter()), actions=self.actions[number])


class _Play:
    """Carry what one play learns from cycle to cycle."""

    def __init__(
        self,
        simulation: Simulation,
        script: Sequence[Scene],
        *,
        until: datetime,
        poll: timedelta,
        drift_check: timedelta,
        progress: Progress,
    ) -> None:
        self.simulation = simulation
        self.scenes = deque(script)
        self.length = len(script)
        self.until = until
        self.poll = poll
        self.drift_check = drift_check
        self.progress = progress
        self.between_looks = max(LOOK_EVERY, drift_check)
        self.last = self.acted_at = self.checked_at = simulation.clock.now()
        self.looked_at = self.last + drift_check - self.between_looks
        self.look_at: datetime | None = None
        self.hours = _Hours(self.last)
        self.made: list[Made] = []
        self.braked: list[Braked] = []
        self.cycles = 0
        self.quiet_cost: Counter[str] = Counter()
        self.check_cost: Counter[str] = Counter()

    def run(self) -> Played:
        due: datetime | None = self.last
        busy = 0
        while due is not None and due <= self.until:
            self._pass_over(due)
            while self.scenes and self.scenes[0].at <= due:
                self.simulation.play(self.scenes.popleft())
            self.simulation.go_to(due)
            report = self._cycle(due, is_check=due == self.look_at)
            busy = busy + 1 if report.plan.actions and busy < MOST_BUSY_CYCLES else 0
            due = self._next(is_busy=busy > 0)
            self.progress("playing what happened", self.length - len(self.scenes), self.length)
        self._pass_over(self.until + self.poll)
        return Played(
            made=tuple(self.made),
            braked=tuple(self.braked),
            skips=tuple(self.simulation.context.store.links.standing_skips()),
            hours=tuple(self.hours.until(self.until)),
            cycles=self.cycles,
        )

    def _next(self, *, is_busy: bool) -> datetime | None:
        """Say when the next cycle is run: at once while there is news, else when something happens.

        Or at a drift check, where one may cost something else than the last that was run.
        """
        if is_busy or self.cycles == 1:
            return self.last + self.poll
        news_at = self._tick_at(self.scenes[0].at) if self.scenes else None
        if self.acted_at < self.looked_at:
            return news_at
        self.look_at = self._tick_at(self.looked_at + self.between_looks)
        return min(self.look_at, news_at or self.look_at)

    def _tick_at(self, moment: datetime) -> datetime:
        """Return the first time of the schedule behind the last cycle and not before a moment."""
        return self.last + max(1, -((self.last - moment) // self.poll)) * self.poll

    def _cycle(self, at: datetime, *, is_check: bool) -> CycleReport:
        """Run one cycle and write down what it did, and what one like it costs where it found nothing."""
        self.simulation.requests.clear()
        report = self._run(at, is_check=is_check)
        routes = {decision.link.case_id: decision.link.route for decision in report.plan.decisions}
        self.made += [Made(at=at, route=routes.get(one.action.case_id, ""), outcome=one) for one in report.outcomes]
        cost = Counter(self.simulation.requests)
        self.hours.add(at, cost, len(report.outcomes))
        self.cycles += 1
        self.last = at
        if report.plan.actions:
            self.acted_at = at
        else:
            self._remember_cost(report.kind, cost)
        if is_check:
            self.checked_at = self.looked_at = at
        elif at - self.checked_at >= self.drift_check:  # this one would have been a drift check
            self.checked_at = at
            self.hours.add(at, self.check_cost - self.quiet_cost)
        return report

    def _run(self, at: datetime, *, is_check: bool) -> CycleReport:
        context, number = self.simulation.context, f"simulated-{self.cycles + 1:06d}"
        if not is_check:
            context = replace(context, settings=replace(context.settings, drift_check_every=NEVER))
        report = run_cycle(context, CycleRequest(lists_skips=False), cycle_id=number)
        if isinstance(report.error, Refused):
            # The brake's own words end with advice for a plan that waits, which this one does not.
            over = over_limits(report.plan, context.policies.limits)
            words = "; ".join(over) or str(report.error)
            self.braked.append(Braked(at=at, planned=len(report.plan.actions), words=words))
            report = run_cycle(context, CycleRequest(lists_skips=False, limits_on=False), cycle_id=f"{number}-again")
        if report.error is not None:
            raise report.error
        return report

    def _remember_cost(self, kind: CycleKind, cost: Counter[str]) -> None:
        """Remember what a cycle costs that finds nothing; the full check of each day is like no other."""
        if kind is CycleKind.DRIFT:
            self.check_cost = cost
        elif kind is CycleKind.CYCLE:
            self.quiet_cost = cost

    def _pass_over(self, due: datetime) -> None:
        """Count the cycles between the last one and the next that is run: each finds nothing."""
        at = self.last + self.poll
        while at < due and at <= self.until:
            is_check = at - self.checked_at >= self.drift_check
            self.checked_at = at if is_check else self.checked_at
            self.hours.add(at, (self.check_cost or self.quiet_cost) if is_check else self.quiet_cost)
            self.cycles += 1
            at += self.poll
