"""Ingest what a pull saw into the snapshots, inside a transaction that the caller holds.

A snapshot is written only where it really changed, never by an older one, and each change leaves one notification.
Peaks only rise, by an older version of a record, too. A link whose sides changed is marked for planning. A snapshot
that an older version of the program wrote in another form is rewritten when it is next seen, without a notification.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from reconciler.core.batches import batches
from reconciler.core.frozen import dataclass
from reconciler.core.lifecycle import STATE_WORDS, as_known, shows_activity
from reconciler.core.model import Case, Incident, Link, Pair, Stage, System
from reconciler.store.changes import (
    RECONCILER,
    Change,
    Notification,
    case_changes,
    incident_changes,
    put_notifications,
)
from reconciler.store.database.codec import (
    Thing,
    case_from,
    incident_from,
    optional_text,
    read_or_none,
    snapshot_text,
    time_text,
)
from reconciler.store.links import CHUNK, PLAN_AGAIN, links_of_records, read_pairs, record_key
from reconciler.store.values import RecordKey, SideCounts, StageRules, is_far_ahead

if TYPE_CHECKING:
    from reconciler.store.database.connection import sqlite3

Key = TypeVar("Key", str, RecordKey)
_KNOWN_CASES = "SELECT c.case_id, c.snapshot FROM json_each(?) j JOIN cases c ON c.case_id = j.value"
_KNOWN_INCIDENTS = """SELECT i.sys_id, i.table_name, i.connector, i.snapshot FROM json_each(?) j
    JOIN incidents i ON i.sys_id = j.value"""
_PUT_CASE = """INSERT INTO cases (case_id, case_key, status, updated_at, snapshot, changed_at)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (case_id) DO UPDATE SET case_key = excluded.case_key,
    status = excluded.status, updated_at = excluded.updated_at, snapshot = excluded.snapshot,
    changed_at = excluded.changed_at"""
_PUT_INCIDENT = """INSERT INTO incidents
    (sys_id, table_name, connector, number, state, case_id, updated_at, snapshot, changed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (sys_id, table_name, connector) DO UPDATE SET
    number = excluded.number, state = excluded.state, case_id = excluded.case_id,
    updated_at = excluded.updated_at, snapshot = excluded.snapshot, changed_at = excluded.changed_at"""
# The lowest stage of a Case without a stage (it waits for activation) counts as 1, open.
_PUT_CASE_ON_LINK = """INSERT INTO links
    (case_id, first_seen_at, changed_at, case_stage, case_peak, was_active, case_low, out_of_step_since)
    VALUES (:case_id, :now, :now, :stage, :stage, :was_active, coalesce(:stage, 1),
        CASE WHEN :stage IS NOT NULL THEN :now END)
    ON CONFLICT (case_id) DO UPDATE SET changed_at = excluded.changed_at, case_stage = excluded.case_stage,
    case_peak = nullif(max(coalesce(case_peak, 0), coalesce(excluded.case_peak, 0)), 0),
    was_active = max(was_active, excluded.was_active),
    case_low = min(coalesce(case_low, excluded.case_low), excluded.case_low), needs_plan = 1,
    out_of_step_since = CASE WHEN excluded.case_stage IS incident_stage THEN NULL
        ELSE coalesce(out_of_step_since, excluded.changed_at) END"""
_PUT_INCIDENT_ON_LINK = """UPDATE links SET incident_stage = :stage,
    incident_peak = nullif(max(coalesce(incident_peak, 0), coalesce(:stage, 0), :was_at), 0),
    number = :number, changed_at = :now, needs_plan = 1,
    out_of_step_since = CASE WHEN case_stage IS :stage THEN NULL ELSE coalesce(out_of_step_since, :now) END
    WHERE case_id = :case_id"""
_RAISE_INCIDENT_PEAK = """UPDATE links SET incident_peak = :stage WHERE case_id = :case_id
    AND coalesce(incident_peak, 0) < :stage"""
_PUT_STAGES = """UPDATE links SET case_stage = :case_stage, incident_stage = :incident_stage,
    case_peak = nullif(max(coalesce(case_peak, 0), coalesce(:case_stage, 0)), 0),
    incident_peak = nullif(max(coalesce(incident_peak, 0), coalesce(:incident_stage, 0)), 0),
    out_of_step_since = CASE WHEN :case_stage IS :incident_stage THEN NULL ELSE coalesce(out_of_step_since, :now) END
    WHERE case_id = :case_id"""
_STEPS_DUE = """INSERT INTO steps_due (source, connector, table_name, id, since, is_new) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET tries = 0, next_at = '', doubt = '', is_new = min(is_new, excluded.is_new)"""
_REWRITE_CASE = "UPDATE cases SET snapshot = ? WHERE case_id = ?"
_REWRITE_INCIDENT = "UPDATE incidents SET snapshot = ? WHERE sys_id = ? AND table_name = ? AND connector = ?"


@dataclass(frozen=True, kw_only=True)
class IngestContext:
    """What is the same for everything ingested in one call: connection, rules, cycle and time."""

    conn: sqlite3.Connection
    stage_rules: StageRules
    cycle_id: str
    now: datetime
    ours: frozenset[str] = frozenset()
    """the events that this program caused itself; their actor is ``reconciler``"""
    read_now: bool = False
    """read one by one just now, and so newer than what is remembered, whatever their times say"""
    follows: frozenset[System] = frozenset()
    """the services whose own history of changes is read"""


@dataclass(frozen=True, kw_only=True)
class Ingested(Generic[Key]):
    """What came of the Cases or records of one pull."""

    counts: SideCounts
    notifications: int
    stale: tuple[Key, ...]
    """the keys of what was older than what is remembered, and was left out"""


class Novelty(Enum):
    """How something that was seen compares with what is remembered of it."""

    SAME = auto()
    OTHER_FORM = auto()
    """the same, but an older version of the program wrote it in another form"""
    STALE = auto()
    """older than what is remembered, and left out"""
    NEW = auto()
    CHANGED = auto()


_NEWS = frozenset({Novelty.NEW, Novelty.CHANGED})


class _Seen(NamedTuple, Generic[Key, Thing]):
    novelty: Novelty
    key: Key
    before: Thing | None
    after: Thing
    text: str


# -- the two sides ---------------------------------------------------------------------------------------------------


def ingest_cases(context: IngestContext, cases: Iterable[Case]) -> Ingested[str]:
    """Ingest Cases in the order of their own times, so that notifications tell the story forwards."""
    ordered = sorted(cases, key=lambda case: case.updated_at or case.created_at)
    seen: list[_Seen[str, Case]] = []
    for chunk in batches(ordered, CHUNK):
        known = dict(context.conn.execute(_KNOWN_CASES, [json.dumps([each.id for each in chunk])]))
        is_older = _never if context.read_now else case_is_older
        here = list(_compared([(each.id, each) for each in chunk], known, case_from, is_older, as_known))
        _put_cases(context, [each for each in here if each.novelty in _NEWS])
        context.conn.executemany(
            _REWRITE_CASE, [(each.text, each.key) for each in here if each.novelty is Novelty.OTHER_FORM]
        )
        seen += here
    _end_case_absences(context.conn, {case.id for case in ordered})
    _follow(context, System.CORALOGIX, [(("", "", each.key), each.novelty) for each in seen])
    notes = [note for each in seen if each.novelty in _NEWS for note in _case_notes(context, each)]
    return _ingested(context, seen, notes)


def ingest_incidents(context: IngestContext, incidents: Iterable[Incident]) -> Ingested[RecordKey]:
    """Ingest records in the order of their own times."""
    ordered = sorted(incidents, key=lambda incident: (incident.updated_at, incident.mod_count))
    seen: list[_Seen[RecordKey, Incident]] = []
    notes: list[Notification] = []
    for chunk in batches(ordered, CHUNK):
        rows = context.conn.execute(_KNOWN_INCIDENTS, [json.dumps(sorted({each.sys_id for each in chunk}))])
        known = {(row[0], row[1], row[2]): row[3] for row in rows}
        is_older = _never if context.read_now else partial(incident_is_older, now=context.now)
        here = list(_compared([(record_key(each), each) for each in chunk], known, incident_from, is_older, _as_seen))
        news = [each for each in here if each.novelty in _NEWS]
        older = [each for each in here if each.novelty is Novelty.STALE]
        links = links_of_records(context.conn, [each.after for each in (*news, *older)])
        _put_incidents(context, news, links)
        _raise_peaks(context, older, links)
        rewritten = [(each.text, *each.key) for each in here if each.novelty is Novelty.OTHER_FORM]
        context.conn.executemany(_REWRITE_INCIDENT, rewritten)
        notes += [note for each in news for note in _incident_notes(context, each, links)]
        seen += here
    _end_incident_absences(context.conn, {record_key(incident) for incident in ordered})
    _follow(context, System.SERVICENOW, [((each.key[2], each.key[1], each.key[0]), each.novelty) for each in seen])
    return _ingested(context, seen, notes)


def _compared(
    things: Iterable[tuple[Key, Thing]],
    known: dict[Key, str],
    read: Callable[[str], Thing],
    is_older: Callable[[Thing, Thing], bool],
    keep: Callable[[Thing, Thing], Thing],
) -> Iterator[_Seen[Key, Thing]]:
    """Compare each with what is known, which is updated on the way.

    ``keep`` copies what a listing does not send from what was remembered.
    """
    for key, thing in things:
        text, known_text = snapshot_text(thing), known.get(key)
        if text == known_text:
            yield _Seen(Novelty.SAME, key, None, thing, text)
            continue
        before = None if known_text is None else read_or_none(read, known_text, str(key))
        after = thing if before is None else keep(before, thing)
        novelty = _novelty(before, after, is_older)
        if novelty is Novelty.SAME and before is not None and snapshot_text(before) != known_text:
            novelty = Novelty.OTHER_FORM
        if novelty is not Novelty.STALE:
            known[key] = text = text if after is thing else snapshot_text(after)
        yield _Seen(novelty, key, before, after, text)


def _novelty(before: Thing | None, after: Thing, is_older: Callable[[Thing, Thing], bool]) -> Novelty:
    if before is None:
        return Novelty.NEW
    if before == after:
        return Novelty.SAME
    return Novelty.STALE if is_older(after, before) else Novelty.CHANGED


def _never(_thing: object, _known: object) -> bool:
    return False


def _as_seen(_before: Incident, after: Incident) -> Incident:
    return after


def _ingested(
    context: IngestContext, seen: Sequence[_Seen[Key, Thing]], notes: Sequence[Notification]
) -> Ingested[Key]:
    """Write the notifications and count what was seen."""
    put_notifications(context.conn, notes)
    counted = Counter(each.novelty for each in seen)
    counts = SideCounts(
        seen=len(seen), new=counted[Novelty.NEW], changed=counted[Novelty.CHANGED], stale=counted[Novelty.STALE]
    )
    stale = tuple(each.key for each in seen if each.novelty is Novelty.STALE)
    return Ingested(counts=counts, notifications=len(notes), stale=stale)


def _follow(context: IngestContext, source: System, seen: Iterable[tuple[tuple[str, str, str], Novelty]]) -> None:
    """Queue what is new or changed for reading the service's own history of it."""
    if source in context.follows:
        now = time_text(context.now)
        news = [(source, *place, now, int(novelty is Novelty.NEW)) for place, novelty in seen if novelty in _NEWS]
        context.conn.executemany(_STEPS_DUE, news)


# -- rows ------------------------------------------------------------------------------------------------------------


def _put_cases(context: IngestContext, news: Sequence[_Seen[str, Case]]) -> None:
    now, rules = time_text(context.now), context.stage_rules
    cases = [(each.after, each.text) for each in news]
    context.conn.executemany(
        _PUT_CASE, [(c.id, c.key, c.status, optional_text(c.updated_at), text, now) for c, text in cases]
    )
    context.conn.executemany(
        _PUT_CASE_ON_LINK,
        [
            {"case_id": c.id, "now": now, "stage": rules.case_stage(c), "was_active": int(shows_activity(c))}
            for c, _ in cases
        ],
    )


def _put_incidents(
    context: IngestContext, news: Sequence[_Seen[RecordKey, Incident]], links: Mapping[RecordKey, Sequence[Link]]
) -> None:
    now = time_text(context.now)
    context.conn.executemany(_PUT_INCIDENT, [_incident_row(each.after, each.text, now) for each in news])
    context.conn.executemany(
        _PUT_INCIDENT_ON_LINK,
        [
            {
                "stage": context.stage_rules.incident_stage(link, each.after),
                # A record that counts reopenings was resolved once, even if this was never seen; and once an instance
                # was restored from a copy, the record may have lost that count.
                "was_at": Stage.RESOLVED if each.after.was_reopened else 0,
                "number": each.after.number,
                "now": now,
                "case_id": link.case_id,
            }
            for each in news
            for link in links.get(each.key, ())
        ],
    )
    context.conn.executemany(PLAN_AGAIN, [(case_id,) for each in news for case_id in _claims(each)])


def _raise_peaks(
    context: IngestContext, older: Sequence[_Seen[RecordKey, Incident]], links: Mapping[RecordKey, Sequence[Link]]
) -> None:
    """Keep that a record stood where an older version shows it: a step there would repeat what somebody took back."""
    stages = [
        {"stage": context.stage_rules.incident_stage(link, each.after), "case_id": link.case_id}
        for each in older
        for link in links.get(each.key, ())
    ]
    context.conn.executemany(_RAISE_INCIDENT_PEAK, stages)


def _case_notes(context: IngestContext, seen: _Seen[str, Case]) -> Iterator[Notification]:
    case, stage = seen.after, context.stage_rules.case_stage(seen.after)
    at = optional_text(case.updated_at or case.created_at)
    for change in case_changes(seen.before, case):
        resolver = case.resolved_by if change.event == "status" and case.status == "RESOLVED" else ""
        yield _note(context, System.CORALOGIX, change, case_id=case.id, stage=stage, actor=resolver, at=at)


def _incident_notes(
    context: IngestContext, seen: _Seen[RecordKey, Incident], links: Mapping[RecordKey, Sequence[Link]]
) -> Iterator[Notification]:
    incident = seen.after
    owners = links.get(seen.key)
    case_id = owners[0].case_id if owners else _claimed_case(incident)
    at = time_text(incident.updated_at)
    stage = context.stage_rules.incident_stage(owners[0] if owners else Link(case_id=case_id), incident)
    for change in incident_changes(seen.before, incident):
        yield _note(
            context,
            System.SERVICENOW,
            change,
            case_id=case_id,
            sys_id=incident.sys_id,
            stage=stage,
            actor=_first_actor(incident, stage) if seen.before is None else _actor(seen.before, incident, change.event),
            at=at,
        )


def _first_actor(incident: Incident, stage: Stage | None) -> str:
    """Name who brought a record to where it is first seen; who opened it did no more than that."""
    if incident.mod_count == 0:
        return incident.updated_by
    by_stage = {Stage.OPEN: incident.opened_by, Stage.RESOLVED: incident.resolved_by, Stage.CLOSED: incident.closed_by}
    return "" if stage is None else by_stage.get(stage, "")


def _actor(before: Incident, after: Incident, event: str) -> str:
    """Name who made one change of a record; empty where the service does not tell it for this very change.

    ``sys_updated_by`` names who wrote last, and so who changed this only where nobody else wrote since the last look.
    """
    if after.mod_count == before.mod_count + 1:
        return after.updated_by
    by_word = {"resolved": after.resolved_by, "closed": after.closed_by, "canceled": after.closed_by}
    return by_word.get(STATE_WORDS.get(after.state, ""), "") if event == "state" else ""


def _note(
    context: IngestContext,
    source: System,
    change: Change,
    *,
    case_id: str,
    sys_id: str = "",
    stage: Stage | None,
    actor: str,
    at: str | None,
) -> Notification:
    return Notification(
        cycle_id=context.cycle_id,
        source=source,
        case_id=case_id or None,
        sys_id=sys_id or None,
        event=change.event,
        from_value=change.before,
        to_value=change.after,
        actor=(RECONCILER if change.event in context.ours else actor) or None,
        observed_at=time_text(context.now),
        source_time=at,
        stage=stage,
    )


def _end_case_absences(conn: sqlite3.Connection, seen: set[str]) -> None:
    absent = conn.execute("SELECT case_id FROM links WHERE case_absence IS NOT NULL").fetchall()
    back = [(case_id,) for (case_id,) in absent if case_id in seen]
    conn.executemany("UPDATE links SET case_absence = NULL, needs_plan = 1 WHERE case_id = ?", back)


def _end_incident_absences(conn: sqlite3.Connection, seen: set[RecordKey]) -> None:
    absent = conn.execute(
        "SELECT case_id, sys_id, table_name, connector FROM links WHERE incident_absence IS NOT NULL"
    ).fetchall()
    back = [(row[0],) for row in absent if tuple(row[1:]) in seen]
    conn.executemany("UPDATE links SET incident_absence = NULL, needs_plan = 1 WHERE case_id = ?", back)


def restage(conn: sqlite3.Connection, stage_rules: StageRules, case_ids: Sequence[str], now: datetime) -> None:
    """Place both sides of these Cases' links anew; stages are set, peaks only rise."""
    for chunk in batches(case_ids, CHUNK):
        stages = [_stages(stage_rules, pair) for pair in read_pairs(conn, chunk)]
        conn.executemany(_PUT_STAGES, [each | {"now": time_text(now)} for each in stages])


def _stages(stage_rules: StageRules, pair: Pair) -> dict[str, int | str | None]:
    return {
        "case_id": pair.link.case_id,
        "case_stage": stage_rules.case_stage(pair.case),
        "incident_stage": stage_rules.incident_stage(pair.link, pair.incident) if pair.incident else None,
    }


def _claimed_case(incident: Incident) -> str:
    """Return the Case id that a record bears; ServiceNow compares without case, Case ids are lower-case."""
    return incident.correlation_id.strip().lower()


def _claims(seen: _Seen[RecordKey, Incident]) -> set[str]:
    """Return the Cases whose key a record bears, or bore before it changed."""
    claimed = {_claimed_case(seen.after)}
    if seen.before is not None:
        claimed.add(_claimed_case(seen.before))
    return claimed - {""}


def _incident_row(incident: Incident, text: str, now: str) -> tuple[str, ...]:
    what = (incident.number, incident.state, _claimed_case(incident), time_text(incident.updated_at))
    return (*record_key(incident), *what, text, now)


def case_is_older(case: Case, known: Case) -> bool:
    """Return whether a Case was read before the remembered one; False where either time is unknown."""
    if case.updated_at is None or known.updated_at is None:
        return False
    return case.updated_at < known.updated_at


def incident_is_older(incident: Incident, known: Incident, *, now: datetime) -> bool:
    """Return whether a record was read before the remembered one.

    Neither its time nor its ``sys_mod_count`` may be ahead, since a clock that was set back moves the one alone; and a
    record that was deleted and made again is another one, whatever both say. A time far ahead of ours tells nothing.
    """
    is_later = incident.updated_at > known.updated_at and not is_far_ahead(incident.updated_at, now)
    ahead = is_later or incident.mod_count > known.mod_count
    same = incident.updated_at == known.updated_at and incident.mod_count == known.mod_count
    latest = max(incident.created_at, known.created_at)
    made_again = incident.created_at != known.created_at and not is_far_ahead(latest, now)
    return not ahead and not same and not made_again
