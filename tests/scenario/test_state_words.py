"""Every state of a record against every kind of outbound policy: one table by hand, and every combination by rule.

The table is read from the guide and the contract, not from the code: A acknowledges, R resolves, C closes, . asks
nothing. A star behind a state stands for a record that is assigned to somebody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import pytest

from reconciler.core.model import SkipReason, Stage
from reconciler.core.planning.standing import asked_of_case
from reconciler.core.policies.policies import Outbound
from tests.builders import a_link, an_incident, an_outbound, policies
from tests.scenario.configured import ConfiguredWorld

STATES = '[servicenow.main.states]\n10 = "in_progress"\n11 = "resolved"\n'
POLICIES = {
    "usual": 'acknowledge_on = ["assigned", "in_progress", "on_hold"]\nresolve_on = ["resolved"]\n'
    'close_on = ["closed", "canceled"]',
    "never closes": 'acknowledge_on = ["assigned", "in_progress"]\nresolve_on = ["resolved"]',
    "cancel resolves": 'resolve_on = ["resolved", "canceled"]\nclose_on = ["closed"]',
    "closed alone": 'close_on = ["closed"]',
    "resolved closes": 'close_on = ["resolved"]',
    "assigned alone": 'acknowledge_on = ["assigned"]',
    "own state": 'acknowledge_on = ["10"]\nresolve_on = ["11"]',
    "deaf": "",
}
TABLE = """
state  usual  never closes  cancel resolves  closed alone  resolved closes  assigned alone  own state  deaf
1      .      .             .                .             .                .               .          .
1*     A      A             .                .             .                A               .          .
2      A      A             .                .             .                .               .          .
2*     A      A             .                .             .                A               .          .
3      A      .             .                .             .                .               .          .
3*     A      A             .                .             .                A               .          .
6      R      R             R                .             C                .               .          .
6*     R      R             R                .             C                A               .          .
7      C      R             C                C             C                .               .          .
7*     C      R             C                C             C                .               .          .
8      C      .             R                .             .                .               .          .
8*     C      .             R                .             .                .               .          .
10     A      A             .                .             .                .               A          .
10*    A      A             .                .             .                A               A          .
11     R      R             R                .             C                .               R          .
11*    R      R             R                .             C                A               R          .
42     .      .             .                .             .                .               .          .
42*    .      .             .                .             .                .               .          .
"""
STATUS = {".": "ACTIVE", "A": "ACKNOWLEDGED", "R": "RESOLVED", "C": "CLOSED"}


def column(policy: str) -> dict[str, str]:
    """Give what one policy of the table asks: state -> letter."""
    place = list(POLICIES).index(policy) + 1
    rows = [line.split() for line in TABLE.strip().splitlines()[1:]]
    return {row[0]: row[place] for row in rows}


@pytest.mark.parametrize("policy", POLICIES)
def test_each_state_asks_what_the_table_says(policy: str) -> None:
    world = ConfiguredWorld(text=f"{STATES}[outbound.default]\n{POLICIES[policy]}")
    expected = column(policy)
    world.cycle()
    case_ids = {state: world.new_case(state) for state in expected}
    world.cycle()
    for state, case_id in case_ids.items():
        somebody = {"assigned_to": world.servicenow.tables.user_id("beth.anglin")} if state.endswith("*") else {}
        world.servicenow.people.set_state(world.sys_id(case_id), state.rstrip("*"), **somebody)
    world.run_until_quiet()
    assert {state: world.status(case_id) for state, case_id in case_ids.items()} == {
        state: STATUS[letter] for state, letter in expected.items()
    }
    assert {world.skip(case_ids[state]) for state in ("42", "42*")} == {SkipReason.UNKNOWN_STATE}


HELD = {
    "1": {"new"},
    "2": {"in_progress"},
    "3": {"on_hold"},
    "6": {"resolved"},
    "7": {"closed"},
    "8": {"canceled"},
    "10": {"in_progress"},
}
"""The words of each state, but for its raw value and ``assigned``."""
OVER = {"7", "8"}


def subsets(words: Sequence[str]) -> Iterator[frozenset[str]]:
    return map(frozenset, chain.from_iterable(combinations(words, size) for size in range(len(words) + 1)))


EVERY_OUTBOUND = [
    an_outbound(acknowledge_on=acknowledge, resolve_on=resolve, close_on=close)
    for acknowledge in subsets(("assigned", "new", "in_progress", "on_hold"))
    for resolve in subsets(("resolved", "closed", "canceled", "10"))
    for close in subsets(("resolved", "closed", "canceled"))
]


@pytest.mark.parametrize("is_assigned", [False, True])
@pytest.mark.parametrize("state", HELD)
def test_the_highest_step_whose_list_holds_a_word_is_asked(state: str, is_assigned: bool) -> None:
    rules = policies(states={"main": {"10": "in_progress"}})
    record = an_incident(state=state, assigned_to="5137153cc611227c000bbd1bd8cd2005" if is_assigned else "")
    held = rules.words(a_link(), record)
    words = HELD[state] | {state} | ({"assigned"} if is_assigned and state not in OVER else set())
    assert held == words
    for outbound in EVERY_OUTBOUND:
        assert asked_of_case(held, outbound) is by_rule(words, outbound)


def by_rule(words: set[str], outbound: Outbound) -> Stage | None:
    """Work out a step by the sentences of the contract."""
    counts_as_resolved = "closed" in words and "closed" not in outbound.close_on
    held = words | ({"resolved"} if counts_as_resolved else set())
    asked = [
        *([Stage.ACKNOWLEDGED] if held & outbound.acknowledge_on else []),
        *([Stage.RESOLVED] if held & outbound.resolve_on else []),
        *([Stage.CLOSED] if held & outbound.close_on else []),
    ]
    return max(asked, default=None)
