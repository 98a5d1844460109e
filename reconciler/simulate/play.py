"""Play a script: events happen at their times, and cycles run as the schedule says.

A cycle that would find nothing is not run but counted, with the requests of the last one of its kind. So is a drift
check: a few are run to learn what they cost. A plan that a brake refuses is reported, then let through as a person
would do, so that the rest of the window can be simulated.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta

from reconciler.core.errors import Refused
from reconciler.core.frozen import dataclass
from reconciler.core.model import Outcome, Skip
from reconciler.core.planning.plan import over_limits
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleKind, CycleReport, CycleRequest
from reconciler.simulate.history import Progress
from reconciler.simulate.script import Scene
from reconciler.simulate.simulation import Simulation

HOUR = timedelta(hours=1)
LOOK_EVERY = timedelta(hours=6)
"""how often at most a drift check is really run"""
NEVER = timedelta(days=100_000)
MOST_BUSY_CYCLES = 20
"""A config may plan something in every cycle and never come to rest; after this many in a row time goes on."""


@dataclass(frozen=True, kw_only=True)
class SimulatedAction:
    """One action that would have been carried out."""

    at: datetime
    route: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class BrakedPlan:
    """One plan that a brake would have refused, with the brake's words."""

    at: datetime
    planned: int
    words: str


@dataclass(frozen=True, kw_only=True)
class Hour:
    """The requests of one hour, by side, and its actions."""

    begins_at: datetime
    requests: Counter[str]
    actions: int


@dataclass(frozen=True, kw_only=True)
class SimulationResult:
    """The result of a simulation."""

    made: tuple[SimulatedAction, ...]
    braked: tuple[BrakedPlan, ...]
    skips: tuple[Skip, ...]
    """what stands skipped or held at the end"""
    hours: tuple[Hour, ...]
    cycles: int
    """those that the schedule would have run"""


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


@dataclass
class Playback:
    """Play a script through a simulation, cycle by cycle. Use once."""

    simulation: Simulation
    script: Sequence[Scene]
    until: datetime
    poll: timedelta
    drift_check: timedelta
    progress: Progress
    made: list[SimulatedAction] = field(default_factory=list)
    braked: list[BrakedPlan] = field(default_factory=list)
    cycles: int = 0
    quiet_cost: Counter[str] = field(default_factory=Counter)
    """the requests of a cycle that found nothing"""
    check_cost: Counter[str] = field(default_factory=Counter)
    """the requests of a drift check that found nothing"""

    def __post_init__(self) -> None:
        self.scenes = deque(self.script)
        self.between_looks = max(LOOK_EVERY, self.drift_check)
        self.last = self.acted_at = self.checked_at = self.simulation.clock.now()
        self.looked_at = self.last + self.drift_check - self.between_looks
        self.look_at: datetime | None = None
        self.hours = _Hours(self.last)

    def run(self) -> SimulationResult:
        """Play it to its end; raise the error of a cycle that fails for another reason than a brake."""
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
            self.progress("playing what happened", len(self.script) - len(self.scenes), len(self.script))
        self._pass_over(self.until + self.poll)
        return SimulationResult(
            made=tuple(self.made),
            braked=tuple(self.braked),
            skips=tuple(self.simulation.context.store.links.standing_skips()),
            hours=tuple(self.hours.until(self.until)),
            cycles=self.cycles,
        )

    def _next(self, *, is_busy: bool) -> datetime | None:
        """Return when the next cycle is really run: at the next poll while something changes, else at the next event.

        Or at a drift check, when its cost may have changed since the last one that was run.
        """
        if is_busy or self.cycles == 1:
            return self.last + self.poll
        news_at = self._tick_at(self.scenes[0].at) if self.scenes else None
        if self.acted_at < self.looked_at:
            return news_at
        self.look_at = self._tick_at(self.looked_at + self.between_looks)
        return min(self.look_at, news_at or self.look_at)

    def _tick_at(self, moment: datetime) -> datetime:
        """Return the first scheduled time after the last cycle that is not before a moment."""
        return self.last + max(1, -((self.last - moment) // self.poll)) * self.poll

    def _cycle(self, at: datetime, *, is_check: bool) -> CycleReport:
        """Run one cycle and record what it did, and its cost where it found nothing."""
        self.simulation.requests.clear()
        report = self._run(at, is_check=is_check)
        routes = {decision.link.case_id: decision.link.route for decision in report.plan.decisions}
        self.made += [
            SimulatedAction(at=at, route=routes.get(one.action.case_id, ""), outcome=one) for one in report.outcomes
        ]
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
            # Drift checks are scheduled by this file, so that most of them can be counted instead of run.
            context = replace(context, settings=replace(context.settings, drift_check_every=NEVER))
        report = run_cycle(context, CycleRequest(lists_skips=False), cycle_id=number)
        if isinstance(report.error, Refused):
            # The brake's own words end with advice for a plan that waits, which this one does not.
            over = over_limits(report.plan, context.policies.limits)
            words = "; ".join(over) or str(report.error)
            self.braked.append(BrakedPlan(at=at, planned=len(report.plan.actions), words=words))
            report = run_cycle(context, CycleRequest(lists_skips=False, limits_on=False), cycle_id=f"{number}-again")
        if report.error is not None:
            raise report.error
        return report

    def _remember_cost(self, kind: CycleKind, cost: Counter[str]) -> None:
        """Record the cost of a cycle that found nothing; the daily full check is an exception and is not recorded."""
        if kind is CycleKind.DRIFT:
            self.check_cost = cost
        elif kind is CycleKind.CYCLE:
            self.quiet_cost = cost

    def _pass_over(self, due: datetime) -> None:
        """Count the cycles that are skipped between the last and the next real one: each would find nothing."""
        at = self.last + self.poll
        while at < due and at <= self.until:
            is_check = at - self.checked_at >= self.drift_check
            self.checked_at = at if is_check else self.checked_at
            self.hours.add(at, (self.check_cost or self.quiet_cost) if is_check else self.quiet_cost)
            self.cycles += 1
            at += self.poll
