"""One cycle: pull, remember, plan, check, apply, record.

Rules of this file: nothing is planned for a side that did not answer; the whole plan is checked before its
first write; what is news is written before a drift check reads everything open, unless the last one was a day ago;
no link is acted on twice; whatever happens, the cycle is recorded and its error returned in the report, not
raised. Only a store that cannot be written ends a cycle without a record.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.copies import replace
from reconciler.core.errors import CycleFailed, PartialTruth, ReconcilerError, Refused, RemoteError, StoreError
from reconciler.core.expressions.templates import JOURNAL_FIELDS
from reconciler.core.model import HOLD_REASONS, ActionKind, Link, Outcome, Pair, Result, Skip, SkipReason, Tries
from reconciler.core.planning.decide import plan
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Plan
from reconciler.core.planning.standing import told_by
from reconciler.engine import brakes, observing
from reconciler.engine.acting.apply import Applier
from reconciler.engine.acting.decisions import needs_plan, store_decisions
from reconciler.engine.acting.lookups import NAMES_BELIEVED_FOR, Lookups, remembered_knowledge
from reconciler.engine.acting.perform import INCIDENT_CHANGES
from reconciler.engine.context import Context
from reconciler.engine.news import tell_clock_ahead, tell_head, tell_holds, tell_outcome
from reconciler.engine.parts import Part, cut, in_part
from reconciler.engine.reading import drift
from reconciler.engine.reading.cases import read_cases
from reconciler.engine.reading.hold_requests import apply_hold_requests, look_again_at_others
from reconciler.engine.reading.pull import Pull
from reconciler.engine.reading.steps import read_steps
from reconciler.engine.report import (
    CycleKind,
    CycleReport,
    CycleRequest,
    CycleResult,
    ended_well,
    failure_words,
    result_of,
)
from reconciler.engine.request_log import left_open
from reconciler.engine.saved_plan import changes_since, saved_scope
from reconciler.engine.sides import remember_sides, resume_sides
from reconciler.store.maintenance import Retention
from reconciler.store.values import CycleCounts, Decided, FinishedAction, UnfinishedAction

LAST_DRIFT_CHECK = "last_drift_check"
LAST_FULL_CHECK = "last_full_check"
FULL_CHECK_EVERY = timedelta(days=1)
CLOCK_AHEAD = timedelta(days=1)
"""So far may this machine's clock run ahead of a service's without a word."""
CHECKS = frozenset({CycleKind.DRIFT, CycleKind.FULL})
"""The cycles that read everything open."""


def run_cycle(context: Context, request: CycleRequest, *, cycle_id: str) -> CycleReport:
    """Run one cycle and report it. Raises StoreError when the database cannot be used."""
    return _Cycle(context.in_cycle(cycle_id), request).run()


@dataclass
class _Cycle:
    """The state of one cycle, from step to step."""

    context: Context
    request: CycleRequest
    plan: Plan = field(default_factory=Plan)
    pairs: dict[str, Pair] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    down: dict[str, RemoteError] = field(default_factory=dict)
    """connectors that did not answer in this cycle"""
    partial: list[RemoteError] = field(default_factory=list)
    """look-ups of this cycle whose answer did not show everything"""
    config_changed: bool = False
    part: Part | None = None
    """what is left of a backfill after this part"""
    held_before: Mapping[str, str] = field(default_factory=dict)
    """the reason of each Case that waited for a person when this cycle began"""
    pulled: Pull = field(init=False)
    applier: Applier = field(init=False)

    def __post_init__(self) -> None:
        self.pulled = Pull(self.context)
        self.applier = Applier(self.context)

    def run(self) -> CycleReport:
        started_at = self.context.clock()
        observing.begin(self.context, drift_fact=LAST_DRIFT_CHECK)
        scope = self._scope(started_at)
        kind = CycleKind.APPLY if self.request.expected is not None else scope
        self._begin(kind, started_at)
        error: ReconcilerError | None = None
        try:
            self._pull()
            self._ask_again(started_at)
            if scope in CHECKS:
                if self._acts and self.request.expected is None and not self._is_memory_old(started_at):
                    self._carry_out(CycleKind.CYCLE, started_at)
                self._compare_all(scope, started_at)
            self._carry_out(scope, started_at)
            error = self._first_failure()
        except StoreError:
            raise  # where nothing can be stored, the end of the cycle cannot be recorded either
        except ReconcilerError as failure:
            error = failure
        # Where a side did not answer, it is asked no more: what is to be read of steps is queued, and waits.
        if self.request.carry_out and not isinstance(error, CycleFailed):
            read_steps(self.context, writes=len(self.outcomes))
        return self._record(kind, started_at, error)

    @property
    def _acts(self) -> bool:
        """Return whether the plan is carried out: ``plan`` asks only to see it, and observe mode never writes."""
        return self.request.carry_out and not self.context.observes

    # -- the steps ---------------------------------------------------------------------------------------------

    def _scope(self, now: datetime) -> CycleKind:
        """Return what this cycle looks at; a saved plan is planned again with the scope it was made with."""
        if self.request.expected is not None:
            return saved_scope(self.request.expected)
        if self.request.since is not None or self.request.include_resolved or self.request.is_part:
            return CycleKind.BACKFILL
        if self._is_due(LAST_FULL_CHECK, now, FULL_CHECK_EVERY):
            return CycleKind.FULL
        if self._is_due(LAST_DRIFT_CHECK, now, self.context.settings.drift_check_every):
            return CycleKind.DRIFT
        return CycleKind.CYCLE

    def _is_due(self, fact: str, now: datetime, every: timedelta) -> bool:
        """Return whether a check is due; the first cycle of all only starts its clock."""
        last = self.context.store.facts.get(fact)
        if last is None:
            self.context.store.facts.put(fact, now.isoformat())
            return False
        return drift.is_due(last, now, every)

    def _is_memory_old(self, now: datetime) -> bool:
        """Return whether everything open was last compared a day ago or more: then nothing is written before it is."""
        return self._is_due(LAST_DRIFT_CHECK, now, FULL_CHECK_EVERY)

    def _begin(self, kind: CycleKind, now: datetime) -> None:
        store = self.context.store
        self.config_changed = brakes.meet_config(store, self.context.policy_hash)
        self.context.begin_cycle(kind.value, now)
        self.held_before = store.links.held()
        resume_sides(self.context)
        close_unfinished(self.context)
        apply_hold_requests(self.context)

    def _pull(self) -> None:
        """Pull every side and store what was read; raise where that is not enough to plan on."""
        self.pulled = Pull(self.context, since=self.request.since if self.request.reads_back else None)
        try:
            self.pulled.run()
        finally:
            self.down |= self.pulled.down
        unknown = [case_id for case_id in sorted(self.request.named) if self.context.store.links.pair(case_id) is None]
        read_cases(self.context, unknown)

    def _ask_again(self, started_at: datetime) -> None:
        """Ask once more for what was absent."""
        suspects = self.context.store.links.absent_to_plan(started_at)
        drift.recheck_absent(self.context, [pair for pair in suspects if pair.link.connector not in self.down])

    def _compare_all(self, scope: CycleKind, started_at: datetime) -> None:
        """Compare everything open in full; a connector that does not answer is down, and the others go on."""
        store, is_full = self.context.store, scope is CycleKind.FULL
        drift.check_drift(self.context, self.down, full=is_full)
        self.down |= look_again_at_others(self.context, store.links.doubled_pairs())
        for fact in (LAST_DRIFT_CHECK, LAST_FULL_CHECK) if is_full else (LAST_DRIFT_CHECK,):
            store.facts.put(fact, started_at.isoformat())

    def _carry_out(self, scope: CycleKind, now: datetime) -> None:
        """Plan, check and apply; a link on which this cycle acted already waits for the next one."""
        before, pairs = self.plan.decisions, self.pairs
        acted = {decision.link.case_id for decision in before if decision.actions}
        plan, knowledge = self._plan(scope, now, apart_from=acted)
        anew = {decision.link.case_id for decision in plan.decisions}
        kept = [decision for decision in before if decision.link.case_id not in anew]
        self.pairs = pairs | self.pairs
        # Brakes and report count both plans of a cycle with a drift check as one; only the second is applied now.
        self.plan = replace(plan, decisions=(*kept, *plan.decisions))
        self._check()
        if self._acts:
            self._apply(plan, knowledge)

    def _plan(self, scope: CycleKind, now: datetime, *, apart_from: Container[str]) -> tuple[Plan, Knowledge]:
        """Decide for every link that changed or is due, and do the look-ups that the plan asks for."""
        store, context = self.context.store, self.context
        due = (pair for pair in self._candidates(scope, now) if pair.case.id not in apart_from)
        candidates = sorted(due, key=lambda pair: (pair.case.created_at, pair.case.id))
        store.links.quarantine_damaged(now)
        self.pairs = observing.as_of_first_start(context, candidates)
        lookups = Lookups(context, self._knowledge(scope, now))
        first = plan(
            self.pairs.values(),
            context.policies,
            lookups.knowledge,
            standing=store.links.standing_skips() if self.request.lists_skips else (),
            policy_hash=context.policy_hash,
        )
        if self.request.is_part:
            places = {case_id: pair.case.created_at for case_id, pair in self.pairs.items()}
            self.part = cut(first, places, self.request.most)
            first = self.part.plan
        whole = lookups.complete(first, self.pairs)
        self.down |= lookups.failed
        self.partial += lookups.partial.values()
        up = tuple(decision for decision in whole.decisions if decision.link.connector not in self.down)
        self._keep_decisions(up, scope, {pair.case.id: pair.link for pair in candidates})
        return replace(whole, decisions=up), lookups.knowledge

    def _keep_decisions(self, decisions: Iterable[Decision], scope: CycleKind, before: Mapping[str, Link]) -> None:
        """Store what was decided about links that were ``before`` so, but for what is stored as it begins."""
        told = [decision for decision in decisions if self._is_told_now(decision, scope)]
        self.applier.told = frozenset(decision.link.case_id for decision in told)
        if self.context.observes:
            observing.store_observed(self.context, told, before)
        else:
            store_decisions(self.context, told)

    def _is_told_now(self, decision: Decision, scope: CycleKind) -> bool:
        """Return whether a decision is stored before anything is done; else it is stored as its first action begins.

        A backfill that is refused or killed admits no further Case. A record that is taken in changes its link at once,
        so the link is written once.
        """
        if scope is CycleKind.BACKFILL:
            return not needs_plan(decision)
        is_adopted = bool(decision.actions) and decision.actions[0].kind is ActionKind.ADOPT_INCIDENT
        return self.context.observes or not is_adopted

    def _candidates(self, scope: CycleKind, now: datetime) -> Iterable[Pair]:
        store = self.context.store
        if scope is CycleKind.BACKFILL:
            everything = store.links.all_pairs(open_only=False)
            return in_part(everything, self.request) if self.request.is_part else everything
        due = {pair.case.id: pair for pair in store.links.pairs_to_plan(now)}
        if scope is CycleKind.FULL:
            due |= {pair.case.id: pair for pair in store.links.all_pairs(open_only=True)}
        if scope is CycleKind.DRIFT:
            # What was read and did not change needs no plan; only a skip may depend on something else, as the time.
            due |= {pair.case.id: pair for pair in store.links.skipped_pairs()}
        return due.values()

    def _knowledge(self, scope: CycleKind, now: datetime) -> Knowledge:
        known = remembered_knowledge(self.context.store, self.context.policies, now, believed_for=NAMES_BELIEVED_FOR)
        return replace(
            known,
            since=self.request.since,
            until=self.request.until,
            named=self.request.named,
            include_resolved=self.request.include_resolved,
            looks_again=scope in CHECKS,
        )

    def _check(self) -> None:
        """Refuse the whole plan when it is not what was reviewed, or does more than limits or a changed config may."""
        context, request = self.context, self.request
        if request.expected is not None:
            failure = self._first_failure()
            if failure:
                raise failure
            changes = changes_since(request.expected, self.plan)
            if changes:
                raise Refused(f"the saved plan is not what would be done now: {'; '.join(changes)}. Plan again")
        if self._acts:
            done = len(self.outcomes)
            brakes.let_through(context, self.plan, request, changed=self.config_changed, whole=not self.down, done=done)

    def _apply(self, plan: Plan, knowledge: Knowledge) -> None:
        if plan.actions:
            # What was read so far is recorded before the first write, so that a kill does not lose it.
            self.context.record_requests()
        self.outcomes = self.applier.apply(plan, self.pairs, knowledge)
        self._show_rejections()

    def _show_rejections(self) -> None:
        """Show what was rejected among the holds at once, not only after the next cycle."""
        store = self.context.store
        for outcome in self.outcomes:
            pair = store.links.pair(outcome.action.case_id) if outcome.result is Result.REJECTED else None
            if pair:
                skipped = Skip.of(pair.case, SkipReason.REJECTED, outcome.detail)
                store.links.keep_decisions(
                    [Decided(link=pair.link, needs_plan=True, skip=skipped)], now=self.context.clock()
                )

    def _first_failure(self) -> ReconcilerError | None:
        """Return the error for the links that this cycle could not handle, though it went on with the others."""
        words = [failure_words(None, self.down)] if self.down else []
        words += [f"{error}; what depends on it waits" for error in self.partial]
        is_partial = any(isinstance(error, PartialTruth) for error in (*self.partial, *self.down.values()))
        failure = Refused if is_partial else CycleFailed
        return failure("; ".join(words)) if words else None

    def _record(self, kind: CycleKind, started_at: datetime, error: ReconcilerError | None) -> CycleReport:
        store, now = self.context.store, self.context.clock()
        skips = store.links.count_skips()
        holds = {reason: count for reason, count in skips.items() if reason in HOLD_REASONS}
        held = sum(holds.values())
        acted_on = {action.case_id for action in self.plan.actions}
        report = CycleReport(
            cycle_id=self.context.cycle_id,
            kind=kind,
            started_at=started_at,
            finished_at=now,
            result=self._result(error),
            plan=self.plan,
            outcomes=self.outcomes,
            cursors=store.snapshots.cursors(),
            pulled_cases=self.pulled.cases,
            pulled_incidents=self.pulled.incidents,
            malformed=self.pulled.malformed,
            skipped=sum(skips.values()) - held,
            held=held,
            holds=holds,
            read_whole=frozenset(self.pulled.read_whole),
            pairs={case_id: pair for case_id, pair in self.pairs.items() if case_id in acted_on},
            error=error,
            observed=self.context.observes,
            left=self.part.left if self.part else 0,
            reached=self.part.reached if self.part else None,
        )
        counts = CycleCounts(
            pulled_cases=report.pulled_cases,
            pulled_incidents=report.pulled_incidents,
            planned=len(self.plan.actions),
            done=len(self.outcomes) - report.failed,
            failed=report.failed,
        )
        remember_sides(self.context)
        self.context.finish_cycle(report.result, counts, error, self.pulled.read_whole)
        if self.request.carry_out:
            self._tell()
        if kind is CycleKind.FULL and self.request.carry_out:
            self._tidy(now)
        return report

    def _tell(self) -> None:
        """Log the holds that began or ended, and the chain's head after writes."""
        tell_holds(self.context.store, self.held_before)
        if self.outcomes:
            tell_head(self.context.store)

    def _tidy(self, now: datetime) -> None:
        """Read every page of the database and delete what is old: once a day, with the full check."""
        settings, maintenance = self.context.settings, self.context.store.maintenance
        kept = (settings.requests_kept, settings.history_kept)
        maintenance.check()
        as_of = self._sure_time(now)
        if as_of is not None:
            requests, history = (as_of - each if each is not None else None for each in kept)
            retention = Retention(requests_before=requests, history_before=history)
            maintenance.prune(retention, now=now, should_stop=self.context.should_stop)

    def _sure_time(self, now: datetime) -> datetime | None:
        """Return a time that is not ahead of the services' own; None where none of them ever told one.

        A machine whose clock jumps ahead by years would else find that all its history is old.
        """
        said = self.pulled.server_time
        if said is not None and now - said > CLOCK_AHEAD:
            tell_clock_ahead(now, said)
        cursors = (cursor.time for cursor in self.context.store.snapshots.cursors().values() if cursor.time)
        newest = said or max(cursors, default=None)
        return min(now, newest) if newest else None

    def _result(self, error: ReconcilerError | None) -> CycleResult:
        """Return how the cycle ended; one that was asked to stop with nothing left to do counts as done."""
        result = result_of(error, sum(not ended_well(outcome) for outcome in self.outcomes))
        is_cut = error is not None or (self._acts and len(self.outcomes) < len(self.plan.actions))
        may_be_cut = result in (CycleResult.DONE, CycleResult.FAILED) and self.context.should_stop()
        return CycleResult.STOPPED if may_be_cut and is_cut else result


KILLED = "the program ended before the outcome was recorded"


def close_unfinished(context: Context) -> None:
    """Finish the journal rows that a killed process left open; their outcome is looked up later, not assumed."""
    ended = []
    for begun in context.store.journal.unfinished_actions():
        pair = context.store.links.pair(begun.action.case_id)
        outcome = (_looked_after(context, begun, pair) if pair else None) or Outcome(
            action=begun.action,
            result=Result.UNKNOWN,
            detail=KILLED,
            link=_in_doubt(context, begun, pair) if pair else None,
        )
        outcome = _sent_when(begun, outcome)
        ended.append(FinishedAction(seq=begun.seq, outcome=outcome, requests=left_open(begun.action, begun.started_at)))
    if ended:
        context.finish_actions(ended)
    for one in ended:
        tell_outcome(one.outcome)


def _looked_after(context: Context, begun: UnfinishedAction, pair: Pair) -> Outcome | None:
    """Look what a record made of the values that were sent to it: else what it keeps is taken for a person's edit."""
    knowledge = Knowledge(now=begun.started_at, origin=begun.started_at)
    performer, action = Applier(context).performer(knowledge), begun.action
    here = performer.standing(pair)
    is_change = action.kind in INCIDENT_CHANGES and action.connector in context.connectors
    if not (is_change and action.fields and pair.incident and pair.link.sys_id == action.sys_id) or here.lost_rules:
        return None
    return performer.look_after(action, here, pair.incident, KILLED)


def _sent_when(begun: UnfinishedAction, outcome: Outcome) -> Outcome:
    """Remember when a note was sent that may still arrive, so that it is not sent again at once."""
    link = outcome.link
    if link is None or begun.action.kind is not ActionKind.ADD_WORK_NOTE or outcome.result is not Result.UNKNOWN:
        return outcome
    tries = Tries(fingerprint=begun.action.fingerprint, times=1, planned_at=begun.started_at.isoformat())
    return replace(outcome, link=replace(link, tries=tries))


def _in_doubt(context: Context, begun: UnfinishedAction, pair: Pair) -> Link:
    """Mark on the link what must not be done twice if the write was applied: create the record, or add the note."""
    link, word = pair.link, begun.action.to_stage.word
    if begun.action.kind is ActionKind.CREATE_INCIDENT:
        inbound = context.policies.inbound.get(link.inbound)
        sent = inbound.in_step_of(begun.action.fields) if inbound else {}
        return replace(link, create_in_doubt_since=begun.started_at, written=sent)
    if begun.action.kind is ActionKind.ADD_WORK_NOTE and pair.incident:
        return replace(link, noted={told_by(pair.case): pair.incident.mod_count, **link.noted})
    if begun.action.kind is ActionKind.ADVANCE_INCIDENT and begun.field_names & JOURNAL_FIELDS and pair.incident:
        return replace(link, noted={word: pair.incident.mod_count, **link.noted})
    return link
