"""A simulation makes what the program would have made: held against worlds on which the program really ran."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from reconciler.core.model import ActionKind, SkipReason
from reconciler.core.policies.existing import Existing
from reconciler.core.policies.policies import Limits, Policies, Reference
from reconciler.engine.context import Settings
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.simulate.history import PastWindow
from reconciler.simulate.play import Playback, SimulationResult
from reconciler.simulate.report import document, loads
from reconciler.simulate.script import script_of
from reconciler.simulate.simulation import Production, Simulation
from tests.builders import an_inbound, compiled, policies
from tests.unit.simulate.test_history import read
from tests.world import FIELDS, START, World

POLL = timedelta(seconds=30)


def simulated(window: PastWindow, rules: Policies | None = None) -> SimulationResult:
    production = Production(
        policies=rules or policies(),
        policy_hash="policies",
        connectors=("main",),
        fields={"incident": FIELDS, "u_outage": ("u_team", "assignment_group", "short_description")},
        settings=Settings(),
        program_version="test",
    )
    simulation = Simulation(production, window.since)
    try:
        return Playback(
            simulation=simulation,
            script=script_of(window.histories, window.since),
            until=window.until,
            poll=POLL,
            drift_check=Settings().drift_check_every,
            progress=lambda _what, _done, _total: None,
        ).run()
    finally:
        simulation.close()


def window_of(world: World) -> PastWindow:
    return replace(read(world), since=START)


def done(played: SimulationResult) -> list[tuple[ActionKind, str, str]]:
    return [
        (one.outcome.action.kind, one.outcome.action.case_id, one.outcome.action.to_stage.word) for one in played.made
    ]


class Lived:
    """Let a few hours pass on a world, with the program at work at every poll, and keep what it did."""

    def __init__(self, rules: Policies | None = None) -> None:
        self.world = World(rules=rules or policies())
        self.done: list[tuple[ActionKind, str, str]] = []
        self.requests: Counter[str] = Counter()

    def go(self, minutes: float) -> None:
        for _ in range(int(minutes * 60 / POLL.total_seconds())):
            report = self.world.cycle(seconds=POLL.total_seconds())
            self.done += [(one.action.kind, one.action.case_id, one.action.to_stage.word) for one in report.outcomes]


def a_story(lived: Lived) -> None:
    """Let Cases come, change and go."""
    world = lived.world
    lived.go(0.5)
    first = world.new_case("Payments are slow", priority="P3", labels=[("team", "payments")])
    lived.go(10)
    world.coralogix.acknowledge(first)
    second = world.new_case("Disk is full", activate=False)
    lived.go(30)
    world.coralogix.activate(second)
    world.coralogix.set_title(first, "Payments are very slow")
    lived.go(40)
    world.coralogix.resolve(first, "restarted the pod")
    world.coralogix.set_priority(second, "P1")
    lived.go(5)
    third = world.new_case("gone before anybody looked")
    world.coralogix.recover(third)
    world.coralogix.close(first)
    lived.go(60)
    world.coralogix.recover(second)
    lived.go(10)


@dataclass(frozen=True, kw_only=True)
class Told:
    """Hold a story as it was lived, as it was read, and as it was played."""

    lived: Lived
    asked: Counter[str]
    """requests that the program made"""
    window: PastWindow
    played: SimulationResult


@pytest.fixture(scope="module")
def told() -> Told:
    lived = Lived()
    a_story(lived)
    world = lived.world
    asked = Counter({"coralogix": world.cases.requests.total(), "main": world.incidents.requests.total()})
    window = window_of(world)
    return Told(lived=lived, asked=asked, window=window, played=simulated(window))


def test_it_makes_what_the_program_made(told: Told) -> None:
    lived, played = told.lived, told.played
    assert done(played) == lived.done
    assert len(lived.done) >= 6
    assert played.braked == ()
    assert {one.outcome.result.value for one in played.made} == {"done"}
    assert {one.route for one in played.made} == {"everything"}


def test_it_sends_the_fields_that_the_program_sent(told: Told) -> None:
    journal = told.lived.world.servicenow.journal
    sent = {write.sys_id: write.asked for write in journal if write.via_api and write.operation is Operation.INSERT}
    actions = [one.outcome.action for one in told.played.made]
    assert sent == {one.sys_id: one.fields for one in actions if one.kind is ActionKind.CREATE_INCIDENT}


def test_it_counts_the_requests_that_the_program_made(told: Told) -> None:
    played = told.played
    counted = Counter[str]()
    for hour in played.hours:
        counted.update(hour.requests)
    assert counted["coralogix"] == pytest.approx(told.asked["coralogix"], rel=0.02)
    assert counted["main"] == pytest.approx(told.asked["main"], rel=0.02)
    assert played.cycles == pytest.approx((told.window.until - told.window.since) / POLL, abs=1)
    assert loads(told.window, played)["main"].most == max(hour.requests["main"] for hour in played.hours)


def test_each_thing_is_done_at_the_first_poll_behind_its_cause() -> None:
    world = World()
    world.clock.advance(minutes=17, seconds=4)
    world.new_case("one")
    world.clock.advance(minutes=60)
    (made,) = simulated(window_of(world)).made
    assert made.at == START + timedelta(minutes=17, seconds=30)


def test_a_brake_that_would_have_acted_is_told_and_the_rest_is_seen_all_the_same() -> None:
    world = World()
    for number in range(4):
        world.new_case(f"number {number}")
    world.clock.advance(minutes=5)
    rules = policies(limits=Limits(max_creates_per_cycle=3))
    played = simulated(window_of(world), rules)
    (braked,) = played.braked
    assert (braked.at, braked.planned) == (START, 4)
    assert "max_creates_per_cycle" in braked.words
    assert len(played.made) == 4


def test_what_stands_skipped_at_the_end_is_told() -> None:
    world = World()
    waiting = world.new_case("not yet", activate=False)
    world.clock.advance(minutes=5)
    (skip,) = simulated(window_of(world)).skips
    assert (skip.case_id, skip.reason) == (waiting, SkipReason.PENDING_ACTIVATION)


def outage_rules() -> Policies:
    """Write to a table of somebody's own, with states, a field and a group that no sandbox has by itself."""
    inbound = an_inbound(
        table="u_outage",
        fields=compiled({"short_description": "{{ case.title }}", "u_team": "{{ case.priority }}"}),
        on_create=compiled({"assignment_group": "Night shift"}),
        on_acknowledge=compiled({"state": "-3"}),
        on_resolve=compiled({"state": "60"}),
        on_close=None,
        references={"assignment_group": Reference(table="u_team_of_ours", name_field="u_title")},
        states={"10": "new", "-3": "in_progress", "60": "resolved"},
    )
    return policies(inbound=inbound)


def test_whatever_the_config_names_is_there() -> None:
    world = World()
    case_id = world.new_case("Disk is full")
    world.clock.advance(minutes=5)
    world.coralogix.acknowledge(case_id)
    world.clock.advance(minutes=5)
    world.coralogix.resolve(case_id)
    world.clock.advance(minutes=60)
    played = simulated(window_of(world), outage_rules())
    assert [to for _, _, to in done(played)] == ["open", "acknowledged", "resolved"]
    created = played.made[0].outcome
    assert created.incident is not None
    assert created.incident.fields["u_team"] == "P2"
    assert len(created.incident.fields["assignment_group"]) == 32


def test_records_of_others_that_the_config_asks_for_are_not_there() -> None:
    world = World()
    case_ids = [world.new_case("Disk is full")]
    world.clock.advance(minutes=5)
    case_ids.append(world.new_case("Payments are slow"))
    world.clock.advance(minutes=5)
    rules = policies(inbound=an_inbound(existing=Existing.compile("u_coralogix_case={{ case.id }}")))
    played = simulated(window_of(world), rules)
    assert done(played) == [(ActionKind.CREATE_INCIDENT, case_id, "open") for case_id in case_ids]
    assert played.skips == ()


def test_the_document_says_everything(told: Told) -> None:
    written = document(told.window, told.played)
    assert written["version"] == 1
    assert (written["cases"], written["malformed"], written["cases_hidden"]) == (3, 0, False)
    assert written["events"] == sum(len(one.events) for one in told.window.histories)
    assert written["counts"]["create_incident"] == 3
    assert sum(written["counts"].values()) == len(written["actions"])
    assert {"at", "route", "kind", "case_id", "fields", "result"} <= written["actions"][0].keys()
    assert datetime.fromisoformat(written["actions"][0]["at"]) > START
    assert sum(hour["actions"] for hour in written["hours"]) == len(written["actions"])
    assert written["requests_per_hour"].keys() == {"coralogix", "main"}
    assert written["assumed"]
