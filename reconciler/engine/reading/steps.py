"""What the services themselves wrote down about each step, read after the writes of a cycle, which it must not delay.

Rules of this file: nothing here writes to a service; what cannot be read fails nothing else, is told, and is read at
the next chance; a side that gives nothing is left alone for a while; what is not read within ``LONGEST_READING`` waits
for the next cycle, and a cycle of many writes reads only what has waited for ``LONGEST_WAIT``; a cycle in which nothing
changed asks nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from reconciler.core.batches import batches
from reconciler.core.errors import Malformed, Missing, Rejected, RemoteError
from reconciler.core.model import System
from reconciler.core.told import differences, told_of_case, told_of_record
from reconciler.engine.context import Context
from reconciler.remotes.ports import IDS_A_REQUEST, CaseEventClient, CaseEvents, RecordHistory, RecordHistoryClient
from reconciler.store.steps import Answered, Due
from reconciler.store.values import Pulled

log = logging.getLogger(__name__)

LONGEST_READING = timedelta(seconds=10)
"""The steps hold up the next cycle for no longer; at a usual pace that is room for a thousand Cases."""
MANY_WRITES = 40
"""A cycle of more writes leaves what is to be read to the next ones ..."""
LONGEST_WAIT = timedelta(minutes=5)
"""... but for what has waited as long as this."""
MOST_IN_A_CYCLE = 5000
READ_AT_ONCE = 40
LONGEST_PAUSE_MINUTES = 60
REFUSAL_BELIEVED_FOR = timedelta(days=1)
"""A right that a user does not have is not asked for again sooner."""


def read_steps(context: Context, *, writes: int) -> None:
    """Read what the services tell of everything that changed, as much as there is time for after so many writes."""
    now = context.clock()
    ends_at, since = now + LONGEST_READING, now - LONGEST_WAIT if writes > MANY_WRITES else None
    if context.events is not None:
        _read_cases(context, context.events, ends_at, since)
    for connector, client in context.histories.items():
        _read_records(context, connector, client, ends_at, since)


# -- Cases -----------------------------------------------------------------------------------------------------------


def _read_cases(context: Context, client: CaseEventClient, ends_at: datetime, since: datetime | None) -> None:
    store, name = context.store.steps, System.CORALOGIX.value
    store.drop_never_ours()
    if _is_paused(context, name):
        return
    due = store.due(System.CORALOGIX, context.clock(), MOST_IN_A_CYCLE, since=since)
    workers = context.settings.workers_of.get(name, context.settings.workers)
    for batch in batches(due, READ_AT_ONCE):
        if context.should_stop() or context.clock() >= ends_at:
            return
        with ThreadPoolExecutor(max_workers=min(workers, len(batch))) as pool:
            read = dict(zip(batch, pool.map(partial(_events, client), batch), strict=True))
        _keep_cases(context, {one: found for one, found in read.items() if isinstance(found, CaseEvents)})
        failed = {one: found for one, found in read.items() if isinstance(found, RemoteError)}
        if not _goes_on(context, name, failed, len(batch)):
            return


def _events(client: CaseEventClient, due: Due) -> CaseEvents | RemoteError:
    try:
        return client.events(due.id)
    except Missing:
        return CaseEvents(events=())  # it is gone, and with it what it told
    except RemoteError as error:
        return error


def _keep_cases(context: Context, read: Mapping[Due, CaseEvents]) -> None:
    answers = []
    for due, found in read.items():
        case = context.store.steps.case(due.id)
        known = context.store.steps.known(due.id, System.CORALOGIX) if found.events else frozenset()
        told = told_of_case(found.events, known, is_whole=not found.malformed)
        differs = differences(case, found.events) if case else ()
        answers.append(Answered(due=due, case_id=due.id, told=told, differences=differs))
    context.store.steps.keep(answers, cycle_id=context.cycle_id, now=context.clock())
    malformed = [_by_case(each) for found in read.values() for each in found.malformed]
    if malformed:
        context.remember(Pulled(system=System.CORALOGIX, malformed=tuple(malformed)))
        log.warning("events of Cases were not understood", extra={"events": len(malformed), "first": str(malformed[0])})


def _by_case(error: Malformed) -> Malformed:
    """Keep an event that was not understood apart from its Case, which may be understood."""
    return Malformed(str(error), record_id=f"events of {error.record_id}", raw=error.raw)


# -- records ---------------------------------------------------------------------------------------------------------


def _read_records(
    context: Context, connector: str, client: RecordHistoryClient, ends_at: datetime, since: datetime | None
) -> None:
    store = context.store.steps
    due = store.due(System.SERVICENOW, context.clock(), MOST_IN_A_CYCLE, connector=connector, since=since)
    if due and _is_refused(context, connector):
        store.forget(due)
        return
    if _is_paused(context, connector):
        return
    for table, here in _by_table(due):
        if context.should_stop() or context.clock() >= ends_at:
            return
        try:
            history = client.history(table, [one.id for one in here])
        except Rejected as error:
            _refuse(context, connector, str(error))
            store.forget(here)
            return
        except RemoteError as error:
            _goes_on(context, connector, dict.fromkeys(here, error), len(here))
            return
        if history.hidden:
            _refuse(context, connector, f"{history.hidden} rows of {table} in sys_audit are hidden from this user")
        _keep_records(context, here, history)
        _goes_on(context, connector, {}, len(here))


def _by_table(due: Sequence[Due]) -> Iterator[tuple[str, Sequence[Due]]]:
    """Yield the records of each table in batches that one request holds."""
    for table in sorted({one.table for one in due}):
        here = [one for one in due if one.table == table]
        yield from ((table, batch) for batch in batches(here, IDS_A_REQUEST))


def _keep_records(context: Context, due: Sequence[Due], history: RecordHistory) -> None:
    store, place = context.store.steps, context.policies.incident_stage
    answers = []
    for one in due:
        found = store.record(one)
        changes = history.changes.get(one.id.lower(), ())
        if found is None:
            continue
        record, link = found
        known = store.known(link.case_id, System.SERVICENOW)
        told = told_of_record(record, changes, partial(place, link))
        news = tuple(step for step in told if step.known not in known)
        answers.append(Answered(due=one, case_id=link.case_id, sys_id=record.sys_id, told=news))
    store.keep(answers, cycle_id=context.cycle_id, now=context.clock())
    store.forget(sorted({*due} - {answer.due for answer in answers}, key=lambda one: one.id))


def _is_refused(context: Context, connector: str) -> bool:
    at = context.store.facts.get(_refused_fact(connector))
    return at is not None and context.clock() - datetime.fromisoformat(at) < REFUSAL_BELIEVED_FOR


def _refuse(context: Context, connector: str, why: str) -> None:
    """Log once that a user may not read ``sys_audit``, and believe it for a while."""
    is_told = context.store.facts.get(_refused_fact(connector)) is not None
    context.store.facts.put(_refused_fact(connector), context.clock().isoformat())
    if not is_told:
        log.warning("who changed records is not told", extra={"connector": connector, "because": why})


def _refused_fact(connector: str) -> str:
    return f"history_refused.{connector}"


# -- what goes wrong -------------------------------------------------------------------------------------------------


def _goes_on(context: Context, side: str, failed: Mapping[Due, RemoteError], asked: int) -> bool:
    """Put off what could not be read, and say whether to go on; a side that gave nothing gets a pause."""
    if not failed:
        if context.store.facts.get(_pause_fact(side)):
            context.store.facts.put(_pause_fact(side), "")
        return True
    because = str(next(iter(failed.values())))
    log.warning("steps could not be read", extra={"side": side, "count": len(failed), "because": because})
    if len(failed) == asked:
        _pause(context, side)
        return False
    for due, error in failed.items():
        case_id = due.id if due.source is System.CORALOGIX else ""
        context.store.steps.put_off(due, str(error), case_id=case_id, cycle_id=context.cycle_id, now=context.clock())
    return True


def _pause(context: Context, side: str) -> None:
    times = int((context.store.facts.get(_pause_fact(side)) or "0 ").split(" ")[0]) + 1
    until = context.clock() + timedelta(minutes=min(2 ** (times - 1), LONGEST_PAUSE_MINUTES))
    context.store.facts.put(_pause_fact(side), f"{times} {until.isoformat()}")


def _is_paused(context: Context, side: str) -> bool:
    """Return whether a side is left alone: it gave nothing lately, or complained in this cycle."""
    if context.sides()[side].is_troubled:
        return True
    pause = context.store.facts.get(_pause_fact(side))
    return bool(pause) and context.clock() < datetime.fromisoformat(str(pause).split(" ")[1])


def _pause_fact(side: str) -> str:
    return f"steps_paused.{side}"
