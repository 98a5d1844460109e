"""The world of ServiceNow obeys the service's rules: each silent behaviour, each policy, each job, and its journal."""

from __future__ import annotations

import pytest

from reconciler.sandbox.servicenow.events import accept_event
from reconciler.sandbox.servicenow.incident import PRIORITY_MATRIX
from reconciler.sandbox.servicenow.journal import Denial, Operation
from reconciler.sandbox.servicenow.query import parse
from reconciler.sandbox.servicenow.schema import CLOSE_CODES, Lifecycle, TableRow, task_schema
from tests.unit.sandbox.servicenow_support import API, CASE, CLOSE_INFO, SYS_ID, create, new_world, refusal


def test_a_new_record_has_the_defaults_of_the_documentation() -> None:
    world = new_world()

    row = world.record(create(world, short_description="x"))

    assert row["number"] == "INC0010001"
    assert (row["state"], row["incident_state"], row["active"], row["category"]) == ("1", "1", "true", "inquiry")
    assert row["sys_created_on"] == row["sys_updated_on"] == row["opened_at"] == "2026-03-01 12:00:00"
    assert (row["sys_created_by"], row["sys_mod_count"]) == ("coralogix.sync", "0")
    assert row["opened_by"] == world.user_id("coralogix.sync")
    assert world.incident_for(CASE) == row


@pytest.mark.parametrize(("impact", "urgency"), list(PRIORITY_MATRIX))
def test_priority_is_computed_and_never_taken(impact: str, urgency: str) -> None:
    world = new_world()

    created = create(world, impact=impact, urgency=urgency, priority="1")
    changed = create(world)
    world.update("incident", changed, {"impact": impact, "urgency": urgency, "priority": "1"}, API)

    expected = str(int(impact) + int(urgency) - 1)
    assert world.record(created)["priority"] == world.record(changed)["priority"] == expected


def test_a_chosen_sys_id_is_honoured_once() -> None:
    world = new_world()

    assert create(world, sys_id=SYS_ID) == SYS_ID
    with pytest.raises(Denial, match=r"Error during insert of incident \(INC0010002\)"):
        create(world, sys_id=SYS_ID.upper())
    world.remove(SYS_ID)
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

    world.resolve(sys_id, by="david.loo")
    resolved = world.record(sys_id)
    assert (resolved["state"], resolved["incident_state"], resolved["active"]) == ("6", "6", "true")
    assert (resolved["resolved_at"], resolved["resolved_by"]) == ("2026-03-01 12:05:00", world.user_id("david.loo"))

    world.reopen(sys_id)
    assert (world.record(sys_id)["reopen_count"], world.record(sys_id)["reopened_by"]) == (
        "1",
        world.user_id("beth.anglin"),
    )
    world.hold(sys_id)
    world.progress(sys_id)
    assert world.record(sys_id)["reopen_count"] == "1"

    world.close(sys_id)
    closed = world.record(sys_id)
    assert (closed["state"], closed["active"], closed["closed_by"]) == ("7", "false", world.user_id("admin"))

    other = create(world)
    world.cancel(other)
    assert (world.record(other)["state"], world.record(other)["active"]) == ("8", "false")
    assert world.record(other)["closed_at"]
    world.back_to_new(other)
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
    assert lenient.update("incident", create(lenient), {"state": "6"}, API)["state"] == "6"


@pytest.mark.parametrize("codes", ["new", "old"])
def test_each_list_of_close_codes_takes_its_own_only(codes: str) -> None:
    world = new_world(close_codes=codes)
    other = "old" if codes == "new" else "new"

    for code in CLOSE_CODES[codes]:
        row = world.update("incident", create(world), {"state": "6", "close_code": code, "close_notes": "x"}, API)
        assert row["close_code"] == code
    assert "Resolution code" in refusal(
        world, create(world), state="6", close_code=CLOSE_CODES[other][0], close_notes="x"
    )
    listed = world.search("sys_choice", parse("name=incident^element=close_code^inactive=false"))
    assert tuple(row["value"] for row in listed) == CLOSE_CODES[codes]


def test_a_rule_aborts_with_its_own_words_or_labels() -> None:
    world = new_world()
    world.add_rule(
        "No group",
        lambda _, after: after["state"] == "6" and not after["assignment_group"],
        labels=("Assignment group",),
    )
    world.add_rule("Frozen", lambda before, after: before["category"] != after["category"] and bool(before))
    sys_id = create(world)

    assert refusal(world, sys_id, state="6", **CLOSE_INFO).endswith("mandatory: Assignment group")
    assert f"aborted by Business Rule 'Frozen^{sys_id}'" in refusal(world, sys_id, category="network")
    world.resolve(sys_id)
    assert world.record(sys_id)["state"] == "1"
    world.set_state(sys_id, "6")
    assert world.record(sys_id)["state"] == "6"


def test_only_an_admin_closes_and_edits_what_is_over_where_the_role_is_needed() -> None:
    world = new_world(close_role="admin")
    sys_id = create(world)

    assert "ACL Exception" in refusal(world, sys_id, state="7", **CLOSE_INFO)
    world.close(sys_id, by="beth.anglin")
    assert world.record(sys_id)["state"] == "1"
    world.close(sys_id)
    assert world.record(sys_id)["state"] == "7"
    assert "ACL Exception" in refusal(world, sys_id, description="late")
    relaxed = new_world()
    assert relaxed.update("incident", create(relaxed), {"state": "7", **CLOSE_INFO}, API)["state"] == "7"


@pytest.mark.parametrize(("basis", "state"), [("resolved", "7"), ("updated", "6")])
def test_auto_close_counts_from_its_basis(basis: str, state: str) -> None:
    world = new_world(autoclose_basis=basis)
    sys_id = create(world)
    world.resolve(sys_id)
    world.clock.advance(days=6)
    world.edit(sys_id, description="touched")
    assert world.auto_close() == 0
    world.clock.advance(days=1)
    assert world.auto_close() == int(state == "7")
    assert world.record(sys_id)["state"] == state


def test_a_copy_bears_the_same_key() -> None:
    world = new_world()
    sys_id = create(world)
    world.copy(sys_id)
    first, second = world.incidents_for(CASE)
    assert first["sys_id"] != second["sys_id"]
    assert second["correlation_display"] == "Coralogix"
    with pytest.raises(LookupError, match="2 records"):
        world.incident_for(CASE)


def test_a_deleted_record_leaves_a_line_in_the_audit_table() -> None:
    world = new_world()
    sys_id = create(world)
    world.remove(sys_id)
    assert [row["documentkey"] for row in world.records("sys_audit_delete")] == [sys_id]
    with pytest.raises(Denial, match="ACL restricts"):
        world.fetch("incident", sys_id)


def test_a_hidden_record_is_missing_for_the_api_alone() -> None:
    world = new_world()
    sys_id = create(world)
    world.hide(sys_id)
    with pytest.raises(Denial) as caught:
        world.update("incident", sys_id, {"state": "2"}, API)
    assert caught.value.status == 404
    world.progress(sys_id)
    world.show(sys_id)
    assert world.fetch("incident", sys_id)["state"] == "2"


def test_another_task_table_has_its_own_states() -> None:
    world = new_world()
    states = {"10": "Draft", "16": "Analysis", "100": "Review", "3": "Closed"}
    cycle = Lifecycle(new="10", in_progress="16", on_hold="", resolved="100", closed="3", canceled="")
    world.register(task_schema("sn_si_incident", "SIR", states=states, lifecycle=cycle))
    sys_id = world.insert("sn_si_incident", {"correlation_id": CASE}, API)["sys_id"]
    assert (world.record(sys_id)["number"], world.record(sys_id)["state"]) == ("SIR0010001", "10")
    world.progress(sys_id)
    world.resolve(sys_id)
    assert world.record(sys_id)["resolved_at"]
    world.close(sys_id)
    assert (world.record(sys_id)["state"], world.record(sys_id)["active"]) == ("3", "false")


def test_the_journal_tells_who_did_what() -> None:
    world = new_world()
    sys_id = create(world)
    world.resolve(sys_id, by="fred.luddy")
    world.resolve(sys_id, "Nonsense", "", by="fred.luddy")
    world.record_lost(Operation.UPDATE, "incident", sys_id, {"state": "7"}, "timeout")

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
    world.progress("f" * 32)
    world.close("f" * 32)
    world.remove("f" * 32)
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
