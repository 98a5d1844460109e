"""What the log tells of a cycle: each new hold and each write that went wrong, once, with the service's own words."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from reconciler.core.model import Result
from reconciler.sandbox.faults import FaultKind
from tests.scenario.test_holds import linked
from tests.store_helpers import an_action, begin_action
from tests.world import World, results

Told = tuple[str, str, dict[str, Any]]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="reconciler")
    return caplog


def told(log: pytest.LogCaptureFixture, *messages: str) -> list[Told]:
    """Give level, message and facts of what was said in these words, and forget what was said so far."""
    said = [(record.levelname, record.message, vars(record)) for record in log.records if record.message in messages]
    log.clear()
    return said


def test_a_new_hold_is_a_warning_once_and_its_end_is_told(log: pytest.LogCaptureFixture) -> None:
    world = World()
    case_id = linked(world)
    sys_id, number = world.sys_id(case_id), world.record(case_id)["number"]
    world.servicenow.people.resolve(sys_id)
    world.run_until_quiet()
    world.servicenow.people.reopen(sys_id)
    log.clear()
    world.cycle()
    [(level, _, facts)] = told(log, "a hold began", "a hold ended")
    assert level == "WARNING"
    assert (facts["case"], facts["record"], facts["reason"]) == ("CASE-1", number, "incident_reopened")
    assert facts["detail"]
    for _ in range(3):
        world.cycle(seconds=3600)
    assert told(log, "a hold began", "a hold ended") == []
    world.servicenow.people.resolve(sys_id)
    world.cycle()
    [(level, message, facts)] = told(log, "a hold began", "a hold ended")
    assert (level, message, facts["case"], facts["record"]) == ("INFO", "a hold ended", "CASE-1", number)


def test_a_rejected_write_is_a_warning_each_time_and_its_hold_once(log: pytest.LogCaptureFixture) -> None:
    world = World()
    case_id = linked(world)
    world.coralogix.acknowledge(case_id)
    world.strike_records(FaultKind.FORBIDDEN_403, "records.update", times=2)
    log.clear()
    assert results(world.cycle()) == [Result.REJECTED]
    words = ("a write was rejected", "a hold began")
    [write, hold] = told(log, *words)
    assert [write[:2], hold[:2]] == [("WARNING", words[0]), ("WARNING", words[1])]
    assert write[2]["result"] == hold[2]["reason"] == "rejected"
    assert "403" in write[2]["detail"]
    assert hold[2]["detail"] == write[2]["detail"]
    world.cycle()
    assert told(log, *words) == []
    assert results(world.cycle(seconds=3600)) == [Result.REJECTED]
    assert [message for _, message, _ in told(log, *words)] == ["a write was rejected"]


@pytest.mark.parametrize(
    ("kind", "after_effect", "level", "message", "result"),
    [
        (FaultKind.RATE_429, False, "WARNING", "a write failed and is tried again", "retry"),
        (FaultKind.ERROR_503_HTML, False, "WARNING", "the outcome of a write is not known", "unknown"),
        (FaultKind.RESET, True, "INFO", "action ended", "done"),
    ],
)
def test_a_write_is_told_by_what_came_of_it(
    kind: FaultKind, after_effect: bool, level: str, message: str, result: str, log: pytest.LogCaptureFixture
) -> None:
    world = World()
    case_id = linked(world)
    world.coralogix.acknowledge(case_id)
    world.strike_records(kind, "records.update", after_effect=after_effect)
    log.clear()
    world.cycle()
    said = [one for one in told(log, *[record.message for record in log.records]) if "result" in one[2]]
    assert [(one[0], one[1], one[2]["result"], one[2]["case"]) for one in said] == [(level, message, result, "CASE-1")]


def test_a_side_that_gets_no_more_is_told_once_however_much_waits_for_it(log: pytest.LogCaptureFixture) -> None:
    world = World()
    world.cycle()
    for title in ("One", "Two", "Three", "Four"):
        world.new_case(title)
    world.strike_records(FaultKind.ERROR_503_HTML, "records.create", times=9)
    log.clear()
    assert Result.RETRY in results(world.cycle())
    [(level, _, facts)] = told(log, "nothing more is sent to a side in this cycle")
    assert (level, facts["side"]) == ("WARNING", "main")
    assert "503" in facts["because"]


def test_the_head_of_the_chain_is_told_in_each_cycle_that_wrote(log: pytest.LogCaptureFixture) -> None:
    world = World()
    linked(world)
    log.clear()
    world.cycle()
    assert told(log, "head of the chain") == []
    world.new_case("Another")
    world.cycle()
    [(_, _, facts)] = told(log, "head of the chain")
    seq, head = world.store.ledger.head()
    assert (facts["seq"], facts["head"]) == (seq, head.hex())


def test_a_plan_that_is_only_made_tells_of_no_hold(log: pytest.LogCaptureFixture) -> None:
    world = World()
    case_id = linked(world)
    world.servicenow.people.remove(world.sys_id(case_id))
    world.coralogix.acknowledge(case_id)
    log.clear()
    for _ in range(4):
        world.cycle(seconds=3600, carry_out=False)
    assert told(log, "a hold began") == []


def test_a_write_that_a_killed_process_left_open_is_a_warning_of_the_next_cycle(log: pytest.LogCaptureFixture) -> None:
    world = World()
    case_id = linked(world)
    begin_action(world.store, an_action(case_id=case_id, case_key="CASE-1"), cycle_id="killed", now=world.clock.now())
    log.clear()
    world.cycle()
    [(level, _, facts)] = told(log, "the outcome of a write is not known")
    assert (level, facts["case"]) == ("WARNING", "CASE-1")
    assert "ended before the outcome was recorded" in facts["detail"]
