"""The world of ServiceNow obeys the service's rules: each silent behaviour, each policy, each job, and its journal."""

from __future__ import annotations

import pytest

from reconciler.sandbox.servicenow.api.events import accept_event
from reconciler.sandbox.servicenow.journal import Denial, Operation
from reconciler.sandbox.servicenow.tables.query import parse
from reconciler.sandbox.servicenow.tables.schema import CLOSE_CODES, Lifecycle, TableRow, task_schema
from reconciler.sandbox.servicenow.writing.effects import PRIORITY_MATRIX
from tests.unit.sandbox.servicenow.support import API, CASE, CLOSE_INFO, SYS_ID, create, new_world, refusal


def test_a_new_record_has_the_defaults_of_the_documentation() -> None:
    world = new_world()

    row = world.record(create(world, short_description="x"))

    assert row["number"] == "INC0010001"
    assert (row["state"], row["incident_state"], row["active"], row["category"]) == ("1", "1", "true", "inquiry")
    assert row["sys_created_on"] == row["sys_updated_on"] == row["opened_at"] == "2026-03-01 12:00:00"
    assert (row["sys_created_by"], row["sys_mod_count"]) == ("coralogix.sync", "0")
    assert row["opened_by"] == world.tables.user_id("coralogix.sync")
    assert world.incident_for(CASE) == row


@pytest.mark.parametrize(("impact", "urgency"), list(PRIORITY_MATRIX))
def test_priority_is_computed_and_never_taken(impact: str, urgency: str) -> None:
    world = new_world()

    created = create(world, impact=impact, urgency=urgency, priority="1")
    changed = create(world)
    world.writes.update("incident", changed, {"impact": impact, "urgency": urgency, "priority": "1"}, API)

    expected = str(int(impact) + int(urgency) - 1)
    assert world.record(created)["priority"] == world.record(changed)["priority"] == expected


def test_a_chosen_sys_id_is_honoured_once() -> None:
    world = new_world()

    assert create(world, sys_id=SYS_ID) == SYS_ID
    with pytest.raises(Denial, match=r"Error during insert of incident \(INC0010002\)"):
        create(world, sys_id=SYS_ID.upper())
    world.people.remove(SYS_ID)
    assert create(world, sys_id=SYS_ID) == SYS_ID


def test_an_instance_may_strip_the_id_and_the_key() -> None:
    world = new_world(sys_id_on_post="strip", correlation_on_post="strip")

    row = world.record(create(world, sys_id=SYS_ID))

    assert row["sys_id"] != SYS_ID
    assert row["correlation_id"] == ""


def test_what_each_state_does_on_entry() -> None:
    world = new_world()
    sys_id = create(world)
    world.clock.advance(minutes=5)

    world.people.resolve(sys_id, by="david.loo")
    resolved = world.record(sys_id)
    assert (resolved["state"], resolved["incident_state"], resolved["active"]) == ("6", "6", "true")
    assert (resolved["resolved_at"], resolved["resolved_by"]) == (
        "2026-03-01 12:05:00",
        world.tables.user_id("david.loo"),
    )

    world.people.reopen(sys_id)
    assert (world.record(sys_id)["reopen_count"], world.record(sys_id)["reopened_by"]) == (
        "1",
        world.tables.user_id("beth.anglin"),
    )
    world.people.hold(sys_id)
    world.people.progress(sys_id)
    assert world.record(sys_id)["reopen_count"] == "1"

    world.people.close(sys_id)
    closed = world.record(sys_id)
    assert (closed["state"], closed["active"], closed["closed_by"]) == ("7", "false", world.tables.user_id("admin"))

    other = create(world)
    world.people.cancel(other)
    assert (world.record(other)["state"], world.record(other)["active"]) == ("8", "false")
    assert world.record(other)["closed_at"]
    world.people.back_to_new(other)
    assert world.record(other)["active"] == "true"


def test_resolving_needs_close_information_and_names_labels() -> None:
    world = new_world()
    sys_id = create(world)
    words = "Data Policy Exception: The following fields are mandatory: "

    assert refusal(world, sys_id, state="6") == words + "Resolution code, Resolution notes"
    assert refusal(world, sys_id, state="7", close_code="Duplicate") == words + "Resolution notes"
    assert refusal(world, sys_id, state="6", close_code="Nonsense", close_notes="x") == words + "Resolution code"
    assert world.record(sys_id)["sys_mod_count"] == "0"
    lenient = new_world(close_info="optional")
    assert lenient.writes.update("incident", create(lenient), {"state": "6"}, API)["state"] == "6"


@pytest.mark.parametrize("codes", ["new", "old"])
def test_each_list_of_close_codes_takes_its_own_only(codes: str) -> None:
    world = new_world(close_codes=codes)
    other = "old" if codes == "new" else "new"

    for code in CLOSE_CODES[codes]:
        row = world.writes.update(
            "incident", create(world), {"state": "6", "close_code": code, "close_notes": "x"}, API
        )
        assert row["close_code"] == code
    assert "Resolution code" in refusal(
        world, create(world), state="6", close_code=CLOSE_CODES[other][0], close_notes="x"
    )
    listed = world.access.search("sys_choice", parse("name=incident^element=close_code^inactive=false"))
    assert tuple(row["value"] for row in listed) == CLOSE_CODES[codes]


def test_a_rule_aborts_with_its_own_words_or_labels() -> None:
    world = new_world()
    world.rules.add(
        "No group",
        lambda _, after: after["state"] == "6" and not after["assignment_group"],
        labels=("Assignment group",),
    )
    world.rules.add("Frozen", lambda before, after: before["category"] != after["category"] and bool(before))
    sys_id = create(world)

    assert refusal(world, sys_id, state="6", **CLOSE_INFO).endswith("mandatory: Assignment group")
    assert f"aborted by Business Rule 'Frozen^{sys_id}'" in refusal(world, sys_id, category="network")
    world.people.resolve(sys_id)
    assert world.record(sys_id)["state"] == "1"
    world.people.set_state(sys_id, "6")
    assert world.record(sys_id)["state"] == "6"


def test_only_an_admin_closes_and_edits_what_is_over_where_the_role_is_needed() -> None:
    world = new_world(close_role="admin")
    sys_id = create(world)

    assert "ACL Exception" in refusal(world, sys_id, state="7", **CLOSE_INFO)
    world.people.close(sys_id, by="beth.anglin")
    assert world.record(sys_id)["state"] == "1"
    world.people.close(sys_id)
    assert world.record(sys_id)["state"] == "7"
    assert "ACL Exception" in refusal(world, sys_id, description="late")
    relaxed = new_world()
    assert relaxed.writes.update("incident", create(relaxed), {"state": "7", **CLOSE_INFO}, API)["state"] == "7"


@pytest.mark.parametrize(("basis", "state"), [("resolved", "7"), ("updated", "6")])
def test_auto_close_counts_from_its_basis(basis: str, state: str) -> None:
    world = new_world(autoclose_basis=basis)
    sys_id = create(world)
    world.people.resolve(sys_id)
    world.clock.advance(days=6)
    world.people.edit(sys_id, description="touched")
    assert world.people.auto_close() == 0
    world.clock.advance(days=1)
    assert world.people.auto_close() == int(state == "7")
    assert world.record(sys_id)["state"] == state


def test_a_copy_bears_the_same_key() -> None:
    world = new_world()
    sys_id = create(world)
    world.people.copy(sys_id)
    first, second = world.incidents_for(CASE)
    assert first["sys_id"] != second["sys_id"]
    assert second["correlation_display"] == "Coralogix"
    with pytest.raises(LookupError, match="2 records"):
        world.incident_for(CASE)


def test_a_deleted_record_leaves_a_line_in_the_audit_table() -> None:
    world = new_world()
    sys_id = create(world)
    world.people.remove(sys_id)
    assert [row["documentkey"] for row in world.records("sys_audit_delete")] == [sys_id]
    with pytest.raises(Denial, match="ACL restricts"):
        world.access.fetch("incident", sys_id)


def test_a_hidden_record_is_missing_for_the_api_alone() -> None:
    world = new_world()
    sys_id = create(world)
    world.access.hide(sys_id)
    with pytest.raises(Denial) as caught:
        world.writes.update("incident", sys_id, {"state": "2"}, API)
    assert caught.value.status == 404
    world.people.progress(sys_id)
    world.access.show(sys_id)
    assert world.access.fetch("incident", sys_id)["state"] == "2"


def test_another_task_table_has_its_own_states() -> None:
    world = new_world()
    states = {"10": "Draft", "16": "Analysis", "100": "Review", "3": "Closed"}
    cycle = Lifecycle(new="10", in_progress="16", on_hold="", resolved="100", closed="3", canceled="")
    world.tables.register(task_schema("sn_si_incident", "SIR", states=states, lifecycle=cycle))
    sys_id = world.writes.insert("sn_si_incident", {"correlation_id": CASE}, API)["sys_id"]
    assert (world.record(sys_id)["number"], world.record(sys_id)["state"]) == ("SIR0010001", "10")
    world.people.progress(sys_id)
    world.people.resolve(sys_id)
    assert world.record(sys_id)["resolved_at"]
    world.people.close(sys_id)
    assert (world.record(sys_id)["state"], world.record(sys_id)["active"]) == ("3", "false")


def test_the_journal_tells_who_did_what() -> None:
    world = new_world()
    sys_id = create(world)
    world.people.resolve(sys_id, by="fred.luddy")
    world.people.resolve(sys_id, "Nonsense", "", by="fred.luddy")
    world.writes.enter_lost(Operation.UPDATE, "incident", sys_id, {"state": "7"}, "timeout")

    made, resolved, refused, lost = world.journal
    assert (made.operation, made.via_api, made.state_before, made.state_after) == (Operation.INSERT, True, "", "1")
    assert (resolved.actor, resolved.state_before, resolved.state_after) == ("fred.luddy", "1", "6")
    assert resolved.changed["close_code"] == "Solution provided"
    assert "sys_mod_count" not in resolved.changed
    assert not refused.accepted
    assert "Resolution notes" in refused.refusal
    assert (lost.accepted, lost.asked, lost.state_after, lost.changed) == (False, {"state": "7"}, "6", {})


def test_people_who_are_refused_or_find_nothing_raise_nothing() -> None:
    world = new_world()
    world.people.progress("f" * 32)
    world.people.close("f" * 32)
    world.people.remove("f" * 32)
    assert [write.accepted for write in world.journal] == [False] * 3


def test_the_same_message_key_meets_the_same_alert() -> None:
    world = new_world()

    def send(**event: str) -> TableRow:
        accept_event(world, {"source": "Coralogix", "message_key": CASE, **event}, API)
        (alert,) = world.records("em_alert")
        return alert

    assert send(severity="2")["state"] == "Open"
    assert send(severity="1")["event_count"] == "2"
    assert (send(severity="0")["state"], send(severity="0")["severity"]) == ("Closed", "1")
    assert send(severity="3")["state"] == "Reopen"
    assert send(severity="3", resolution_state="Closing")["state"] == "Closed"
