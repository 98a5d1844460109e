"""Instances with a mind of their own: values rewritten, records that go back in time, answers that say too much."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from urllib.parse import quote

import pytest

from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan
from reconciler.sandbox.http.wire import Request, Response
from reconciler.sandbox.servicenow.api.login import API_PASSWORD
from reconciler.sandbox.servicenow.copies import clone, restore, turn_back
from reconciler.sandbox.servicenow.journal import Denial, Operation
from reconciler.sandbox.servicenow.switches import Rewrite
from tests.unit.sandbox.servicenow.support import (
    API,
    START,
    SYS_ID,
    TABLE,
    basic,
    call,
    create,
    new_face,
    new_world,
    result,
    token,
)

# -- values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewrite", "field", "sent", "kept"),
    [
        (Rewrite.QUESTION_MARKS, "short_description", "disk 🔥 full", "disk ???? full"),
        (Rewrite.PREFIX, "short_description", "disk", "[EMEA] disk"),
        (Rewrite.PREFIX, "short_description", "[EMEA] disk", "[EMEA] disk"),
        (Rewrite.NARROW, "short_description", "x" * 160, "x" * 100),
        (Rewrite.BLANKS, "description", "  a \n\n b  c ", "a b c"),
        (Rewrite.ENTITIES, "close_notes", "a & b &amp; c", "a &amp; b &amp; c"),
        (Rewrite.DATES, "due_date", "2026-03-01T10:00:00+02:00", "2026-03-01 08:00:00"),
        (Rewrite.DATES, "due_date", "tomorrow", "tomorrow"),
    ],
)
def test_an_instance_rewrites_what_it_takes(rewrite: Rewrite, field: str, sent: str, kept: str) -> None:
    world = new_world(rewrites=frozenset({rewrite}))
    assert world.writes.insert("incident", {field: sent}, API)[field] == kept
    assert new_world().writes.insert("incident", {field: sent}, API)[field] == sent


def test_rewriting_leaves_keys_and_choices_alone() -> None:
    world = new_world(rewrites=frozenset(Rewrite))
    row = world.writes.insert(
        "incident", {"correlation_id": "a  & b", "category": "network", "short_description": "c"}, API
    )
    assert (row["correlation_id"], row["category"], row["short_description"]) == ("a  & b", "network", "[EMEA] c")


@pytest.mark.parametrize(("sent", "kept"), [("True", "true"), ("1", "true"), (False, "false"), ("yes", "false")])
def test_a_boolean_column_has_two_words(sent: object, kept: str) -> None:
    assert new_world().writes.insert("incident", {"knowledge": sent}, API)["knowledge"] == kept


def test_a_column_may_count_utf_16_units() -> None:
    row = new_world(text_units="utf_16").writes.insert("incident", {"short_description": "x" + "🔥" * 100}, API)
    assert row["short_description"] == "x" + "🔥" * 79
    strict = new_world(text_units="utf_16", overlong_text="reject")
    with pytest.raises(Denial):
        strict.writes.insert("incident", {"short_description": "🔥" * 81}, API)


# -- copies ---------------------------------------------------------------------------------------------------


def test_a_restored_instance_stands_where_it_stood() -> None:
    world = new_world()
    old = create(world)
    world.clock.advance(hours=1)
    night = world.clock.now()
    world.clock.advance(hours=1)
    world.people.resolve(old)
    young = create(world, correlation_id="another")
    restore(world, night)
    row = world.record(old)
    assert (row["state"], row["sys_mod_count"], row["sys_updated_on"]) == ("1", "0", "2026-03-01 12:00:00")
    with pytest.raises(LookupError):
        world.record(young)
    replaced = [write for write in world.journal if write.operation is Operation.REPLACE]
    assert {(write.sys_id, write.state_before, write.state_after) for write in replaced} == {
        (old, "6", "1"),
        (young, "1", ""),
    }


def test_one_record_goes_back_and_the_rest_stays() -> None:
    world = new_world()
    back, stays = create(world), create(world, correlation_id="another")
    made = world.clock.now()
    world.clock.advance(hours=1)
    for sys_id in (back, stays):
        world.people.progress(sys_id)
    turn_back(world, back, made)
    assert (world.record(back)["state"], world.record(stays)["state"]) == ("1", "2")
    with pytest.raises(LookupError):
        turn_back(world, "0" * 32, made)


def test_a_clone_has_the_same_ids_and_keys() -> None:
    prod, test = new_world(), new_world()
    sys_id, own = create(prod, sys_id=SYS_ID), create(test, correlation_id="its own")
    clone(prod, over=test)
    assert test.record(sys_id) == prod.record(sys_id)
    with pytest.raises(LookupError):
        test.record(own)
    prod.people.progress(sys_id)
    assert test.record(sys_id)["state"] == "1"


# -- answers --------------------------------------------------------------------------------------------------


def coralogix(fault: Fault) -> Response:
    """Give the answer to a listing that a fault strikes."""
    world = CoralogixWorld(SandboxClock(START), FaultPlan())
    world.faults.add(fault)
    headers = {"authorization": "Bearer cxup_secret"}
    request = Request(method="POST", path="/mgmt/openapi/5/cases/cases/v1", query={}, headers=headers)
    return CoralogixFace(world, "cxup_secret").answer(request)


@pytest.mark.parametrize("kind", [FaultKind.RATE_429, FaultKind.ERROR_503_HTML])
def test_a_long_wait_is_said_in_seconds_and_ends(kind: FaultKind) -> None:
    face = new_face()
    face.world.faults.add(Fault(kind, "records.*", times=None, until=START + timedelta(hours=1)))
    assert call(face, "GET", TABLE).headers["Retry-After"] == "3600"
    face.world.clock.advance(minutes=59)
    assert call(face, "GET", TABLE).headers["Retry-After"] == "60"
    face.world.clock.advance(minutes=1)
    assert call(face, "GET", TABLE).status == 200
    assert coralogix(Fault(kind, until=START + timedelta(hours=1))).headers["Retry-After"] == "3600"


def test_a_wait_is_as_long_by_a_clock_that_is_wrong() -> None:
    face = new_face()
    face.world.own_clock.skew = timedelta(minutes=10)
    face.world.faults.add(Fault(FaultKind.RATE_429, times=None, until=START + timedelta(minutes=1)))
    assert call(face, "GET", TABLE).headers["Retry-After"] == "60"


def test_a_wait_may_be_said_in_any_words() -> None:
    odd = Fault(FaultKind.RATE_429, retry_after="Sun, 01 Mar 2026 13:00:00 GMT")
    assert coralogix(odd).headers["Retry-After"] == odd.retry_after
    assert coralogix(Fault(FaultKind.RATE_429)).headers["Retry-After"] == "0"
    assert "Retry-After" not in coralogix(Fault(FaultKind.ERROR_503_HTML)).headers


def seen(response: Response) -> str:
    """Give all that an answer says."""
    return response.body.decode() + json.dumps(dict(response.headers))


@pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN_403, FaultKind.ERROR_500, FaultKind.ERROR_502_HTML])
def test_an_answer_may_repeat_the_request_with_its_credentials(kind: FaultKind) -> None:
    face = new_face()
    face.world.faults.add(Fault(kind, "records.create", echoes=True))
    said = seen(call(face, "POST", TABLE, body={"impact": "1"}))
    encoded = base64.b64encode(f"coralogix.sync:{API_PASSWORD}".encode()).decode()
    assert all(form in said for form in (encoded, quote(encoded, safe=""), f"coralogix.sync:{API_PASSWORD}", "impact"))
    assert call(face, "POST", TABLE, body={"impact": "1"}).status == 201
    told = coralogix(Fault(kind, echoes=True))
    assert "cxup_secret" in told.body.decode()
    assert told.headers["X-Request-Id"] == "cxup_secret"


def test_the_other_logins_are_repeated_too() -> None:
    face = new_face()
    face.world.faults.add(Fault(FaultKind.ERROR_500, "records.list", echoes=True))
    assert "k3y" in seen(call(face, "GET", TABLE, headers={"x-sn-apikey": "k3y"}))
    face.world.faults.add(Fault(FaultKind.ERROR_500, "oauth.token", echoes=True))
    said = seen(token(face, grant_type="password", username="a b", password="p&w d"))
    assert "password=p&w d" in said
    assert "password=p%26w+d" in said


def test_an_answer_that_does_not_echo_says_nothing_of_the_request() -> None:
    face = new_face()
    face.world.faults.add(Fault(FaultKind.ERROR_500, "records.list"))
    assert "Basic" not in seen(call(face, "GET", TABLE))
    assert result(call(face, "GET", TABLE, headers=basic())) == []
