"""Answers that never end, headers that make no sense, times that no clock shows: a hostile answer stays an answer."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping

import pytest

from reconciler.core.errors import Ambiguous, Malformed, RemoteError, Transient
from reconciler.remotes.http.pacing import ClientClock
from reconciler.remotes.ports import CasePage, IncidentPage
from reconciler.sandbox.faults import DRIPS, Fault, FaultKind
from tests.contract.stage import Theatre, Way, case_id, new_cases, new_records, sys_id
from tests.contract.test_faults import (
    CASE_CALLS,
    CASE_READS,
    RECORD_CALLS,
    RECORD_READS,
    lasting,
    play_case,
    play_record,
    prepare_records,
)

BEYOND_UTC = (1, 9999, 20000)
READABLE = 2099


def ticking(step_seconds: float) -> ClientClock:
    """Make a clock that moves whenever it is looked at, so that no limit has to be waited for."""
    ticks = itertools.count(0.0, step_seconds)
    return ClientClock(monotonic=lambda: next(ticks), sleep=lambda _seconds: None)


# -- answers that never end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(DRIPS))
@pytest.mark.parametrize(
    ("name", "error"), [("get", Transient), ("acknowledge", Ambiguous), ("find", Transient), ("create", Ambiguous)]
)
@pytest.mark.parametrize("after_effect", [False, True])
def test_an_answer_that_drips_is_given_up(
    name: str, error: type[RemoteError], kind: FaultKind, after_effect: bool, theatre: Theatre
) -> None:
    theatre.clock = ticking(45)
    is_case = name in CASE_CALLS
    operation = (CASE_CALLS if is_case else RECORD_CALLS)[name][0]
    seen = []
    for way in (Way.SOCKETS, Way.IN_PROCESS):
        fault = lasting(kind, operation, after_effect=after_effect)
        if is_case:
            seen.append(play_case(theatre, theatre.cases(new_cases(), way=way), name, way, fault))
        else:
            seen.append(play_record(theatre, theatre.records(new_records(), way=way), name, way, fault))
        assert seen[-1].outcome is error
    assert seen[0] == seen[1]


# -- headers that make no sense ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASE_CALLS)
def test_absurd_headers_change_nothing_of_a_case(name: str, theatre: Theatre) -> None:
    usual, absurd = (
        play_case(theatre, theatre.cases(new_cases()), name, Way.SOCKETS, *faults)
        for faults in ((), (lasting(FaultKind.ABSURD_HEADERS, "*", after_effect=False),))
    )
    assert _but_what_headers_tell(absurd.outcome) == _but_what_headers_tell(usual.outcome)
    assert absurd.world == usual.world


@pytest.mark.parametrize("name", RECORD_CALLS)
def test_absurd_headers_change_nothing_of_a_record(name: str, theatre: Theatre) -> None:
    usual, absurd = (
        play_record(theatre, theatre.records(new_records()), name, Way.SOCKETS, *faults)
        for faults in ((), (lasting(FaultKind.ABSURD_HEADERS, "*", after_effect=False),))
    )
    assert _but_what_headers_tell(absurd.outcome) == _but_what_headers_tell(usual.outcome)
    assert absurd.world == usual.world


def _but_what_headers_tell(outcome: object) -> object:
    """Leave out the service's own time, and that its count shows a page to be the last."""
    return {**outcome, "server_time": None, "is_whole": None} if isinstance(outcome, dict) else outcome


def test_absurd_headers_are_named_in_the_log(theatre: Theatre, caplog: pytest.LogCaptureFixture) -> None:
    stage = theatre.records(new_records())
    stage.world.faults.add(Fault(FaultKind.ABSURD_HEADERS, "records.list"))
    with caplog.at_level(logging.WARNING):
        stage.client.find("incident", [case_id(1)])
    assert "a header makes no sense and is ignored" in caplog.messages
    assert all(len(record.getMessage()) + len(str(record.__dict__)) < 5000 for record in caplog.records)


@pytest.mark.parametrize("words", ["9" * 5000, "Mon, 01 Jan 20000 00:00:00 GMT", "-5", "soon"])
def test_a_wait_that_makes_no_sense_is_one_of_our_own(words: str, theatre: Theatre) -> None:
    stage = theatre.cases(new_cases())
    made = stage.world.create_case("one")
    stage.world.faults.add(Fault(FaultKind.RATE_429, "cases.get", times=1, retry_after=words))
    assert stage.client.get_case(made).id == made
    assert stage.requests["cases.get"] == 2


# -- times that no clock shows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", BEYOND_UTC)
def test_a_time_that_cannot_be_puts_one_case_of_a_page_aside(year: int, theatre: Theatre) -> None:
    stage = theatre.cases(new_cases())
    for title in ("first", "second", "third"):
        stage.world.create_case(title)
        stage.world.clock.advance(seconds=1)
    stage.world.faults.add(Fault(FaultKind.STRANGE_TIMES, "cases.list", year=year))
    page = CASE_CALLS["list"][1](stage.client, "")
    assert isinstance(page, CasePage)
    assert [case.title for case in page.cases] == (["third", "second"] if year == 1 else ["second", "first"])
    assert len(page.malformed) == 1


@pytest.mark.parametrize("year", BEYOND_UTC)
def test_a_time_that_cannot_be_puts_one_record_of_a_page_aside(year: int, theatre: Theatre) -> None:
    stage = theatre.records(new_records())
    prepare_records(stage.world)
    stage.world.faults.add(Fault(FaultKind.STRANGE_TIMES, "records.list", year=year))
    page = RECORD_CALLS["changed"][1](stage.client)
    assert isinstance(page, IncidentPage)
    assert [record.sys_id for record in page.incidents] == [sys_id(2) if year == 1 else sys_id(1)]
    assert [one.record_id for one in page.malformed] == [sys_id(1) if year == 1 else sys_id(2)]


MEANINGS: Mapping[str, type[Exception]] = {
    "get": Malformed,
    "acknowledge": Ambiguous,
    "resolve": Ambiguous,
    "close": Ambiguous,
}
"""the call -> what it comes to where the one Case of the answer has a time that cannot be"""


@pytest.mark.parametrize("year", BEYOND_UTC)
@pytest.mark.parametrize("name", MEANINGS)
def test_a_time_that_cannot_be_in_the_one_case_of_an_answer(name: str, year: int, theatre: Theatre) -> None:
    fault = Fault(FaultKind.STRANGE_TIMES, CASE_CALLS[name][0], times=None, year=year)
    seen = play_case(theatre, theatre.cases(new_cases()), name, Way.SOCKETS, fault)
    assert seen.outcome is MEANINGS[name]


@pytest.mark.parametrize("year", BEYOND_UTC)
@pytest.mark.parametrize(("name", "error"), [("create", Malformed), ("update", Ambiguous)])
def test_a_time_that_cannot_be_in_the_one_record_of_an_answer(
    name: str, error: type[Exception], year: int, theatre: Theatre
) -> None:
    fault = Fault(FaultKind.STRANGE_TIMES, RECORD_CALLS[name][0], times=None, year=year)
    seen = play_record(theatre, theatre.records(new_records()), name, Way.SOCKETS, fault)
    assert seen.outcome is error


@pytest.mark.parametrize("name", CASE_READS)
def test_a_time_of_a_case_that_is_only_far_away_is_read(name: str, theatre: Theatre) -> None:
    fault = Fault(FaultKind.STRANGE_TIMES, "*", times=None, year=READABLE)
    seen = play_case(theatre, theatre.cases(new_cases()), name, Way.SOCKETS, fault)
    assert not isinstance(seen.outcome, type)


@pytest.mark.parametrize("name", RECORD_READS)
def test_a_time_of_a_record_that_is_only_far_away_is_read(name: str, theatre: Theatre) -> None:
    fault = Fault(FaultKind.STRANGE_TIMES, "*", times=None, year=READABLE)
    seen = play_record(theatre, theatre.records(new_records()), name, Way.SOCKETS, fault)
    assert not isinstance(seen.outcome, type)
