"""The plan's actions, link by link: journal, act, finish the journal.

Rules of this file: links stand side by side in a small pool, each link strictly in order; the store is touched
from the calling thread alone; the journal row is committed before the request leaves; a failed action stops
only what follows it on its own link, but a refused login stops its side for this cycle.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from reconciler.core.errors import AuthFailed, RemoteError
from reconciler.core.identity import record_id
from reconciler.core.model import Action, ActionKind, Incident, Outcome, Pair, Result
from reconciler.core.planning.known import Knowledge
from reconciler.core.planning.plan import Decision, Plan
from reconciler.engine.acting.decisions import store_decisions
from reconciler.engine.acting.perform import INCIDENT_CHANGES, Performer
from reconciler.engine.context import Context
from reconciler.engine.request_log import made_for

log = logging.getLogger(__name__)

LINKS_READ_AT_ONCE = 50
"""Records are read just before they are written, this many in one request."""
FRESH_FOR = timedelta(seconds=5)
"""What was read longer ago is read again, by itself: on a slow instance the last of a batch waits for the others."""


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """Hold the records of one batch as they were just now."""

    read_at: datetime
    records: Mapping[tuple[str, str], Incident]

    def of(self, action: Action, known: Incident | None, now: datetime) -> Incident | None:
        """Give an action's target; None where it has to be read by itself.

        That is so where it was left out, where the batch has grown old, and where its listing lags behind what is
        remembered.
        """
        target = self.records.get((action.connector, action.sys_id))
        is_fresh = timedelta() <= now - self.read_at <= FRESH_FOR
        lags = target is not None and known is not None and target.mod_count < known.mod_count
        return target if is_fresh and not lags else None


@dataclass
class _Work:
    """Follow one link through its actions."""

    pair: Pair
    actions: list[Action]


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """Hold an outcome, and the words with which a login was refused."""

    outcome: Outcome
    refused: str | None = None


@dataclass
class Applier:
    """Carry out one plan. Use once; not for several threads."""

    context: Context
    knowledge: Knowledge
    cycle_id: str
    outcomes: list[Outcome] = field(default_factory=list)
    _down: dict[str, str] = field(default_factory=dict)
    """sides whose login was refused, with the words"""

    def apply(self, plan: Plan, pairs: Mapping[str, Pair]) -> tuple[Outcome, ...]:
        """Carry out the plan and give the outcomes in the order in which they came.

        Ends early, between two actions, when the engine is asked to stop; what was not begun is planned again.
        """
        performer = Performer(
            cases=self.context.cases,
            connectors=self.context.connectors,
            policies=self.context.policies,
            knowledge=self.knowledge,
            clock=self.context.clock,
        )
        busy = [decision for decision in plan.decisions if decision.actions]
        total = len(plan.actions)
        with ThreadPoolExecutor(max_workers=self.context.settings.workers) as pool:
            for chunk in _chunks(busy):
                if self.context.should_stop():
                    break
                store_decisions(self.context, chunk, cycle_id=self.cycle_id)
                fresh = self._read(chunk)
                works = [_work(pairs[decision.link.case_id], decision) for decision in chunk]
                self._run(pool, performer, works, fresh, total)
        return tuple(self.outcomes)

    def _run(
        self, pool: ThreadPoolExecutor, performer: Performer, works: Sequence[_Work], fresh: Fresh, total: int
    ) -> None:
        waiting = list(reversed(works))
        running: dict[Future[_Ended], tuple[_Work, int]] = {}
        while waiting or running:
            while waiting and len(running) < self.context.settings.workers and not self.context.should_stop():
                self._begin(pool, performer, waiting.pop(), fresh, running)
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                work, seq = running.pop(future)
                self._finish(work, seq, future)
                self.context.progress("apply", len(self.outcomes), total)
                if work.actions:
                    waiting.append(work)

    def _begin(
        self,
        pool: ThreadPoolExecutor,
        performer: Performer,
        work: _Work,
        fresh: Fresh,
        running: dict[Future[_Ended], tuple[_Work, int]],
    ) -> None:
        action = work.actions.pop(0)
        words = self._down.get(side_of(action))
        if words is not None:
            self.outcomes.append(Outcome(action=action, result=Result.RETRY, detail=words))
            work.actions.clear()
            return
        seq = self.context.store.journal.begin_action(action, cycle_id=self.cycle_id, now=self.context.clock())
        target = None
        if action.kind in INCIDENT_CHANGES:
            target = fresh.of(action, work.pair.incident, self.context.clock())
        task = partial(copy_context().run, _perform, performer, action, work.pair, target, seq)
        running[pool.submit(task)] = (work, seq)

    def _finish(self, work: _Work, seq: int, future: Future[_Ended]) -> None:
        ended = future.result()
        outcome = ended.outcome
        if ended.refused is not None:
            self._down[side_of(outcome.action)] = ended.refused
        self._learn(outcome)
        self.context.store.journal.finish_action(
            seq,
            outcome,
            stage_rules=self.context.policies,
            now=self.context.clock(),
            requests=self.context.requests.take_of(seq),
        )
        _log(outcome)
        self.outcomes.append(outcome)
        work.pair = _after(work.pair, outcome)
        if outcome.result not in (Result.DONE, Result.ALREADY):
            work.actions.clear()

    def _learn(self, outcome: Outcome) -> None:
        """Remember of a connector that its instance does not keep the ``sys_id`` that we choose.

        Before the action is finished, so that a kill between the two only means to learn it again.
        """
        action, record, link = outcome.action, outcome.incident, outcome.link
        if record is None or link is None or action.kind not in (ActionKind.CREATE_INCIDENT, ActionKind.ADOPT_INCIDENT):
            return
        if record.sys_id.lower() != record_id(self.context.policies.owner, action.case_id, link.generation):
            self.context.store.facts.put(f"ids_not_honoured.{record.connector}", record.sys_id)

    def _read(self, chunk: Sequence[Decision]) -> Fresh:
        """Read the records that this chunk changes; one that is left out is asked for by itself later."""
        read_at = self.context.clock()
        wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
        for decision in chunk:
            first = decision.actions[0]
            if first.kind in INCIDENT_CHANGES:
                wanted[first.connector, first.table].append(first.sys_id)
        fresh: dict[tuple[str, str], Incident] = {}
        for (connector, table), sys_ids in wanted.items():
            try:
                records = self.context.connectors[connector].get_many(table, sys_ids)
            except AuthFailed as error:
                self._down[connector] = str(error)
                continue
            except RemoteError:
                continue
            fresh |= {(connector, record.sys_id): record for record in records}
        return Fresh(read_at=read_at, records=fresh)


def _log(outcome: Outcome) -> None:
    action = outcome.action
    facts = {
        "kind": action.kind.value,
        "case": action.case_key or action.case_id,
        "record": outcome.incident.number if outcome.incident else action.number or action.sys_id,
        "stage": action.to_stage.word,
        "result": outcome.result.value,
        "detail": outcome.detail,
    }
    log.info("action ended", extra={name: value for name, value in facts.items() if value})


def side_of(action: Action) -> str:
    """Name the side that an action writes to: a connector, or ``coralogix``."""
    return "coralogix" if action.kind is ActionKind.ADVANCE_CASE else action.connector


def _work(pair: Pair, decision: Decision) -> _Work:
    return _Work(pair=replace(pair, link=decision.link), actions=list(decision.actions))


def _perform(performer: Performer, action: Action, pair: Pair, fresh: Incident | None, seq: int) -> _Ended:
    with made_for(seq):
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


def _after(pair: Pair, outcome: Outcome) -> Pair:
    """Bring a pair up to what an action showed; a record that was adopted is no other any more."""
    link = outcome.link or pair.link
    return replace(
        pair,
        link=link,
        others=tuple(other for other in pair.others if other.sys_id != link.sys_id),
        case=outcome.case or pair.case,
        incident=outcome.incident or pair.incident,
    )


def _chunks(decisions: Sequence[Decision]) -> Iterator[Sequence[Decision]]:
    for start in range(0, len(decisions), LINKS_READ_AT_ONCE):
        yield decisions[start : start + LINKS_READ_AT_ONCE]
