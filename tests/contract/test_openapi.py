"""The official descriptions: the whole suite is held against them, and here it is shown that this means something.

Requests of the real client are checked always; answers of the sandbox wherever neither a fault nor the test itself
makes the service say what no description allows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.errors import Missing, Rejected
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.ports import CaseOrder
from reconciler.sandbox.http.wire import Request, Response
from tests.contract.descriptions import FOLDER, PREFIX, Descriptions
from tests.contract.stage import START, CaseStage, Theatre, new_cases

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"the official descriptions are not at {FOLDER}")

EVERY_OPERATION = {
    "POST /cases/cases/v1",
    "GET /cases/cases/v1/{id}",
    "PUT /cases/acknowledged/v1/{id}",
    "PUT /cases/resolved/v1/{id}",
    "POST /cases/closed/v1/{id}",
    "GET /cases/cases/v1/{case_id}/deep-links",
    "GET /cases/cases/case-settings/v1/configs:getActive",
}


@pytest.fixture
def wired(theatre: Theatre) -> CaseStage:
    return theatre.cases(new_cases())


def test_every_call_of_the_client_is_described(wired: CaseStage, theatre: Theatre, descriptions: Descriptions) -> None:
    descriptions.seen.clear()
    client = wired.client
    assert isinstance(client, CoralogixClient)
    made = wired.world.create_case("one", labels=[("team", "sre")])
    wired.world.create_case("other")
    first = client.list_cases(order=CaseOrder.UPDATED, page_size=1)
    client.list_cases(order=CaseOrder.UPDATED, page_size=1, page_token=first.next_token)
    for start in (START, START + timedelta(microseconds=1), START.replace(microsecond=0)):
        client.list_cases(order=CaseOrder.CREATED, statuses=["ACTIVE", "CLOSED"], created_from=start)
    client.get_case(made)
    client.deep_link("CASE-1")
    client.acknowledge(made)
    client.resolve(made, "x" * 500)
    client.close(made)
    client.resolve(wired.world.create_case("third"), "")
    client.settings()
    assert client.whoami()["team_name"] == "sandbox"
    assert descriptions.seen == EVERY_OPERATION
    assert theatre.desk.complaints == []
    assert len(theatre.desk.exchanges) == 13


def test_refusals_are_described_too(wired: CaseStage, theatre: Theatre) -> None:
    made = wired.world.create_case("one")
    with pytest.raises(Rejected):
        wired.client.close(made)
    with pytest.raises(Rejected):
        wired.client.list_cases(order=CaseOrder.UPDATED, page_token="x")
    with pytest.raises(Missing):
        wired.client.get_case("CASE-99")
    assert [one.response.status for one in theatre.desk.exchanges] == [400, 400, 404]
    assert theatre.desk.complaints == []


def exchange(wired: CaseStage, theatre: Theatre) -> tuple[Request, Response]:
    """Give a valid exchange of a listing."""
    wired.world.create_case("one")
    wired.client.list_cases(order=CaseOrder.UPDATED)
    last = theatre.desk.exchanges[-1]
    return last.request, last.response


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("status", "ACTIVE"),
        ("createTime", "2026"),
        ("duration", 5),
        ("labels", None),
        ("id", "nonsense"),
        ("title", ""),
    ],
)
def test_an_answer_that_is_not_allowed_is_complained_of(
    member: str, value: object, wired: CaseStage, theatre: Theatre, descriptions: Descriptions
) -> None:
    request, response = exchange(wired, theatre)
    document = json.loads(response.body)
    document["cases"][0][member] = value
    assert descriptions.complaints(request, replace(response, body=json.dumps(document).encode())) != []
    assert descriptions.complaints(request, response) == []


@pytest.mark.parametrize(
    "change",
    [
        {"pagination": {"pageSize": 1001}},
        {"orderBy": {"field": "UPDATED_AT"}},
        {"filters": {"statuses": ["ACTIVE"]}},
        {"filters": {"dateRange": {"from": "2026-03-01T00:00:00Z"}}},
    ],
    ids=["page size", "order", "status", "date range"],
)
def test_a_request_that_is_not_allowed_is_complained_of(
    change: dict[str, object], wired: CaseStage, theatre: Theatre, descriptions: Descriptions
) -> None:
    request, _ = exchange(wired, theatre)
    body = {**json.loads(request.body), **change}
    assert descriptions.complaints(replace(request, body=json.dumps(body).encode()), None) != []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{PREFIX}/cases/cases/v1/NONSENSE", b""),
        ("POST", f"{PREFIX}/cases/acknowledged/v1/CASE-1", b""),
        ("PUT", f"{PREFIX}/cases/acknowledged/v1/CASE-1", b'{"actor": {}}'),
        ("GET", "/cases/cases/v1/CASE-1", b""),
        ("GET", f"{PREFIX}/no/such/route", b""),
    ],
)
def test_a_wrong_verb_path_id_or_body_is_complained_of(
    method: str, path: str, body: bytes, descriptions: Descriptions
) -> None:
    request = Request(method=method, path=path, query={}, headers={}, body=body)
    assert descriptions.complaints(request, None) != []


def test_a_status_that_is_not_declared_is_complained_of(
    wired: CaseStage, theatre: Theatre, descriptions: Descriptions
) -> None:
    request, response = exchange(wired, theatre)
    assert descriptions.complaints(request, replace(response, status=202)) != []


def test_a_complaint_reaches_the_desk(wired: CaseStage, theatre: Theatre) -> None:
    wired.world.set_status(wired.world.create_case("one"), "MERGED")
    wired.client.list_cases(order=CaseOrder.UPDATED)
    (complaint,) = theatre.desk.complaints
    assert "answer 200" in complaint
    theatre.desk.complaints.clear()
