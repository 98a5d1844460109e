"""What an instance makes of the values that it is given is no person's edit; what a person makes of them is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pytest

from reconciler.core.model import Result
from reconciler.sandbox.both import API_USER
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.servicenow.journal import Operation
from reconciler.sandbox.servicenow.switches import Rewrite, Switches
from tests.scenario.wild_support import Killed, WildWorld, kill
from tests.store_helpers import empty_store
from tests.world import results

TITLES = {
    Rewrite.QUESTION_MARKS: ("Payments 🔥 are slow", "Payments 🔥🔥 are down"),
    Rewrite.PREFIX: ("Payments are slow", "Payments are down"),
    Rewrite.NARROW: ("slow " * 30, "down " * 30),
    Rewrite.BLANKS: ("Payments  are   slow", "Payments  are   down"),
    Rewrite.ENTITIES: ("Payments & co are slow", "Payments & co are down"),
}


def blamed(world: WildWorld) -> int:
    """Count the fields that the audit says a person changed."""
    return len(world.store.database.named("SELECT * FROM audit_notifications WHERE event = 'field_kept'"))


@pytest.mark.parametrize("rewrite", list(TITLES))
def test_a_field_follows_its_case_on_an_instance_that_rewrites_it(rewrite: Rewrite) -> None:
    before, after = TITLES[rewrite]
    world = WildWorld(switches=Switches(rewrites=frozenset({rewrite})))
    case_id, _ = world.link_one(before)
    assert world.run_until_quiet() == 0, "what was kept is no news"
    kept = world.record(case_id)["short_description"]
    world.coralogix.set_title(case_id, after)
    assert results(world.cycle()) == [Result.DONE]
    assert world.record(case_id)["short_description"] != kept
    assert world.run_until_quiet() == 0
    assert blamed(world) == 0


@pytest.mark.parametrize("overlong", ["cut", "reject"])
def test_a_cut_title_fits_an_instance_that_counts_utf_16_units(overlong: Literal["cut", "reject"]) -> None:
    """A fire counts twice there: 160 of them would be cut in half by the instance, or refused."""
    world = WildWorld(switches=Switches(text_units="utf_16", overlong_text=overlong))
    case_id, _ = world.link_one("🔥" * 200)
    for title in ("🔥" * 200, "🌊" * 201):
        world.coralogix.set_title(case_id, title)
        world.run_until_quiet()
        pair = world.pair(case_id)
        kept = world.record(case_id)["short_description"]
        assert kept == pair.link.written["short_description"], "the instance had nothing to cut"
        assert (len(kept.encode("utf-16-le")) // 2, kept[-2:]) in {(159, f"{title[0]}…"), (160, f"{title[0]}…")}
    assert blamed(world) == 0


def test_a_person_who_edits_a_rewritten_value_is_left_alone() -> None:
    world = WildWorld(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))
    case_id, sys_id = world.link_one("Payments are slow")
    world.servicenow.people.edit(sys_id, short_description="mine")
    world.coralogix.set_title(case_id, "Payments are down")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("mine")
    assert blamed(world) == 1


@pytest.mark.parametrize("rewrites", [frozenset[Rewrite](), frozenset({Rewrite.PREFIX})])
@pytest.mark.parametrize("meanwhile", ["nothing", "a person writes"])
@pytest.mark.parametrize("users", [{"main": API_USER}, {}], ids=["user name", "token or key"])
def test_a_write_that_nobody_could_look_after_is_no_persons_edit(
    users: Mapping[str, str], meanwhile: str, rewrites: frozenset[Rewrite]
) -> None:
    """It arrived, was answered with 503, the look was refused too; then the Case has another title."""
    world = WildWorld(users=users, switches=Switches(rewrites=rewrites))
    case_id, sys_id = world.link_one("Payments are slow")
    world.coralogix.set_title(case_id, "Payments are down")
    world.strike_records(FaultKind.ERROR_503_HTML, "records.update", after_effect=True)
    [outcome] = world.cycle().outcomes
    assert (outcome.result, outcome.incident) == (Result.UNKNOWN, None)
    world.coralogix.set_title(case_id, "Payments are back")
    if meanwhile == "a person writes":
        world.servicenow.people.edit(sys_id, urgency="1")
    world.cycle(seconds=300)
    world.run_until_quiet()
    is_known = meanwhile == "nothing" or not rewrites
    assert world.record(case_id)["short_description"].endswith("are back" if is_known else "are down")
    assert blamed(world) == (meanwhile == "a person writes") + (not is_known)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_a_person_who_made_the_record_and_writes_behind_an_error_is_no_us(late: bool) -> None:
    """They copied our mark, so the record is taken in; our write comes to nothing, and theirs is the next one."""
    world = WildWorld(users={"main": API_USER})
    case_id = world.new_case("Payments are slow")
    sys_id = world.servicenow.people.open_incident("Seen", correlation_id=case_id, correlation_display="Coralogix")
    world.run_until_quiet()
    assert world.sys_id(case_id) == sys_id
    world.coralogix.set_title(case_id, "Payments are down")
    world.strike_records(FaultKind.ERROR_503_HTML if late else FaultKind.ERROR_500, "records.update")
    if not late:
        world.once("before update", lambda: world.servicenow.people.edit(sys_id, short_description="mine"))
    world.cycle()
    if late:
        world.servicenow.people.edit(sys_id, short_description="mine")
    world.cycle(seconds=300)
    world.coralogix.set_title(case_id, "Payments are back")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"] == "mine"


@pytest.mark.parametrize(
    "users",
    [{"main": API_USER}, {"main": API_USER.upper()}, {}],
    ids=["user name", "in another case", "token or key"],
)
def test_an_answer_that_shows_another_write_before_ours_is_the_base(users: Mapping[str, str]) -> None:
    """A person edits between our read and our write: ours is the last, so the record holds what it made of ours."""
    world = WildWorld(users=users, switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))
    case_id, sys_id = world.link_one("Payments are slow")
    world.coralogix.set_title(case_id, "Payments are down")
    world.once("before update", lambda: world.servicenow.people.edit(sys_id, urgency="1"))
    world.cycle()
    world.coralogix.set_title(case_id, "Payments are back")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("Payments are back")


def test_an_answer_that_shows_another_write_is_not_the_base_where_our_user_is_not_known() -> None:
    """With a token or a key the login does not tell whose name our writes bear, and here the record does not either."""
    world = WildWorld(users={})
    case_id, sys_id = world.link_one("Payments are slow")
    world.servicenow.access.protect("incident", unreadable=("sys_created_by",))
    world.coralogix.set_title(case_id, "Payments are down")
    world.once("before update", lambda: world.servicenow.people.edit(sys_id, urgency="1"))
    world.cycle()
    assert "short_description" not in world.pair(case_id).link.kept


def test_an_answer_behind_an_error_that_shows_another_write_is_not_the_base() -> None:
    """Our write ends in an error and a person edits before we look: what the record holds may be theirs."""
    world = WildWorld()
    case_id, sys_id = world.link_one("Payments are slow")
    world.coralogix.set_title(case_id, "Payments are down")
    world.strike_records(FaultKind.ERROR_500, "records.update", after_effect=True)
    world.once("after update", lambda: world.servicenow.people.edit(sys_id, short_description="mine"))
    world.cycle()
    pair = world.pair(case_id)
    assert "short_description" not in pair.link.kept or pair.link.kept["short_description"] != "mine"
    world.coralogix.set_title(case_id, "Payments are back")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"] == "mine"


@pytest.mark.parametrize("rewrite", list(TITLES))
def test_a_write_that_arrived_behind_an_error_is_known_by_its_writer(rewrite: Rewrite) -> None:
    before, after = TITLES[rewrite]
    world = WildWorld(switches=Switches(rewrites=frozenset({rewrite})))
    case_id, _ = world.link_one(before)
    world.coralogix.set_title(case_id, after)
    world.strike_records(FaultKind.ERROR_500, "records.update", after_effect=True)
    assert results(world.cycle()) == [Result.DONE]
    world.coralogix.set_title(case_id, before)
    assert results(world.cycle()) == [Result.DONE]
    assert world.run_until_quiet() == 0
    assert blamed(world) == 0


@pytest.mark.parametrize("rewrite", list(TITLES))
def test_a_record_that_is_taken_in_as_it_was_made_is_not_sent_the_same_again(rewrite: Rewrite) -> None:
    """The database that knew what was sent is lost; the Case is as it was when the record was made."""
    before, after = TITLES[rewrite]
    world = WildWorld(switches=Switches(rewrites=frozenset({rewrite})))
    case_id, _ = world.link_one(before)
    kept, writes = world.record(case_id)["short_description"], world.writes()
    world.store = empty_store()
    world.run_until_quiet()
    assert world.writes() == writes
    world.coralogix.set_title(case_id, after)
    assert results(world.cycle()) == [Result.DONE]
    assert world.record(case_id)["short_description"] != kept
    assert blamed(world) == 0


def test_what_a_record_was_made_with_is_known_though_a_person_moves_it_right_after_it_was_taken_in() -> None:
    world = WildWorld(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))
    case_id, sys_id = world.link_one("Payments are slow")
    world.store = empty_store()
    world.cycle()
    writes = world.writes()
    world.servicenow.people.progress(sys_id)
    world.run_until_quiet()
    assert world.status(case_id) == "ACKNOWLEDGED"
    assert world.writes() == writes + 1


def test_a_case_that_changed_since_its_record_was_made_is_followed_when_the_record_is_taken_in() -> None:
    world = WildWorld()
    case_id, _ = world.link_one("Payments are slow")
    world.clock.advance(seconds=60)
    world.coralogix.set_title(case_id, "Payments are down")
    world.store = empty_store()
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("Payments are down")
    assert blamed(world) == 0


def test_an_edit_that_left_no_trace_before_a_record_is_taken_in_stays() -> None:
    """A script that updates neither ``sys_mod_count`` nor ``sys_updated_on`` wrote it, and nothing is newer."""
    world = WildWorld()
    case_id, sys_id = world.link_one("Payments are slow")
    world.servicenow.people.silent_edit(sys_id, short_description="mine")
    world.store = empty_store()
    world.run_until_quiet()
    assert world.record(case_id)["short_description"] == "mine"


@pytest.mark.parametrize("moment", ["before update", "after update"])
@pytest.mark.parametrize("rewrite", list(TITLES))
def test_what_a_record_made_of_a_write_whose_process_was_killed_is_no_persons_edit(
    rewrite: Rewrite, moment: str
) -> None:
    before, after = TITLES[rewrite]
    world = WildWorld(switches=Switches(rewrites=frozenset({rewrite})))
    case_id, _ = world.link_one(before)
    world.coralogix.set_title(case_id, after)
    world.once(moment, kill)
    with pytest.raises(Killed):
        world.cycle()
    world.run_until_quiet()
    assert len(world.sent(case_id, Operation.UPDATE)) == 1, "nothing is sent again that arrived"
    world.coralogix.set_title(case_id, before)
    assert results(world.cycle()) == [Result.DONE]
    assert blamed(world) == 0


def test_an_edit_by_a_person_after_a_killed_write_stays() -> None:
    world = WildWorld(switches=Switches(rewrites=frozenset({Rewrite.PREFIX})))
    case_id, sys_id = world.link_one("Payments are slow")
    world.coralogix.set_title(case_id, "Payments are down")
    world.once("after update", kill)
    with pytest.raises(Killed):
        world.cycle()
    world.servicenow.people.edit(sys_id, short_description="mine")
    world.coralogix.set_title(case_id, "Payments are back")
    world.run_until_quiet()
    assert world.record(case_id)["short_description"].endswith("mine")
