"""The ServiceNow client: listings by change, and when they are not believed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core.errors import PartialTruth, Transient
from reconciler.core.model import JsonObject
from reconciler.remotes.ports import Position
from tests.unit.remotes.scripted import as_json
from tests.unit.remotes.servicenow.rows import (
    NEEDED,
    NOON,
    client,
    listing,
    numbers,
    row,
    sys_id,
    without,
)


def test_a_listing_says_what_it_asks_for_and_where_it_ends() -> None:
    with client(listing(row(2), row(3, 5)), listing()) as (it, talk):
        page = it.changed("incident", since=NOON)
        assert numbers(page.incidents) == [2, 3]
        assert (page.hidden, page.malformed) == (0, ())
        assert page.last == Position(updated_at=NOON.replace(second=5), sys_id=sys_id(3))
        assert page.server_time == datetime(2026, 11, 2, 10, tzinfo=UTC)
        end = it.changed("incident", since=NOON, after=page.last, limit=7)
        assert (end.incidents, end.last, end.hidden) == ((), None, 0)
    assert talk.seen[0].query == {
        "sysparm_query": "correlation_display=Coralogix^sys_updated_on>=2026-11-02 12:00:00"
        "^ORDERBYsys_updated_on^ORDERBYsys_id",
        "sysparm_fields": f"{NEEDED},impact",
        "sysparm_limit": "500",
        "sysparm_display_value": "false",
        "sysparm_exclude_reference_link": "true",
        "sysparm_suppress_pagination_header": "true",
        "sysparm_no_count": "false",
    }
    assert talk.seen[1].query["sysparm_limit"] == "7"
    assert talk.seen[1].query["sysparm_query"].count("correlation_display=Coralogix^") == 2
    assert len(talk.seen) == 2


def test_an_empty_page_that_counts_rows_hides_them() -> None:
    with client(listing(count=12), listing(count=12)) as (it, _):
        assert it.changed("incident", since=NOON).hidden == 12
    with client(as_json({"result": []})) as (it, _):
        assert it.changed("incident", since=NOON).hidden == 0


def test_a_count_that_is_wrong_once_is_no_lack_of_rights() -> None:
    with client(listing(count=1), listing()) as (it, _):
        assert it.changed("incident", since=NOON).hidden == 0
    with client(listing(count=1), listing(row(1))) as (it, _):
        assert numbers(it.changed("incident", since=NOON).incidents) == [1]


@pytest.mark.parametrize("time", ["0001-01-01 00:00:00", "9999-12-31 23:59:59", "1969-12-31 23:59:59"])
def test_a_time_that_no_record_can_have_costs_that_record_alone(time: str) -> None:
    rows = sorted([row(1, sys_updated_on=time), row(2)], key=lambda one: str(one["sys_updated_on"]))
    with client(listing(*rows), listing(row(1, sys_updated_on=time)), listing()) as (it, talk):
        page = it.changed("incident", since=None)
        assert numbers(page.incidents) == [2]
        assert page.malformed[0].record_id == sys_id(1)
        assert page.last is not None
        alone = it.changed("incident", since=None)
        assert alone.last is not None
        assert alone.malformed[0].record_id == sys_id(1)
        assert it.changed("incident", since=None, after=alone.last).last is None
    assert time in talk.seen[2].query["sysparm_query"]


def test_a_page_is_whole_where_the_service_counts_no_more_than_it_shows() -> None:
    for rows, count, is_whole in (([row(1)], 1, True), ([], 0, True), ([row(1)], 7, False)):
        with client(*[listing(*rows, count=count)] * 2) as (it, _):
            assert it.changed("incident", since=NOON, limit=1).is_whole is is_whole
    with client(as_json({"result": [row(1)]})) as (it, _):
        assert not it.changed("incident", since=NOON).is_whole


def test_a_page_that_shows_less_than_it_counts_is_looked_at_again() -> None:
    with client(listing(row(1), count=3), listing(row(1), count=3)) as (it, _):
        assert it.changed("incident", since=NOON).hidden == 2
    with client(listing(row(1), count=2), listing(row(1), row(2))) as (it, _):
        assert it.changed("incident", since=NOON).hidden == 0
    with client(listing(row(1), count=900)) as (it, talk):
        assert it.changed("incident", since=NOON, limit=1).hidden == 0
    assert len(talk.seen) == 1


@pytest.mark.parametrize("mark", ["", "Somebody else", "Coralogix2"])
def test_a_row_with_another_mark_means_that_the_condition_was_dropped(mark: str) -> None:
    answer = listing(row(1), row(2, correlation_display=mark))
    with client(answer) as (it, _), pytest.raises(PartialTruth, match="correlation_display was dropped"):
        it.changed("incident", since=NOON)


def test_a_mark_that_differs_in_case_alone_matches_there_and_is_not_ours() -> None:
    with client(listing(row(1), row(2, correlation_display="CORALOGIX "), row(3))) as (it, _):
        assert numbers(it.changed("incident", since=NOON).incidents) == [1, 3]


@pytest.mark.parametrize(
    ("since", "after", "rows"),
    [
        (datetime(2026, 11, 2, 12, 0, 5, tzinfo=UTC), None, [row(1, 4)]),
        (None, None, [row(1, 5), row(2, 4)]),
        (None, None, [row(2, 5), row(1, 5)]),
        (None, Position(updated_at=NOON, sys_id=sys_id(5)), [row(5)]),
        (None, Position(updated_at=NOON, sys_id=sys_id(5)), [row(4)]),
        (None, Position(updated_at=NOON.replace(second=1), sys_id=sys_id(5)), [row(6)]),
    ],
)
def test_a_row_out_of_place_means_that_the_order_was_dropped(
    since: datetime | None, after: Position | None, rows: list[JsonObject]
) -> None:
    with client(listing(*rows)) as (it, _), pytest.raises(PartialTruth, match="sys_updated_on"):
        it.changed("incident", since=since, after=after)


def test_rows_in_place_are_taken() -> None:
    after = Position(updated_at=NOON, sys_id=sys_id(10).upper())
    with client(listing(row(11), row(1, 1), row(1, 1), row(2, 1))) as (it, _):
        assert numbers(it.changed("incident", since=NOON.replace(microsecond=9), after=after).incidents) == [
            11,
            1,
            1,
            2,
        ]
    with client(listing(row(1))) as (it, _):
        assert numbers(it.changed("incident", since=NOON.replace(microsecond=9)).incidents) == [1]


@pytest.mark.parametrize(
    "name", ["number", "state", "assigned_to", "correlation_id", "correlation_display", "sys_mod_count"]
)
def test_a_key_that_is_missing_is_named_and_stops_no_other_row(name: str) -> None:
    with client(listing(without(name), row(2))) as (it, _):
        page = it.changed("incident", since=NOON)
    assert numbers(page.incidents) == [2]
    assert page.malformed[0].record_id == sys_id(1)
    assert f"without {name}: no right" in str(page.malformed[0])


@pytest.mark.parametrize(
    "odd",
    [
        {},
        None,
        "text",
        row(1, sys_mod_count="many"),
        row(1, sys_mod_count="9" * 5000),
        row(1, sys_id="0" * 5000),
        row(1, sys_created_on=""),
    ],
)
def test_an_odd_row_stops_no_other(odd: object) -> None:
    with client(listing(odd, row(2))) as (it, _):
        page = it.changed("incident", since=NOON)
    assert numbers(page.incidents) == [2]
    assert page.malformed[0].raw == odd
    assert page.last == Position(updated_at=NOON, sys_id=sys_id(2))


@pytest.mark.parametrize("name", ["sys_id", "sys_updated_on", "correlation_display"])
def test_a_listing_that_cannot_be_continued_or_checked_is_partial(name: str) -> None:
    with client(listing(without(name))) as (it, _), pytest.raises(PartialTruth, match="no right to read"):
        it.changed("incident", since=NOON)


@pytest.mark.parametrize("body", [{}, {"result": None}, {"result": {}}, {"result": "x"}])
def test_a_listing_without_rows_is_no_empty_listing(body: object) -> None:
    with client(as_json(body)) as (it, _), pytest.raises(Transient, match="no list"):
        it.changed("incident", since=NOON)


def test_a_page_that_took_too_long_is_asked_for_smaller() -> None:
    cancelled = as_json({"error": {"message": "Transaction cancelled: maximum execution time exceeded"}}, 500)
    with client(cancelled, cancelled, cancelled, listing(row(1))) as (it, talk):
        assert numbers(it.changed("incident", since=NOON).incidents) == [1]
    assert [seen.query["sysparm_limit"] for seen in talk.seen] == ["500", "500", "500", "50"]
    with client(*[cancelled] * 4) as (it, talk), pytest.raises(Transient):
        it.changed("incident", since=NOON, limit=50)
    assert len(talk.seen) == 3
