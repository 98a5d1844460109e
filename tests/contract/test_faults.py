"""What each fault means to a caller: one table, to which sockets and the in-process adapter are both held.

Each call is played on two equal worlds, one reached over sockets and one in process; outcome, world and journal are
the same. A server that runs cannot refuse a connection, so over sockets REFUSED is a port where nobody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from reconciler.core.errors import Ambiguous, AuthFailed, PartialTruth, Rejected, RemoteError, Transient
from reconciler.remotes.ports import CaseClient, CaseOrder, IncidentClient
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import DRIPS, ODD_ANSWERS, Fault, FaultKind
from reconciler.sandbox.http.wire import Request
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.contract.outcomes import outcome_of
from tests.contract.stage import (
    API,
    CaseStage,
    Exchange,
    RecordStage,
    Theatre,
    Way,
    case_id,
    new_cases,
    new_records,
    record_fields,
    sys_id,
)

IMPATIENT_SECONDS = 0.05
OWN_ID = "x-cx-correlation-id"
ELSEWHERE = DRIPS | ODD_ANSWERS
"""``test_odd_answers`` plays these"""
FAULTS = [(kind, after_effect) for kind in FaultKind if kind not in ELSEWHERE for after_effect in (False, True)]
FAULT_NAMES = [f"{kind}-{'after' if after_effect else 'before'}" for kind, after_effect in FAULTS]
READ_TIMES = range(1, 7)
"""three attempts, and three more for the smaller page after a listing that took too long"""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """Say what a fault that lasts means to a read, to a change, and to a create; None: it is answered."""

    read: type[RemoteError] | None = None
    change: type[RemoteError] | None = None
    create: type[RemoteError] | None = None

    def of(self, operation: str, *, is_read: bool) -> type[RemoteError] | None:
        """Give what it means to an operation."""
        if is_read:
            return self.read
        return self.create if operation == "records.create" else self.change


ANSWERED = Meaning()
TURNED_AWAY = Meaning(read=Transient, change=Transient, create=Transient)
IN_DOUBT = Meaning(read=Transient, change=Ambiguous, create=Ambiguous)
MEANINGS: Mapping[FaultKind, Meaning] = {
    FaultKind.TIMEOUT: IN_DOUBT,
    FaultKind.RESET: IN_DOUBT,
    FaultKind.REFUSED: TURNED_AWAY,
    FaultKind.ERROR_500: IN_DOUBT,
    FaultKind.ERROR_502_HTML: IN_DOUBT,
    FaultKind.ERROR_503_HTML: IN_DOUBT,
    FaultKind.FORBIDDEN_403: Meaning(read=Rejected, change=Rejected, create=Ambiguous),
    FaultKind.UNAUTHORIZED_401: Meaning(read=AuthFailed, change=AuthFailed, create=AuthFailed),
    FaultKind.RATE_429: TURNED_AWAY,
    FaultKind.HTML_200: IN_DOUBT,
    FaultKind.REDIRECT_LOGIN: TURNED_AWAY,
    FaultKind.TRUNCATED_JSON: IN_DOUBT,
    FaultKind.ERROR_IN_200: IN_DOUBT,
    FaultKind.NO_CHANGE_200: ANSWERED,
    FaultKind.HIDDEN_ROWS: ANSWERED,
    FaultKind.STALE_LIST: ANSWERED,
    FaultKind.DROPPED_CONDITION: ANSWERED,
}
HALF_TRUTHS = {
    (FaultKind.HIDDEN_ROWS, "find"),
    *((FaultKind.DROPPED_CONDITION, call) for call in ("changed", "find", "get many", "reference")),
}
"""listings of which the client can tell that they are not what was asked for"""
NEVER_APPLIED = {
    FaultKind.REFUSED,
    FaultKind.RATE_429,
    FaultKind.REDIRECT_LOGIN,
    FaultKind.UNAUTHORIZED_401,
}
"""what ServiceNow turns away before it does anything; a proxy before Coralogix may also have let a request through"""

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
    cases = world.ledger.cases()
    return cases, [world.ledger.events(case.id) for case in cases], list(world.journal)


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
        world.writes.insert("incident", record_fields(number), API)
    world.people.open_incident("another's", correlation_id=case_id(9), correlation_display="Other")
    world.clock.advance(seconds=90)
    world.people.edit(sys_id(2), description="later")


def play_case(theatre: Theatre, stage: CaseStage, name: str, way: Way, *faults: Fault) -> Seen:
    """Play one call for a Case while faults strike."""
    made = prepare_case(stage.world, name)
    for fault in faults:
        stage.world.faults.add(fault)
    outcome = outcome_of(lambda: CASE_CALLS[name][1](stage.client, made))
    if way is Way.SOCKETS:
        theatre.wait()
    return Seen(outcome=outcome, world=cases_of(stage.world))


def play_record(theatre: Theatre, stage: RecordStage, name: str, way: Way, *faults: Fault) -> Seen:
    """Play one call for a record while faults strike."""
    prepare_records(stage.world)
    for fault in faults:
        stage.world.faults.add(fault)
    outcome = outcome_of(lambda: RECORD_CALLS[name][1](stage.client))
    if way is Way.SOCKETS:
        theatre.wait()
    return Seen(outcome=outcome, world=records_of(stage.world))


def lasting(kind: FaultKind, operation: str, *, after_effect: bool) -> Fault:
    """Plan a fault that outlasts every attempt to read."""
    return Fault(kind=kind, operation=operation, after_effect=after_effect, times=None)


def two_ways(kind: FaultKind, theatre: Theatre) -> tuple[Way, Way]:
    """Give the two ways on which a fault is played, with a client that does not wait long where one is silent."""
    if kind is FaultKind.TIMEOUT:
        theatre.read_seconds = IMPATIENT_SECONDS
    return (Way.CLOSED_PORT if kind is FaultKind.REFUSED else Way.SOCKETS), Way.IN_PROCESS


def is_meant(outcome: object, error: type[RemoteError] | None) -> bool:
    """Say whether a call came to the error that is expected, or to a value where none is."""
    return not isinstance(outcome, type) if error is None else outcome is error


def count_is_right(found: int, way: Way, *, is_read: bool) -> bool:
    """Say whether a world was asked as often as a read, or a write, may be sent."""
    return found == 0 if way is Way.CLOSED_PORT else found in (READ_TIMES if is_read else [1])


def test_every_fault_has_its_meaning() -> None:
    assert MEANINGS.keys() == set(FaultKind) - ELSEWHERE


@pytest.mark.parametrize(("kind", "after_effect"), FAULTS, ids=FAULT_NAMES)
@pytest.mark.parametrize("name", CASE_CALLS)
def test_a_fault_of_the_cases_api(name: str, kind: FaultKind, after_effect: bool, theatre: Theatre) -> None:
    operation, is_read = CASE_CALLS[name][0], name in CASE_READS
    error = MEANINGS[kind].of(operation, is_read=is_read)
    takes_effect = not is_read and kind not in {FaultKind.NO_CHANGE_200, FaultKind.REFUSED}
    untouched = new_cases()
    prepare_case(untouched, name)
    seen = []
    for way in two_ways(kind, theatre):
        stage = theatre.cases(new_cases(), way=way)
        seen.append(play_case(theatre, stage, name, way, lasting(kind, operation, after_effect=after_effect)))
        assert is_meant(seen[-1].outcome, error), seen[-1].outcome
        assert (stage.world.ledger.cases() != untouched.ledger.cases()) == (
            takes_effect and (after_effect or error is None)
        )
        assert count_is_right(stage.requests[operation], way, is_read=is_read)
        assert stage.requests.total() == stage.requests[operation]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("kind", "after_effect"), FAULTS, ids=FAULT_NAMES)
@pytest.mark.parametrize("name", RECORD_CALLS)
def test_a_fault_of_the_table_api(name: str, kind: FaultKind, after_effect: bool, theatre: Theatre) -> None:
    operation, is_read = RECORD_CALLS[name][0], name in RECORD_READS
    error = PartialTruth if (kind, name) in HALF_TRUTHS else MEANINGS[kind].of(operation, is_read=is_read)
    is_lost = kind in NEVER_APPLIED or (kind is FaultKind.NO_CHANGE_200 and name == "update")
    untouched = new_records()
    prepare_records(untouched)
    seen = []
    for way in two_ways(kind, theatre):
        stage = theatre.records(new_records(), way=way)
        seen.append(play_record(theatre, stage, name, way, lasting(kind, operation, after_effect=after_effect)))
        assert is_meant(seen[-1].outcome, error), seen[-1].outcome
        lands = not is_read and not is_lost and (after_effect or error is None)
        assert (tables_of(stage.world) != tables_of(untouched)) == lands
        assert count_is_right(stage.requests[operation], way, is_read=is_read)
        assert stage.requests.total() == stage.requests[operation]
    assert seen[0].outcome == seen[1].outcome
    assert kind is FaultKind.REFUSED or seen[0].world == seen[1].world


@pytest.mark.parametrize("name", CASE_CALLS)
def test_without_a_fault_the_cases_api_is_asked_and_answers_the_same(name: str, theatre: Theatre) -> None:
    ways = (Way.SOCKETS, Way.IN_PROCESS)
    wired, called = (play_case(theatre, theatre.cases(new_cases(), way=way), name, way) for way in ways)
    assert wired == called
    first, second = map(as_sent, theatre.desk.exchanges)
    assert first == second


@pytest.mark.parametrize("name", RECORD_CALLS)
def test_without_a_fault_the_table_api_is_asked_and_answers_the_same(name: str, theatre: Theatre) -> None:
    ways = (Way.SOCKETS, Way.IN_PROCESS)
    wired, called = (play_record(theatre, theatre.records(new_records(), way=way), name, way) for way in ways)
    assert wired == called
    first, second = map(as_sent, theatre.desk.exchanges)
    assert first == second


def as_sent(exchange: Exchange) -> Request:
    """Give a request without what differs each time, and what only a socket has."""
    headers = {name: value for name, value in exchange.request.headers.items() if name not in {"host", OWN_ID}}
    return replace(exchange.request, headers=headers)


@pytest.mark.parametrize(
    "kind", [FaultKind.RATE_429, FaultKind.ERROR_502_HTML, FaultKind.RESET, FaultKind.TRUNCATED_JSON]
)
def test_a_read_survives_what_passes(kind: FaultKind, theatre: Theatre) -> None:
    wired = theatre.cases(new_cases())
    made = wired.world.create_case("one")
    for operation, act in CASE_READS.values():
        wired.world.faults.add(Fault(kind=kind, operation=operation, times=2))
        act(wired.client, made)
        assert wired.requests[operation] == 3


@pytest.mark.parametrize("kind", [FaultKind.REDIRECT_LOGIN, FaultKind.HTML_200])
def test_a_page_is_neither_followed_nor_asked_for_again(kind: FaultKind, theatre: Theatre) -> None:
    wired = theatre.cases(new_cases())
    wired.world.faults.add(Fault(kind=kind, times=None))
    with pytest.raises(Transient):
        wired.client.list_cases(order=CaseOrder.UPDATED)
    assert [one.request.path for one in theatre.desk.exchanges] == ["/mgmt/openapi/5/cases/cases/v1"]
