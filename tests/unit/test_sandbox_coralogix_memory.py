"""The Coralogix client without a network: what it answers, and what each fault makes of a call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from reconciler.core.errors import Ambiguous, AuthFailed, Missing, Rejected, RemoteError, Transient
from reconciler.core.model import Case
from reconciler.remotes.ports import CaseClient, CaseOrder
from reconciler.sandbox.clock import SandboxClock
from reconciler.sandbox.coralogix.memory import MemoryCaseClient
from reconciler.sandbox.coralogix.records import CaseKnobs
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import Fault, FaultKind, FaultPlan

START = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)

# What the caller must make of each kind: of a read, and of a write. None: it is answered.
EXPECTED: dict[FaultKind, tuple[type[RemoteError] | None, type[RemoteError] | None]] = {
    FaultKind.TIMEOUT: (Transient, Ambiguous),
    FaultKind.RESET: (Transient, Ambiguous),
    FaultKind.REFUSED: (Transient, Transient),
    FaultKind.ERROR_500: (Transient, Ambiguous),
    FaultKind.ERROR_502_HTML: (Transient, Ambiguous),
    FaultKind.ERROR_503_HTML: (Transient, Ambiguous),
    FaultKind.FORBIDDEN_403: (Rejected, Rejected),
    FaultKind.UNAUTHORIZED_401: (AuthFailed, AuthFailed),
    FaultKind.RATE_429: (Transient, Transient),
    FaultKind.HTML_200: (Transient, Ambiguous),
    FaultKind.REDIRECT_LOGIN: (Transient, Transient),
    FaultKind.TRUNCATED_JSON: (Transient, Ambiguous),
    FaultKind.ERROR_IN_200: (Transient, Ambiguous),
    FaultKind.NO_CHANGE_200: (None, None),
    FaultKind.HIDDEN_ROWS: (None, None),
    FaultKind.STALE_LIST: (None, None),
    FaultKind.DROPPED_CONDITION: (None, None),
}

WRITES: dict[str, tuple[Callable[[CaseClient, str], Case], str]] = {
    "cases.acknowledge": (lambda client, case_id: client.acknowledge(case_id), "ACKNOWLEDGED"),
    "cases.resolve": (lambda client, case_id: client.resolve(case_id, "done"), "RESOLVED"),
    "cases.close": (lambda client, case_id: client.close(case_id), "CLOSED"),
}
READS: dict[str, Callable[[CaseClient, str], object]] = {
    "cases.list": lambda client, _: client.list_cases(order=CaseOrder.UPDATED),
    "cases.get": lambda client, case_id: client.get_case(case_id),
    "cases.deep_links": lambda client, case_id: client.deep_link(case_id),
}


@pytest.fixture
def world() -> CoralogixWorld:
    return CoralogixWorld(SandboxClock(START), FaultPlan())


@pytest.fixture
def client(world: CoralogixWorld) -> MemoryCaseClient:
    return MemoryCaseClient(world)


def ready_for(world: CoralogixWorld, operation: str) -> str:
    case_id = world.create_case("one")
    if operation == "cases.close":
        world.resolve(case_id)
    return case_id


def test_every_kind_of_fault_is_expected() -> None:
    assert set(EXPECTED) == set(FaultKind)


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("operation", READS)
def test_a_fault_of_a_read(
    kind: FaultKind,
    after_effect: bool,
    operation: str,
    world: CoralogixWorld,
    client: MemoryCaseClient,
) -> None:
    case_id = world.create_case("one")
    world.faults.add(Fault(kind=kind, operation=operation, after_effect=after_effect))
    expected = EXPECTED[kind][0]
    if expected is None:
        READS[operation](client, case_id)
    else:
        with pytest.raises(RemoteError) as caught:
            READS[operation](client, case_id)
        assert type(caught.value) is expected
        assert caught.value.path == operation
    READS[operation](client, case_id)  # the fault struck once
    assert client.requests[operation] == 2


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize("operation", WRITES)
def test_a_fault_of_a_write(
    kind: FaultKind,
    after_effect: bool,
    operation: str,
    world: CoralogixWorld,
    client: MemoryCaseClient,
) -> None:
    case_id = ready_for(world, operation)
    before = world.case(case_id)
    act, target = WRITES[operation]
    world.faults.add(Fault(kind=kind, operation=operation, after_effect=after_effect))
    expected = EXPECTED[kind][1]
    if expected is None:
        answer = act(client, case_id)
        assert answer == world.case(case_id)
        assert answer.status == (before.status if kind is FaultKind.NO_CHANGE_200 else target)
    else:
        with pytest.raises(RemoteError) as caught:
            act(client, case_id)
        assert type(caught.value) is expected
        landed = after_effect and kind is not FaultKind.REFUSED
        assert world.case(case_id).status == (target if landed else before.status)
        assert world.journal[-1].changed == (True if landed else world.journal[-1].actor != "apiKey")
    assert sum(world.faults.struck.values()) == 1


def test_a_write_without_change_is_in_the_journal(world: CoralogixWorld, client: MemoryCaseClient) -> None:
    case_id = world.create_case("one")
    world.faults.add(Fault(kind=FaultKind.NO_CHANGE_200))
    assert client.acknowledge(case_id).status == "ACTIVE"
    entry = world.journal[-1]
    assert (entry.actor, entry.accepted, entry.changed, entry.detail) == ("apiKey", True, False, "no_change_200")


def test_hidden_rows_and_stale_lists(world: CoralogixWorld, client: MemoryCaseClient) -> None:
    case_id = world.create_case("one")
    world.clock.advance(seconds=world.knobs.stale_list_seconds)
    world.acknowledge(case_id)
    world.faults.add(Fault(kind=FaultKind.HIDDEN_ROWS))
    world.faults.add(Fault(kind=FaultKind.STALE_LIST))
    hidden, stale, whole = (client.list_cases(order=CaseOrder.UPDATED) for _ in range(3))
    assert (hidden.cases, hidden.truncated, hidden.next_token) == ((), True, None)
    assert [case.status for case in stale.cases] == ["ACTIVE"]
    assert ([case.status for case in whole.cases], whole.truncated) == (["ACKNOWLEDGED"], False)


def test_a_listing_is_paged_filtered_and_dated(world: CoralogixWorld, client: MemoryCaseClient) -> None:
    ids = []
    for number in range(5):
        ids.append(world.create_case(f"{number}"))
        world.clock.advance(seconds=1)
    world.resolve(ids[0])
    first = client.list_cases(order=CaseOrder.UPDATED, page_size=2)
    second = client.list_cases(order=CaseOrder.UPDATED, page_size=2, page_token=first.next_token)
    assert [case.id for case in (*first.cases, *second.cases)] == [ids[0], ids[4], ids[3], ids[2]]
    assert first.server_time == world.clock.now().replace(microsecond=0)
    resolved = client.list_cases(order=CaseOrder.CREATED, statuses=("RESOLVED", "CLOSED"))
    assert [case.id for case in resolved.cases] == [ids[0]]
    recent = client.list_cases(order=CaseOrder.CREATED, created_from=START + timedelta(seconds=3))
    assert [case.id for case in recent.cases] == [ids[4], ids[3]]


@pytest.mark.parametrize("operation", [name for name in (*READS, *WRITES) if name != "cases.list"])
def test_a_case_that_is_missing_hidden_or_not_an_id(
    operation: str, world: CoralogixWorld, client: MemoryCaseClient
) -> None:
    act = READS.get(operation) or WRITES[operation][0]
    hidden = ready_for(world, operation)
    world.hide(hidden)
    for case_id in (str(uuid4()), "CASE-99", hidden):
        with pytest.raises(Missing) as missing:
            act(client, case_id)
        assert missing.value.status == 404
    for case_id in ("", "nonsense", hidden.upper(), f"A-{'1' * 63}"):
        with pytest.raises(Rejected) as rejected:
            act(client, case_id)
        assert (type(rejected.value), rejected.value.status) == (Rejected, 400)


def test_a_refused_step_and_an_over_long_reason(world: CoralogixWorld, client: MemoryCaseClient) -> None:
    case_id = world.create_case("one")
    with pytest.raises(Rejected, match="ACTIVE"):
        client.close(case_id)
    with pytest.raises(Rejected, match="500"):
        client.resolve(case_id, "x" * 501)
    assert client.resolve(case_id, "x" * 500).resolution_reason == "x" * 500


@pytest.mark.parametrize("page_size", [0, 1001])
def test_a_page_size_out_of_bounds(page_size: int, client: MemoryCaseClient) -> None:
    with pytest.raises(Rejected):
        client.list_cases(order=CaseOrder.UPDATED, page_size=page_size)


def test_a_token_of_somebody_else(client: MemoryCaseClient) -> None:
    with pytest.raises(Rejected, match="token"):
        client.list_cases(order=CaseOrder.UPDATED, page_token="x")


def test_a_key_finds_the_case_too(world: CoralogixWorld, client: MemoryCaseClient) -> None:
    case_id = world.create_case("one")
    assert client.get_case("CASE-1").id == case_id
    assert case_id in client.deep_link("CASE-1")


def test_knobs_are_seen_through_the_client() -> None:
    world = CoralogixWorld(SandboxClock(START), FaultPlan(), knobs=CaseKnobs(list_lag_seconds=5))
    world.create_case("one")
    client = MemoryCaseClient(world)
    assert client.list_cases(order=CaseOrder.UPDATED).cases == ()
    world.clock.advance(seconds=5)
    assert len(client.list_cases(order=CaseOrder.UPDATED).cases) == 1
