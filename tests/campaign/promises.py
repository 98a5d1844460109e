"""Further promises: what a person wrote stays, no brake is passed, and nothing is written on half the truth.

Nothing of the program is imported. Each walks over the events of one schedule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.sandbox.servicenow.journal import Write
from tests.campaign.invariants import Violation
from tests.campaign.trace import (
    MAIN,
    OTHER,
    Acted,
    Began,
    Copied,
    Ended,
    Event,
    Read,
    Request,
    Shown,
    connector_of,
    side_of,
    target_of,
)

KEPT_IN_STEP = ("short_description", "impact", "urgency")
PULLS = frozenset({"cases.list", "records.list.changed"})
RESOLVED_STATES = frozenset({"6", "7"})
NOT_OPEN_STATES = RESOLVED_STATES | {"8"}


@dataclass
class _Fields:
    """Follow the fields in step of every record.

    Who takes in a record that nobody wrote since it was made, by its own count, takes what it holds for what it was
    made with. A script that moves no count is not seen then, and is excused: the values that were shown while the
    record's count was 0, and only to a database that does not remember a write of its own to it. A create that was
    not answered is none: it does not show what was kept.
    """

    ours: defaultdict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(lambda: {""}))
    """(record, field) -> what our daemons ever put there, as they asked and as the service kept it"""
    shown: dict[tuple[int, str], Shown] = field(default_factory=dict)
    """(host, record) -> how that host's running cycle was shown it last"""
    as_made: set[tuple[int, str, str, str]] = field(default_factory=set)
    """(database, record, field, value) that may be taken for what the record was made with"""
    databases: dict[int, int] = field(default_factory=dict)
    """host -> the database of its running cycle"""
    wrote: set[tuple[int, str]] = field(default_factory=set)
    """(database, record): which database remembers that it wrote which record"""
    unfinished: set[tuple[int, str]] = field(default_factory=set)
    """what was added to that by cycles that are running"""

    def follow(self, event: Event) -> Iterator[Violation]:
        """Take in one event; name each value that was written over one that no daemon of ours had put there."""
        match event:
            case Began():
                self.shown = {key: one for key, one in self.shown.items() if key[0] != event.host}
                self.databases[event.host] = event.database
            case Ended():
                self._end(self.databases[event.host], is_killed=event.why == "killed")
            case Copied(back=True):
                self.wrote = {key for key in self.wrote if key[0] != event.database}
            case Acted(clones=True):
                self._clone()
            case Read() if event.targeted:
                self._show(event.host, [one for one in event.shown if not one.is_case])
            case Request(operation="records.update" | "records.create"):
                yield from self._write(event)
            case _:
                pass

    def _show(self, host: int, records: Iterable[Shown]) -> None:
        database = self.databases[host]
        for one in records:
            self.shown[host, one.target] = one
            if one.version == 0 and (database, one.target) not in self.wrote | self.unfinished:
                self.as_made |= {(database, one.target, name, _folded(one.fields, name)) for name in KEPT_IN_STEP}

    def _clone(self) -> None:
        """Let the copies of records hold what we put into those."""
        for (target, name), values in list(self.ours.items()):
            if connector_of(target) == MAIN:
                self.ours[target_of(OTHER, target), name] |= values

    def _end(self, database: int, *, is_killed: bool) -> None:
        """Keep what a cycle wrote; one that was killed may not remember it."""
        ended = {key for key in self.unfinished if key[0] == database}
        self.unfinished -= ended
        self.wrote |= set() if is_killed else ended

    def _write(self, request: Request) -> Iterator[Violation]:
        before = self.shown.get((request.host, request.target))
        for name in filter(request.asked.__contains__, KEPT_IN_STEP):
            ours = self.ours[request.target, name]
            if before and request.operation == "records.update" and not self._is_ours(request, name, before):
                yield Violation("wrote over what a person had put there", f"{name}: {request}")
            ours.add(_folded(request.asked, name))
        for effect in request.effects:
            # An instance may choose another id, and keep a value in its own way.
            if isinstance(effect, Write) and effect.accepted:
                for name in KEPT_IN_STEP:
                    self.ours[target_of(request.connector, effect.sys_id), name].add(_folded(effect.changed, name))
                if request.operation == "records.update" or request.answer is not None:
                    self.unfinished.add((self.databases[request.host], target_of(request.connector, effect.sys_id)))
        if request.answer is not None:
            self.shown[request.host, request.answer.target] = request.answer

    def _is_ours(self, request: Request, name: str, before: Shown) -> bool:
        value = _folded(before.fields, name)
        as_made = (self.databases[request.host], request.target, name, value)
        return value in self.ours[request.target, name] or as_made in self.as_made


def _folded(fields: Mapping[str, str], name: str) -> str:
    return " ".join(fields.get(name, "").split())


def overwritten(events: Iterable[Event]) -> Iterator[Violation]:
    """Name each write of a field in step over a value that was neither empty nor ours."""
    fields = _Fields()
    for event in events:
        yield from fields.follow(event)


@dataclass
class _Count:
    """Count what one cycle asked for."""

    number: int
    creates: int = 0
    case_resolves: int = 0
    record_resolves: int = 0
    blind: dict[str, str] = field(default_factory=dict)
    """side -> the listing of it that failed, or did not show everything"""
    states: dict[str, str] = field(default_factory=dict)

    def add(self, request: Request) -> None:
        """Count one request for a change."""
        self.creates += request.operation == "records.create"
        self.case_resolves += request.operation == "cases.resolve"
        resolves = request.operation == "records.update" and request.asked.get("state") in RESOLVED_STATES
        self.record_resolves += resolves and self.states.get(request.target) not in NOT_OPEN_STATES

    @property
    def most(self) -> int:
        """Give the largest of the counts that a brake looks at."""
        return max(self.creates, self.case_resolves, self.record_resolves)


def unbraked(
    events: Iterable[Event], limit: int, braked_cycles: int, homes: Mapping[str, str] | None = None
) -> Iterator[Violation]:
    """Name each request beyond a brake, and each after a pull that failed or did not show everything.

    Cycles with a number above ``braked_cycles`` are those of the quiet end, which have no brakes. ``homes`` are the
    connectors of Cases: of two instances, the one may go on while the other is down.
    """
    running: dict[int, _Count] = {}
    for event in events:
        match event:
            case Began():
                running[event.host] = _Count(number=event.number)
            case Read() if event.operation in PULLS and (event.error or event.partial):
                running[event.host].blind[side_of(event)] = event.operation
            case Read() if event.targeted:
                running[event.host].states.update({one.target: one.word for one in event.shown})
            case Request():
                count = running[event.host]
                count.add(event)
                home = (homes or {}).get(event.case_id, event.connector)
                if blind := count.blind.get("cases") or count.blind.get(home):
                    yield Violation("wrote although a pull had not come whole", f"{blind}: {event}")
                if count.most > limit and count.number <= braked_cycles:
                    yield Violation("went beyond a brake", str(event))
            case Ended():
                running.pop(event.host, None)
            case _:
                pass
