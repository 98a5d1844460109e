"""The config gate: changed routes or policies that would do much to existing links wait for a person."""

from __future__ import annotations

from pathlib import Path

from reconciler.core.errors import Refused
from reconciler.core.policies.policies import Limits
from reconciler.engine.brakes import ACCEPTED_CONFIG
from reconciler.engine.report import CycleReport, CycleResult
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.store.store import Store
from tests.scenario.configured import ConfiguredWorld
from tests.store_helpers import empty_store
from tests.world import START

LIMIT = "[limits]\nmax_changes_on_new_config = 2\n"
CHANGED = f'{LIMIT}[inbound.default.fields]\nurgency = "3"'
HARMLESS = f"{LIMIT}[inbound.default]\ncreate_when = \"case.priority != 'P5'\""


def with_cases(count: int = 3, *, store: Store | None = None) -> ConfiguredWorld:
    world = ConfiguredWorld(text=LIMIT, store=store or empty_store())
    for number in range(count):
        world.started(f"Case {number}", priority="P1")
    assert world.cycle().result is CycleResult.DONE
    return world


def urgencies(world: ConfiguredWorld) -> set[str]:
    return {row["urgency"] for row in world.servicenow.records("incident")}


def is_refused(report: CycleReport) -> bool:
    return isinstance(report.error, Refused)


def test_a_change_that_does_too_much_is_refused_with_the_numbers_and_the_way_out() -> None:
    world = with_cases()
    before = world.written()
    world.read(CHANGED)
    report = world.cycle()
    assert (report.exit_code, report.result) == (3, CycleResult.REFUSED)
    words = str(report.error)
    assert "3 changes" in words
    assert "3 update_incident" in words
    assert "max_changes_on_new_config allows 2" in words
    assert "once --accept-config" in words
    assert "policy replay" in words
    assert (world.written(), urgencies(world)) == (before, {"1"})


def test_it_stays_refused_until_a_person_lets_it_through_once() -> None:
    world = with_cases()
    world.read(CHANGED)
    assert [is_refused(world.cycle()) for _ in range(3)] == [True] * 3
    assert world.cycle(accept_config=True).exit_code == 0
    assert urgencies(world) == {"3"}
    assert not is_refused(world.cycle())


def test_limits_off_lets_it_through_too() -> None:
    world = with_cases()
    world.read(CHANGED)
    world.cycle(limits_on=False)
    assert urgencies(world) == {"3"}
    assert not is_refused(world.cycle())


def test_it_stays_refused_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "reconciler.db"
    world = with_cases(store=Store.open(path, now=START))
    world.read(CHANGED)
    world.cycle()
    world.store.close()
    world.store = Store.open(path, now=world.clock.now())
    assert is_refused(world.cycle())
    assert not is_refused(world.cycle(accept_config=True))
    world.store.close()


def test_a_database_that_knows_of_no_accepted_config_takes_that_of_its_last_cycle() -> None:
    """It is older than the gate, or its memory was rebuilt."""
    world = with_cases()
    world.store.database.connection.execute("DELETE FROM facts WHERE key = ?", (ACCEPTED_CONFIG,))
    world.read(CHANGED)
    assert is_refused(world.cycle())


def test_a_cycle_that_saw_one_connector_alone_accepts_nothing() -> None:
    """What the other connector's links would get is not known yet, so it cannot have been let through."""
    routes = """
[[route]]
name = "attacks"
connector = "second"
when = 'case.category == "SECURITY"'
[[route]]
name = "the rest"
connector = "main"
fallback = true
"""
    world = ConfiguredWorld(text=f"{LIMIT}{routes}", connectors=("main", "second"))
    for number in range(3):
        world.started(f"Case {number}", category="SECURITY")
    world.read(f'{LIMIT}{routes}[inbound.default.fields]\nurgency = "3"')
    world.instances["second"].faults.add(Fault(FaultKind.TIMEOUT, "records.list"))
    assert world.cycle().exit_code == 1
    assert is_refused(world.cycle())


def test_a_harmless_change_passes_by_itself_and_is_then_what_counts() -> None:
    world = with_cases()
    accepted = world.store.facts.get(ACCEPTED_CONFIG)
    world.read(HARMLESS)
    assert world.cycle().exit_code == 0
    assert world.store.facts.get(ACCEPTED_CONFIG) == world.config.policy_hash != accepted


def test_putting_the_old_config_back_goes_on_as_if_nothing_had_been() -> None:
    world = with_cases()
    world.read(CHANGED)
    assert is_refused(world.cycle())
    world.read(LIMIT)
    assert world.cycle().exit_code == 0
    assert world.run_until_quiet() == 0
    assert urgencies(world) == {"1"}


def test_a_refused_config_does_not_judge_where_links_stand() -> None:
    """Otherwise a state that was mapped wrongly for one cycle would count as reached for ever."""
    world = with_cases()
    case_id = world.started("one more")
    world.servicenow.people.progress(world.sys_id(case_id))
    world.cycle()
    world.read(f'{CHANGED}\n[servicenow.main.states]\n2 = "resolved"')
    assert is_refused(world.cycle())
    world.read(LIMIT)
    world.cycle()
    assert world.skip(case_id) is None
    world.servicenow.people.resolve(world.sys_id(case_id))
    world.run_until_quiet()
    assert world.status(case_id) == "RESOLVED"


def test_new_cases_are_not_counted_and_the_other_brakes_still_hold() -> None:
    world = with_cases(0)
    world.cycle()
    for number in range(4):
        world.new_case(f"Case {number}")
    world.read(HARMLESS)
    assert world.cycle().exit_code == 0
    world.read(f"{LIMIT}max_creates_per_cycle = 1\n[inbound.default.on_create]\ncategory = 'network'")
    for number in range(2):
        world.new_case(f"more {number}")
    report = world.cycle(accept_config=True)
    assert "max_creates_per_cycle" in str(report.error)


def test_as_many_changes_as_the_limit_allows_pass() -> None:
    world = with_cases(2)
    world.read(CHANGED)
    assert world.cycle().exit_code == 0
    assert urgencies(world) == {"3"}


def test_the_usual_limit() -> None:
    assert Limits().max_changes_on_new_config == 50
