"""Whatever strikes, the client in memory and the real one over HTTP come to the same: outcome, world and journal.

One exception: REFUSED. A server that runs cannot refuse a connection; what it does instead, a reset, leaves the
outcome of a write open, where the client in memory knows that nothing arrived. The real thing is a closed port.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from reconciler.core.errors import Transient
from reconciler.core.model import System
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.http.auth import basic_login, bearer_login
from reconciler.remotes.ports import CaseClient, CaseOrder, IncidentClient
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.contract.outcomes import outcome_of
from tests.contract.stage import (
    API,
    HTTP,
    MEMORY,
    OWNER,
    CaseStage,
    RecordStage,
    Theatre,
    case_id,
    new_cases,
    new_records,
    record_fields,
    sys_id,
)

IMPATIENT_SECONDS = 0.2
ON_THE_WIRE = [kind for kind in FaultKind if kind is not FaultKind.REFUSED]
FAULTS = [(kind, after_effect) for kind in ON_THE_WIRE for after_effect in (False, True)]
FAULT_NAMES = [f"{kind}-{'after' if after_effect else 'before'}" for kind, after_effect in FAULTS]
READ_TIMES = range(1, 7)
"""three attempts, and three more for the smaller page after a listing that took too long"""

CaseCall = Callable[[CaseClient, str], object]
CASE_READS: dict[str, tuple[str, CaseCall]] = {
    "list": ("cases.list", lambda client, _: client.list_cases(order=CaseOrder.UPDATED)),
    "get": ("cases.get", lambda client, made: client.get_case(made)),
    "deep link": ("cases.deep_links", lambda client, made: client.deep_link(made)),
}
CASE_WRITES: dict[str, tuple[str, CaseCall]] = {
    "acknowledge": ("cases.acknowledge", lambda client, made: client.acknowledge(made)),
    "resolve": ("cases.resolve", lambda client, made: client.resolve(made, "done")),
    "close": ("cases.close", lambda client, made: client.close(made)),
}
CASE_CALLS = CASE_READS | CASE_WRITES

RecordCall = Callable[[IncidentClient], object]
EVENT = {"message_key": "key", "severity": "1", "source": "Coralogix"}
RECORD_READS: dict[str, tuple[str, RecordCall]] = {
    "changed": ("records.list", lambda client: client.changed("incident", since=None)),
    "find": ("records.list", lambda client: client.find("incident", [case_id(1), case_id(9)])),
    "get": ("records.get", lambda client: client.get("incident", sys_id(1))),
    "get many": ("records.list", lambda client: client.get_many("incident", [sys_id(1), sys_id(2)])),
    "reference": ("records.list", lambda client: client.reference("sys_user_group", "name", ["Network"])),
    "rows": ("records.list", lambda client: client.rows("incident", "state=1", fields=["sys_id"], limit=9)),
}
RECORD_WRITES: dict[str, tuple[str, RecordCall]] = {
    "create": ("records.create", lambda client: client.create("incident", record_fields(5, impact="1"))),
    "update": ("records.update", lambda client: client.update("incident", sys_id(1), {"state": "2"})),
    "event": ("records.event", lambda client: client.send_event(EVENT)),
}
RECORD_CALLS = RECORD_READS | RECORD_WRITES


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Hold what came of one call: an error's class or a value, and the world afterwards."""

    outcome: object
    world: object


def cases_of(world: CoralogixWorld) -> object:
    cases = world.cases()
    return cases, [world.events(case.id) for case in cases], list(world.journal)


def tables_of(world: ServiceNowWorld) -> object:
    tables = ("incident", "em_event", "em_alert", "sys_journal_field", "sys_audit_delete")
    return {table: world.records(table) for table in tables}


def records_of(world: ServiceNowWorld) -> object:
    return tables_of(world), list(world.journal)


def prepare_case(world: CoralogixWorld, name: str) -> str:
    """Make the Case that a call is about, with a past that a stale listing shows."""
    made = world.create_case("one")
    if name == "close":
        world.resolve(made)
    world.clock.advance(seconds=90)
    world.set_title(made, "another")
    return made


def prepare_records(world: ServiceNowWorld) -> None:
    """Make the records that a call is about, with a past that a stale listing shows, and one that is not ours."""
    for number in (1, 2):
        world.insert("incident", record_fields(number), API)
    world.open_incident("another's", correlation_id=case_id(9), correlation_display="Other")
    world.clock.advance(seconds=90)
    world.edit(sys_id(2), description="later")


def play_case(stage: CaseStage, name: str, *faults: Fault) -> Seen:
    """Play one call for a Case while faults strike."""
    made = prepare_case(stage.world, name)
    for fault in faults:
        stage.world.faults.add(fault)
    outcome = outcome_of(lambda: CASE_CALLS[name][1](stage.client, made))
    return Seen(outcome=outcome, world=cases_of(stage.world))


def play_record(stage: RecordStage, name: str, *faults: Fault) -> Seen:
    """Play one call for a record while faults strike."""
    prepare_records(stage.world)
    for fault in faults:
        stage.world.faults.add(fault)
    outcome = outcome_of(lambda: RECORD_CALLS[name][1](stage.client))
    return Seen(outcome=outcome, world=records_of(stage.world))


def lasting(kind: FaultKind, operation: str, *, after_effect: bool) -> Fault:
    """Plan a fault that outlasts every attempt to read."""
    return Fault(kind=kind, operation=operation, after_effect=after_effect, times=None)


@pytest.mark.parametrize(("kind", "after_effect"), FAULTS, ids=FAULT_NAMES)
@pytest.mark.parametrize("name", CASE_CALLS)
def test_a_fault_of_the_cases_api(name: str, kind: FaultKind, after_effect: bool, theatre: Theatre) -> None:
    operation = CASE_CALLS[name][0]
    if kind is FaultKind.TIMEOUT:
        theatre.read_seconds = IMPATIENT_SECONDS
    wired, remembered = (theatre.cases(face, new_cases()) for face in (HTTP, MEMORY))
    real = play_case(wired, name, lasting(kind, operation, after_effect=after_effect))
    theatre.wait()
    expected = play_case(remembered, name, lasting(kind, operation, after_effect=after_effect))
    assert real.outcome == expected.outcome
    assert cases_of(wired.world) == expected.world
    assert wired.requests[operation] in (READ_TIMES if name in CASE_READS else [1])
    assert wired.requests.total() == wired.requests[operation]


@pytest.mark.parametrize(("kind", "after_effect"), FAULTS, ids=FAULT_NAMES)
@pytest.mark.parametrize("name", RECORD_CALLS)
def test_a_fault_of_the_table_api(name: str, kind: FaultKind, after_effect: bool, theatre: Theatre) -> None:
    operation = RECORD_CALLS[name][0]
    if kind is FaultKind.TIMEOUT:
        theatre.read_seconds = IMPATIENT_SECONDS
    wired, remembered = (theatre.records(face, new_records()) for face in (HTTP, MEMORY))
    real = play_record(wired, name, lasting(kind, operation, after_effect=after_effect))
    theatre.wait()
    expected = play_record(remembered, name, lasting(kind, operation, after_effect=after_effect))
    assert real.outcome == expected.outcome
    assert records_of(wired.world) == expected.world
    assert wired.requests[operation] in (READ_TIMES if name in RECORD_READS else [1])
    assert wired.requests.total() == wired.requests[operation]


@pytest.mark.parametrize("name", CASE_CALLS)
def test_without_a_fault_the_cases_api_agrees(name: str, theatre: Theatre) -> None:
    real, remembered = (play_case(theatre.cases(face, new_cases()), name) for face in (HTTP, MEMORY))
    assert real == remembered


@pytest.mark.parametrize("name", RECORD_CALLS)
def test_without_a_fault_the_table_api_agrees(name: str, theatre: Theatre) -> None:
    real, remembered = (play_record(theatre.records(face, new_records()), name) for face in (HTTP, MEMORY))
    assert real == remembered


@pytest.mark.parametrize(
    "kind", [FaultKind.RATE_429, FaultKind.ERROR_502_HTML, FaultKind.RESET, FaultKind.TRUNCATED_JSON]
)
def test_a_read_survives_what_passes(kind: FaultKind, theatre: Theatre) -> None:
    wired = theatre.cases(HTTP, new_cases())
    made = wired.world.create_case("one")
    for operation, act in CASE_READS.values():
        wired.world.faults.add(Fault(kind=kind, operation=operation, times=2))
        act(wired.client, made)
        assert wired.requests[operation] == 3


@pytest.mark.parametrize("kind", [FaultKind.REDIRECT_LOGIN, FaultKind.HTML_200])
def test_a_page_is_neither_followed_nor_asked_for_again(kind: FaultKind, theatre: Theatre) -> None:
    wired = theatre.cases(HTTP, new_cases())
    wired.world.faults.add(Fault(kind=kind, times=None))
    with pytest.raises(Transient):
        wired.client.list_cases(order=CaseOrder.UPDATED)
    assert [one.request.path for one in theatre.desk.exchanges] == ["/mgmt/openapi/5/cases/cases/v1"]


# --- the exception: a port where nobody listens -----------------------------------------------------------------


@pytest.fixture
def closed_url() -> str:
    """Give an address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("name", CASE_CALLS)
def test_a_refused_connection_to_coralogix(name: str, closed_url: str, theatre: Theatre) -> None:
    operation, act = CASE_CALLS[name]
    real = CoralogixClient(theatre.service(System.CORALOGIX, bearer_login("key"), url=closed_url))
    assert outcome_of(lambda: act(real, case_id(1))) is Transient
    untouched = new_cases()
    prepare_case(untouched, name)
    for after_effect in (False, True):
        fault = lasting(FaultKind.REFUSED, operation, after_effect=after_effect)
        seen = play_case(theatre.cases(MEMORY, new_cases()), name, fault)
        assert seen == Seen(outcome=Transient, world=cases_of(untouched))


@pytest.mark.parametrize("name", RECORD_CALLS)
def test_a_refused_connection_to_servicenow(name: str, closed_url: str, theatre: Theatre) -> None:
    operation, act = RECORD_CALLS[name]
    service = theatre.service(System.SERVICENOW, basic_login("user", "password"), url=closed_url)
    assert outcome_of(lambda: act(ServiceNowClient("main", service, owner=OWNER))) is Transient
    untouched = new_records()
    prepare_records(untouched)
    for after_effect in (False, True):
        stage = theatre.records(MEMORY, new_records())
        fault = lasting(FaultKind.REFUSED, operation, after_effect=after_effect)
        assert play_record(stage, name, fault).outcome is Transient
        assert tables_of(stage.world) == tables_of(untouched)
