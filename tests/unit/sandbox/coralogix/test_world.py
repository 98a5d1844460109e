"""The sandbox's Coralogix world: listing and paging while rows move, its knobs, and its journal."""

from __future__ import annotations

import base64
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from reconciler.core.case_events import CaseEventKind
from reconciler.core.model import Case
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.records import (
    API_KEY,
    BadTokenError,
    CaseKnobs,
    Change,
    NoSuchCaseError,
    StepRefusedError,
    person,
)
from reconciler.sandbox.coralogix.shelf import Listing, ListQuery, SortField
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import FaultPlan

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def make_world(knobs: CaseKnobs | None = None) -> CoralogixWorld:
    return CoralogixWorld(SandboxClock(START), FaultPlan(), knobs=knobs)


def fill(world: CoralogixWorld, count: int) -> list[str]:
    ids = []
    for number in range(count):
        ids.append(world.create_case(f"Case {number}", priority=f"P{number % 5 + 1}"))
        world.clock.advance(seconds=1)
    return ids


def pages(world: CoralogixWorld, field: SortField, size: int, *, ascending: bool = False) -> Iterator[Listing]:
    token = None
    while True:
        page = world.ledger.list_cases(ListQuery(field=field, page_size=size, page_token=token, ascending=ascending))
        yield page
        token = page.next_token
        if token is None:
            return


def listed(world: CoralogixWorld, field: SortField, size: int = 3, *, ascending: bool = False) -> list[Case]:
    return [case for page in pages(world, field, size, ascending=ascending) for case in page.cases]


@pytest.mark.parametrize("field", SortField)
@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("offset_tokens", [False, True])
@pytest.mark.parametrize("size", [1, 3, 10, 11])
def test_pages_give_each_case_once(field: SortField, ascending: bool, offset_tokens: bool, size: int) -> None:
    world = make_world(CaseKnobs(offset_tokens=offset_tokens))
    ids = fill(world, 10)
    found = [case.id for case in listed(world, field, size, ascending=ascending)]
    assert sorted(found) == sorted(ids)
    assert len(list(pages(world, field, size))) == -(-10 // size)


@pytest.mark.parametrize("field", [SortField.CREATED, SortField.UPDATED])
def test_newest_first_and_ties_by_id(field: SortField) -> None:
    world = make_world()
    for _ in range(4):
        for _ in range(3):
            world.create_case("same instant")
        world.clock.advance(microseconds=1)
    found = listed(world, field)
    assert found == sorted(found, key=lambda case: (case.created_at, case.id), reverse=True)
    assert len(found) == 12


def test_two_changes_in_one_instant_share_an_update_time() -> None:
    world = make_world()
    first, second = fill(world, 2)
    world.acknowledge(first)
    world.acknowledge(second)
    assert world.ledger.case(first).updated_at == world.ledger.case(second).updated_at == world.clock.now()


def test_a_keyset_token_is_the_last_rows_time_and_id() -> None:
    world = make_world()
    newest = fill(world, 3)[-1]
    token = next(pages(world, SortField.UPDATED, 1)).next_token
    assert token is not None
    assert base64.b64decode(token).decode() == f"2026-03-01T12:00:02.123456Z,{newest}"


def test_rows_that_move_up_are_missed_by_no_other_row_under_keyset_tokens() -> None:
    world = make_world()
    ids = fill(world, 20)
    shuffled = random.Random(7)
    for size in (1, 2, 5):
        moved, seen = set(), []
        for page in pages(world, SortField.UPDATED, size):
            seen += [case.id for case in page.cases]
            mover = shuffled.choice(ids)
            moved.add(mover)
            world.set_title(mover, f"moved {len(seen)}")
            world.clock.advance(seconds=1)
        assert set(ids) - moved <= set(seen)
        assert len(seen) == len(set(seen))


def test_rows_that_move_are_repeated_or_skipped_under_offset_tokens() -> None:
    world = make_world(CaseKnobs(offset_tokens=True))
    ids = fill(world, 6)
    seen = []
    for page in pages(world, SortField.UPDATED, 2):
        seen += [case.id for case in page.cases]
        world.set_title(ids[0], f"moved {len(seen)}")
        world.clock.advance(seconds=1)
    assert len(seen) != len(set(seen))


@pytest.mark.parametrize("token", ["%%%", "", base64.b64encode(b"no comma").decode(), "b2Zmc2V0Ong="])
@pytest.mark.parametrize("offset_tokens", [False, True])
def test_a_token_of_somebody_else_is_refused(token: str, offset_tokens: bool) -> None:
    world = make_world(CaseKnobs(offset_tokens=offset_tokens))
    fill(world, 2)
    with pytest.raises(BadTokenError):
        world.ledger.list_cases(ListQuery(page_token=token))


def test_skip_passes_over_matches() -> None:
    world = make_world()
    ids = fill(world, 5)
    page = world.ledger.list_cases(ListQuery(skip=2, page_size=2))
    assert [case.id for case in page.cases] == [ids[2], ids[1]]


def test_priority_order_shows_p1_first() -> None:
    world = make_world()
    fill(world, 5)
    assert [case.priority for case in listed(world, SortField.PRIORITY)] == ["P1", "P2", "P3", "P4", "P5"]


@pytest.mark.parametrize("nulls_first", [False, True])
@pytest.mark.parametrize("size", [1, 2, 10])
def test_fresh_cases_may_have_no_update_time(nulls_first: bool, size: int) -> None:
    world = make_world(CaseKnobs(fresh_update_time_null=True, nulls_first=nulls_first))
    ids = fill(world, 4)
    changed = {world.acknowledge(ids[1]).id, world.acknowledge(ids[2]).id}
    found = [case.id for case in listed(world, SortField.UPDATED, size)]
    assert sorted(found) == sorted(ids)
    assert set(found[2:] if nulls_first else found[:2]) == changed
    assert world.ledger.case(ids[0]).updated_at is None


def test_a_lagging_list_shows_an_older_world() -> None:
    world = make_world(CaseKnobs(list_lag_seconds=10))
    (first,) = fill(world, 1)
    assert listed(world, SortField.UPDATED) == []
    world.clock.advance(seconds=9)
    world.acknowledge(first)
    assert [case.status for case in listed(world, SortField.UPDATED)] == ["ACTIVE"]
    assert world.ledger.visible_case(first).status == "ACKNOWLEDGED"
    world.clock.advance(seconds=10)
    assert [case.status for case in listed(world, SortField.CREATED)] == ["ACKNOWLEDGED"]


def test_one_listing_may_be_stale() -> None:
    world = make_world(CaseKnobs(stale_list_seconds=30))
    (first,) = fill(world, 1)
    world.clock.advance(seconds=60)
    world.resolve(first)
    statuses = [world.ledger.list_cases(ListQuery(), stale=stale).cases[0].status for stale in (True, False)]
    assert statuses == ["ACTIVE", "RESOLVED"]


@pytest.mark.parametrize(("digits", "microsecond"), [(0, 0), (3, 123000), (6, 123456), (9, 123456)])
def test_times_are_shown_with_so_many_digits(digits: int, microsecond: int) -> None:
    world = make_world(CaseKnobs(fractional_digits=digits))
    case = world.ledger.case(world.create_case("one"))
    assert case.created_at == case.updated_at == START.replace(microsecond=microsecond)


def test_cut_times_keep_the_exact_order() -> None:
    world = make_world(CaseKnobs(fractional_digits=0))
    ids = []
    for number in range(5):
        ids.append(world.create_case(f"{number}"))
        world.clock.advance(microseconds=10)
    assert [case.id for case in listed(world, SortField.UPDATED, 2)] == ids[::-1]


def test_which_changes_move_the_update_time() -> None:
    world = make_world(CaseKnobs(moves_update_time=frozenset({Change.STATUS})))
    case_id = world.create_case("one")
    world.clock.advance(seconds=5)
    world.set_title(case_id, "two")
    world.set_priority(case_id, "P1")
    world.assign(case_id, person("ada").id)
    world.comment(case_id, "hello")
    world.breach_kpi(case_id)
    assert world.ledger.case(case_id).updated_at == START
    assert world.acknowledge(case_id).updated_at == world.clock.now()


@pytest.mark.parametrize("size", [2, 3, 5, 10])
def test_rows_may_be_given_twice_and_none_is_lost(size: int) -> None:
    world = make_world(CaseKnobs(duplicate_rows=True))
    ids = fill(world, 7)
    all_pages = list(pages(world, SortField.UPDATED, size))
    found = [case.id for page in all_pages for case in page.cases]
    assert set(found) == set(ids)
    assert len(found) > len(ids)
    assert all(len(page.cases) <= size for page in all_pages)


def test_a_hidden_case_is_left_out_and_admitted() -> None:
    world = make_world()
    first, second = fill(world, 2)
    world.hide(first)
    page = world.ledger.list_cases(ListQuery())
    assert ([case.id for case in page.cases], page.truncated) == ([second], True)
    assert not world.ledger.list_cases(ListQuery(matches=lambda case: case.id == second)).truncated
    with pytest.raises(NoSuchCaseError):
        world.ledger.visible_case(first)
    with pytest.raises(NoSuchCaseError):
        world.acknowledge(first, by=API_KEY)
    assert world.acknowledge(first).status == "ACKNOWLEDGED"
    world.hide(first, hidden=False)
    assert not world.ledger.list_cases(ListQuery()).truncated


def test_a_deleted_case_is_gone_everywhere() -> None:
    world = make_world()
    first, second = fill(world, 2)
    world.delete(first)
    for name in (first, "CASE-1"):
        with pytest.raises(NoSuchCaseError):
            world.ledger.case(name)
    assert [case.id for case in listed(world, SortField.UPDATED)] == [second]
    with pytest.raises(NoSuchCaseError):
        world.acknowledge(first)
    assert (world.journal[-1].accepted, world.journal[-1].case_id) == (False, first)


def test_the_system_and_people_set_different_priorities() -> None:
    world = make_world()
    case_id = world.create_case("one", priority="P3")
    assert world.set_priority(case_id, "P1").priority == "P1"
    moved = world.set_priority(case_id, "P4", by="system")
    assert (moved.priority, moved.priority_system, moved.priority_override) == ("P1", "P4", "P1")
    assert world.set_priority(case_id, "").priority == "P4"
    world.resolve(case_id)
    with pytest.raises(StepRefusedError):
        world.set_priority(case_id, "P1")
    assert world.set_priority(case_id, "P5", by="system").priority == "P5"


def test_a_change_of_nothing_leaves_no_event() -> None:
    world = make_world()
    case_id = world.create_case("one")
    world.clock.advance(seconds=5)
    world.set_title(case_id, "one")
    assert [event.key for event in world.ledger.events(case_id)] == [CaseEventKind.CREATED]
    assert world.ledger.case(case_id).updated_at == START
    assert (world.journal[-1].verb, world.journal[-1].accepted, world.journal[-1].changed) == ("set_title", True, False)


def test_comments_are_written_edited_and_removed() -> None:
    world = make_world()
    case_id = world.create_case("one")
    event = world.comment(case_id, " looking into it ", by=person("ada"))
    assert (event.data["text"], event.actor.name) == ("looking into it", "ada")
    world.clock.advance(seconds=1)
    edited = world.edit_comment(event.id, "found it")
    assert (edited.edited_at, world.ledger.event(event.id)) == (world.clock.now(), edited)
    world.delete_comment(event.id)
    with pytest.raises(NoSuchCaseError):
        world.ledger.event(event.id)
    with pytest.raises(NoSuchCaseError):
        world.delete_comment(world.ledger.events(case_id)[0].id)


def test_a_world_can_be_played_again() -> None:
    first, second, other = (make_world(CaseKnobs(seed=seed)) for seed in (1, 1, 2))
    assert fill(first, 3) == fill(second, 3)
    assert not set(fill(first, 3)) & set(fill(other, 6))


def test_several_threads_change_one_world() -> None:
    world = make_world()
    ids = fill(world, 20)

    def work() -> None:
        for number, case_id in enumerate(ids):
            world.comment(case_id, "me too")
            world.set_title(case_id, f"{threading.get_ident()} {number}")
            listed(world, SortField.UPDATED)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(case.id for case in listed(world, SortField.UPDATED)) == sorted(ids)
    assert sum(event.key is CaseEventKind.COMMENT for case_id in ids for event in world.ledger.events(case_id)) == 80
