"""Folding what was seen into what is remembered, inside a transaction that the caller holds.

A snapshot is written only where it really changed, never by an older one, and each change leaves one notification.
Peaks only rise. A link whose sides changed is marked for planning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from reconciler.core.model import Case, Incident, Link, Pair, System
from reconciler.store.pairs import RecordKey, chunks, links_of_records, read_pairs, record_key
from reconciler.store.rows import json_text, optional_text, time_text
from reconciler.store.snapshot import (
    Change,
    case_changes,
    case_from,
    case_is_older,
    incident_changes,
    incident_from,
    incident_is_older,
    shows_activity,
)
from reconciler.store.values import SideCounts, StageRules

if TYPE_CHECKING:
    from reconciler.store.sqlite import sqlite3

Thing = TypeVar("Thing")
RECONCILER = "reconciler"
"""The actor of a change that this program made itself."""

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
_PUT_CASE_ON_LINK = """INSERT INTO links
    (case_id, first_seen_at, changed_at, case_stage, case_peak, was_active, case_low)
    VALUES (?1, ?2, ?2, ?3, ?3, ?4, coalesce(?3, 1))
    ON CONFLICT (case_id) DO UPDATE SET changed_at = excluded.changed_at, case_stage = excluded.case_stage,
    case_peak = nullif(max(coalesce(case_peak, 0), coalesce(excluded.case_peak, 0)), 0),
    was_active = max(was_active, excluded.was_active),
    case_low = min(coalesce(case_low, excluded.case_low), excluded.case_low), needs_plan = 1"""
_PUT_INCIDENT_ON_LINK = """UPDATE links SET incident_stage = ?1,
    incident_peak = nullif(max(coalesce(incident_peak, 0), coalesce(?1, 0)), 0),
    number = ?2, changed_at = ?3, needs_plan = 1 WHERE case_id = ?4"""
_PUT_STAGES = """UPDATE links SET case_stage = ?1, incident_stage = ?2,
    case_peak = nullif(max(coalesce(case_peak, 0), coalesce(?1, 0)), 0),
    incident_peak = nullif(max(coalesce(incident_peak, 0), coalesce(?2, 0)), 0) WHERE case_id = ?3"""
_PLAN_AGAIN = "UPDATE links SET needs_plan = 1 WHERE case_id = ?"
_PUT_NOTE = """INSERT INTO notifications
    (cycle_id, source, case_id, sys_id, event, from_value, to_value, actor, observed_at, source_time)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


class _News(NamedTuple, Generic[Thing]):
    """Hold one thing that is new or really changed, with its canonical text."""

    before: Thing | None
    after: Thing
    text: str


@dataclass(kw_only=True)
class _Tally:
    """Count, while folding, what became of the things of one side."""

    seen: int = 0
    new: int = 0
    changed: int = 0
    stale: int = 0

    def frozen(self) -> SideCounts:
        """Give the counts as a value."""
        return SideCounts(seen=self.seen, new=self.new, changed=self.changed, stale=self.stale)


@dataclass(frozen=True, kw_only=True)
class _Side(Generic[Thing]):
    """Say how the snapshots of one side are read and compared."""

    read: Callable[[str], Thing]
    is_older: Callable[[Thing, Thing], bool]
    keep: Callable[[Thing, Thing], Thing]
    """(before, after) -> after, with what the service does not send each time"""
    tally: _Tally = field(default_factory=_Tally)
    stale: list[Hashable] = field(default_factory=list)

    def news(self, key: Hashable, thing: Thing, known: dict[Hashable, str]) -> _News[Thing] | None:
        """Say what is new about a thing, None where nothing is; ``known`` then holds the new text."""
        self.tally.seen += 1
        text, before_text = json_text(thing), known.get(key)
        if text == before_text:
            return None
        before = None if before_text is None else self.read(before_text)
        if before is not None and self.is_older(thing, before):
            self.tally.stale += 1
            self.stale.append(key)
            return None
        if before is not None and (kept := self.keep(before, thing)) is not thing:
            thing, text = kept, json_text(kept)
            if text == before_text:
                return None
        self.tally.new += before is None
        self.tally.changed += before is not None
        known[key] = text
        return _News(before, thing, text)


def _keep_address(before: Case, after: Case) -> Case:
    """Keep a Case's address in the console, which listings do not give."""
    return replace(after, url=before.url) if before.url and not after.url else after


def _keep_nothing(_before: Incident, after: Incident) -> Incident:
    return after


def _claimed_case(incident: Incident) -> str:
    """Give the Case id that a record bears; ServiceNow compares without case, Case ids are lower-case."""
    return incident.correlation_id.strip().lower()


@dataclass(kw_only=True)
class Ingest:
    """Ingest Cases and records into the database on one connection, at one instant of one cycle.

    ``ours`` names the events that this program caused itself; their actor is ``reconciler``.
    """

    conn: sqlite3.Connection
    stage_rules: StageRules
    cycle_id: str
    now: datetime
    ours: frozenset[str] = frozenset()
    read_now: bool = False
    notifications: int = 0
    _cases: _Side[Case] = field(init=False)
    _incidents: _Side[Incident] = field(init=False)

    def __post_init__(self) -> None:
        self._cases = _Side(read=case_from, is_older=self._never_older or case_is_older, keep=_keep_address)
        self._incidents = _Side(read=incident_from, is_older=self._never_older or incident_is_older, keep=_keep_nothing)

    @property
    def _never_older(self) -> Callable[[object, object], bool] | None:
        return (lambda _thing, _known: False) if self.read_now else None

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Name the Cases whose time is older than what is remembered, although their content differs."""
        return tuple(str(key) for key in self._cases.stale)

    @property
    def case_counts(self) -> SideCounts:
        """Count the Cases folded so far."""
        return self._cases.tally.frozen()

    @property
    def incident_counts(self) -> SideCounts:
        """Count the records folded so far."""
        return self._incidents.tally.frozen()

    def cases(self, cases: Iterable[Case]) -> None:
        """Ingest Cases in the order of their own times, so that notifications tell the story forwards."""
        ordered = sorted(cases, key=lambda case: case.updated_at or case.created_at)
        for chunk in chunks(ordered):
            known: dict[Hashable, str] = dict(
                self.conn.execute(_KNOWN_CASES, [json.dumps([each.id for each in chunk])])
            )
            news = [found for case in chunk if (found := self._cases.news(case.id, case, known))]
            self._put_cases(news)
        self._end_case_absences({case.id for case in ordered})

    def _put_cases(self, news: Sequence[_News[Case]]) -> None:
        now = time_text(self.now)
        self.conn.executemany(
            _PUT_CASE,
            [(c.id, c.key, c.status, optional_text(c.updated_at), text, now) for _, c, text in news],
        )
        self.conn.executemany(
            _PUT_CASE_ON_LINK,
            [(c.id, now, self.stage_rules.case_stage(c), int(shows_activity(c))) for _, c, _ in news],
        )
        self._put_notes(row for each in news for row in self._case_notes(each))

    def _case_notes(self, news: _News[Case]) -> Iterator[tuple[str | None, ...]]:
        case = news.after
        at = optional_text(case.updated_at or case.created_at)
        for change in case_changes(news.before, case):
            resolver = case.resolved_by if change.event == "status" and case.status == "RESOLVED" else ""
            yield self._note(System.CORALOGIX, change, case_id=case.id, sys_id="", actor=resolver, at=at)

    def incidents(self, incidents: Iterable[Incident]) -> None:
        """Ingest records in the order of their own times."""
        ordered = sorted(incidents, key=lambda incident: (incident.updated_at, incident.mod_count))
        for chunk in chunks(ordered):
            rows = self.conn.execute(_KNOWN_INCIDENTS, [json.dumps(sorted({each.sys_id for each in chunk}))])
            known: dict[Hashable, str] = {tuple(row[:3]): row[3] for row in rows}
            news = [found for each in chunk if (found := self._incidents.news(record_key(each), each, known))]
            self._put_incidents(news)
        self._end_incident_absences({record_key(incident) for incident in ordered})

    def _put_incidents(self, news: Sequence[_News[Incident]]) -> None:
        now = time_text(self.now)
        links = links_of_records(self.conn, [each.after for each in news])
        self.conn.executemany(_PUT_INCIDENT, [_incident_row(each.after, each.text, now) for each in news])
        self.conn.executemany(
            _PUT_INCIDENT_ON_LINK,
            [
                (self.stage_rules.incident_stage(link, each.after), each.after.number, now, link.case_id)
                for each in news
                for link in links.get(record_key(each.after), ())
            ],
        )
        self.conn.executemany(_PLAN_AGAIN, [(case_id,) for each in news for case_id in _claims(each)])
        self._put_notes(row for each in news for row in self._incident_notes(each, links))

    def _incident_notes(
        self, news: _News[Incident], links: dict[RecordKey, list[Link]]
    ) -> Iterator[tuple[str | None, ...]]:
        incident = news.after
        owners = links.get(record_key(incident))
        case_id = owners[0].case_id if owners else _claimed_case(incident)
        at = time_text(incident.updated_at)
        for change in incident_changes(news.before, incident):
            yield self._note(
                System.SERVICENOW, change, case_id=case_id, sys_id=incident.sys_id, actor=incident.updated_by, at=at
            )

    def _note(
        self, source: System, change: Change, *, case_id: str, sys_id: str, actor: str, at: str | None
    ) -> tuple[str | None, ...]:
        who = RECONCILER if change.event in self.ours else actor
        seen = time_text(self.now)
        return (self.cycle_id, source, case_id or None, sys_id or None, *change, who or None, seen, at)

    def _put_notes(self, rows: Iterable[tuple[str | None, ...]]) -> None:
        ready = list(rows)
        self.notifications += len(ready)
        self.conn.executemany(_PUT_NOTE, ready)

    def _end_case_absences(self, seen: set[str]) -> None:
        absent = self.conn.execute("SELECT case_id FROM links WHERE case_absence IS NOT NULL").fetchall()
        back = [(case_id,) for (case_id,) in absent if case_id in seen]
        self.conn.executemany("UPDATE links SET case_absence = NULL, needs_plan = 1 WHERE case_id = ?", back)

    def _end_incident_absences(self, seen: set[RecordKey]) -> None:
        absent = self.conn.execute(
            "SELECT case_id, sys_id, table_name, connector FROM links WHERE incident_absence IS NOT NULL"
        ).fetchall()
        back = [(row[0],) for row in absent if tuple(row[1:]) in seen]
        self.conn.executemany("UPDATE links SET incident_absence = NULL, needs_plan = 1 WHERE case_id = ?", back)


def restage(conn: sqlite3.Connection, stage_rules: StageRules, case_ids: Sequence[str]) -> None:
    """StageRules both sides of these Cases' links anew; stages are set, peaks only rise."""
    for chunk in chunks(case_ids):
        conn.executemany(_PUT_STAGES, [_stages(stage_rules, pair) for pair in read_pairs(conn, chunk)])


def _stages(stage_rules: StageRules, pair: Pair) -> tuple[int | None, int | None, str]:
    incident_stage = None if pair.incident is None else stage_rules.incident_stage(pair.link, pair.incident)
    return (stage_rules.case_stage(pair.case), incident_stage, pair.link.case_id)


def _claims(news: _News[Incident]) -> set[str]:
    """Give the Cases whose key a record bears, or bore before it changed."""
    claimed = {_claimed_case(news.after)}
    if news.before is not None:
        claimed.add(_claimed_case(news.before))
    return claimed - {""}


def _incident_row(incident: Incident, text: str, now: str) -> tuple[str, ...]:
    return (
        incident.sys_id,
        incident.table,
        incident.connector,
        incident.number,
        incident.state,
        _claimed_case(incident),
        time_text(incident.updated_at),
        text,
        now,
    )
