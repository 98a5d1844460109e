"""The Coralogix client: what it sends, how it reads Cases, what it takes for an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler.core.errors import Ambiguous, Missing, PartialTruth, Rejected, Transient
from reconciler.core.model import Case, System
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.ports import CaseOrder, case_pages
from tests.unit.remotes.coralogix.test_codec import BARE, FULL, ID, LEAST, OTHER
from tests.unit.remotes.scripted import Scripted, Seen, as_json, talking

T = TypeVar("T")
BASE = "/mgmt/openapi/5"
DESCRIPTION = Path(__file__).parents[5] / "shared/contracts/coralogix/cases_service.openapi.json"


def page(*cases: object, **more: object) -> dict[str, object]:
    return {"cases": list(cases), "pagination": {}, **more}


def ask(answer: Scripted, question: Callable[[CoralogixClient], T]) -> tuple[T, Seen]:
    with talking(answer, system=System.CORALOGIX) as it:
        return question(CoralogixClient(it.http)), it.seen[0]


def test_one_malformed_case_stops_no_other() -> None:
    body = page(LEAST, {"id": OTHER}, "nonsense", pbacTruncated=True)
    body["pagination"] = {"nextPageToken": "next"}
    read, _ = ask(as_json(body), lambda client: client.list_cases(order=CaseOrder.UPDATED))
    assert read.cases == (BARE,)
    assert [one.record_id for one in read.malformed] == [OTHER, None]
    assert (read.next_token, read.truncated) == ("next", True)
    assert read.server_time == datetime(2026, 11, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize("pagination", [{}, {"nextPageToken": ""}, {"nextPageToken": None}])
def test_the_last_page_has_no_token(pagination: object) -> None:
    body = {"cases": None, "pagination": pagination}
    read, _ = ask(as_json(body), lambda client: client.list_cases(order=CaseOrder.UPDATED))
    assert (read.cases, read.next_token, read.truncated) == ((), None, False)


def test_a_listing_that_does_not_end_is_read_no_further() -> None:
    again = as_json(page(LEAST) | {"pagination": {"nextPageToken": "again"}})
    with talking(again, again, system=System.CORALOGIX) as it:
        pages = case_pages(CoralogixClient(it.http), CaseOrder.UPDATED, page_rows=1)
        assert [next(pages).cases, next(pages).cases] == [(BARE,), (BARE,)]
        with pytest.raises(PartialTruth, match="does not end"):
            next(pages)


@pytest.mark.parametrize("body", [{}, {"cases": []}, {"pagination": {}}, {"cases": {}, "pagination": {}}])
def test_a_page_without_its_parts_is_no_empty_page(body: object) -> None:
    with pytest.raises(Transient):
        ask(as_json(body), lambda client: client.list_cases(order=CaseOrder.UPDATED))


def test_what_a_listing_asks() -> None:
    start = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=1)))
    _, seen = ask(
        as_json(page()),
        lambda client: client.list_cases(
            order=CaseOrder.CREATED, page_token="t", page_size=1000, statuses=["ACTIVE", "RESOLVED"], created_from=start
        ),
    )
    assert (seen.method, seen.path) == ("POST", f"{BASE}/cases/cases/v1")
    assert seen.headers["authorization"] == "Bearer key"
    assert seen.document == {
        "orderBy": {"field": "CASE_ORDER_BY_FIELD_CREATED_AT", "direction": "CASE_ORDER_BY_DIRECTION_DESCENDING"},
        "pagination": {"pageSize": 1000, "pageToken": "t"},
        "filters": {
            "statuses": ["CASE_STATUS_ACTIVE", "CASE_STATUS_RESOLVED"],
            "dateRange": {
                "from": "2026-01-02T02:04:05.678901Z",
                "to": "2100-01-01T00:00:00Z",
                "mode": "DATE_RANGE_MODE_CREATED_AT",
            },
        },
    }


Question = Callable[[CoralogixClient], object]
VERBS: dict[str, tuple[Question, str, str, object]] = {
    "acknowledge": (lambda client: client.acknowledge(ID), "PUT", f"{BASE}/cases/acknowledged/v1/{ID}", None),
    "resolve": (lambda client: client.resolve(ID, "why"), "PUT", f"{BASE}/cases/resolved/v1/{ID}", {"reason": "why"}),
    "resolve bare": (lambda client: client.resolve(ID, ""), "PUT", f"{BASE}/cases/resolved/v1/{ID}", {}),
    "close": (lambda client: client.close(ID), "POST", f"{BASE}/cases/closed/v1/{ID}", None),
}


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_has_its_own_method_and_path(name: str) -> None:
    question, method, path, body = VERBS[name]
    case, seen = ask(as_json({"case": FULL}), question)
    assert (seen.method, seen.path, seen.document) == (method, path, body)
    assert isinstance(case, Case)


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("body", [{}, {"case": None}, {"case": {"id": ID}}, {"case": {**FULL, "id": OTHER}}])
def test_a_verb_without_its_case_in_the_answer_is_unknown(name: str, body: dict[str, Any]) -> None:
    if body.get("case"):
        body = {"case": {**body["case"], "readableId": None}}
    with pytest.raises(Ambiguous):
        ask(as_json(body), VERBS[name][0])


def test_a_case_is_read_by_either_id() -> None:
    case, seen = ask(as_json({"case": FULL}), lambda client: client.get_case("CASE-123"))
    assert (case.id, seen.method, seen.path) == (ID, "GET", f"{BASE}/cases/cases/v1/CASE-123")
    with pytest.raises(Transient, match="another Case"):
        ask(as_json({"case": FULL}), lambda client: client.get_case(OTHER))
    with pytest.raises(Missing):
        ask(as_json({"code": 404, "message": "Not Found: no case"}, 404), lambda client: client.get_case(ID))


@pytest.mark.parametrize("case_id", ["", "..", ID.upper(), f"{ID}/x", f"{ID}\n", "CASE-1?x=y", "case-1", f" {ID}"])
@pytest.mark.parametrize("verb", ["get_case", "acknowledge", "close", "deep_link"])
def test_an_odd_id_is_refused_before_anything_is_sent(case_id: str, verb: str) -> None:
    with talking(system=System.CORALOGIX) as it, pytest.raises(Rejected, match="no Case id"):
        getattr(CoralogixClient(it.http), verb)(case_id)
    assert it.seen == []


def test_a_long_reason_is_refused_before_anything_is_sent() -> None:
    with talking(system=System.CORALOGIX) as it, pytest.raises(Rejected, match="500 characters, this one 501"):
        CoralogixClient(it.http).resolve(ID, "x" * 501)
    assert it.seen == []


@pytest.mark.parametrize(
    ("body", "address"),
    [({"deepLinks": {"detail": "https://x/1"}}, "https://x/1"), ({"deepLinks": {}}, ""), ({"deepLinks": None}, "")],
)
def test_the_address_in_the_console_may_be_missing(body: object, address: str) -> None:
    found, seen = ask(as_json(body), lambda client: client.deep_link(ID))
    assert (found, seen.path) == (address, f"{BASE}/cases/cases/v1/{ID}/deep-links")


def test_who_am_i_stands_outside_the_prefix() -> None:
    found, seen = ask(as_json({"team_id": 7}), lambda client: client.whoami())
    assert (found, seen.path) == ({"team_id": 7}, "/identity/whoami")
    _, seen = ask(as_json({"caseSettings": {}}), lambda client: client.settings())
    assert seen.path == f"{BASE}/cases/cases/case-settings/v1/configs:getActive"


LISTINGS: dict[str, Question] = {
    "plain": lambda client: client.list_cases(order=CaseOrder.UPDATED),
    "filtered": lambda client: client.list_cases(
        order=CaseOrder.CREATED, page_token="t", statuses=["ACTIVE"], created_from=datetime(2026, 1, 2, tzinfo=UTC)
    ),
}
REQUESTS = {**LISTINGS, **{name: verb[0] for name, verb in VERBS.items()}}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_is_valid_by_the_official_description(name: str) -> None:
    if not DESCRIPTION.exists():
        pytest.skip(f"the official description is not beside the checkout: {DESCRIPTION}")
    import jsonschema_rs  # noqa: PLC0415 - only where the description is there

    described = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    body = {**page(FULL), "case": FULL}
    _, seen = ask(as_json(body), REQUESTS[name])
    path = seen.path.removeprefix(BASE).replace(ID, "{id}")
    wanted = described["paths"][path][seen.method.lower()].get("requestBody")
    if wanted is None:
        assert seen.body == b""
        return
    schema = closed({**wanted["content"]["application/json"]["schema"], "components": described["components"]})
    jsonschema_rs.validator_for(schema).validate(seen.document)


def closed(schema: Any) -> Any:
    """Refuse unknown members, as the service does."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    return {**inner, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else inner
