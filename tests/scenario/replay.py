"""Histories of records, real or made up, played onto linked records while cycles fall, each cycle checked on the spot.

Rules of this file: people act through their own face of the two services; what a cycle did is read from the services'
journals, never from the program's report; all histories run side by side in one course of time. Updates of one minute
share a second, and the next minute that has an update is the next second.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.core.model import Result
from reconciler.core.policies.policies import Limits
from reconciler.engine.context import Settings
from reconciler.engine.report import CycleReport
from reconciler.sandbox.coralogix.lifecycle import Step
from reconciler.sandbox.servicenow.journal import Operation
from tests.builders import a_silent_inbound, policies
from tests.scenario.invariants import case_breaches, record_breaches
from tests.scenario.oracle import RECORD_STAGES, Memory, Record, Seen, Verdict, judge
from tests.scenario.updates import Update
from tests.world import World

NO_BRAKES = Limits(
    max_creates_per_cycle=10_000, max_case_resolves_per_cycle=10_000, max_incident_resolves_per_cycle=10_000
)
OVERLAP = timedelta(seconds=5)
PAGE_ROWS = 50
"""Where a cycle reads far back it ends with the page that reaches far enough, and need not read every Case there is."""
STRANGE_STATUS = "CASE_STATUS_SNOOZED"
STEPS: Mapping[str, tuple[Step, ...]] = {
    "ACTIVE": (Step.ACKNOWLEDGE, Step.ACKNOWLEDGE, Step.RESOLVE, Step.RECOVER),
    "ACKNOWLEDGED": (Step.UNACKNOWLEDGE, Step.RESOLVE),
    "RESOLVED": (Step.REACTIVATE, Step.CLOSE),
}
"""What a person or the system may do with a Case, by its status."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Say how often a cycle falls, and what else happens between the updates; the same seed gives the same play."""

    updates_per_cycle: int
    seed: int
    case_moves: float = 0.0
    """how likely some Case moves by itself after an update"""
    strange_statuses: float = 0.0
    """how likely such a move leads to a status that no description names"""
    arrivals: int = 10
    """how many Cases come at once"""


@dataclass
class Writes:
    """List what one cycle sent for one pair, in order."""

    case: list[str] = field(default_factory=list)
    record: list[str] = field(default_factory=list)


@dataclass
class Track:
    """Follow one history, and the pair onto which it is played."""

    number: str
    case_id: str
    sys_id: str = ""
    stood: dict[str, str] = field(default_factory=dict)
    """the history's own values after its last update"""
    memory: Memory = field(default_factory=Memory)
    seen: list[Seen] = field(default_factory=list)
    """what the cycles saw, where something had changed"""


@dataclass
class Replay:
    """Play updates in time, let cycles fall, and hold each against the oracle."""

    updates: Sequence[Update]
    pace: Pace
    needed_writes: int = 0
    words: set[str] = field(default_factory=set)
    """every skip word that was met"""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.pace.seed)
        settings = Settings(
            workers=1,
            case_overlap=OVERLAP,
            incident_overlap=OVERLAP,
            case_page_rows=PAGE_ROWS,
            all_cases_page_rows=PAGE_ROWS,
        )
        self.world = World(rules=policies(limits=NO_BRAKES, inbound=a_silent_inbound()), settings=settings)
        self.tracks: dict[str, Track] = {}
        self.by_case: dict[str, Track] = {}
        self.waiting = list(dict.fromkeys(update.number for update in self.updates))[::-1]
        """numbers without a Case; the next to arrive is the last"""
        self.changed: set[str] = set()
        """numbers of which a side changed since the last cycle"""
        self.case_entries = 0
        self.record_entries = 0

    def play(self) -> Replay:
        """Play everything; raise AssertionError at the first cycle with which the oracle does not agree."""
        self.cycle()
        self.world.clock.advance(seconds=1)
        minute = self.updates[0].at
        for update in self.updates:
            if update.at > minute:
                minute = update.at
                self.world.clock.advance(seconds=1)
            if update.number not in self.tracks:
                self._arrive()
            self._act(update)
            self._move_a_case(self.rng.choice(list(self.tracks)))
            if self.rng.random() * self.pace.updates_per_cycle < 1:
                self.cycle()
        self.cycle()
        assert not self.cycle().plan.actions, "a quiet cycle planned something"
        return self

    def problems(self) -> list[str]:
        """List what is wrong at the end: with the whole journals, and with where each pair rests."""
        problems = [*case_breaches(self.world.coralogix), *record_breaches(self.world.servicenow), *self._unrest()]
        if self.world.writes() != self.needed_writes:
            problems.append(f"{self.world.writes()} writes were sent, {self.needed_writes} were needed")
        return problems

    # -- what happens in the world -----------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Open the next Cases and let a cycle make their records."""
        for _ in range(min(self.pace.arrivals, len(self.waiting))):
            number = self.waiting.pop()
            track = Track(number=number, case_id=self.world.new_case(f"As in {number}"))
            self.tracks[number] = self.by_case[track.case_id] = track
            self.changed.add(number)
            self._move_a_case(number)
        self.cycle()

    def _act(self, update: Update) -> None:
        """Do what the history's people did: the fields that one update changed, or else a note."""
        track, people = self.tracks[update.number], self.world.servicenow
        values = {name: value for name, value in update.values.items() if value != track.stood.get(name, "")}
        track.stood |= update.values
        self.changed.add(update.number)
        if not values:
            people.people.note(track.sys_id, "Still at it.", by=update.by)
        elif values.get("state", "1") in RECORD_STAGES:
            people.people.edit(track.sys_id, by=update.by, **values)
        else:
            people.people.set_state(track.sys_id, by=update.by, **values)
        stands = people.record(track.sys_id)
        refused = {name for name, value in values.items() if stands[name] != value}
        assert not refused, f"{update.number}: the world refused {refused} of {values}"

    def _move_a_case(self, number: str) -> None:
        """Let a person or the system take a step with a Case, as often as the pace says."""
        if self.rng.random() >= self.pace.case_moves:
            return
        track, coralogix = self.tracks[number], self.world.coralogix
        status = coralogix.ledger.case(track.case_id).status
        if track.sys_id and self.rng.random() < self.pace.strange_statuses:
            coralogix.set_status(track.case_id, STRANGE_STATUS)
        elif status == STRANGE_STATUS:
            coralogix.set_status(track.case_id, self.rng.choice(list(STEPS)))
        elif status in STEPS:
            coralogix.step(track.case_id, self.rng.choice(STEPS[status]))
        self.changed.add(number)

    # -- what a cycle sees, must do, and did -------------------------------------------------------------------

    def cycle(self) -> CycleReport:
        """Let one cycle fall, and hold what it did against what it had to do."""
        due = {number: self._foretell(self.tracks[number]) for number in sorted(self.changed)}
        self.changed.clear()
        report = self.world.cycle(seconds=0)
        assert report.error is None, report.error
        assert {outcome.result for outcome in report.outcomes} <= {Result.DONE}, report.outcomes
        self._compare(due, self._sent())
        self._compare_words(due, {skip.case_id: skip.reason.value for skip in report.plan.skips})
        return report

    def _foretell(self, track: Track) -> Verdict:
        seen = self._look(track)
        verdict = judge(track.memory, seen)
        track.memory = verdict.memory
        track.seen.append(seen)
        self.needed_writes += verdict.writes
        return verdict

    def _look(self, track: Track) -> Seen:
        """Give what a cycle that falls now can see of a pair."""
        case = self.world.coralogix.ledger.case(track.case_id)
        record = None
        if track.sys_id:
            row = self.world.servicenow.record(track.sys_id)
            reopened = int(row["reopen_count"] or "0") > 0
            record = Record(state=row["state"], is_assigned=bool(row["assigned_to"]), was_reopened=reopened)
        return Seen(status=case.status, was_reactivated=case.reactivated_at is not None, record=record)

    def _sent(self) -> Mapping[str, Writes]:
        """Read from both journals what the program sent since the last look, by number."""
        sent: defaultdict[str, Writes] = defaultdict(Writes)
        entries, writes = self.world.coralogix.journal, self.world.servicenow.journal
        for entry in entries[self.case_entries :]:
            if entry.actor == "apiKey":
                sent[self.by_case[entry.case_id].number].case.append(entry.verb)
        for write in writes[self.record_entries :]:
            if write.via_api:
                track = self.by_case[write.correlation_id]
                track.sys_id = write.sys_id
                verb = "create" if write.operation is Operation.INSERT else write.operation.value
                sent[track.number].record.append(f"{verb} {write.state_after}")
        self.case_entries, self.record_entries = len(entries), len(writes)
        return sent

    def _compare(self, due: Mapping[str, Verdict], sent: Mapping[str, Writes]) -> None:
        for number in sorted({*due, *sent}):
            verdict = due.get(number)
            needed = Writes(list(verdict.case_writes), list(verdict.record_writes)) if verdict else Writes()
            found = sent.get(number, Writes())
            assert found == needed, f"{number}: sent {found}, needed {needed}, saw {self.tracks[number].seen}"

    def _compare_words(self, due: Mapping[str, Verdict], words: Mapping[str, str]) -> None:
        self.words |= set(words.values())
        for number, verdict in due.items():
            track = self.tracks[number]
            word = words.get(track.case_id)
            assert word in verdict.words, f"{number}: said {word}, fitting {set(verdict.words)}, saw {track.seen}"

    # -- what stands at the end --------------------------------------------------------------------------------

    def _unrest(self) -> Iterator[str]:
        """Name every pair that does not stand where the oracle lets it rest, or is not explained as it says."""
        words = {skip.case_id: skip.reason.value for skip in self.world.store.links.standing_skips()}
        for number, track in self.tracks.items():
            verdict = judge(track.memory, self._look(track))
            if verdict.writes:
                yield f"{number} still needs {verdict}"
            if words.get(track.case_id) not in verdict.words:
                yield f"{number} rests with {words.get(track.case_id)}, fitting {set(verdict.words)}, saw {track.seen}"
            if len(self.world.servicenow.incidents_for(track.case_id)) != 1:
                yield f"{number} has not one record"
