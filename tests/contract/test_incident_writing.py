"""The contract of creating and updating records: once, the named fields alone, and the service's own words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.core.errors import Ambiguous, Malformed, Missing, Rejected
from reconciler.core.model import Incident
from tests.contract.record_support import CLOSE_INFO, SECOND, put
from tests.contract.stage import (
    OWNER,
    OpenRecords,
    RecordStage,
    case_id,
    record_fields,
    sys_id,
)


def test_a_record_is_created_under_the_chosen_id(records: RecordStage) -> None:
    made = records.client.create("incident", record_fields(1, short_description="täst ^ & =", impact="1"))
    assert made == Incident(
        connector="main",
        table="incident",
        sys_id=sys_id(1),
        number="INC0010001",
        state="1",
        assigned_to="",
        correlation_id=case_id(1),
        correlation_display=OWNER,
        created_at=SECOND,
        updated_at=SECOND,
        updated_by="coralogix.sync",
        mod_count=0,
        opened_by="coralogix.sync",
        created_by="coralogix.sync",
        fields={
            "close_code": "",
            "close_notes": "",
            "short_description": "täst ^ & =",
            "description": "",
            "impact": "1",
        },
    )
    assert records.client.get("incident", sys_id(1)) == records.client.find("incident", [case_id(1)])[0]
    assert records.client.get("incident", sys_id(1)).fields["short_description"] == "täst ^ & ="
    assert dict(records.requests) == {"records.create": 1, "records.get": 2, "records.list": 1}


def test_a_second_create_under_the_same_id_makes_no_second_record(records: RecordStage) -> None:
    made = records.client.create("incident", record_fields(1))
    with pytest.raises(Ambiguous, match="Error during insert") as caught:
        records.client.create("incident", record_fields(1))
    assert caught.value.status == 403
    assert records.client.get("incident", sys_id(1)) == made
    assert len(records.world.incidents_for(case_id(1))) == 1


def test_an_instance_may_choose_its_own_id(open_records: OpenRecords) -> None:
    stage = open_records(sys_id_on_post="strip")
    made = stage.client.create("incident", record_fields(1))
    assert made.sys_id != sys_id(1)
    assert [one.sys_id for one in stage.client.find("incident", [case_id(1)])] == [made.sys_id]
    with pytest.raises(Missing):
        stage.client.get("incident", sys_id(1))


def test_an_instance_may_strip_the_key(open_records: OpenRecords) -> None:
    stage = open_records(correlation_on_post="strip")
    made = stage.client.create("incident", record_fields(1))
    assert (made.sys_id, made.correlation_id, made.correlation_display) == (sys_id(1), "", OWNER)
    assert stage.client.find("incident", [case_id(1)]) == ()
    assert stage.client.get("incident", sys_id(1)).correlation_id == ""


def test_a_record_is_created_under_our_own_mark_only(records: RecordStage) -> None:
    for mark in ("", "Other", OWNER.upper()):
        with pytest.raises(Rejected):
            records.client.create("incident", record_fields(1, correlation_display=mark))
    assert records.requests.total() == 0


def test_an_update_changes_the_named_fields_alone(records: RecordStage) -> None:
    made = put(records.world, 1, description="theirs", impact="2")
    records.world.clock.advance(seconds=5)
    records.world.people.assign(made)
    before = records.world.record(made)
    records.world.clock.advance(seconds=5)
    changed = records.client.update("incident", made, {"urgency": "1", "short_description": "ours"})
    assert (changed.fields["urgency"], changed.fields["short_description"]) == ("1", "ours")
    assert (changed.mod_count, changed.updated_at) == (2, SECOND + timedelta(seconds=10))
    after = records.world.record(made)
    moved = {name for name in before.keys() | after.keys() if before[name] != after[name]}
    assert moved == {"urgency", "short_description", "priority", "sys_updated_on", "sys_updated_by", "sys_mod_count"}
    assert records.world.journal[-1].asked == {"urgency": "1", "short_description": "ours"}


def test_an_update_that_changes_nothing_moves_nothing(records: RecordStage) -> None:
    made = put(records.world, 1, description="same")
    records.world.clock.advance(seconds=5)
    same = records.client.update("incident", made, {"description": "same"})
    assert (same.mod_count, same.updated_at) == (0, SECOND)
    with pytest.raises(Rejected):
        records.client.update("incident", made, {})
    assert records.requests["records.update"] == 1


def test_what_the_service_drops_in_silence(records: RecordStage) -> None:
    made = records.client.create("incident", record_fields(1, u_nope="x", impact="9", category="nonsense"))
    assert "u_nope" not in made.fields
    assert (made.fields["impact"], made.fields["category"]) == ("3", "inquiry")
    records.world.access.protect("incident", unwritable=("urgency",))
    sent = {"state": "99", "u_nope": "x", "urgency": "1", "priority": "1", "description": "kept"}
    changed = records.client.update("incident", made.sys_id, sent)
    assert changed.state == "1"
    assert (changed.fields["urgency"], changed.fields["priority"]) == ("3", "5")
    assert changed.fields["description"] == "kept"
    assert "u_nope" not in changed.fields
    long = records.client.update("incident", made.sys_id, {"short_description": "x" * 161})
    assert long.fields["short_description"] == "x" * 160


def test_what_an_instance_may_refuse_aloud(open_records: OpenRecords) -> None:
    stage = open_records(unknown_field="reject", overlong_text="reject")
    put(stage.world, 1)
    for fields in ({"u_nope": "x"}, {"short_description": "x" * 161}):
        with pytest.raises(Rejected) as caught:
            stage.client.update("incident", sys_id(1), fields)
        assert caught.value.status == 403
        with pytest.raises(Ambiguous):
            stage.client.create("incident", record_fields(2, **fields))


def test_a_record_that_was_made_and_may_not_be_read_whole_tells_its_id(records: RecordStage) -> None:
    """Whoever gets that error knows that the record is there, so that it is never made again."""
    records.world.access.protect("incident", unreadable=("correlation_id",))
    with pytest.raises(Malformed) as caught:
        records.client.create("incident", record_fields(2))
    assert caught.value.record_id == records.world.records()[0]["sys_id"]


def test_a_data_policy_is_rejected_in_its_own_words(records: RecordStage) -> None:
    made = put(records.world, 1)
    words = "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes"
    with pytest.raises(Rejected, match=words) as caught:
        records.client.update("incident", made, {"state": "6"})
    assert (type(caught.value), caught.value.status, caught.value.system) == (Rejected, 403, "servicenow")
    assert records.world.record(made)["state"] == "1"
    resolved = records.client.update("incident", made, {"state": "6", **CLOSE_INFO})
    assert (resolved.state, resolved.fields["close_code"]) == ("6", "Solution provided")
    with pytest.raises(Ambiguous, match=words):
        records.client.create("incident", record_fields(2, state="6"))
    assert len(records.world.records()) == 1


def test_a_business_rule_is_rejected_in_its_own_words(records: RecordStage) -> None:
    made = put(records.world, 1)
    records.world.rules.add("Freeze", lambda _before, after: after["state"] == "2")
    with pytest.raises(Rejected, match="aborted by Business Rule 'Freeze") as caught:
        records.client.update("incident", made, {"state": "2"})
    assert caught.value.words.startswith("Operation Failed: Operation against file 'incident'")


def test_a_record_follows_its_whole_life(records: RecordStage) -> None:
    made = records.client.create("incident", record_fields(1)).sys_id
    records.world.people.assign(made, "beth.anglin")
    assert records.client.get("incident", made).assigned_to == records.world.tables.user_id("beth.anglin")
    records.client.update("incident", made, {"state": "2"})
    records.client.update("incident", made, {"state": "6", **CLOSE_INFO})
    records.world.people.reopen(made)
    assert records.client.get("incident", made).reopen_count == 1
    records.world.people.resolve(made)
    closed = records.client.update("incident", made, {"state": "7"})
    assert (closed.state, closed.reopen_count) == ("7", 1)
    (seen,) = records.client.changed("incident", since=None).incidents
    assert seen == records.client.get("incident", made)
    assert closed == seen


def test_a_note_reads_as_empty_text(records: RecordStage) -> None:
    made = put(records.world, 1)
    noted = records.client.update("incident", made, {"work_notes": "hello"})
    assert (noted.fields["work_notes"], noted.mod_count) == ("", 1)
    assert records.world.notes(made) == ("hello",)
