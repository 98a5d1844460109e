"""Carry out the actions of a plan, link by link: journal, act, finish the journal.

Rules of this file: links run in parallel, each side with its own workers, each link strictly in order; only the calling
thread uses the store; the journal row is committed before the request is sent, or, where none is, with its outcome;
outcomes are stored while the next requests are under way; a failed action stops only what follows it on its own link,
but a refused login, a 429 or 503, or two writes that time out stop that side for this cycle.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import field
from functools import partial
from typing import Any

from reconciler.core.copies import replace
from reconciler.core.errors import AuthFailed, RemoteError
from reconciler.core.frozen import dataclass
from reconciler.core.identity import record_id
from reconciler.core.model import Action, ActionKind, Incident, Outcome, Pair, Result
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Plan
from reconciler.core.planning.standing import Standing
from reconciler.engine.acting.decisions import decided, store_notes
from reconciler.engine.acting.lanes import Fresh, Lanes, Work, side_of
from reconciler.engine.acting.perform import READ_BEFORE, Performer
from reconciler.engine.context import Context
from reconciler.engine.news import tell_outcome, tell_side_stopped
from reconciler.engine.request_log import made_for
from reconciler.store.values import Adoption, FinishedAction, Learned

log = logging.getLogger(__name__)

WRITES_UNANSWERED = 2
"""After this many writes that timed out, a side gets no more in this cycle."""


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """An outcome, and why the login was refused, if it was."""

    outcome: Outcome
    refused: str | None = None


@dataclass
class Applier:
    """Carry out the plans of one cycle, one after the other. Not for several threads."""

    context: Context
    told: Collection[str] = frozenset()
    """the ids of the Cases of whose links is stored already what was decided; else it is as the first action begins"""
    outcomes: list[Outcome] = field(default_factory=list)
    _down: dict[str, str] = field(default_factory=dict)
    """sides to which nothing more is sent in this cycle -> why"""
    _unanswered: Mapping[str, int] = field(init=False)
    """how many writes to each side had timed out before this cycle"""

    def __post_init__(self) -> None:
        self._unanswered = {name: side.writes_unanswered for name, side in self.context.sides().items()}

    def apply(self, plan: Plan, pairs: Mapping[str, Pair], knowledge: Knowledge) -> tuple[Outcome, ...]:
        """Carry out a plan and return the outcomes so far, in the order in which they came.

        Ends early, between two actions, when the engine is asked to stop; what was not begun is planned again.
        """
        settings = self.context.settings
        busy = [decision for decision in plan.decisions if decision.actions]
        lanes = Lanes(busy, workers=settings.workers, workers_of=settings.workers_of)
        with ThreadPoolExecutor(max_workers=lanes.most) as pool:
            self._run(pool, self.performer(knowledge), lanes, pairs, len(self.outcomes) + len(plan.actions))
        return tuple(self.outcomes)

    def performer(self, knowledge: Knowledge) -> Performer:
        """Return who carries out single actions."""
        return Performer(
            cases=self.context.cases,
            connectors=self.context.connectors,
            policies=self.context.policies,
            knowledge=knowledge,
            clock=self.context.clock,
            users=self.context.users,
        )

    def _run(
        self, pool: ThreadPoolExecutor, performer: Performer, lanes: Lanes, pairs: Mapping[str, Pair], total: int
    ) -> None:
        reading: dict[Future[Fresh], tuple[str, Sequence[Decision]]] = {}
        acting: dict[Future[_Ended], tuple[Work, int]] = {}
        ended: list[tuple[Work, int, _Ended]] = []
        while True:
            if not self.context.should_stop():
                # Taking in comes first: the next look waits until there is little left to start.
                self._adopt(performer, lanes)
                self._look(pool, lanes, reading)
                self._begin(pool, performer, lanes, acting)
            self._finish(ended, lanes)
            if not (reading or acting or ended):
                return
            self.context.progress("apply", len(self.outcomes), total)
            under_way: list[Future[Any]] = [*reading, *acting]
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for looked in [future for future in reading if future in done]:
                name, batch = reading.pop(looked)
                fresh = self._heard(looked.result())
                lanes.looked_at(name, [self._work(performer, pairs[one.link.case_id], one, fresh) for one in batch])
            ended = [(*acting.pop(future), future.result()) for future in list(acting) if future in done]
            self._came_back([one for _, _, one in ended], lanes)

    def _look(
        self, pool: ThreadPoolExecutor, lanes: Lanes, reading: dict[Future[Fresh], tuple[str, Sequence[Decision]]]
    ) -> None:
        """Read the records of the next links, and store the notes on fields that are not stored yet."""
        for name, batch in lanes.batches():
            store_notes(self.context, [decision for decision in batch if not self._is_told(decision)])
            down = frozenset(self._down)
            reading[pool.submit(copy_context().run, self._read, batch, down)] = (name, batch)

    def _work(self, performer: Performer, pair: Pair, decision: Decision, fresh: Fresh) -> Work:
        return Work(
            pair=_risen(performer.standing(replace(pair, link=decision.link)), fresh),
            actions=list(decision.actions),
            fresh=fresh,
            decided=decided(decision),
            is_told=self._is_told(decision),
        )

    def _is_told(self, decision: Decision) -> bool:
        return decision.link.case_id in self.told

    def _heard(self, fresh: Fresh) -> Fresh:
        """Stop the sides whose records could not be read."""
        for connector, error in fresh.failures.items():
            if isinstance(error, AuthFailed):
                self._stop_side(connector, str(error))
            self._leave_alone(connector, str(error))
        return fresh

    def _begin(
        self,
        pool: ThreadPoolExecutor,
        performer: Performer,
        lanes: Lanes,
        acting: dict[Future[_Ended], tuple[Work, int]],
    ) -> None:
        """Commit the actions that start together in one transaction, then send their requests."""
        starting: list[tuple[Work, Action]] = []
        for work in lanes.starting():
            side, action = work.side, work.actions.pop(0)
            if side in self._down:
                self.outcomes.append(Outcome(action=action, result=Result.RETRY, detail=self._down[side]))
                lanes.ended(side)
            else:
                starting.append((work, action))
        if not starting:
            return
        untold = [work.decided for work, _ in starting if not work.is_told]
        seqs = self.context.begin_actions([action for _, action in starting], untold)
        for work, _ in starting:
            work.is_told = True
        for (work, action), seq in zip(starting, seqs, strict=True):
            target = self._target(work, action)
            # In a copy of the context, so that the worker's log lines carry the cycle's id.
            task = partial(copy_context().run, _perform, performer, action, work.pair, target, seq)
            acting[pool.submit(task)] = (work, seq)

    def _target(self, work: Work, action: Action) -> Incident | None:
        """Return the record of an action as it was read together with others; None where it is read by itself."""
        if action.kind not in READ_BEFORE:
            return None
        return work.fresh.of(action, _known(work.pair, action), self.context.clock())

    def _as_read(self, work: Work) -> Incident | None:
        """Return the record that a link's next action takes in as it was read; None where it does something else."""
        action = work.actions[0]
        return self._target(work, action) if action.kind is ActionKind.ADOPT_INCIDENT else None

    def _adopt(self, performer: Performer, lanes: Lanes) -> None:
        """Take in the records that were just read, and commit that in one transaction, since nothing is sent."""
        taken = [(work, _adopted(performer, work, record)) for work, record in lanes.adopting(self._as_read)]
        if not taken:
            return
        self._learn([one.outcome for _, one in taken])
        self.context.record_adoptions([one for _, one in taken])
        for work, one in taken:
            work.is_told = True
            self.outcomes.append(one.outcome)
            self._go_on(work, one.outcome, lanes)

    def _came_back(self, ended: Sequence[_Ended], lanes: Lanes) -> None:
        """Free the workers of the actions that ended, and stop sides if needed, before another action begins."""
        for one in ended:
            side = side_of(one.outcome.action)
            lanes.ended(side)
            if one.refused is not None:
                self._stop_side(side, one.refused)
            self._leave_alone(side, one.outcome.detail or "")
            self.outcomes.append(one.outcome)

    def _finish(self, ended: Sequence[tuple[Work, int, _Ended]], lanes: Lanes) -> None:
        """Commit the outcomes of the actions that ended together in one transaction."""
        if not ended:
            return
        self._learn([one.outcome for _, _, one in ended])
        for work, _, one in ended:
            self._learn_of_notes(work.pair.incident, one.outcome)
        requests = self.context.requests
        rows = [FinishedAction(seq=seq, outcome=one.outcome, requests=requests.take_of(seq)) for _, seq, one in ended]
        self.context.finish_actions(rows)
        for work, _, one in ended:
            self._go_on(work, one.outcome, lanes)

    def _go_on(self, work: Work, outcome: Outcome, lanes: Lanes) -> None:
        """Go on with a link behind an action that came to its end."""
        tell_outcome(outcome)
        work.pair = _after(work.pair, outcome)
        if work.actions and outcome.result in (Result.DONE, Result.ALREADY):
            lanes.go_on(work)

    def _leave_alone(self, name: str, words: str) -> None:
        """Stop a side for this cycle that answered 429 or 503, or whose writes time out."""
        side = self.context.sides()[name]
        if name in self._down:
            return
        if side.is_troubled:
            self._stop_side(name, f"left alone for the rest of this cycle: {words}")
        elif side.writes_unanswered - self._unanswered[name] >= WRITES_UNANSWERED:
            unanswered = f"two writes of this cycle found no answer in time, so no more are sent in it: {words}"
            self._stop_side(name, unanswered)

    def _stop_side(self, name: str, words: str) -> None:
        """Send no more to a side in this cycle, and log that once."""
        if name not in self._down:
            tell_side_stopped(name, words)
        self._down[name] = words

    def _learn(self, outcomes: Sequence[Outcome]) -> None:
        """Store of which connectors the instance does not keep the ``sys_id`` that we choose, once for each.

        This comes before the actions are finished: after a kill in between it is simply learned again.
        """
        records = filter(None, map(self._with_id_of_its_own, outcomes))
        for connector, sys_id in {record.connector: record.sys_id for record in records}.items():
            self.context.store.facts.put(Learned.IDS_NOT_HONOURED.of(connector), sys_id)

    def _with_id_of_its_own(self, outcome: Outcome) -> Incident | None:
        """Return the record that was made or taken in, where its id is not the one that we choose."""
        action, record, link = outcome.action, outcome.incident, outcome.link
        if record is None or link is None or action.kind not in (ActionKind.CREATE_INCIDENT, ActionKind.ADOPT_INCIDENT):
            return None
        is_ours = record.sys_id.lower() == record_id(self.context.policies.owner, action.case_id, link.generation)
        return None if is_ours else record

    def _learn_of_notes(self, before: Incident | None, outcome: Outcome) -> None:
        """Store that a connector's instance counts a work note as a change of its record."""
        after = outcome.incident
        is_note = outcome.action.kind is ActionKind.ADD_WORK_NOTE and outcome.result is Result.DONE
        if is_note and before and after and after.mod_count == before.mod_count + 1:
            self.context.store.facts.put(Learned.NOTES_COUNTED.of(outcome.action.connector), after.sys_id)

    def _read(self, batch: Sequence[Decision], down: Collection[str]) -> Fresh:
        """Read the records that this batch changes; a record that is left out is read by itself later.

        Runs in a worker thread, so it changes nothing of this object.
        """
        read_at = self.context.clock()
        wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
        for decision in batch:
            first = decision.actions[0]
            if first.kind in READ_BEFORE and first.connector not in down:
                wanted[first.connector, first.table].append(first.sys_id)
        fresh: dict[tuple[str, str], Incident] = {}
        failures: dict[str, RemoteError] = {}
        for (connector, table), sys_ids in wanted.items():
            try:
                records = self.context.connectors[connector].get_many(table, sys_ids)
            except RemoteError as error:
                failures[connector] = error
                continue
            fresh |= {(connector, record.sys_id): record for record in records}
        return Fresh(read_at=read_at, records=fresh, failures=failures)


def _risen(here: Standing, fresh: Fresh) -> Pair:
    """Remember how far a record stood that is shown older than it is known, as one put back from a copy is.

    It is read by itself next, which may fail, or may show where somebody moved it back to meanwhile.
    """
    older = fresh.older(here.incident) if here.incident else None
    if older is None:
        return here.pair
    peak = here.seeing(incident=older).incident_peak
    return replace(here.pair, link=replace(here.link, incident_peak=peak))


def _known(pair: Pair, action: Action) -> Incident | None:
    """Return the remembered record of an action; a record to be adopted is among the others."""
    records = (pair.incident, *pair.others)
    return next((one for one in records if one is not None and one.sys_id == action.sys_id), None)


def _perform(performer: Performer, action: Action, pair: Pair, fresh: Incident | None, seq: int) -> _Ended:
    with made_for(seq):
        return _performed(performer, action, pair, fresh)


def _performed(performer: Performer, action: Action, pair: Pair, fresh: Incident | None) -> _Ended:
    try:
        return _Ended(outcome=performer.perform(action, pair, fresh))
    except AuthFailed as error:
        return _Ended(outcome=Outcome(action=action, result=Result.RETRY, detail=str(error)), refused=str(error))
    except Exception as error:  # a fault of this program on one link stops no other
        log.exception("an action failed unexpectedly", extra={"case": action.case_key or action.case_id})
        words = f"a fault of this program, not of the service: {type(error).__name__}: {error}"
        is_create = action.kind is ActionKind.CREATE_INCIDENT
        link = replace(pair.link, create_in_doubt_since=performer.clock()) if is_create else None
        return _Ended(outcome=Outcome(action=action, result=Result.UNKNOWN, detail=words, link=link))


def _adopted(performer: Performer, work: Work, record: Incident) -> Adoption:
    ended = _performed(performer, work.actions.pop(0), work.pair, record)
    return Adoption(decided=work.decided, outcome=ended.outcome)


def _after(pair: Pair, outcome: Outcome) -> Pair:
    """Update a pair with what an action showed; a record that was adopted leaves the others."""
    link = outcome.link or pair.link
    return replace(
        pair,
        link=link,
        others=tuple(other for other in pair.others if other.sys_id != link.sys_id),
        case=outcome.case or pair.case,
        incident=outcome.incident or pair.incident,
    )
