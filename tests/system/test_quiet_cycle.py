"""What a cycle costs, in requests: a quiet one next to nothing, a busy one its writes and one read in two hundred."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from reconciler.engine.reading.steps import MANY_WRITES
from tests.system.support import Bench

LOOKED_UP_AT_ONCE = 200
PULL = Counter({"POST cases": 2, "GET incident": 1})
"""Two orders of Cases and one listing of records, each whole with its first page."""


def told(cases: int) -> Counter[str]:
    """Count the reading of the events of so many Cases that changed: one request each."""
    return Counter({"GET events": cases})


def cost(bench: Bench, *options: str) -> Counter[str]:
    """Run one cycle and count what it sent; what arrived and what the audit has must agree."""
    bench.traffic.forget()
    ran = bench.run("once", "--json", *options)
    assert ran.code == 0, ran.err
    cycle_id = ran.document["cycle_id"]
    # One that is like the quiet one before adds to the counter of that, whose requests are its own.
    of_it = f"SELECT cycle_id FROM cycles WHERE '{cycle_id}' IN (cycle_id, last_cycle_id)"  # noqa: S608 - ours
    audited = bench.query(f"SELECT count(*) AS n FROM audit_http WHERE cycle_id = ({of_it})")  # noqa: S608 - ours
    assert audited == [{"n": len(bench.traffic.requests)}]
    return bench.traffic.counts()


@pytest.mark.parametrize("links", [10, pytest.param(1000, marks=pytest.mark.gate)])
def test_a_quiet_cycle_costs_three_requests_whatever_it_has_to_look_after(bench: Bench, links: int) -> None:
    world = bench.world
    world.clock.advance(hours=-2)
    for number in range(links):
        bench.new_case(f"Case {number}")
    cost(bench, "--limits", "off")
    assert len(world.servicenow.records()) == links
    world.clock.advance(hours=2)
    bench.new_case("News")
    bench.run_until_quiet()
    quiet = cost(bench)
    assert quiet == PULL
    assert bench.traffic.mutations == []


@pytest.mark.parametrize("cases", [1, 51, 100])
def test_new_cases_cost_a_create_each_and_a_look_up_for_two_hundred(bench: Bench, cases: int) -> None:
    for number in range(cases):
        bench.new_case(f"Case {number}")
    look_ups = math.ceil(cases / LOOKED_UP_AT_ONCE)
    writes = PULL + Counter({"GET incident": look_ups, "POST incident": cases})
    if cases <= MANY_WRITES:
        assert cost(bench) == writes + told(cases)
    else:  # the events come in the next cycle, which writes nothing
        assert cost(bench) == writes
        assert cost(bench) == PULL + told(cases)


def test_verbs_of_cases_cost_a_read_and_a_write_each(bench: Bench) -> None:
    cases = [bench.new_case(f"Case {number}") for number in range(7)]
    bench.run_until_quiet()
    for case_id in cases:
        bench.world.servicenow.people.assign(bench.sys_id(case_id))
    assert cost(bench) == PULL + Counter({"GET cases": 7, "PUT acknowledged": 7}) + told(7)


def test_advances_of_records_cost_a_write_each_and_one_read_for_two_hundred(bench: Bench) -> None:
    cases = [bench.new_case(f"Case {number}") for number in range(7)]
    bench.run_until_quiet()
    for case_id in cases:
        bench.world.coralogix.acknowledge(case_id)
    assert cost(bench) == PULL + Counter({"GET incident": 1, "PATCH incident": 7}) + told(7)
