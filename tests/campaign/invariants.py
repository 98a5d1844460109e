"""What must never come of any schedule: stated from the requests, what was shown before them, and the worlds' journals.

Nothing of the program's own deciding is imported here. Each request is judged against what that daemon was shown last:

    shown     the target's last targeted read (by its key) in the same cycle; without one nothing may be written
    known     what a database can remember: what was shown in cycles that ended well, and in this one
    raced     somebody else changed the target between our read and our write; what is lost that way is counted, not
              condemned, but the request itself must have been right for what was shown

A daemon that was killed, or whose cycle failed, need not remember what it was shown in it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from reconciler.sandbox.coralogix.records import JournalEntry
from reconciler.sandbox.servicenow.journal import Write
from tests.campaign.trace import Acted, Began, Copied, Ended, Event, Read, Request, Shown, connector_of
from tests.scenario.oracle import CASE_STAGES, OVER, RECORD_STAGES, Stage

OWNER = "Coralogix"
VERBS: Mapping[str, Stage] = {
    "cases.acknowledge": Stage.ACKNOWLEDGED,
    "cases.resolve": Stage.RESOLVED,
    "cases.close": Stage.CLOSED,
}
NOTHING = "effected nothing"


class Violation(NamedTuple):
    """Name one broken promise and where it was broken."""

    promise: str
    where: str


def stage_of(shown: Shown) -> Stage | None:
    """Place what was shown on the contract's scale; None for a word that it does not name."""
    if shown.is_case:
        return CASE_STAGES.get(shown.word)
    stage = RECORD_STAGES.get(shown.word)
    return Stage.ACKNOWLEDGED if stage is Stage.OPEN and shown.is_assigned else stage


@dataclass
class _Known:
    """Hold what one database can remember."""

    peaks: dict[str, Stage] = field(default_factory=dict)
    """target -> the highest stage at which it was shown"""
    latest: dict[str, Shown] = field(default_factory=dict)
    """target -> the newest that was shown of it"""
    records: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Case id -> the records of ours that were shown to bear it"""

    at: float = 0
    """when the cycle that is running began, by the services' clock"""
    first: dict[str, float] = field(default_factory=dict)
    """target -> when it was shown first"""
    linked: set[str] = field(default_factory=set)
    """records that were read by their own id: before that, how far they came is nothing to remember"""

    def copy(self, at: float = 0) -> _Known:
        """Give a memory that goes its own way from a time on."""
        records = defaultdict(set, {case_id: set(found) for case_id, found in self.records.items()})
        return _Known(
            peaks=dict(self.peaks),
            latest=dict(self.latest),
            records=records,
            at=at,
            first=dict(self.first),
            linked=set(self.linked),
        )

    def see(self, shown: Shown, *, is_listed: bool = False, is_by_id: bool = False) -> None:
        """Take in what was shown; a Case that a listing shows as older than known is not believed without a look.

        A record that was read by its own id is believed however old it is: its instance may have been restored.
        """
        stage, before = stage_of(shown), self.latest.get(shown.target)
        if is_listed and shown.is_case and before is not None and shown.version < before.version:
            return
        reached = [each for each in (stage, self.peaks.get(shown.target)) if each]
        self.first.setdefault(shown.target, self.at)
        if self._came_back(shown):
            reached.append(Stage.RESOLVED)
        if reached and (shown.is_case or shown.target in self.linked):
            self.peaks[shown.target] = max(reached)
        if before is None or shown.version >= before.version or is_by_id:
            self.latest[shown.target] = shown
        if not shown.is_case and shown.case_id and shown.mark == OWNER:
            self.records[shown.case_id].add(shown.target)

    def miss(self, target: str) -> None:
        """Take in that a record that was asked for by its own id is not there: it bears no key any more."""
        for found in self.records.values():
            found.discard(target)

    def _came_back(self, shown: Shown) -> bool:
        """Say whether a side came back from resolved; a Case that did so before it was ever seen begins anew."""
        if not shown.is_case:
            return shown.came_back > 0
        return shown.came_back > self.first[shown.target]


@dataclass
class _Cycle:
    """Hold what one running cycle was shown."""

    database: int
    known: _Known
    fresh: dict[str, Shown] = field(default_factory=dict)
    """target -> its last targeted read"""
    listed: dict[str, bool] = field(default_factory=dict)
    """target -> whether that read was a listing, which may lag"""
    looked_for: set[str] = field(default_factory=set)
    """Case ids whose records were asked for"""
    shown_at: dict[str, int] = field(default_factory=dict)
    """target -> which event of all showed it last"""
    answered_by: set[str] = field(default_factory=set)
    """the connectors that answered a create; it is remembered once the cycle goes on from there"""


@dataclass
class _Judge:
    """Walk through the events of one schedule."""

    has_successors: bool = False
    """a Case that fires again gets a next record, so that it has several and itself begins anew: see ``again``"""
    violations: list[Violation] = field(default_factory=list)
    races: Counter[str] = field(default_factory=Counter)
    known: defaultdict[int, _Known] = field(default_factory=lambda: defaultdict(_Known))
    saved: dict[int, _Known] = field(default_factory=dict)
    made: dict[str, set[int]] = field(default_factory=dict)
    """Case id -> the databases whose daemons made a record of it; what was put back from a copy may not know"""
    answered: set[tuple[int, str]] = field(default_factory=set)
    """(database, connector) whose daemons had an answer to a create, and lived to remember it"""
    taken: set[str] = field(default_factory=set)
    """Cases whose record somebody deleted, or took our key or mark from"""
    shown_cases: set[str] = field(default_factory=set)
    running: dict[int, _Cycle] = field(default_factory=dict)
    forgotten: dict[str, set[int]] = field(default_factory=dict)
    """Case id -> the databases that made a record of it and were put back from a copy since"""
    events: int = 0
    is_late: bool = False
    """a commit was to become visible late, so that even a fresh read may not show what is there"""
    acted_at: int = 0
    """which event of all was the last in which somebody, or time, did something"""
    asked_at: dict[int, int] = field(default_factory=dict)
    """host -> which event of all was its last request for a change"""

    def follow(self, event: Event) -> None:
        """Take in one event."""
        self.events += 1
        match event:
            case Began():
                known = self.known[event.database].copy(event.at)
                self.running[event.host] = _Cycle(database=event.database, known=known)
            case Read():
                self._read(event)
            case Request():
                self._request(event)
            case Ended():
                cycle = self.running.pop(event.host)
                if event.well:
                    self.known[cycle.database] = cycle.known
                    self._remember_answer(cycle)
            case Acted():
                self._act(event)
            case Copied(back=True):
                for case_id, databases in self.made.items():
                    self.forgotten.setdefault(case_id, set()).update(databases & {event.database})
                    databases.discard(event.database)
                self.known[event.database] = self.saved[event.database].copy()
            case Copied():
                self.saved[event.database] = self.known[event.database].copy()
            case _:
                pass

    def _act(self, event: Acted) -> None:
        self.acted_at = self.events
        self.is_late = self.is_late or "LateCommit(" in event.what
        self.taken.update(event.takes_from)
        if event.turns_back:
            self._forget_latest()

    def _forget_latest(self) -> None:
        """Let whatever is shown of a record from now on be as good as what was shown before."""
        for known in (*self.known.values(), *self.saved.values(), *(cycle.known for cycle in self.running.values())):
            known.latest = {target: shown for target, shown in known.latest.items() if shown.is_case}
            known.records.clear()

    def _remember_answer(self, cycle: _Cycle) -> None:
        self.answered |= {(cycle.database, connector) for connector in cycle.answered_by}

    def _read(self, read: Read) -> None:
        cycle = self.running[read.host]
        self._remember_answer(cycle)
        if read.operation == "records.list.find" and not read.error:
            cycle.looked_for.update(read.asked)
        if read.operation == "records.get" and not read.error:
            cycle.known.linked.update(read.asked)
        if read.operation == "records.get" and read.error == "Missing":
            cycle.known.miss(*read.asked)
        self.shown_cases.update(shown.target for shown in read.shown if shown.is_case)
        for shown in read.shown:
            cycle.known.see(shown, is_listed=not read.targeted, is_by_id=read.operation == "records.get")
            if read.targeted:
                cycle.fresh[shown.target] = shown
                cycle.shown_at[shown.target] = self.events
                cycle.listed[shown.target] = read.operation.startswith("records.list")

    def _request(self, request: Request) -> None:
        cycle = self.running[request.host]
        self._remember_answer(cycle)
        if request.operation == "records.create":
            broken = self._judge_create(request, cycle)
        elif request.target not in cycle.fresh:
            broken = iter(["written without a read just before"])
        elif request.operation == "records.update":
            broken = self._judge_update(request, cycle, cycle.fresh[request.target])
        else:
            broken = self._judge_verb(request, cycle, cycle.fresh[request.target])
        self.violations += [Violation(promise, str(request)) for promise in broken]
        self.asked_at[request.host] = self.events
        if request.answer is not None:
            cycle.answered_by |= {request.connector} if request.operation == "records.create" else set()
            cycle.shown_at[request.answer.target] = self.events
            cycle.known.linked.add(request.answer.target)
            cycle.known.see(request.answer)
            cycle.fresh[request.answer.target] = request.answer

    # -- one request ------------------------------------------------------------------------------------------

    def _judge_create(self, request: Request, cycle: _Cycle) -> Iterator[str]:
        if request.asked.get("correlation_display") != OWNER or request.case_id not in self.shown_cases:
            yield "created for no Case that was shown, or without our mark"
        if request.case_id not in cycle.looked_for:
            yield "created without a look for records of the Case"
        is_known = _bearing(cycle, request.case_id, request) and request.case_id not in self.taken
        if is_known and not self.has_successors:
            yield "created although a record of this Case was shown before"
        if any(effect.accepted for effect in request.effects):
            if not self.has_successors:
                yield from self._judge_second(request, cycle)
            self.made.setdefault(request.case_id, set()).add(cycle.database)

    def _judge_second(self, request: Request, cycle: _Cycle) -> Iterator[str]:
        """One Case, one record; a daemon that knows nothing of the first is excused where it could not find it.

        It could not where somebody had deleted the first or taken its key, or where the instance strips the id that
        would make the second create fail and the first was made after the look, or not listed yet. That an instance
        strips ids is learned from its first answer to a create; before it, a lost create that commits late is not met.
        """
        case_id, database = request.case_id, cycle.database
        makers = self.made.get(case_id, set())
        if makers and case_id in self.taken and not cycle.known.records[case_id]:
            self.races["made a second record of one Case, the first being gone before it was known"] += 1
        elif database in makers and (database, request.connector) not in self.answered:
            self.races["made a second record of one Case, the first create of all being lost and late"] += 1
        elif database in makers:
            yield "made a second record of one Case"
        elif makers:
            self.races["made a second record of one Case, the first by a daemon on another database"] += 1
        elif database in self.forgotten.get(case_id, ()):
            self.races["made a second record of one Case, the first not shown since a copy was put back"] += 1

    def _judge_update(self, request: Request, cycle: _Cycle, shown: Shown) -> Iterator[str]:
        yield from self._judge_stages(request, cycle, shown, RECORD_STAGES.get(request.asked.get("state", "")))
        if shown.word in OVER:
            yield "written to a record that is over"
        if shown.mark != OWNER or not shown.case_id:
            yield "written to a record that is not ours"
        if len(_bearing(cycle, shown.case_id, request)) > 1 and not self.has_successors:
            yield "written to one of two records with one key"
        for name, value in request.asked.items():
            # Blanks inside a value are part of it: where an instance folds them, the effect is what is judged.
            if shown.fields.get(name, "").strip() == value.strip():
                yield f"sent what the record held already: {name}"
        yield from self._judge_effects(request, cycle, shown)

    def _judge_verb(self, request: Request, cycle: _Cycle, shown: Shown) -> Iterator[str]:
        yield from self._judge_stages(request, cycle, shown, VERBS[request.operation])
        if request.operation == "cases.close" and shown.word != "RESOLVED":
            yield "closed a Case that was not resolved"
        yield from self._judge_effects(request, cycle, shown)

    def _judge_stages(self, request: Request, cycle: _Cycle, shown: Shown, target: Stage | None) -> Iterator[str]:
        begins_anew = self.has_successors and shown.is_case
        stage, peak = stage_of(shown), None if begins_anew else cycle.known.peaks.get(request.target)
        if stage is None:
            yield "written to a side whose stage is not known"
        elif target is not None and target <= stage:
            yield "asked for a step that does not lead forward"
        elif peak is not None and stage < Stage.RESOLVED <= peak:
            yield "written to a side that came back from resolved"
        elif target is not None and peak is not None and target <= peak:
            yield "pushed forward again to where it stood before"
        newest = cycle.known.latest.get(request.target, shown)
        is_behind = shown.version < newest.version and shown.moved_at <= newest.moved_at
        if cycle.listed.get(request.target) and is_behind:
            yield "decided from an older state than the daemon knew"

    def _judge_effects(self, request: Request, cycle: _Cycle, shown: Shown) -> Iterator[str]:
        for effect in request.effects:
            word = effect.state_before if isinstance(effect, Write) else effect.from_status
            for promise in _broken_by(effect):
                # What was right to ask for and effected nothing had been done already, unseen.
                # How an instance keeps what its record was made with is not known to who did not make it.
                is_made_by_another = cycle.database not in self.made.get(shown.case_id, {cycle.database})
                is_excused = self._is_raced(request, cycle) and (word != shown.word or promise == NOTHING)
                if is_excused or (promise == NOTHING and is_made_by_another):
                    self.races[promise] += 1
                else:
                    yield promise

    def _is_raced(self, request: Request, cycle: _Cycle) -> bool:
        """Say whether the target can have changed since it was shown; listings lag, and so do late commits."""
        others = [at for host, at in self.asked_at.items() if host != request.host]
        latest = max(self.acted_at, *others, 0)
        is_behind = self.is_late or cycle.listed.get(request.target, False)
        return is_behind or latest > cycle.shown_at[request.target]


def _broken_by(effect: Write | JournalEntry) -> Iterator[str]:
    """Say what an effect of ours on a service broke, whatever we knew."""
    if not effect.accepted:
        return
    if isinstance(effect, Write):
        before, after = RECORD_STAGES.get(effect.state_before), RECORD_STAGES.get(effect.state_after)
        if effect.changed_nothing:
            yield NOTHING
        if effect.state_before in OVER:
            yield "effected on a record that is over"
    else:
        before, after = CASE_STAGES.get(effect.from_status), CASE_STAGES.get(effect.to_status)
        if not effect.changed and not effect.detail:
            yield NOTHING
        if effect.to_status == "CLOSED" and effect.from_status != "RESOLVED":
            yield "effected a close of a Case that was not resolved"
    if before is None or after is None or after < before:
        yield "effected a step back"


def _bearing(cycle: _Cycle, case_id: str, request: Request) -> list[Shown]:
    """Give the records of ours on the instance that is asked which, as far as was shown, bear a Case's id."""
    latest = [cycle.known.latest[target] for target in cycle.known.records[case_id]]
    here = [shown for shown in latest if connector_of(shown.target) == request.connector]
    return [shown for shown in here if shown.case_id == case_id and shown.mark == OWNER]


def judge(events: Iterable[Event], *, has_successors: bool = False) -> tuple[tuple[Violation, ...], Counter[str]]:
    """Give the promises that were broken on the way, and what was lost to races.

    Where Cases that fire again get a next record, what is stated of Cases that have one record is left out.
    """
    walk = _Judge(has_successors=has_successors)
    for event in events:
        walk.follow(event)
    return tuple(walk.violations), walk.races
