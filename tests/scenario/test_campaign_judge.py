"""The judge of the campaign: each invariant can fail, and what is right is not condemned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reconciler.sandbox.servicenow.journal import Operation, Write
from tests.campaign.again import again_violations
from tests.campaign.campaign import run, seed_of
from tests.campaign.further import further_violations, impatient, misplaced, pressed
from tests.campaign.generate import generate
from tests.campaign.invariants import judge
from tests.campaign.more import Kind
from tests.campaign.promises import overwritten
from tests.campaign.schedule import (
    Setting,
)
from tests.campaign.stage import Stage, no_gate
from tests.campaign.trace import Began, Ended, Event, Read, Request, Shown
from tests.clients import IncidentsInProcess
from tests.world import START

CASE_ID = "3f166e9f-3c88-4af2-b52e-138f339dab3e"
SYS_ID = "0123456789abcdef0123456789abcdef"


def a_record(state: str, version: int = 1, **changes: object) -> Shown:
    values: dict[str, object] = {"target": SYS_ID, "case_id": CASE_ID, "is_case": False, "mark": "Coralogix"}
    values |= {"word": state, "version": version, "fields": {"state": state, "impact": "1"}}
    return Shown(**values | changes)  # type: ignore[arg-type]


def shows(*shown: Shown, by: str = "records.get") -> Read:
    return Read(host=0, operation=by, asked=tuple(each.target for each in shown), shown=shown)


def asks(**fields: str) -> Request:
    return Request(
        host=0, operation="records.update", target=SYS_ID, case_id="", asked=fields, effects=(), answer=None, error=""
    )


@pytest.mark.parametrize(
    ("events", "promise"),
    [
        ([asks(state="2")], "written without a read just before"),
        ([shows(a_record("6")), asks(state="2")], "asked for a step that does not lead forward"),
        ([shows(a_record("7")), asks(impact="2")], "written to a record that is over"),
        ([shows(a_record("1", mark="else")), asks(state="2")], "written to a record that is not ours"),
        ([shows(a_record("2", came_back=1)), asks(impact="2")], "written to a side that came back from resolved"),
        ([shows(a_record("1")), asks(impact="1")], "sent what the record held already: impact"),
        (
            [shows(a_record("2", 3)), shows(a_record("1", 2), by="records.list.many"), asks(state="6")],
            "decided from an older state than the daemon knew",
        ),
        (
            [shows(a_record("2")), shows(a_record("1")), asks(state="2")],
            "pushed forward again to where it stood before",
        ),
    ],
)
def test_a_wrong_request_is_found(events: list[Event], promise: str) -> None:
    violations, _ = judge([Began(host=0, database=0, number=1), *events])
    assert [violation.promise for violation in violations] == [promise]


@pytest.mark.parametrize("count", [0, 1])
def test_a_value_of_a_person_that_is_written_over_is_found(count: int) -> None:
    """But for a record that by its own count nobody wrote since it was made, and that this daemon did not make."""
    theirs = a_record("1", count, fields={"short_description": "theirs"})
    events: list[Event] = [begin(), shows(theirs), asks(short_description="ours")]
    assert len(list(overwritten(events))) == count


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_create_shows_what_was_kept_where_it_is_answered(is_answered: bool) -> None:
    theirs = a_record("1", 0, fields={"short_description": "theirs"})
    write = Write(
        at=START, actor="us", via_api=True, operation=Operation.INSERT, table="incident", sys_id=SYS_ID, accepted=True
    )
    answer = a_record("1", 0, fields={"short_description": "ours"}) if is_answered else None
    made = replace(asks(short_description="ours"), operation="records.create", effects=(write,), answer=answer)
    events: list[Event] = [begin(), made, shows(theirs), asks(short_description="ours again")]
    assert bool(list(overwritten(events))) is is_answered


def test_a_right_request_is_not_condemned() -> None:
    violations, _ = judge([Began(host=0, database=0, number=1), shows(a_record("1")), asks(state="2", impact="2")])
    assert violations == ()


@pytest.mark.gate
def test_cases_that_fire_again_have_one_open_record_and_are_told_of_once() -> None:
    tally = run(20, 71, kinds=frozenset({Kind.AGAIN}))
    assert not tally.failed


# -- further kinds of trouble ---------------------------------------------------------------------------------


def test_a_kind_adds_to_a_schedule_and_changes_nothing_else() -> None:
    for number in range(60):
        seed = seed_of(3, number)
        plain, full = generate(seed, frozenset()), generate(seed, frozenset(Kind))
        left = iter(full.steps)
        assert all(step in left for step in plain.steps), seed
        assert generate(seed, frozenset({Kind.PATIENCE})).setting == plain.setting


def test_every_kind_is_woven_in_and_told_as_text() -> None:
    told = "".join(str(generate(seed_of(3, number), frozenset(Kind))) for number in range(40))
    for word in ("Rewrite.", "TurnBack(", "echoes=True", "seconds=", "connectors=2", "neighbour=True", "Clone()"):
        assert word in told


def asked(host: int = 0, connector: str = "main", **more: object) -> Request:
    """Give a request of an update."""
    whole: dict[str, object] = {"operation": "records.update", "target": SYS_ID, "case_id": "", "asked": {}}
    return Request(host=host, connector=connector, effects=(), answer=None, error="", **(whole | more))  # type: ignore[arg-type]


def begin(host: int = 0) -> Began:
    return Began(host=host, database=host, number=1)


def end(why: str = "") -> Ended:
    return Ended(host=0, number=1, well=not why, why=why)


def test_a_side_that_wants_patience_is_left_alone() -> None:
    told = asked(told_to_wait="main")
    other = Read(host=0, operation="cases.list", asked=(), shown=())
    assert not list(impatient([begin(), told, told, other, end()]))
    assert len(list(impatient([begin(), told, other, told, end(), begin(), told]))) == 1
    assert not list(impatient([begin(), told, told, asked(), told]))
    assert not list(impatient([begin(), told, told, end("killed"), begin(), told]))
    assert not list(impatient([begin(), told, told, begin(1), asked(1, told_to_wait="main")]))


def test_an_instance_whose_writes_hang_is_not_pressed() -> None:
    hung = asked(hung=True)
    assert not list(pressed([begin(), hung, hung, asked(connector="other"), begin(), asked()]))
    assert len(list(pressed([begin(), hung, hung, asked()]))) == 1


def test_a_record_on_another_instance_is_not_written() -> None:
    there = Shown(target=f"other/{SYS_ID}", case_id=CASE_ID, is_case=False, word="1", version=1)
    seen = Read(host=0, operation="records.get", asked=(there.target,), shown=(there,), connector="other")
    wrong = asked(connector="other", target=there.target)
    assert len(list(misplaced([seen, wrong], {CASE_ID: "main"}))) == 1
    assert not list(misplaced([seen, wrong], {CASE_ID: "other"}))
    assert len(list(misplaced([asked(connector="other", case_id=CASE_ID)], {CASE_ID: "main"}))) == 1


@pytest.mark.parametrize("how", ["note", "new_record"])
def test_a_record_beside_an_open_one_and_a_note_that_is_told_twice_are_found(how: str) -> None:
    stage = Stage(Setting(on_reactivate=how))
    case_id = stage.case_ids[0] = stage.coralogix.create_case("Payments are slow")
    stage.clock.advance(seconds=1)
    stage.cycle(0, no_gate())
    client = IncidentsInProcess(stage.servicenow)
    note = {"work_notes": "CASE-1 is active again in Coralogix since 2026-03-01 08:01:03 UTC."}
    made = {"correlation_id": case_id, "correlation_display": "Coralogix", "sys_id": "1" * 32}
    client.update("incident", stage.records_of(0)[0], note)
    assert not list(again_violations(stage))
    client.update("incident", stage.records_of(0)[0], note)
    client.create("incident", made)
    told = {"note": "told a re-activation twice", "new_record": "made a record beside one that is open"}
    assert [violation.promise for violation in again_violations(stage)] == [told[how]]
    stage.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    opened = Stage(Setting())
    opened.case_ids[0] = opened.coralogix.create_case("Payments are slow")
    opened.clock.advance(seconds=1)
    opened.cycle(0, no_gate())
    yield opened
    opened.close()


def found(stage: Stage) -> list[str]:
    return [violation.promise for violation in further_violations(stage)]


def test_a_title_that_does_not_follow_is_found(stage: Stage) -> None:
    assert not found(stage)
    stage.coralogix.set_title(stage.case_ids[0], "R&D is slow")
    assert found(stage) == ["the title of a record does not follow its Case"]
    stage.servicenow.people.edit(stage.records_of(0)[0], short_description="mine")
    assert not found(stage)


def test_a_record_that_is_remembered_otherwise_is_found(stage: Stage) -> None:
    stage.servicenow.people.progress(stage.records_of(0)[0])
    assert found(stage) == ["a database remembers a record otherwise than it is"]


def test_a_secret_that_came_to_rest_is_found(stage: Stage) -> None:
    stage.echoes = True
    assert not found(stage)
    stage.databases[0].connection.execute("CREATE TABLE note (words TEXT) STRICT")
    stage.databases[0].connection.execute("INSERT INTO note VALUES ('Bearer sandbox-key')")
    assert found(stage) == ["a secret came to rest in a database"]
    stage.databases[0].connection.execute("DROP TABLE note")
    stage.events.append(end("echoed: sandbox-password"))
    assert found(stage) == ["a secret was told in an error"]
