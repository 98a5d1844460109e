"""The contract of a listing of Cases: order, pages, filters, what is put aside and what is kept."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from reconciler.core.errors import Malformed, Rejected
from reconciler.remotes.ports import CaseOrder, CasePage
from reconciler.sandbox.coralogix.lifecycle import STATUSES
from tests.contract.case_support import VERBS, ids, pages, populate, time_of
from tests.contract.stage import START, CaseStage, OpenCases, Theatre


@pytest.mark.parametrize("order", CaseOrder)
@pytest.mark.parametrize("page_size", [1, 7, 25, 200])
def test_a_listing_goes_from_newest_to_oldest_to_its_end(order: CaseOrder, page_size: int, cases: CaseStage) -> None:
    made = populate(cases.world)
    read = pages(cases.client, order, page_size)
    assert sorted(ids(*read)) == sorted(made)
    assert all(len(page.cases) == page_size for page in read[:-1])
    times = [time_of(case, order) for page in read for case in page.cases]
    assert times == sorted(times, reverse=True)
    assert not any(page.truncated or page.malformed for page in read)


def test_nothing_is_one_page_without_cases(cases: CaseStage) -> None:
    page = cases.client.list_cases(order=CaseOrder.UPDATED)
    assert page == CasePage(cases=(), server_time=START.replace(microsecond=0))


@pytest.mark.parametrize("offset_tokens", [False, True])
@pytest.mark.parametrize("order", CaseOrder)
def test_no_case_is_lost_while_others_move(order: CaseOrder, offset_tokens: bool, open_cases: OpenCases) -> None:
    stage = open_cases(offset_tokens=offset_tokens)
    made = populate(stage.world)

    def turn(number: int) -> None:
        stage.world.clock.advance(seconds=1)
        stage.world.create_case("new")
        stage.world.set_title(made[number], "moved")

    read = pages(stage.client, order, 4, turn)
    stood_still = set(made) - set(made[1 : len(read)])
    assert stood_still <= set(ids(*read))
    if not offset_tokens:
        seen = [case_id for case_id in ids(*read) if case_id in stood_still]
        assert len(seen) == len(set(seen))


def test_a_row_given_twice_is_the_same_case(open_cases: OpenCases) -> None:
    stage = open_cases(duplicate_rows=True)
    made = populate(stage.world, 9)
    read = pages(stage.client, CaseOrder.CREATED, 4)
    assert set(ids(*read)) == set(made)
    assert [page.cases[-1] for page in read] == [page.cases[-2] for page in read]


def test_the_page_bounds_are_those_of_the_service(cases: CaseStage) -> None:
    for page_size in (0, -1, 1001):
        with pytest.raises(Rejected):
            cases.client.list_cases(order=CaseOrder.UPDATED, page_size=page_size)
    for page_size in (1, 1000):
        assert cases.client.list_cases(order=CaseOrder.UPDATED, page_size=page_size).cases == ()


@pytest.mark.parametrize(
    "token", ["x", "bm8gY29tbWE=", "é", "x" * 4096], ids=["short", "no comma", "no base64", "long"]
)
def test_a_token_that_the_service_did_not_make_is_rejected(token: str, cases: CaseStage) -> None:
    cases.world.create_case("one")
    with pytest.raises(Rejected) as caught:
        cases.client.list_cases(order=CaseOrder.UPDATED, page_token=token)
    assert type(caught.value) is Rejected


def test_an_empty_token_is_the_first_page(cases: CaseStage) -> None:
    made = cases.world.create_case("one")
    assert ids(cases.client.list_cases(order=CaseOrder.UPDATED, page_token="")) == [made]


def test_statuses_filter_and_several_are_alternatives(cases: CaseStage) -> None:
    made = {status: cases.world.create_case(status) for status in STATUSES}
    for status, case_id in made.items():
        cases.world.set_status(case_id, status)
    for wanted in ([], ["ACTIVE"], ["RESOLVED", "CLOSED"], ["PENDING_ACTIVATION"], list(STATUSES)):
        page = cases.client.list_cases(order=CaseOrder.UPDATED, statuses=wanted)
        assert {case.status for case in page.cases} == set(wanted or STATUSES)
    with pytest.raises(Rejected):
        cases.client.list_cases(order=CaseOrder.UPDATED, statuses=["MERGED"])


def test_created_from_includes_its_own_instant_to_the_microsecond(cases: CaseStage) -> None:
    made = []
    for number in range(6):
        made.append(cases.world.create_case(f"{number}"))
        cases.world.clock.advance(microseconds=100)
    for number in range(6):
        for zone in (UTC, timezone(timedelta(hours=5, minutes=30))):
            start = (START + timedelta(microseconds=100 * number)).astimezone(zone)
            page = cases.client.list_cases(order=CaseOrder.CREATED, created_from=start)
            assert ids(page) == made[: number - 1 if number else None : -1]
    later = START + timedelta(hours=1)
    assert ids(cases.client.list_cases(order=CaseOrder.CREATED, created_from=later)) == []


def test_filters_hold_together_and_on_every_page(cases: CaseStage) -> None:
    made = populate(cases.world)
    start = cases.world.ledger.case(made[10]).created_at
    read: list[CasePage] = []
    token: str | None = None
    while token is not None or not read:
        read.append(
            cases.client.list_cases(
                order=CaseOrder.CREATED, page_token=token, page_size=3, statuses=["ACTIVE"], created_from=start
            )
        )
        token = read[-1].next_token
    wanted = [case_id for case_id in made[10:] if cases.world.ledger.case(case_id).status == "ACTIVE"]
    assert sorted(ids(*read)) == sorted(wanted)


def test_hidden_matches_are_told_of(cases: CaseStage) -> None:
    one, other = cases.world.create_case("one"), cases.world.create_case("other")
    cases.world.hide(other)
    page = cases.client.list_cases(order=CaseOrder.UPDATED)
    assert (ids(page), page.truncated) == ([one], True)
    assert not cases.client.list_cases(order=CaseOrder.UPDATED, statuses=["CLOSED"]).truncated


def test_a_case_that_cannot_be_understood_is_put_aside_and_the_others_are_kept(
    cases: CaseStage, theatre: Theatre
) -> None:
    theatre.desk.answers_are_described = False
    made = [cases.world.create_case(f"{number}") for number in range(3)]
    cases.world.set_status(made[1], "")
    page = cases.client.list_cases(order=CaseOrder.CREATED)
    assert set(ids(page)) == {made[0], made[2]}
    (malformed,) = page.malformed
    assert malformed.record_id == made[1]
    assert "status" in str(malformed)
    with pytest.raises(Malformed):
        cases.client.get_case(made[1])


def test_a_status_that_nobody_knows_is_kept(cases: CaseStage, theatre: Theatre) -> None:
    theatre.desk.answers_are_described = False
    made = cases.world.create_case("one")
    cases.world.set_status(made, "MERGED")
    assert cases.client.get_case(made).status == "MERGED"
    assert [case.status for case in cases.client.list_cases(order=CaseOrder.UPDATED).cases] == ["MERGED"]
    for act in VERBS.values():
        with pytest.raises(Rejected):
            act(cases.client, made)


@pytest.mark.parametrize("nulls_first", [False, True])
@pytest.mark.parametrize("null_optionals", [False, True])
def test_a_case_may_have_no_update_time(
    nulls_first: bool, null_optionals: bool, open_cases: OpenCases, theatre: Theatre
) -> None:
    theatre.desk.answers_are_described = not null_optionals
    stage = open_cases(fresh_update_time_null=True, nulls_first=nulls_first, null_optionals=null_optionals)
    made = [stage.world.create_case(f"{number}") for number in range(5)]
    stage.world.acknowledge(made[2])
    read = pages(stage.client, CaseOrder.UPDATED, 2)
    assert sorted(ids(*read)) == sorted(made)
    assert ids(*read).index(made[2]) == (4 if nulls_first else 0)
    assert stage.client.get_case(made[0]).updated_at is None
    assert stage.client.get_case(made[2]).updated_at == START


@pytest.mark.parametrize(("digits", "microsecond"), [(0, 0), (3, 123000), (6, 123456), (9, 123456)])
def test_times_have_any_number_of_digits(digits: int, microsecond: int, open_cases: OpenCases) -> None:
    stage = open_cases(fractional_digits=digits)
    made = stage.world.create_case("one")
    stage.world.acknowledge(made)
    stage.world.resolve(made)
    case = stage.client.get_case(made)
    shown = START.replace(microsecond=microsecond)
    assert (case.created_at, case.updated_at, case.acknowledged_at, case.resolved_at) == (shown,) * 4


def test_a_listing_that_lags_shows_the_world_as_it_was(open_cases: OpenCases) -> None:
    stage = open_cases(list_lag_seconds=5)
    made = stage.world.create_case("one")
    assert ids(stage.client.list_cases(order=CaseOrder.UPDATED)) == []
    assert stage.client.get_case(made).id == made
    stage.world.clock.advance(seconds=5)
    assert ids(stage.client.list_cases(order=CaseOrder.UPDATED)) == [made]
