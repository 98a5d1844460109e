"""The journal: actions before and after their writes, cycles, requests, and what people did.

An action's row is committed before its write and finished after it, so that a crash between the two is seen. One that
writes nothing to a service has its row with its outcome.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from reconciler.core.copies import replace
from reconciler.core.errors import StoreError
from reconciler.core.model import Action, ActionKind, HttpRecord, Incident, Link, Outcome, Result, Stage, System, Verb
from reconciler.store.changes import FIRST_SEEN, TOUCHED
from reconciler.store.cycles import (
    OBSERVE,
    EndedCycle,
    begin,
    begun,
    count_again,
    end_killed,
    find_twin,
    is_quiet,
    put_cycle,
)
from reconciler.store.database.codec import Columns, incident_from, json_text, stage_from, time_from, time_text
from reconciler.store.database.connection import Database
from reconciler.store.database.views import CYCLE_COLUMNS, RUNNING_CYCLE
from reconciler.store.ingest import IngestContext, ingest_cases, ingest_incidents, restage
from reconciler.store.links import (
    PLAN_AGAIN,
    RECORD_SNAPSHOT,
    put_adoptions,
    put_decisions,
    put_links,
    put_placed_links,
    record_key,
)
from reconciler.store.values import (
    Adoption,
    CycleCounts,
    Decided,
    FinishedAction,
    OperatorAction,
    Row,
    StageRules,
    UnfinishedAction,
)

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

_ACTION_COLUMNS = (
    "seq, cycle_id, started_at, kind, case_id, case_key, connector, table_name, sys_id, number, "
    "from_stage, to_stage, path, fingerprint, field_names"
)
_OF_A_STEP = "'status', 'state', 'assigned_to', 'first_seen'"
"""The events by which a side moves on the scale."""
_CAUSE = """SELECT max(seq) FROM notifications WHERE case_id = :case_id AND source = :cause
    AND actor IS NOT 'reconciler' AND event_id IS NULL"""
# One look at a resolved record sees its close notes, too: of a step, the change that moved the other side is named.
_BEGIN = f"""INSERT INTO actions (cycle_id, key, attempts, kind, case_id, case_key, connector, table_name, sys_id,
    number, from_stage, to_stage, path, field_names, fingerprint, started_at, sent, cause_seq, result, detail,
    finished_at) VALUES (:cycle_id, :key,
    1 + (SELECT count(*) FROM actions WHERE key = :key), :kind, :case_id, :case_key, :connector, :table, :sys_id,
    :number, :from_stage, :to_stage, :path, :field_names, :fingerprint, :started_at, :sent,
    coalesce(({_CAUSE} AND :is_step AND event IN ({_OF_A_STEP})), ({_CAUSE})),
    :result, :detail, :finished_at)"""  # noqa: S608 - our own constants
_NOT_FINISHED = {"result": None, "detail": None, "finished_at": None}
# The record is named as it is now: an instance may have replaced the sys_id that we chose.
_FINISH = """UPDATE actions SET result = :result, detail = :detail, finished_at = :finished_at,
    sys_id = coalesce(:sys_id, sys_id), number = coalesce(:number, number) WHERE seq = :seq AND result IS NULL
    RETURNING cycle_id"""
_PUT_VALUE = "INSERT INTO written_values (action_seq, field, old_value, new_value) VALUES (?, ?, ?, ?)"
_VALUES_SENT = "SELECT field, new_value FROM written_values WHERE action_seq = ?"
_KEEP_VALUE = "UPDATE written_values SET kept_value = ? WHERE action_seq = ? AND field = ? AND kept_value IS NULL"
_HASHED = "sha256:"
"""What a value begins with of which only the hash is kept."""
_PUT_REQUEST = """INSERT INTO http (cycle_id, action_seq, system, method, path, status, duration_ms, request_id,
    attempt, sent_at, body, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_PUT_PERSON = "INSERT INTO people (at, what, os_user, host, arguments, detail) VALUES (?, ?, ?, ?, ?, ?)"
_WHOLE_READS = """SELECT s.value, max(c.at)
    FROM (SELECT sides, coalesce(last_at, finished_at) AS at FROM cycles ORDER BY seq DESC LIMIT 2000) c,
    json_each(c.sides) s
    WHERE c.at <= ? GROUP BY s.value"""
_CLOCKS_AGREE_WITHIN = timedelta(minutes=1)

_STEPS = frozenset({ActionKind.ADVANCE_CASE, ActionKind.ADVANCE_INCIDENT})
_OUR_CASE_EVENTS = frozenset({"status", "resolution_reason", "resolved_by"})
_OUR_INCIDENT_EVENTS = frozenset({"state", "number", TOUCHED})


def action_key(action: Action) -> str:
    """Return a stable name of what an action would do, whenever and from whatever it was decided."""
    what = [
        action.kind,
        action.case_id,
        action.connector,
        action.table,
        action.sys_id,
        action.from_stage,
        action.to_stage,
        action.path,
        action.fields,
    ]
    return hashlib.sha256(json_text(what).encode()).hexdigest()[:32]


def _ours(outcome: Outcome) -> frozenset[str]:
    """Name the events in an outcome's snapshots that the action itself caused."""
    if outcome.result is not Result.DONE or outcome.action.kind is ActionKind.ADOPT_INCIDENT:
        return frozenset()  # nothing was written
    if outcome.action.kind is ActionKind.ADVANCE_CASE:
        return _OUR_CASE_EVENTS
    made = {FIRST_SEEN} if outcome.action.kind is ActionKind.CREATE_INCIDENT else set()
    return _OUR_INCIDENT_EVENTS.union(outcome.action.fields, made)


class Journal:
    """Record actions before and after their writes, each cycle, each request, and what people did."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # -- actions -----------------------------------------------------------------------------------------------------

    def begin_actions(
        self,
        actions: Sequence[Action],
        *,
        cycle_id: str,
        now: datetime,
        hides_values: bool = False,
        decided: Sequence[Decided] = (),
        intended: Sequence[HttpRecord] = (),
    ) -> list[int]:
        """Commit actions to the journal before their writes, all in one transaction, and return their numbers.

        Their links stay marked for planning, so that after a crash they are planned again. With ``hides_values`` only
        a hash is kept of each value that is sent. ``decided`` is what was decided about their links, and ``intended``
        the request of each that is about to leave: stored with them, so that a kill leaves no less and no more.
        """
        with self._db.transaction() as conn:
            put_decisions(self._db, decided, now)
            seqs = []
            for action, sent in zip_longest(actions, intended):
                row = {"sent": f"{sent.method} {sent.path}" if sent else "", **_NOT_FINISHED}
                seq = int(conn.execute(_BEGIN, _action_row(action, cycle_id, now) | row).lastrowid or 0)
                conn.executemany(_PUT_VALUE, _values_sent(conn, action, seq, hides_values=hides_values))
                seqs.append(seq)
            conn.executemany(PLAN_AGAIN, [(action.case_id,) for action in actions])
        return seqs

    def finish_actions(
        self,
        ended: Sequence[FinishedAction],
        *,
        stage_rules: StageRules,
        now: datetime,
        hides_values: bool = False,
        follows: frozenset[System] = frozenset(),
    ) -> None:
        """Commit what came of actions: results, snapshots, links and requests, all or none.

        What they changed at one of the services in ``follows`` is then due, as in ``Snapshots.remember``. Raises
        StoreError for an action that was not begun, or is finished already.
        """
        with self._db.transaction() as conn:
            begun_in = {one.seq: self._finish(conn, one, now) for one in ended}
            _put_links_of(conn, [one.outcome for one in ended], stage_rules, now)
            # What an outcome shows was read by its id, or answered our own write: it is news, whatever its times say.
            context = IngestContext(
                conn=conn, stage_rules=stage_rules, cycle_id="", now=now, read_now=True, follows=follows
            )
            seen_alike: dict[tuple[str, frozenset[str]], list[Outcome]] = defaultdict(list)
            for one in ended:
                seen_alike[begun_in[one.seq], _ours(one.outcome)].append(one.outcome)
            for (cycle_id, ours), outcomes in seen_alike.items():
                seen_in = replace(context, cycle_id=cycle_id, ours=ours)
                ingest_cases(seen_in, [each.case for each in outcomes if each.case])
                ingest_incidents(seen_in, [each.incident for each in outcomes if each.incident])
            kept = (row for one in ended for row in _values_kept(one.outcome, one.seq, hides_values=hides_values))
            conn.executemany(_KEEP_VALUE, kept)
            sent = (_request_row(each, begun_in[one.seq], one.seq) for one in ended for each in one.requests)
            conn.executemany(_PUT_REQUEST, sent)

    def record_adoptions(
        self,
        adoptions: Sequence[Adoption],
        *,
        cycle_id: str,
        stage_rules: StageRules,
        now: datetime,
        follows: frozenset[System] = frozenset(),
    ) -> None:
        """Commit actions that send nothing from decision to outcome: no kill leaves one in doubt, so none is begun."""
        outcomes = [one.outcome for one in adoptions]
        held = [one for one in adoptions if one.outcome.result is not Result.DONE]
        with self._db.transaction() as conn:
            conn.executemany(_BEGIN, [_adoption_row(each, cycle_id, now) for each in outcomes])
            put_adoptions(self._db, _bound(adoptions, stage_rules), now)
            put_decisions(self._db, [one.decided for one in held], now)
            _put_links_of(conn, [one.outcome for one in held], stage_rules, now)
            context = IngestContext(
                conn=conn, stage_rules=stage_rules, cycle_id=cycle_id, now=now, read_now=True, follows=follows
            )
            ingest_incidents(context, [each.incident for each in outcomes if each.incident])

    def _finish(self, conn: sqlite3.Connection, ended: FinishedAction, now: datetime) -> str:
        """Store the result of one action, and return the cycle in which it was begun."""
        begun_in = conn.execute(_FINISH, {"seq": ended.seq} | _finish_row(ended.outcome, now)).fetchall()
        if not begun_in:
            raise StoreError(f"{self._db.path}: action {ended.seq} was not begun, or is finished already")
        return str(begun_in[0][0])

    def unfinished_actions(self) -> tuple[UnfinishedAction, ...]:
        """Return the actions that were begun and never finished, oldest first."""
        rows = self._db.named(f"SELECT {_ACTION_COLUMNS} FROM actions WHERE result IS NULL ORDER BY seq")  # noqa: S608
        return tuple(_begun(row, dict(self._db.read(_VALUES_SENT, (row["seq"],)))) for row in rows)

    def record_requests(self, rows: Iterable[HttpRecord], cycle_id: str) -> None:
        """Commit requests that belong to no action, or name theirs."""
        ready = [_request_row(each, cycle_id, each.action_seq) for each in rows]
        if ready:
            with self._db.transaction() as conn:
                conn.executemany(_PUT_REQUEST, ready)

    # -- cycles ------------------------------------------------------------------------------------------------------

    def begin_cycle(
        self,
        cycle_id: str,
        *,
        kind: str,
        now: datetime,
        config_hash: str,
        program_version: str,
        observes: bool = False,
    ) -> None:
        """Commit that a cycle began, and that one which never ended did fail: one process at a time runs cycles."""
        with self._db.transaction() as conn:
            end_killed(conn, now)
            if conn.execute("SELECT 1 FROM cycles WHERE cycle_id = ?", (cycle_id,)).fetchone():
                raise StoreError(f"{self._db.path}: cycle {cycle_id} was begun before")
            mode = OBSERVE if observes else None
            begin(conn, (cycle_id, kind, time_text(now), config_hash, program_version, mode))

    def finish_cycle(
        self,
        cycle_id: str,
        *,
        result: str,
        counts: CycleCounts,
        sides: Iterable[str] = (),
        requests: Iterable[HttpRecord] = (),
        refused_because: str | None = None,
        now: datetime,
    ) -> None:
        """Commit how a cycle ended and which sides it read whole; raise StoreError for one that was not begun.

        A cycle in which nothing happened, like one before with nothing in between, adds to that one's counter.
        """
        sent = tuple(requests)
        with self._db.transaction() as conn:
            running = begun(conn)
            if running is None or running["cycle_id"] != cycle_id:
                raise StoreError(f"{self._db.path}: cycle {cycle_id} was not begun, or is finished already")
            ended = EndedCycle(
                running=running,
                result=result,
                counts=counts,
                sides=json_text(sorted(sides)),
                refused_because=refused_because,
                ended_at=time_text(now),
            )
            twin = find_twin(conn, ended, sent) if is_quiet(conn, ended) else None
            if twin is not None:
                count_again(conn, twin, cycle_id, ended.ended_at)
                return
            conn.executemany(_PUT_REQUEST, [_request_row(each, cycle_id, each.action_seq) for each in sent])
            put_cycle(conn, ended)

    def last_cycles(self, n: int) -> tuple[Row, ...]:
        """Return the last ``n`` cycles as rows of ``audit_cycles``, newest first."""
        running = self._db.named(f"SELECT {CYCLE_COLUMNS} FROM ({RUNNING_CYCLE})")  # noqa: S608 - our own constants
        ended = self._db.named(f"SELECT {CYCLE_COLUMNS} FROM cycles ORDER BY seq DESC LIMIT ?", (n,))  # noqa: S608
        return (*running, *ended)[:n]

    def last_whole_reads(self, now: datetime) -> Mapping[str, datetime]:
        """Return when each side was last read whole, as far as the last 2,000 cycles that are told apart say.

        A time ahead of ``now`` by more than a minute is of a clock that was set back, and no news of the present.
        """
        rows = self._db.read(_WHOLE_READS, (time_text(now + _CLOCKS_AGREE_WITHIN),))
        return {side: time_from(at) for side, at in rows}

    def config_hash(self) -> str | None:
        """Return the config hash of the last cycle that was begun, None before the first."""
        value = self._db.value("SELECT config_hash FROM running") or self._db.value(
            "SELECT config_hash FROM cycles ORDER BY seq DESC LIMIT 1"
        )
        return None if value is None else str(value)

    # -- people ------------------------------------------------------------------------------------------------------

    def note_person(self, deed: OperatorAction, now: datetime) -> None:
        """Record what a person did with the program."""
        row = (time_text(now), deed.what, deed.os_user, deed.host, deed.arguments, deed.detail or None)
        with self._db.transaction() as conn:
            conn.execute(_PUT_PERSON, row)

    def note_config(self, config_hash: str, text: str, now: datetime) -> None:
        """Keep the text of a config that takes effect; the same text is kept once."""
        if self._db.value("SELECT 1 FROM configs WHERE config_hash = ?", (config_hash,)) is None:
            with self._db.transaction() as conn:
                conn.execute("INSERT OR IGNORE INTO configs VALUES (?, ?, ?)", (config_hash, time_text(now), text))


def _action_row(action: Action, cycle_id: str, now: datetime) -> dict[str, Any]:
    writes_case, is_step = action.kind is ActionKind.ADVANCE_CASE, action.kind in _STEPS
    return {
        "cycle_id": cycle_id,
        "key": action_key(action),
        "kind": action.kind,
        "case_id": action.case_id,
        "case_key": action.case_key,
        "connector": action.connector,
        "table": action.table,
        "sys_id": action.sys_id,
        "number": action.number,
        "from_stage": action.from_stage,
        "to_stage": action.to_stage,
        "path": json_text(action.path),
        "field_names": json_text(sorted(action.fields)),
        "fingerprint": action.fingerprint,
        "started_at": time_text(now),
        "cause": System.SERVICENOW if writes_case else System.CORALOGIX,
        "is_step": is_step,
    }


def _values_sent(
    conn: sqlite3.Connection, action: Action, seq: int, *, hides_values: bool
) -> Iterator[tuple[int, str, str | None, str | None]]:
    """List the fields that an action sends, with what the record is remembered to have in them."""
    if not action.fields:
        return
    found = conn.execute(RECORD_SNAPSHOT, (action.sys_id, action.table, action.connector)).fetchone()
    record = incident_from(found[0]) if found else None
    for name, value in sorted(action.fields.items()):
        before = None if record is None else value_of(record, name)
        yield seq, name, _shown(before, hides_values), _shown(value, hides_values)


def _bound(adoptions: Iterable[Adoption], stage_rules: StageRules) -> Iterator[tuple[Decided, Stage | None]]:
    """List the links that were bound to a record, each with the stage at which that stands."""
    for one in adoptions:
        link, record = one.outcome.link, one.outcome.incident
        if one.outcome.result is Result.DONE and link and record:
            yield replace(one.decided, link=link, needs_plan=True), stage_rules.incident_stage(link, record)


def _put_links_of(
    conn: sqlite3.Connection, outcomes: Sequence[Outcome], stage_rules: StageRules, now: datetime
) -> None:
    """Store the links that actions changed, each placed by its record as it was seen, or else as it is remembered."""
    placed: list[tuple[Link, Stage | None]] = []
    others: list[Link] = []
    for link, record in ((each.link, each.incident) for each in outcomes):
        if link and record and record_key(record) == record_key(link):
            placed.append((link, stage_rules.incident_stage(link, record)))
        elif link:
            others.append(link)
    put_placed_links(conn, placed, now)
    put_links(conn, others, now)
    restage(conn, stage_rules, [link.case_id for link in others], now)


def _values_kept(outcome: Outcome, seq: int, *, hides_values: bool) -> Iterator[tuple[str | None, int, str]]:
    """List what the service shows in the fields that an action sent, once it was read."""
    if outcome.incident is not None:
        for name in sorted(outcome.action.fields):
            yield _shown(value_of(outcome.incident, name), hides_values), seq, name


def value_of(record: Incident, name: str) -> str | None:
    """Return a record's value by the name of its column; None for one that was not read."""
    columns = {"state": record.state, "assigned_to": record.assigned_to, "number": record.number}
    own = {"correlation_id": record.correlation_id, "correlation_display": record.correlation_display}
    return record.fields.get(name, (columns | own).get(name))


def _shown(value: str | None, hides_values: bool) -> str | None:
    if value is None or not hides_values:
        return value
    return f"{_HASHED}{hashlib.sha256(value.encode()).hexdigest()}"


def _adoption_row(outcome: Outcome, cycle_id: str, now: datetime) -> dict[str, Any]:
    return {**_finish_row(outcome, now), **_action_row(outcome.action, cycle_id, now), "sent": ""}


def _finish_row(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Return the columns of a finished action; the record is as it was seen, and None where it was not."""
    incident = outcome.incident
    return {
        "result": outcome.result,
        "detail": outcome.detail,
        "finished_at": time_text(now),
        "sys_id": None if incident is None else incident.sys_id,
        "number": None if incident is None else incident.number,
    }


def _request_row(record: HttpRecord, cycle_id: str, action_seq: int | None) -> tuple[str | int | None, ...]:
    return (
        cycle_id,
        action_seq,
        record.system,
        record.method,
        record.path,
        record.status,
        record.duration_ms,
        record.request_id,
        record.attempt,
        time_text(record.sent_at),
        record.body or None,
        record.outcome or None,
    )


def _begun(row: Columns, sent: Mapping[str, str]) -> UnfinishedAction:
    is_hidden = any(value.startswith(_HASHED) for value in sent.values())
    action = Action(
        kind=ActionKind(row["kind"]),
        case_id=row["case_id"],
        case_key=row["case_key"],
        connector=row["connector"],
        table=row["table_name"],
        sys_id=row["sys_id"],
        number=row["number"],
        from_stage=stage_from(row["from_stage"]),
        to_stage=Stage(row["to_stage"]),
        path=tuple(Verb(verb) for verb in json.loads(row["path"])),
        fields={} if is_hidden else sent,
        fingerprint=row["fingerprint"],
    )
    return UnfinishedAction(
        seq=row["seq"],
        cycle_id=row["cycle_id"],
        started_at=time_from(row["started_at"]),
        action=action,
        field_names=frozenset(json.loads(row["field_names"])),
    )
