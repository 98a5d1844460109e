"""The journal: actions before and after their writes, cycles, and the requests that left the program.

An action's row is committed before its write and finished after it, so that a crash between the two is seen. Names
of the fields that are sent are kept, their values are not: no request body is stored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from reconciler.core.errors import StoreError
from reconciler.core.model import Action, ActionKind, HttpRecord, Outcome, Result, Stage, Verb
from reconciler.store.codec import Columns, json_text, stage_from, time_from, time_text
from reconciler.store.connection import Database
from reconciler.store.ingest import FIRST_SEEN, Sight, ingest_cases, ingest_incidents, restage
from reconciler.store.links import put_link
from reconciler.store.values import Begun, CycleCounts, Row, StageRules

_ACTION_COLUMNS = (
    "seq, cycle_id, started_at, kind, case_id, case_key, connector, table_name, sys_id, number, "
    "from_stage, to_stage, path, fingerprint"
)
_BEGIN = """INSERT INTO actions (cycle_id, key, attempts, kind, case_id, case_key, connector, table_name, sys_id,
    number, from_stage, to_stage, path, field_names, fingerprint, started_at) VALUES (:cycle_id, :key,
    1 + (SELECT count(*) FROM actions WHERE key = :key), :kind, :case_id, :case_key, :connector, :table, :sys_id,
    :number, :from_stage, :to_stage, :path, :field_names, :fingerprint, :started_at)"""
_FINISH = """UPDATE actions SET result = :result, detail = :detail, finished_at = :finished_at,
    sys_id = coalesce(:sys_id, sys_id), number = coalesce(:number, number) WHERE seq = :seq AND result IS NULL"""
_PUT_REQUEST = """INSERT INTO http (cycle_id, action_seq, system, method, path, status, duration_ms, request_id,
    attempt, sent_at, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_END_KILLED = """UPDATE cycles SET result = 'failed', finished_at = ?,
    refused_because = 'the program ended before the cycle did' WHERE finished_at IS NULL"""
_FINISH_CYCLE = """UPDATE cycles SET result = ?, pulled_cases = ?, pulled_incidents = ?, planned = ?, done = ?,
    failed = ?, refused_because = ?, finished_at = ? WHERE cycle_id = ?"""

_OUR_CASE_EVENTS = frozenset({"status", "resolution_reason", "resolved_by"})
_OUR_INCIDENT_EVENTS = frozenset({"state", "number"})


def action_key(action: Action) -> str:
    """Give a stable name of what an action would do, whenever and from whatever it was decided."""
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
    if outcome.result is not Result.DONE:
        return frozenset()
    if outcome.action.kind is ActionKind.ADVANCE_CASE:
        return _OUR_CASE_EVENTS
    made = {FIRST_SEEN} if outcome.action.kind is ActionKind.CREATE_INCIDENT else set()
    return _OUR_INCIDENT_EVENTS | outcome.action.fields.keys() | made


class Journal:
    """Write down what is about to be done, what came of it, and what each cycle was."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin_action(self, action: Action, *, cycle_id: str, now: datetime) -> int:
        """Commit an action to the journal before its write, and give its number.

        Its link stays marked for planning, so that a crash from here on is planned again.
        """
        row = {
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
        }
        with self._db.transaction() as conn:
            seq = conn.execute(_BEGIN, row).lastrowid
            conn.execute("UPDATE links SET needs_plan = 1 WHERE case_id = ?", (action.case_id,))
        return int(seq or 0)

    def finish_action(
        self, seq: int, outcome: Outcome, *, stage_rules: StageRules, now: datetime, requests: Sequence[HttpRecord] = ()
    ) -> None:
        """Commit what came of an action: its result, both snapshots, the link and the requests, all or none.

        Raises StoreError for an action that was not begun, or is finished already.
        """
        with self._db.transaction() as conn:
            if conn.execute(_FINISH, _finish_row(seq, outcome, now)).rowcount != 1:
                raise StoreError(f"{self._db.path}: action {seq} was not begun, or is finished already")
            cycle_id = conn.execute("SELECT cycle_id FROM actions WHERE seq = ?", (seq,)).fetchone()[0]
            sight = Sight(conn=conn, stage_rules=stage_rules, cycle_id=cycle_id, now=now, ours=_ours(outcome))
            if outcome.link is not None:
                put_link(conn, outcome.link, now)
            # A Case in an outcome was asked for by its id: it is news even where the service's clock was set back.
            ingest_cases(replace(sight, read_now=True), () if outcome.case is None else (outcome.case,))
            ingest_incidents(sight, () if outcome.incident is None else (outcome.incident,))
            restage(conn, stage_rules, [outcome.action.case_id])
            conn.executemany(_PUT_REQUEST, [_request_row(each, cycle_id, seq) for each in requests])

    def unfinished_actions(self) -> tuple[Begun, ...]:
        """Give the actions that were begun and never finished, oldest first."""
        rows = self._db.named(f"SELECT {_ACTION_COLUMNS} FROM actions WHERE result IS NULL ORDER BY seq")  # noqa: S608
        return tuple(_begun(row) for row in rows)

    def record_requests(self, rows: Iterable[HttpRecord], cycle_id: str) -> None:
        """Commit requests that belong to no action, or name theirs."""
        ready = [_request_row(each, cycle_id, each.action_seq) for each in rows]
        if ready:
            with self._db.transaction() as conn:
                conn.executemany(_PUT_REQUEST, ready)

    def begin_cycle(self, cycle_id: str, *, kind: str, now: datetime, config_hash: str, program_version: str) -> None:
        """Commit that a cycle began, and that one which never ended did fail: one process at a time runs cycles."""
        with self._db.transaction() as conn:
            conn.execute(_END_KILLED, (time_text(now),))
            conn.execute(
                "INSERT INTO cycles (cycle_id, kind, started_at, config_hash, program_version) VALUES (?, ?, ?, ?, ?)",
                (cycle_id, kind, time_text(now), config_hash, program_version),
            )

    def finish_cycle(
        self, cycle_id: str, *, result: str, counts: CycleCounts, refused_because: str | None = None, now: datetime
    ) -> None:
        """Commit how a cycle ended; raise StoreError for one that was not begun."""
        numbers = (counts.pulled_cases, counts.pulled_incidents, counts.planned, counts.done, counts.failed)
        with self._db.transaction() as conn:
            row = (result, *numbers, refused_because, time_text(now), cycle_id)
            if conn.execute(_FINISH_CYCLE, row).rowcount != 1:
                raise StoreError(f"{self._db.path}: cycle {cycle_id} was not begun")

    def last_cycles(self, n: int) -> tuple[Row, ...]:
        """Give the last ``n`` cycles as rows of ``audit_cycles``, newest first."""
        return self._db.named(
            "SELECT v.* FROM audit_cycles v JOIN cycles c USING (cycle_id) ORDER BY c.seq DESC LIMIT ?", (n,)
        )

    def config_hash(self) -> str | None:
        """Give the config hash of the last cycle that was begun, None before the first."""
        value = self._db.value("SELECT config_hash FROM cycles ORDER BY seq DESC LIMIT 1")
        return None if value is None else str(value)


def _finish_row(seq: int, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """Name the record as it is now known: an instance may not honour the id that was chosen."""
    incident = outcome.incident
    return {
        "seq": seq,
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
    )


def _begun(row: Columns) -> Begun:
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
        fingerprint=row["fingerprint"],
    )
    return Begun(seq=row["seq"], cycle_id=row["cycle_id"], started_at=time_from(row["started_at"]), action=action)
