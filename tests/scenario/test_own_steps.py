"""What the services themselves tell of each step: every person and every time, once, and in second place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from reconciler.audit.chain import verify
from reconciler.core.errors import Rejected
from reconciler.core.model import System
from reconciler.engine.context import Context
from reconciler.engine.reading import steps
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.ports import CaseEvents
from reconciler.sandbox.coralogix.records import API_KEY, SERVICE_NOW, person
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.switches import Switches
from reconciler.store import steps as steps_store
from tests.builders import an_inbound, policies
from tests.scenario.wild_support import Killed, WildWorld, kill

BETH, CARL = person("beth"), person("carl")
EVENTS = "cases.events"


class MeddledEvents(CoralogixEventClient):
    """Let things happen around the reading of events."""

    world: FollowedWorld

    def events(self, case_id: str) -> CaseEvents:
        if case_id == self.world.poison:
            raise Rejected("this Case is not for you")
        found = super().events(case_id)
        for deed in self.world.moments.pop("after events", ()):
            deed()
        return found


@dataclass
class FollowedWorld(WildWorld):
    """A world whose own accounts are read, as a config asks for that."""

    poison: str = ""
    """the Case whose events are refused"""

    @property
    def context(self) -> Context:
        events = MeddledEvents(self.cases._http)
        events.world = self
        return replace(super().context, events=events)

    @property
    def read(self) -> int:
        """Count how often events were asked for."""
        return self.cases.requests[EVENTS]

    def told(self, *events: str) -> list[tuple[str | None, str | None, str | None]]:
        """Give what the services told of some events: from, to and actor."""
        rows = self.store.database.named(
            "SELECT * FROM audit_notifications WHERE event_id IS NOT NULL ORDER BY source_time, seq"
        )
        return [(row["from_value"], row["to_value"], row["actor"]) for row in rows if row["event"] in events]

    def rows(self, event: str) -> list[dict[str, object]]:
        return [*self.store.database.named("SELECT * FROM audit_notifications WHERE event = ? ORDER BY seq", (event,))]

    def steps(self, case_id: str) -> dict[str, object]:
        [row] = self.store.database.named("SELECT * FROM audit_steps WHERE case_id = ?", (case_id,))
        return row

    def text(self, **ago: float) -> str:
        """Write a time so long ago as the database does."""
        return f"{(self.clock.now() - timedelta(**ago)):%Y-%m-%dT%H:%M:%S.%f}Z"


def acknowledged_and_resolved(world: FollowedWorld) -> str:
    """Let two people act between two polls, ten seconds apart."""
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id, by=BETH)
    world.clock.advance(seconds=10)
    world.coralogix.resolve(case_id, by=CARL)
    world.cycle(seconds=5)
    return case_id


def test_two_steps_between_two_polls_are_two_rows_with_two_persons_and_their_own_times() -> None:
    world = FollowedWorld()
    case_id = acknowledged_and_resolved(world)
    steps_told = [row for row in world.rows("statusChanged") if row["to_value"] in ("ACKNOWLEDGED", "RESOLVED")]
    assert [(row["to_value"], row["actor"], row["source_time"]) for row in steps_told] == [
        ("ACKNOWLEDGED", f"user:{BETH.id}", world.text(seconds=15)),
        ("RESOLVED", f"user:{CARL.id}", world.text(seconds=5)),
    ]
    taken = world.steps(case_id)
    assert (taken["case_acknowledged_at"], taken["case_resolved_at"]) == (
        world.text(seconds=15),
        world.text(seconds=5),
    )


def test_each_kind_of_actor_is_named_as_the_service_names_it() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id, by=API_KEY)
    world.coralogix.resolve(case_id, by=SERVICE_NOW)
    world.coralogix.reactivate(case_id)
    world.cycle()
    assert [actor for _, _, actor in world.told("statusChanged")][-3:] == [
        "apiKey:Sandbox key",
        "serviceNow:integration.user",
        "system",
    ]


def test_a_quiet_cycle_asks_nothing_more() -> None:
    world = FollowedWorld()
    acknowledged_and_resolved(world)
    world.run_until_quiet()
    before = world.read
    world.cycle()
    world.cycle()
    assert world.read == before


def test_events_are_read_once_for_each_change_and_behind_the_writes() -> None:
    world = FollowedWorld()
    case_id, sys_id = world.link_one()
    before = world.read
    world.once("after events", lambda: seen.append(world.servicenow.record(sys_id)["state"]))
    seen: list[str] = []
    world.coralogix.acknowledge(case_id, by=BETH)
    world.cycle()
    assert world.read == before + 1
    assert seen == ["2"], "the record had followed already"


def test_a_side_that_complained_in_this_cycle_is_not_asked_for_steps() -> None:
    """The pause that it asked for has no length, so it is the cycle that has to leave it alone."""
    world = FollowedWorld()
    case_id, sys_id = world.link_one()
    before = world.read
    world.coralogix.set_title(case_id, "another")
    world.servicenow.people.resolve(sys_id)
    world.strike_cases(FaultKind.RATE_429, "cases.resolve")
    world.cycle()
    assert world.read == before
    world.cycle()
    assert world.read > before


def test_what_is_read_again_is_written_once() -> None:
    world = FollowedWorld()
    case_id = acknowledged_and_resolved(world)
    told = world.told("created", "statusChanged")
    world.coralogix.set_title(case_id, "another")
    world.cycle()
    assert world.told("created", "statusChanged") == told
    assert world.told("titleChangedEvent") == [("Payments are slow", "another", "user:" + person("somebody").id)]


@pytest.mark.parametrize("moment", ["after events", "before update"])
def test_a_kill_forgets_nothing_and_doubles_nothing(moment: str) -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id, by=BETH)
    world.coralogix.resolve(case_id, by=CARL)
    world.once(moment, kill)
    with pytest.raises(Killed):
        world.cycle()
    world.run_until_quiet()
    told = [(to, actor) for _, to, actor in world.told("statusChanged") if to in ("ACKNOWLEDGED", "RESOLVED")]
    assert told == [("ACKNOWLEDGED", f"user:{BETH.id}"), ("RESOLVED", f"user:{CARL.id}")]
    assert verify(world.store.ledger).is_whole


def test_a_comment_that_is_edited_and_deleted_leaves_each_of_its_words() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    comment = world.coralogix.comment(case_id, "looking", by=BETH)
    world.coralogix.set_title(case_id, "one")
    world.cycle()
    world.coralogix.edit_comment(comment.id, "found", by=BETH)
    world.coralogix.set_title(case_id, "two")
    world.cycle()
    world.coralogix.delete_comment(comment.id)
    world.coralogix.set_title(case_id, "three")
    world.cycle()
    world.coralogix.set_title(case_id, "four")
    world.cycle()
    words = [
        (row["event"], row["words"])
        for name in ("comment", "commentEdited", "commentDeleted")
        for row in world.rows(name)
    ]
    assert words == [("comment", "looking"), ("commentEdited", "found"), ("commentDeleted", None)]


def test_a_comment_that_was_edited_before_it_was_read_says_only_what_is_known() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    comment = world.coralogix.comment(case_id, "looking", by=BETH)
    world.clock.advance(seconds=1)
    world.coralogix.edit_comment(comment.id, "found", by=BETH)
    world.coralogix.set_title(case_id, "one")
    world.cycle()
    assert [(row["event"], row["words"]) for row in [*world.rows("comment"), *world.rows("commentEdited")]] == [
        ("comment", None),
        ("commentEdited", "found"),
    ]


# -- where the two do not agree --------------------------------------------------------------------------------------


def test_a_status_that_no_event_tells_is_a_row_once_it_was_looked_at_twice() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id, by=BETH)
    world.cycle()
    world.coralogix.resolve(case_id, by=CARL)
    world.coralogix.ledger._events[case_id].pop()
    world.cycle()
    assert world.rows("differs") == [], "a Case may have moved between the two readings"
    world.cycle()
    [row] = world.rows("differs")
    assert (row["from_value"], row["to_value"]) == ("status=RESOLVED", "status=ACKNOWLEDGED")
    before = world.read
    world.cycle()
    assert world.read == before


def test_a_case_that_moves_while_its_events_are_read_differs_in_nothing() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.once("before update", lambda: world.coralogix.resolve(case_id, by=CARL))
    world.coralogix.acknowledge(case_id, by=BETH)
    world.cycle()
    world.run_until_quiet()
    assert world.rows("differs") == []
    assert [actor for _, to, actor in world.told("statusChanged") if to == "RESOLVED"] == [f"user:{CARL.id}"]


# -- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FaultKind.ERROR_500, FaultKind.TIMEOUT, FaultKind.FORBIDDEN_403, FaultKind.RATE_429])
def test_a_failed_read_fails_nothing_else_is_told_and_is_made_up_for(
    kind: FaultKind, caplog: pytest.LogCaptureFixture
) -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.strike_cases(kind, EVENTS)
    world.coralogix.acknowledge(case_id, by=BETH)
    assert world.cycle().error is None
    assert world.both(case_id) == ("ACKNOWLEDGED", "2")
    assert "ACKNOWLEDGED" not in {to for _, to, _ in world.told("statusChanged")}
    assert "steps could not be read" in caplog.text
    world.cycle(seconds=90)
    world.cycle(seconds=90)
    assert world.told("statusChanged")[-1] == ("ACTIVE", "ACKNOWLEDGED", f"user:{BETH.id}")


def test_a_side_that_gives_nothing_is_asked_less_and_less() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.strike_cases(FaultKind.ERROR_500, EVENTS, times=None)
    world.coralogix.acknowledge(case_id, by=BETH)
    before = world.read
    for _ in range(60):
        world.cycle(seconds=60)
    assert 3 <= world.read - before <= 7, "after 1, 3, 7, 15, 31 minutes"
    world.case_faults.clear()
    world.cycle(seconds=3600)
    assert world.told("statusChanged")[-1][1] == "ACKNOWLEDGED"


def test_one_case_that_is_never_read_stops_no_other_and_is_told_in_the_end() -> None:
    world = FollowedWorld()
    other, _ = world.link_one("other")
    world.poison = world.new_case("poison")
    for number in range(steps_store.MOST_TRIES + 1):
        world.coralogix.set_title(other, f"title {number}")
        world.cycle(seconds=3600 * 12)
        assert world.told("titleChangedEvent")[-1][1] == f"title {number}"
    [row] = world.rows("not_read")
    assert (row["case_id"], row["words"]) == (world.poison, "this Case is not for you")
    assert world.store.steps.due(System.CORALOGIX, world.clock.now(), 10) == ()


def test_what_there_is_no_time_for_waits_for_the_next_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "READ_AT_ONCE", 2)
    world = FollowedWorld()
    world.cycle()
    for number in range(10):
        world.new_case(f"Case {number}")
    world.once("after events", lambda: world.clock.advance(seconds=11))
    world.cycle()
    assert world.read == 2
    world.cycle()
    assert world.read == 10


def test_a_burst_of_writes_leaves_the_steps_to_a_cycle_without_one_for_some_minutes_at_most() -> None:
    world = FollowedWorld()
    world.cycle()
    many = steps.MANY_WRITES + 1

    def burst() -> None:
        for number in range(many):
            world.new_case(f"Case {number}")
        world.cycle()

    burst()
    assert world.read == 0
    world.cycle()
    assert world.read == many
    burst()
    world.clock.advance(seconds=steps.LONGEST_WAIT.total_seconds())
    burst()
    assert world.read == 2 * many


def test_cases_that_were_over_before_the_first_start_are_left_alone() -> None:
    world = FollowedWorld()
    old = world.new_case("old")
    world.coralogix.resolve(old)
    world.cycle()
    world.cycle()
    assert world.read == 0


def test_switched_off_nothing_is_asked_and_nothing_piles_up() -> None:
    world = WildWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    world.cycle()
    assert world.cases.requests[EVENTS] == 0
    assert world.store.database.value("SELECT count(*) FROM steps_due") == 0


def test_a_plan_that_is_only_looked_at_reads_none() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id)
    before = world.read
    world.cycle(carry_out=False)
    assert world.read == before


def test_what_led_to_a_write_is_what_was_seen_and_no_event() -> None:
    world = FollowedWorld()
    case_id, _ = world.link_one()
    world.coralogix.acknowledge(case_id, by=BETH)
    world.strike_records(FaultKind.ERROR_500, "records.update")
    world.cycle()
    world.run_until_quiet()
    causes = world.store.database.named(
        """SELECT n.event, n.event_id FROM audit_actions a JOIN audit_notifications n ON n.seq = a.cause_seq
        WHERE a.kind = 'advance_incident'"""
    )
    assert {(row["event"], row["event_id"]) for row in causes} == {("status", None)}


# -- records ---------------------------------------------------------------------------------------------------------


def both_edit(world: FollowedWorld) -> str:
    case_id, sys_id = world.link_one()
    world.servicenow.people.assign(sys_id, by="beth.anglin")
    world.clock.advance(seconds=3)
    world.servicenow.people.resolve(sys_id, by="carl")
    world.clock.advance(seconds=3)
    world.servicenow.people.edit(sys_id, by="admin", short_description="mine")
    world.cycle()
    return case_id


def test_each_change_of_a_record_has_its_own_person() -> None:
    world = FollowedWorld(history=True)
    case_id = both_edit(world)
    own = {
        (row["event"], row["actor"])
        for name in ("assigned_to", "state", "short_description")
        for row in world.rows(name)
        if row["event_id"] and row["case_id"] == case_id
    }
    assert own == {("assigned_to", "beth.anglin"), ("state", "carl"), ("short_description", "admin")}
    taken = world.steps(case_id)
    assert taken["incident_acknowledged_at"] == world.text(seconds=36)
    assert taken["incident_resolved_at"] == world.text(seconds=33)


def test_a_user_who_may_not_read_the_audit_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    for acl in ("refuse", "on"):
        caplog.clear()
        world = FollowedWorld(history=True, switches=Switches(audit_acl=acl))
        case_id = both_edit(world)
        world.servicenow.people.edit(world.sys_id(case_id), by="admin", short_description="again")
        assert world.cycle().error is None
        world.servicenow.people.edit(world.sys_id(case_id), by="admin", short_description="two days later")
        assert world.cycle(seconds=48 * 3600).error is None
        assert caplog.text.count("who changed records is not told") == 1
        assert world.status(case_id) == "RESOLVED"


def test_a_failing_audit_fails_nothing_else_and_is_made_up_for() -> None:
    world = FollowedWorld(history=True)
    case_id, sys_id = world.link_one()
    world.servicenow.people.resolve(sys_id, by="carl")
    world.once("before update", lambda: None)
    world.clock.advance(seconds=1)
    deed = lambda: world.strike_records(FaultKind.ERROR_500, "records.list")  # noqa: E731
    world.once("after events", deed)
    assert world.cycle().error is None
    assert world.status(case_id) == "RESOLVED"
    assert not any(row["event_id"] for row in world.rows("state"))
    world.cycle(seconds=120)
    assert [row["actor"] for row in world.rows("state") if row["event_id"]] == ["carl"]


def test_steps_are_placed_by_the_rules_in_force_and_not_by_the_usual_numbers() -> None:
    rules = policies(inbound=an_inbound(), states={"main": {"12": "in_progress", "16": "resolved", "6": "in_progress"}})
    world = FollowedWorld(rules=rules)
    case_id, sys_id = world.link_one()
    world.servicenow.people.set_state(sys_id, "6")
    world.cycle()
    at = world.text(seconds=30)
    taken = world.steps(case_id)
    assert (taken["incident_acknowledged_at"], taken["incident_resolved_at"]) == (at, None)
    world.servicenow.people.set_state(sys_id, "16")
    world.cycle()
    assert world.steps(case_id)["incident_resolved_at"] == world.text(seconds=30)
