"""Which link is worked on next: a side has as many workers as it has, whatever another has."""

from __future__ import annotations

import pytest

from reconciler.core.model import Action, ActionKind, Pair
from reconciler.core.planning.plan import Decision
from reconciler.engine.acting.lanes import Fresh, Lanes, Work
from reconciler.store.values import Decided
from tests.builders import NOW, a_case, a_link, an_incident
from tests.store_helpers import an_action

CONNECTORS = ("main", "second")
UNREAD = Fresh(read_at=NOW, records={})
DECIDED = Decided(link=a_link(), needs_plan=True)


def lanes(actions: list[Action], **workers_of: int) -> Lanes:
    """Give the lanes of a plan with one link for each action, all of them read."""
    decisions = [Decision(link=a_link(), actions=(action,)) for action in actions]
    made = Lanes(decisions, workers=1, workers_of=workers_of)
    pair = Pair(case=a_case(), link=a_link())
    for name, batch in list(made.batches()):
        made.looked_at(
            name, [Work(pair=pair, actions=list(one.actions), fresh=UNREAD, decided=DECIDED) for one in batch]
        )
    return made


def started(made: Lanes) -> list[str]:
    """Start what may start, and name the sides of it."""
    return sorted(work.side for work in made.starting())


def is_adoption(work: Work) -> bool:
    return work.actions[0].kind is ActionKind.ADOPT_INCIDENT


@pytest.mark.parametrize("workers", [1, 3])
def test_a_side_starts_as_many_as_it_has_workers_and_the_next_as_one_ends(workers: int) -> None:
    made = lanes([an_action(connector=name) for name in CONNECTORS for _ in range(5)], main=workers, second=2)
    assert started(made) == ["main"] * workers + ["second"] * 2
    assert started(made) == []
    made.ended("main")
    assert started(made) == ["main"]


def test_what_needs_no_request_waits_for_no_worker() -> None:
    kinds = [
        ActionKind.CREATE_INCIDENT,
        ActionKind.ADOPT_INCIDENT,
        ActionKind.CREATE_INCIDENT,
        ActionKind.ADOPT_INCIDENT,
    ]
    made = lanes([an_action(kind=kind) for kind in kinds], main=1)
    taken = made.adopting(lambda work: an_incident() if is_adoption(work) else None)
    assert [is_adoption(work) for work, _ in taken] == [True, True]
    assert started(made) == ["main"]
    made.ended("main")
    assert started(made) == ["main"]


def test_a_link_goes_on_before_those_that_were_not_begun() -> None:
    made = lanes([an_action(case_id=name) for name in ("first", "second", "third")], main=1)
    (first,) = made.starting()
    made.ended("main")
    made.go_on(first)
    (again,) = made.starting()
    assert again is first
