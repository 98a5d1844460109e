"""RecordHistoryClient against a ServiceNow world over HTTP: each change of a record with its own person."""

from __future__ import annotations

import pytest

from reconciler.core.errors import AuthFailed, PartialTruth, Rejected
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.remotes.servicenow.history import ServiceNowHistoryClient
from reconciler.sandbox.faults import Fault, FaultKind
from tests.contract.record_support import SECOND, put
from tests.contract.stage import OpenRecords, RecordStage, Theatre, new_records, sys_id


def history(stage: RecordStage) -> ServiceNowHistoryClient:
    assert isinstance(stage.client, ServiceNowClient)
    return ServiceNowHistoryClient(stage.client)


def test_each_change_has_its_person_its_time_and_both_values(records: RecordStage) -> None:
    world = records.world
    first, other = put(world, 1, short_description="old"), put(world, 2)
    world.people.edit(first, by="beth", short_description="new")
    world.clock.advance(seconds=5)
    world.people.progress(first, by="carl")
    world.people.progress(other, by="dora")
    found = history(records).history("incident", [first.upper()])
    assert found.hidden == 0
    assert found.changes.keys() == {first}
    edit, *rest = found.changes[first]
    assert (edit.field, edit.from_value, edit.to_value, edit.user, edit.at) == (
        "short_description",
        "old",
        "new",
        "beth",
        SECOND,
    )
    assert {(one.field, one.to_value, one.user) for one in rest if one.field == "state"} == {("state", "2", "carl")}
    assert not any(one.field.startswith("sys_") for one in rest)


def test_two_hundred_records_are_asked_for_in_one_request_and_every_page_is_read(records: RecordStage) -> None:
    for number in range(201):
        put(records.world, number)
        records.world.people.edit(sys_id(number), by="beth", short_description="one", description="two")
    records.requests.clear()
    found = history(records).history("incident", [sys_id(number) for number in range(201)])
    assert sum(map(len, found.changes.values())) == 402
    assert records.requests["records.list"] == 3, "400 rows in two pages, and the last record"


def test_none_are_asked_for_without_a_request(records: RecordStage) -> None:
    assert history(records).history("incident", []).changes == {}
    assert not records.requests


def test_an_audit_that_may_not_be_read_is_refused_or_counted(open_records: OpenRecords) -> None:
    with pytest.raises(Rejected):
        history(open_records(audit_acl="refuse")).history("incident", [sys_id(1)])
    closed = open_records(audit_acl="on")
    closed.world.people.edit(put(closed.world, 1), by="beth", short_description="new")
    found = history(closed).history("incident", [sys_id(1)])
    assert (found.changes, found.hidden) == ({}, 1)


def test_what_was_not_asked_for_is_partial_truth(records: RecordStage) -> None:
    for number in (1, 2):
        records.world.people.edit(put(records.world, number), by="beth", short_description="new")
    records.world.faults.add(Fault(FaultKind.DROPPED_CONDITION, "records.list"))
    with pytest.raises(PartialTruth):
        history(records).history("incident", [sys_id(1)])


def test_an_odd_key_and_a_wrong_login_are_said(records: RecordStage, theatre: Theatre) -> None:
    with pytest.raises(Rejected):
        history(records).history("incident", ["x^y"])
    with pytest.raises(AuthFailed):
        history(theatre.records(new_records(), password="wrong")).history("incident", [sys_id(1)])
