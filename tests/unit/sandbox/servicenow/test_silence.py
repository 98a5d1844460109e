"""What a ServiceNow world does without a word: values dropped, times that move or do not, rows that come late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.sandbox.servicenow.journal import Denial
from tests.unit.sandbox.servicenow.support import API, CASE, SYS_ID, create, new_world


def test_unknown_fields_are_ignored_or_refused() -> None:
    world = new_world()
    assert (
        world.writes.update("incident", create(world), {"u_no_such": "1", "description": "x"}, API)["u_no_such"] == ""
    )
    with pytest.raises(Denial):
        create(new_world(unknown_field="reject"), u_no_such="1")


def test_unlisted_choices_are_dropped_or_kept() -> None:
    assert new_world().writes.insert("incident", {"state": "42", "impact": "9"}, API)["state"] == "1"
    assert new_world(unlisted_choice="keep").writes.insert("incident", {"state": "42"}, API)["state"] == "42"


def test_fields_may_be_protected_from_the_api_but_not_from_people() -> None:
    world = new_world()
    world.access.protect("incident", unwritable=("description",))
    sys_id = create(world, description="x")
    assert world.record(sys_id)["description"] == ""
    world.people.edit(sys_id, description="y")
    assert world.record(sys_id)["description"] == "y"
    strict = new_world(unwritable_field="reject")
    strict.access.protect("incident", unwritable=("description",))
    with pytest.raises(Denial):
        create(strict, description="x")


def test_mandatory_in_the_dictionary_binds_forms_only() -> None:
    assert new_world().writes.insert("incident", {}, API)["number"] == "INC0010001"
    with pytest.raises(Denial, match="Short description"):
        new_world(mandatory_fields="enforced").writes.insert("incident", {}, API)


def test_overlong_text_is_cut_in_bounded_columns() -> None:
    long = "x" * 5000
    row = new_world().writes.insert("incident", {"short_description": long, "description": long}, API)
    assert (len(row["short_description"]), len(row["description"])) == (160, 5000)
    assert (
        len(
            new_world(overlong_text="keep").writes.insert("incident", {"short_description": long}, API)[
                "short_description"
            ]
        )
        == 5000
    )
    with pytest.raises(Denial):
        new_world(overlong_text="reject").writes.insert("incident", {"short_description": long}, API)


def test_empty_text_clears_a_field_unless_it_is_ignored() -> None:
    for switch, left in (("clears", ""), ("ignored", "x")):
        world = new_world(empty_value=switch)
        assert (
            world.writes.update("incident", create(world, description="x"), {"description": None}, API)["description"]
            == left
        )


def test_values_become_raw_text() -> None:
    row = new_world().writes.insert("incident", {"impact": 1, "urgency": 1, "knowledge": True}, API)
    assert (row["priority"], row["knowledge"]) == ("1", "true")


def test_a_write_moves_times_and_count_and_one_that_changes_nothing_does_not() -> None:
    world = new_world()
    sys_id = create(world, description="x")
    world.clock.advance(seconds=90)

    world.writes.update("incident", sys_id, {"description": "x"}, API)
    assert (world.record(sys_id)["sys_mod_count"], world.journal[-1].changed_nothing) == ("0", True)
    assert world.record(sys_id)["sys_updated_on"] == "2026-03-01 12:00:00"
    world.people.edit(sys_id, description="y")
    row = world.record(sys_id)
    assert (row["sys_mod_count"], row["sys_updated_on"], row["sys_updated_by"]) == (
        "1",
        "2026-03-01 12:01:30",
        "beth.anglin",
    )
    bumping = new_world(noop_bumps="yes")
    again = create(bumping, description="x")
    assert bumping.writes.update("incident", again, {"description": "x"}, API)["sys_mod_count"] == "1"


def test_notes_are_appended_and_never_part_of_the_row() -> None:
    for switch, count in (("yes", "2"), ("no", "0")):
        world = new_world(note_bumps=switch)
        sys_id = create(world)
        world.writes.update("incident", sys_id, {"work_notes": "one"}, API)
        world.people.note(sys_id, "one")
        assert world.notes(sys_id) == ("one", "one")
        assert (world.record(sys_id)["work_notes"], world.record(sys_id)["sys_mod_count"]) == ("", count)


def test_a_silent_edit_moves_no_system_field() -> None:
    world = new_world()
    sys_id = create(world)
    world.clock.advance(hours=1)
    world.people.silent_edit(sys_id, state="2")
    row = world.record(sys_id)
    assert (row["state"], row["sys_mod_count"], row["sys_updated_on"]) == ("2", "0", "2026-03-01 12:00:00")


def test_a_late_commit_shows_an_older_time() -> None:
    world = new_world()
    sys_id = create(world)
    world.tables.delay_commit(40)
    world.people.edit(sys_id, description="late")
    world.clock.advance(seconds=39)
    assert world.record(sys_id)["description"] == ""
    world.clock.advance(seconds=1)
    row = world.record(sys_id)
    assert (row["description"], row["sys_updated_on"]) == ("late", "2026-03-01 12:00:00")


def test_a_second_write_waits_for_a_late_commit() -> None:
    world = new_world()
    world.tables.delay_commit(40)
    create(world, sys_id=SYS_ID)
    assert world.incidents_for(CASE) == ()
    with pytest.raises(Denial, match="Error during insert"):
        create(world, sys_id=SYS_ID)
    assert world.incident_for(CASE)["sys_id"] == SYS_ID


def test_a_stale_listing_shows_the_world_as_it_was() -> None:
    world = new_world()
    sys_id = create(world)
    world.clock.advance(seconds=31)
    world.people.progress(sys_id)
    create(world, correlation_id="other")
    assert [row["state"] for row in world.access.listing("incident", stale=True)] == ["1"]
    assert sorted(row["state"] for row in world.access.listing("incident")) == ["1", "2"]


def test_the_instances_clock_may_be_wrong() -> None:
    world = new_world()
    world.own_clock.skew = timedelta(minutes=10)
    assert world.record(create(world))["sys_created_on"] == "2026-03-01 12:10:00"
