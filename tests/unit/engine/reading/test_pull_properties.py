"""The pull, for any interleaving of writes, pages, lag and clock steps: nothing missed, nothing remembered wrongly.

No link is made here and no drift check is due: what is remembered at the end came by the pull alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.engine.context import Context, Settings
from reconciler.engine.cycle import run_cycle
from reconciler.engine.report import CycleRequest
from reconciler.sandbox.coralogix.records import CaseKnobs
from tests.builders import a_route, condition, policies
from tests.campaign.schedule import CaseAct, Interrupt, When
from tests.campaign.trace import Gate
from tests.campaign.watched import Watch, WatchedCases, WatchedIncidents
from tests.world import World

CASES, RECORDS = 4, 7
NOBODY = policies(routes=(a_route(when=condition("false")),))
QUIET = Settings(
    drift_check_every=timedelta(days=1000),
    workers=1,
    case_page_rows=2,
    all_cases_page_rows=3,
    incident_page_rows=2,
    incident_pages_per_cycle=4,
    short_rows=1,
)
HALF_AN_OVERLAP_SECONDS = 151
"""After so long a listing is read in depth again."""

CHANGES = st.tuples(st.sampled_from(["case", "record"]), st.integers(0, 6))
STEPS = st.lists(
    st.one_of(
        CHANGES,
        st.tuples(st.just("wait"), st.sampled_from([0.2, 1, 30, 100, 400])),
        st.tuples(st.just("set back"), st.sampled_from([1, 30, 100])),
        st.tuples(st.just("commit late"), st.sampled_from([1, 40, 100])),
        st.tuples(st.just("pull"), st.lists(st.tuples(st.integers(1, 6), CHANGES), max_size=3)),
    ),
    max_size=14,
)


class Stage:
    """Hold a few Cases and records that change, and one daemon that only reads."""

    def __init__(self, *, lag_seconds: float, is_offset: bool) -> None:
        self.world = World(rules=NOBODY, settings=QUIET)
        self.world.coralogix.ledger.use(CaseKnobs(list_lag_seconds=lag_seconds, offset_tokens=is_offset))
        self.case_ids = [self.world.new_case(f"Case {number}") for number in range(CASES)]
        self.sys_ids = [self.world.servicenow.people.open_incident("by hand", **self._ours(n)) for n in range(RECORDS)]
        self.changes = 0
        self.cycles = 0
        self.set_back_seconds = 0.0

    def _ours(self, number: int) -> dict[str, str]:
        return {"correlation_display": "Coralogix", "correlation_id": self.case_ids[number % CASES]}

    def change(self, side: str, number: int) -> None:
        """Let somebody change one of them."""
        self.changes += 1
        if side == "case":
            self.world.coralogix.set_title(self.case_ids[number % CASES], f"title {self.changes}")
        else:
            self.world.servicenow.people.edit(self.sys_ids[number % RECORDS], description=f"text {self.changes}")

    def step(self, word: str, what: object) -> None:
        """Do one step of a schedule."""
        match word, what:
            case "wait", float() | int():
                self.world.clock.advance(seconds=float(what))
            case "set back", int():
                if self.set_back_seconds + what <= 150:  # in all less than an overlap, together with any lag
                    self.world.clock.advance(seconds=-what)
                    self.set_back_seconds += what
            case "commit late", int():
                self.world.servicenow.tables.delay_commit(what)
            case "pull", list():
                self.pull(what)
            case _, int():
                self.change(word, what)

    def pull(self, between: list[tuple[int, tuple[str, int]]]) -> None:
        """Let one cycle fall, with changes between its requests."""
        self.cycles += 1
        interrupts = [Interrupt("*", nth, When.AFTER, CaseAct(index, "")) for index, (nth, _) in enumerate(between)]

        def strike(interrupt: Interrupt) -> None:
            assert isinstance(interrupt.what, CaseAct)
            self.change(*between[interrupt.what.case][1])

        watch = Watch(host=0, gate=Gate(interrupts, strike), events=[])
        run_cycle(self._context(watch), CycleRequest(carry_out=False), cycle_id=f"cycle-{self.cycles}")

    def _context(self, watch: Watch) -> Context:
        world = self.world
        return Context(
            cases=WatchedCases(world.cases, world.coralogix, watch),
            connectors={"main": WatchedIncidents(world.incidents, watch)},
            store=world.store,
            policies=NOBODY,
            policy_hash="policies",
            clock=world.clock.now,
            settings=QUIET,
        )

    def come_to_rest(self) -> None:
        """Let what is late become visible, and read as often as the program promises to need."""
        for seconds in (200 + self.set_back_seconds, HALF_AN_OVERLAP_SECONDS, HALF_AN_OVERLAP_SECONDS, 30, 30, 30):
            self.world.clock.advance(seconds=seconds)
            self.pull([])

    def differences(self) -> Iterator[str]:
        """Name everything that is not remembered as it is."""
        for case_id in self.case_ids:
            pair = self.world.store.links.pair(case_id)
            if pair is None or pair.case != self.world.coralogix.ledger.case(case_id):
                yield f"Case {case_id}"
        remembered = {
            record.sys_id: record
            for records in self.world.store.links.known_records(self.case_ids).values()
            for record in records
        }
        for sys_id in self.sys_ids:
            if remembered.get(sys_id) != self.world.incidents.get("incident", sys_id):
                yield f"record {sys_id}"


def _play(steps: list[tuple[str, object]], lag_seconds: float, *, is_offset: bool) -> list[str]:
    stage = Stage(lag_seconds=lag_seconds, is_offset=is_offset)
    for word, what in steps:
        stage.step(word, what)
    stage.come_to_rest()
    return list(stage.differences())


@pytest.mark.gate
@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(steps=STEPS, lag_seconds=st.sampled_from([0.0, 5.0, 100.0]), is_offset=st.booleans())
def test_nothing_is_missed_and_nothing_remembered_wrongly(
    steps: list[tuple[str, object]], lag_seconds: float, is_offset: bool
) -> None:
    assert _play(steps, lag_seconds, is_offset=is_offset) == []


def test_a_change_in_the_second_where_a_long_reading_stopped_is_read() -> None:
    steps: list[tuple[str, object]] = [("pull", []), ("record", 1), ("wait", 400), ("record", 0)]
    assert _play(steps, 0.0, is_offset=False) == []
