"""The contract of a listing by change: each record once and in order, an empty page as the end, hidden rows told of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.errors import Ambiguous, Malformed, PartialTruth
from reconciler.remotes.ports import Position
from tests.contract.record_support import SECOND, ids, in_order, put, read_all
from tests.contract.stage import (
    OWNER,
    OpenRecords,
    RecordStage,
    case_id,
)


def test_more_than_six_hundred_rows_of_one_second_are_read_once_and_in_order(records: RecordStage) -> None:
    made = [put(records.world, number * 7919 % 631) for number in range(631)]
    records.world.clock.advance(seconds=1)
    made += [put(records.world, 1000 + number) for number in range(9)]
    read = read_all(records.client, limit=100)
    assert ids(*read) == [*sorted(made[:631]), *made[631:]]
    assert in_order(read)
    assert [len(page.incidents) for page in read] == [100] * 6 + [40, 0]
    assert [page.last is None for page in read] == [False] * 7 + [True]
    assert not any(page.hidden or page.malformed for page in read)
    assert {page.server_time for page in read} == {SECOND + timedelta(seconds=1)}


@pytest.mark.parametrize("limit", [1, 2, 7, 500])
def test_no_record_is_lost_while_others_move(limit: int, records: RecordStage) -> None:
    made = []
    for number in range(21):
        if number % 3 == 0:
            records.world.clock.advance(seconds=1)
        made.append(put(records.world, number))

    def turn(page: int) -> None:
        records.world.clock.advance(seconds=1)
        if page <= 5:
            records.world.people.edit(made[20 - page], description=f"moved {page}")
            put(records.world, 100 + page)

    read = read_all(records.client, limit=limit, turn=turn)
    assert set(made) <= set(ids(*read))
    assert in_order(read)
    last_seen = {one.sys_id: one for page in read for one in page.incidents}
    assert all(last_seen[one].mod_count == int(records.world.record(one)["sys_mod_count"]) for one in made)


def test_a_listing_starts_at_its_second_and_goes_on_behind_a_row(records: RecordStage) -> None:
    made = []
    for number in range(4):
        made.append(put(records.world, number))
        records.world.clock.advance(seconds=1)
    since = SECOND + timedelta(seconds=2, microseconds=999999)
    assert ids(records.client.changed("incident", since=since)) == made[2:]
    assert ids(records.client.changed("incident", since=None)) == made
    assert ids(records.client.changed("incident", since=SECOND + timedelta(hours=1))) == []
    here = Position(updated_at=SECOND + timedelta(seconds=1), sys_id=made[1].upper())
    assert ids(records.client.changed("incident", since=None, after=here)) == made[2:]
    assert ids(records.client.changed("incident", since=SECOND + timedelta(hours=1), after=here)) == made[2:]


def test_only_records_that_bear_our_mark_are_listed(records: RecordStage) -> None:
    ours = put(records.world, 1)
    records.world.people.open_incident("no mark")
    records.world.people.open_incident("another's", correlation_id=case_id(1), correlation_display="Other")
    records.world.people.open_incident("nearly ours", correlation_id=case_id(1), correlation_display=OWNER.upper())
    assert ids(*read_all(records.client)) == [ours]
    assert [one.sys_id for one in records.client.find("incident", [case_id(1)])] == [ours]


def test_our_mark_is_asked_for_behind_every_row(records: RecordStage) -> None:
    made = []
    for number in range(4):
        made.append(put(records.world, number))
        records.world.people.open_incident("another's of the same second", correlation_display="Other")
        records.world.clock.advance(seconds=1)
        records.world.people.open_incident("another's of a later second", correlation_display="Other")
    for limit in (1, 2, 500):
        assert ids(*read_all(records.client, limit=limit)) == made


def test_a_page_may_hold_only_rows_that_are_not_ours_and_yet_not_be_the_end(records: RecordStage) -> None:
    for number in range(3):
        records.world.people.open_incident(
            "nearly ours", correlation_id=case_id(number), correlation_display=OWNER.upper()
        )
    records.world.clock.advance(seconds=1)
    ours = put(records.world, 7)
    read = read_all(records.client, limit=2)
    assert ids(*read) == [ours]
    assert [len(page.incidents) for page in read] == [0, 1, 0]


@pytest.mark.parametrize("count", ["before_acl", "after_acl"])
def test_hidden_rows_are_counted_where_the_service_counts_them(count: str, open_records: OpenRecords) -> None:
    stage = open_records(total_count=count)
    made = [put(stage.world, number) for number in range(5)]
    stage.world.access.hide(made[1])
    stage.world.access.hide(made[4])
    page = stage.client.changed("incident", since=None, limit=3)
    counted = count == "before_acl"
    assert (ids(page), page.hidden) == ([made[0], made[2]], 1)
    rest = stage.client.changed("incident", since=None, after=page.last, limit=3)
    assert (ids(rest), rest.hidden) == ([made[3]], 1 if counted else 0)
    end = stage.client.changed("incident", since=None, after=rest.last, limit=3)
    assert (end.incidents, end.last, end.hidden) == ((), None, 1 if counted else 0)


def test_a_page_whose_rows_are_all_hidden_counts_what_is_behind_it(records: RecordStage) -> None:
    made = [put(records.world, number) for number in range(5)]
    records.world.access.hide(made[0])
    records.world.access.hide(made[1])
    page = records.client.changed("incident", since=None, limit=2)
    assert (page.incidents, page.last, page.hidden) == ((), None, 5)


def test_rows_that_are_listed_empty_are_put_aside(open_records: OpenRecords) -> None:
    stage = open_records(unreadable_row="empty")
    made = [put(stage.world, number) for number in range(3)]
    stage.world.access.hide(made[1])
    page = stage.client.changed("incident", since=None)
    assert (ids(page), [one.record_id for one in page.malformed]) == ([made[0], made[2]], [None])
    assert (page.last, page.hidden) == (Position(updated_at=SECOND, sys_id=made[2]), 0)
    with pytest.raises(PartialTruth):
        stage.client.find("incident", [case_id(1)])
    stage.world.access.hide(made[2])
    with pytest.raises(PartialTruth):
        stage.client.changed("incident", since=None, after=Position(updated_at=SECOND, sys_id=made[0]))


@pytest.mark.parametrize("field", ["state", "number", "sys_mod_count", "sys_created_on"])
def test_a_record_that_shows_too_little_is_put_aside(field: str, records: RecordStage) -> None:
    made = put(records.world, 1)
    records.world.access.protect("incident", unreadable=(field,))
    page = records.client.changed("incident", since=None)
    assert (page.incidents, [one.record_id for one in page.malformed]) == ((), [made])
    assert page.last == Position(updated_at=SECOND, sys_id=made)
    with pytest.raises(PartialTruth):
        records.client.find("incident", [case_id(1)])
    with pytest.raises(Malformed) as caught:
        records.client.get("incident", made)
    assert caught.value.record_id == made
    assert records.client.get_many("incident", [made]) == ()
    with pytest.raises(Ambiguous):
        records.client.update("incident", made, {"description": "x"})


@pytest.mark.parametrize("field", ["sys_updated_on", "sys_id"])
def test_rows_without_a_place_in_the_order_are_no_listing(field: str, records: RecordStage) -> None:
    put(records.world, 1)
    records.world.access.protect("incident", unreadable=(field,))
    with pytest.raises(PartialTruth):
        records.client.changed("incident", since=None)


@pytest.mark.parametrize("field", ["correlation_id", "correlation_display"])
def test_a_listing_that_shows_no_key_or_no_mark_is_not_the_truth(field: str, open_records: OpenRecords) -> None:
    """Where odd conditions are answered with nothing, a look-up by that field would find nothing either."""
    stage = open_records(invalid_query="ignore" if field == "correlation_display" else "no_rows")
    put(stage.world, 1)
    stage.world.access.protect("incident", unreadable=(field,))
    with pytest.raises(PartialTruth, match=f"shows {field}"):
        stage.client.changed("incident", since=None)


@pytest.mark.parametrize("field", ["correlation_id", "correlation_display"])
def test_a_look_up_by_a_field_that_may_not_be_read_proves_nothing(field: str, records: RecordStage) -> None:
    put(records.world, 1)
    records.world.access.protect("incident", unreadable=(field,))
    with pytest.raises(PartialTruth):
        records.client.find("incident", [case_id(1)])


def test_a_dropped_condition_on_the_key_is_noticed_although_nothing_bears_it(records: RecordStage) -> None:
    put(records.world, 1)
    records.world.access.protect("incident", unreadable=("correlation_id",))
    with pytest.raises(PartialTruth):
        records.client.find("incident", [case_id(2)])


def test_an_instance_that_answers_odd_conditions_with_nothing_finds_nothing(open_records: OpenRecords) -> None:
    stage = open_records(invalid_query="no_rows")
    put(stage.world, 1)
    stage.world.access.protect("incident", unreadable=("correlation_id",))
    assert stage.client.find("incident", [case_id(1)]) == ()


def test_a_row_that_was_committed_late_bears_its_old_time(records: RecordStage) -> None:
    first = put(records.world, 1)
    records.world.tables.delay_commit(30)
    records.world.people.edit(first, description="late")
    records.world.clock.advance(seconds=10)
    second = put(records.world, 2)
    assert [one.fields["description"] for one in records.client.changed("incident", since=None).incidents] == ["", ""]
    records.world.clock.advance(seconds=25)
    page = records.client.changed("incident", since=None)
    assert [(one.sys_id, one.updated_at) for one in page.incidents] == [
        (first, SECOND),
        (second, SECOND + timedelta(seconds=10)),
    ]
    assert page.incidents[0].fields["description"] == "late"


def test_a_silent_edit_is_in_no_listing_and_in_every_read(records: RecordStage) -> None:
    made = put(records.world, 1)
    before = records.client.get("incident", made)
    records.world.clock.advance(seconds=5)
    records.world.people.silent_edit(made, state="2")
    assert ids(records.client.changed("incident", since=SECOND + timedelta(seconds=1))) == []
    after = records.client.get("incident", made)
    assert (after.state, after.updated_at, after.mod_count) == ("2", before.updated_at, before.mod_count)
