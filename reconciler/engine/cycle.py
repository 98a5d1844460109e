"""One cycle: pull, remember, plan, check, apply, record.

Rules of this file: nothing is planned for a side that did not answer; the whole plan is checked before its
first write; whatever happens, the cycle is recorded and its error handed back, not raised. Only a store that
cannot be written any more ends a cycle without a record.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from reconciler.core.errors import (
    CycleFailed,
    Malformed,
    PartialTruth,
    ReconcilerError,
    Refused,
    Rejected,
    RemoteError,
    StoreError,
)
from reconciler.core.knowledge import Knowledge
from reconciler.core.model import ActionKind, Case, Outcome, Pair, Result, SkipReason, System
from reconciler.core.plan import Decision, Plan
from reconciler.core.planner import plan
from reconciler.engine import drift, gate
from reconciler.engine.alerts import pull_alerts
from reconciler.engine.answers import Answers
from reconciler.engine.apply import Applier
from reconciler.engine.engine import Engine
from reconciler.engine.people import grant_wishes
from reconciler.engine.pull import SidePull, incident_cursor, pull_cases, pull_incidents
from reconciler.engine.reach import Window
from reconciler.engine.report import CycleKind, CycleReport, CycleRequest, ended_well, failure_words, result_of
from reconciler.engine.saved import changes_since
from reconciler.store.store import CycleCounts, Pulled, RememberedCounts, Settled

log = logging.getLogger(__name__)

LAST_DRIFT_CHECK = "last_drift_check"
LAST_FULL_CHECK = "last_full_check"
DOUBTFUL_READS_PER_CYCLE = 50
FULL_CHECK_EVERY = timedelta(days=1)


def run_cycle(engine: Engine, request: CycleRequest, *, cycle_id: str) -> CycleReport:
    """Run one cycle and report it. Raises StoreError when the database cannot be used."""
    return _Cycle(engine, request, cycle_id).run()


@dataclass
class _Cycle:
    """Carry what one cycle learns from step to step."""

    engine: Engine
    request: CycleRequest
    cycle_id: str
    plan: Plan = field(default_factory=Plan)
    pairs: dict[str, Pair] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    down: dict[str, RemoteError] = field(default_factory=dict)
    """connectors that did not answer in this cycle"""
    partial: list[str] = field(default_factory=list)
    counts: CycleCounts = field(default_factory=CycleCounts)
    malformed: int = 0
    config_changed: bool = False

    def run(self) -> CycleReport:
        started_at = self.engine.clock()
        kind = self._kind(started_at)
        self._begin(kind, started_at)
        error: ReconcilerError | None = None
        try:
            self._pull()
            self._look_closer(kind, started_at)
            knowledge = self._plan(kind, started_at)
            self._check()
            if self.request.carry_out:
                self._apply(knowledge)
            error = self._first_failure()
        except StoreError:
            raise
        except ReconcilerError as failure:
            error = failure
        return self._record(kind, started_at, error)

    # -- the steps ---------------------------------------------------------------------------------------------

    def _kind(self, now: datetime) -> CycleKind:
        if self.request.expected is not None:
            return CycleKind.APPLY
        if self.request.since is not None:
            return CycleKind.BACKFILL
        if self._is_due(LAST_FULL_CHECK, now, FULL_CHECK_EVERY):
            return CycleKind.FULL
        if self._is_due(LAST_DRIFT_CHECK, now, self.engine.settings.drift_check_every):
            return CycleKind.DRIFT
        return CycleKind.CYCLE

    def _is_due(self, fact: str, now: datetime, every: timedelta) -> bool:
        """Say whether a check is due; the first cycle of all only starts its clock."""
        last = self.engine.store.get_fact(fact)
        if last is None:
            self.engine.store.set_fact(fact, now.isoformat())
            return False
        return drift.is_due(last, now, every)

    def _begin(self, kind: CycleKind, now: datetime) -> None:
        store = self.engine.store
        self.config_changed = gate.meet_config(store, self.engine.policy_hash)
        store.begin_cycle(
            self.cycle_id,
            kind=kind.value,
            now=now,
            config_hash=self.engine.policy_hash,
            program_version=self.engine.program_version,
        )
        close_unfinished(self.engine)
        grant_wishes(self.engine, cycle_id=self.cycle_id)

    def _pull(self) -> None:
        """Pull every side, remember what came whole, and stop here when the Cases did not come."""
        window = self._window(self.engine.settings.case_overlap)
        failed: RemoteError | None = None
        try:
            self._remember_cases(window)
        except RemoteError as error:
            failed = error
        for connector, table in self.engine.tables():
            try:
                self._remember_incidents(connector, table)
            except RemoteError as error:
                self.down[connector] = error
        for connector in self.engine.connectors:
            try:
                self._store(pull_alerts(self.engine, connector))
            except RemoteError as error:
                self.down[connector] = error
        self._stop_unless_whole(failed)

    def _window(self, overlap: timedelta) -> Window:
        return Window(
            overlap=overlap,
            first_lookback=self.engine.policies.first_lookback,
            origin=self.engine.store.origin(),
            now=self.engine.clock(),
            since=self.request.since,
        )

    def _remember_cases(self, window: Window) -> None:
        cursors = self.engine.store.cursors()
        accept = self.engine.settings.accept_partial_view
        side = pull_cases(self.engine.cases, cursors, window, accept_partial=accept, progress=self.engine.progress)
        self.engine.store.set_origin(side.server_time or window.now)
        doubtful = self._remember(side).doubtful
        self._read_again(doubtful[:DOUBTFUL_READS_PER_CYCLE])
        self.counts = replace(self.counts, pulled_cases=len(side.pulled.cases))

    def _read_again(self, case_ids: Sequence[str]) -> None:
        """Read Cases one by one that a listing showed with an older time: it is late, or a clock was set back."""
        cases: list[Case] = []
        for case_id in case_ids:
            with contextlib.suppress(Rejected, Malformed):
                cases.append(self.engine.cases.get_case(case_id))
        self._store(Pulled(system=System.CORALOGIX, cases=tuple(cases), read_now=True))

    def _remember_incidents(self, connector: str, table: str) -> None:
        cursor = self.engine.store.cursors().get(incident_cursor(connector, table))
        window = self._window(self.engine.settings.incident_overlap)
        side = pull_incidents(self.engine.connectors[connector], table, cursor, window, progress=self.engine.progress)
        self._remember(side)
        pulled = self.counts.pulled_incidents + len(side.pulled.incidents)
        self.counts = replace(self.counts, pulled_incidents=pulled)

    def _remember(self, side: SidePull) -> RememberedCounts:
        if side.partial:
            self.partial.append(side.partial)
        self.malformed += len(side.pulled.malformed)
        return self._store(side.pulled)

    def _store(self, pulled: Pulled) -> RememberedCounts:
        return self.engine.store.remember(
            pulled, judge=self.engine.policies, cycle_id=self.cycle_id, now=self.engine.clock()
        )

    def _stop_unless_whole(self, failed: RemoteError | None) -> None:
        errors = [error for error in (failed, *self.down.values()) if error is not None]
        partial = self.partial + [str(error) for error in errors if isinstance(error, PartialTruth)]
        if partial:
            raise Refused(
                f"an answer was not the whole truth: {'; '.join(partial)}. Nothing was planned or written, and the "
                "cursor of that side stays where it is. Look at the rights of the key or user; "
                '`[coralogix] partial_view = "accept"` is for a key that is limited on purpose'
            )
        if failed is not None or (self.down and len(self.down) == len(self.engine.connectors)):
            raise CycleFailed(failure_words(failed, self.down))

    def _look_closer(self, kind: CycleKind, started_at: datetime) -> None:
        """Ask again for what was absent, and compare everything open when a drift check is due."""
        store = self.engine.store
        suspects = [pair for pair in store.pairs_to_plan(started_at) if pair.link.connector not in self.down]
        drift.recheck_absent(self.engine, suspects, cycle_id=self.cycle_id)
        if kind in (CycleKind.DRIFT, CycleKind.FULL):
            drift.check_drift(self.engine, cycle_id=self.cycle_id, full=kind is CycleKind.FULL, down=self.down)
            store.set_fact(LAST_DRIFT_CHECK, started_at.isoformat())
        if kind is CycleKind.FULL:
            store.set_fact(LAST_FULL_CHECK, started_at.isoformat())

    def _plan(self, kind: CycleKind, now: datetime) -> Knowledge:
        """Decide for every link that changed or is due, and complete the plan by the reads it asks for."""
        store, engine = self.engine.store, self.engine
        candidates = sorted(self._candidates(kind, now), key=lambda pair: (pair.case.created_at, pair.case.id))
        self.pairs = {pair.case.id: pair for pair in candidates}
        answers = Answers(engine, self._knowledge(now), self.cycle_id)
        first = plan(
            self.pairs.values(),
            engine.policies,
            answers.knowledge,
            standing=store.standing_skips(),
            policy_hash=engine.policy_hash,
        )
        whole = answers.complete(first, self.pairs)
        self.down |= answers.failed
        up = tuple(decision for decision in whole.decisions if decision.link.connector not in self.down)
        self.plan = replace(whole, decisions=up)
        self._settle()
        return answers.knowledge

    def _candidates(self, kind: CycleKind, now: datetime) -> Iterable[Pair]:
        store = self.engine.store
        if kind is CycleKind.BACKFILL:
            return store.all_pairs(open_only=False)
        due = {pair.case.id: pair for pair in store.pairs_to_plan(now)}
        if kind in (CycleKind.DRIFT, CycleKind.FULL):
            due |= {pair.case.id: pair for pair in store.all_pairs(open_only=True)}
        return due.values()

    def _knowledge(self, now: datetime) -> Knowledge:
        store = self.engine.store
        return Knowledge(
            now=now,
            origin=store.origin() or now,
            since=self.request.since,
            include_resolved=self.request.include_resolved,
            references=self._references(),
            ids_not_honoured=frozenset(
                name for name in self.engine.connectors if store.get_fact(f"ids_not_honoured.{name}")
            ),
        )

    def _references(self) -> dict[tuple[str, str, str], str]:
        """Give every name that was looked up before."""
        tables = {
            rule.table for inbound in self.engine.policies.inbound.values() for rule in inbound.references.values()
        }
        return {
            (connector, table, name): sys_id
            for connector in self.engine.connectors
            for table in tables
            for name, sys_id in self.engine.store.references(connector, table).items()
        }

    def _settle(self) -> None:
        now = self.engine.clock()
        settled = [
            Settled(link=decision.link, needs_plan=needs_plan(decision), skip=decision.skip)
            for decision in self.plan.decisions
        ]
        self.engine.store.settle(settled, now=now)
        notes = [note for decision in self.plan.decisions for note in decision.notes]
        self.engine.store.note_fields(notes, cycle_id=self.cycle_id, now=now)

    def _check(self) -> None:
        """Refuse the whole plan when it is not what was reviewed, or does more than limits or a changed config may."""
        engine, request = self.engine, self.request
        if request.expected is not None:
            changes = changes_since(request.expected, self.plan)
            if changes:
                raise Refused(f"the saved plan is not what would be done now: {'; '.join(changes)}. Plan again")
        if request.carry_out:
            gate.let_through(engine, self.plan, request, changed=self.config_changed, whole=not self.down)

    def _apply(self, knowledge: Knowledge) -> None:
        # What was read so far is recorded before the first write, so that a kill does not lose it.
        self.engine.store.record_requests(self.engine.requests.take(), cycle_id=self.cycle_id)
        self.outcomes = Applier(self.engine, knowledge, self.cycle_id).apply(self.plan, self.pairs)
        for outcome in self.outcomes:
            made = outcome.incident if outcome.action.kind is ActionKind.CREATE_INCIDENT else None
            if made and made.sys_id.lower() != outcome.action.sys_id:
                self.engine.store.set_fact(f"ids_not_honoured.{made.connector}", made.sys_id)

    def _first_failure(self) -> ReconcilerError | None:
        return CycleFailed(failure_words(None, self.down)) if self.down else None

    def _record(self, kind: CycleKind, started_at: datetime, error: ReconcilerError | None) -> CycleReport:
        store, now = self.engine.store, self.engine.clock()
        report = CycleReport(
            cycle_id=self.cycle_id,
            kind=kind,
            started_at=started_at,
            finished_at=now,
            result=result_of(error, sum(not ended_well(outcome) for outcome in self.outcomes)),
            plan=self.plan,
            outcomes=self.outcomes,
            cursors=store.cursors(),
            pulled_cases=self.counts.pulled_cases,
            pulled_incidents=self.counts.pulled_incidents,
            malformed=self.malformed,
            error=error,
        )
        counts = replace(
            self.counts,
            planned=len(self.plan.actions),
            done=len(self.outcomes) - report.failed,
            failed=report.failed,
        )
        store.record_requests(self.engine.requests.take(), cycle_id=self.cycle_id)
        store.finish_cycle(
            self.cycle_id,
            result=report.result.value,
            counts=counts,
            refused_because=str(error) if error else None,
            now=now,
        )
        return report


def needs_plan(decision: Decision) -> bool:
    """Say whether a link has something left to do after this decision, even if neither side changes."""
    waits = decision.skip is not None and decision.skip.reason is SkipReason.SETTLING
    return bool(decision.actions or decision.questions or waits)


def close_unfinished(engine: Engine) -> None:
    """Close the journal of actions that a killed process left open; their outcome is looked for, not assumed."""
    for begun in engine.store.unfinished_actions():
        pair = engine.store.pair(begun.action.case_id)
        is_create = begun.action.kind is ActionKind.CREATE_INCIDENT
        link = replace(pair.link, unsettled_since=begun.started_at) if pair and is_create else None
        outcome = Outcome(
            action=begun.action,
            result=Result.UNKNOWN,
            detail="the program ended before the outcome was recorded",
            link=link,
        )
        engine.store.finish_action(begun.seq, outcome, judge=engine.policies, now=engine.clock(), requests=())
