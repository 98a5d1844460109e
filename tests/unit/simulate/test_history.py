"""Reading a window: the Cases that changed in it, with their events, and nothing that is not needed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.errors import AuthFailed
from reconciler.core.model import System
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import bearer_login
from reconciler.sandbox.both import API_KEY
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.simulate import history
from reconciler.simulate.history import PastWindow, read_window
from tests.clients import in_process
from tests.world import World


def read(world: World, *, days: float = 7, told: list[tuple[str, int, int]] | None = None) -> PastWindow:
    """Read the last days of a world."""
    service = in_process(System.CORALOGIX, CoralogixFace(world.coralogix, API_KEY), bearer_login(API_KEY), world.clock)
    heard = told if told is not None else []
    return read_window(
        world.cases,
        CoralogixEventClient(service),
        since=world.clock.now() - timedelta(days=days),
        until=world.clock.now(),
        workers=2,
        progress=lambda *step: heard.append(step),
    )


def test_the_cases_that_changed_in_the_window_are_read_with_their_events() -> None:
    world = World()
    still, stirred = world.new_case("still"), world.new_case("stirred")
    world.clock.advance(days=10)
    world.coralogix.resolve(stirred, "done")
    opened = world.new_case("opened")
    told: list[tuple[str, int, int]] = []
    window = read(world, told=told)
    by_id = {one.case.id: one for one in window.histories}
    assert by_id.keys() == {stirred, opened}
    assert still not in by_id
    assert [event.kind for event in by_id[stirred].events] == ["created", "statusChanged"]
    assert told[-1] == ("reading what happened to them", 2, 2)
    assert (window.malformed, window.is_truncated) == (0, False)


def test_reading_ends_where_the_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE_ROWS", 2)
    world = World()
    for number in range(9):
        world.new_case(f"number {number}")
        world.clock.advance(days=1)
    window = read(world, days=2.5)
    assert [one.case.title for one in window.histories] == ["number 8", "number 7"]
    assert world.cases.requests["cases.list"] == 4


def test_a_case_without_a_time_of_change_is_found_by_its_creation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE_ROWS", 1)
    world = World()
    world.coralogix.ledger.use(type(world.coralogix.ledger.knobs)(fresh_update_time_null=True))
    old = world.new_case("old")
    world.clock.advance(days=30)
    world.coralogix.set_title(old, "older")
    world.clock.advance(days=30)
    fresh = world.new_case("fresh")
    assert [one.case.id for one in read(world).histories] == [fresh]


def test_what_is_hidden_is_told_and_what_cannot_be_understood_is_counted() -> None:
    world = World()
    hidden, _ = world.new_case("hidden"), world.new_case("shown")
    world.coralogix.hide(hidden)
    world.strike_cases(FaultKind.STRANGE_TIMES, "cases.list", year=9999)
    window = read(world)
    assert (window.is_truncated, window.malformed, len(window.histories)) == (True, 1, 1)


def test_a_case_that_is_deleted_meanwhile_is_left_out() -> None:
    world = World()
    gone, there = world.new_case("gone"), world.new_case("there")
    page = world.cases.list_cases

    def and_then_it_is_gone(**how: object) -> object:
        read_page = page(**how)  # type: ignore[arg-type]
        if how["page_size"] and any(case.id == gone for case in read_page.cases):
            world.coralogix.hide(gone)
        return read_page

    world.cases.list_cases = and_then_it_is_gone  # type: ignore[method-assign,assignment]
    assert [one.case.id for one in read(world).histories] == [there]


def test_a_refused_login_is_no_empty_window() -> None:
    world = World()
    world.coralogix.faults.add(Fault(FaultKind.UNAUTHORIZED_401, "cases.list", times=None))
    with pytest.raises(AuthFailed):
        read(world)
