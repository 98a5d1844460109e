"""What leaves while nothing may be written: every method of every client, so that a new one is thought of."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from reconciler.core.errors import HeldBack
from reconciler.core.model import System
from reconciler.core.policies.existing import Operator, Term
from reconciler.remotes.coralogix.client import CoralogixClient
from reconciler.remotes.coralogix.events import CoralogixEventClient
from reconciler.remotes.http.auth import basic_login, bearer_login, password_login
from reconciler.remotes.http.reads import is_read
from reconciler.remotes.ports import CaseOrder
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.remotes.servicenow.history import ServiceNowHistoryClient
from reconciler.sandbox.both import API_KEY, API_PASSWORD, API_USER
from reconciler.sandbox.coralogix.api.face import CoralogixFace
from reconciler.sandbox.servicenow.api.face import ServiceNowFace
from reconciler.sandbox.servicenow.api.login import OAuthClient
from tests.contract.stage import OWNER, START, Theatre, new_cases, new_records, record_fields

Call = Callable[..., object]
NUMBER_1 = (Term(field="number", operator=Operator.EQUALS, value="INC1"),)
CASE_READS: dict[str, Call] = {
    "list_cases": lambda client, _: client.list_cases(order=CaseOrder.UPDATED),
    "get_case": lambda client, case_id: client.get_case(case_id),
    "deep_link": lambda client, case_id: client.deep_link(case_id),
    "whoami": lambda client, _: client.whoami(),
    "settings": lambda client, _: client.settings(),
}
CASE_WRITES: dict[str, Call] = {
    "acknowledge": lambda client, case_id: client.acknowledge(case_id),
    "resolve": lambda client, case_id: client.resolve(case_id, "done"),
    "close": lambda client, case_id: client.close(case_id),
}
EVENT_READS: dict[str, Call] = {"events": lambda client, case_id: client.events(case_id)}
RECORD_READS: dict[str, Call] = {
    "changed": lambda client, _: client.changed("incident", since=START),
    "find": lambda client, _: client.find("incident", [record_fields(1)["correlation_id"]]),
    "find_existing": lambda client, _: client.find_existing("incident", {"a Case": NUMBER_1}),
    "every_row": lambda client, _: client.every_row("incident", "numberISNOTEMPTY", ["sys_id"], bool),
    "get": lambda client, record: client.get("incident", record),
    "get_many": lambda client, record: client.get_many("incident", [record]),
    "reference": lambda client, _: client.reference("sys_user_group", "name", ["Service Desk"]),
    "history": lambda client, record: ServiceNowHistoryClient(client).history("incident", [record]),
    "rows": lambda client, _: client.rows("incident", "ORDERBYsys_id", fields=["sys_id"], limit=1),
}
RECORD_WRITES: dict[str, Call] = {
    "create": lambda client, _: client.create("incident", record_fields(2)),
    "update": lambda client, record: client.update("incident", record, {"short_description": "other"}),
    "send_event": lambda client, _: client.send_event({"message_key": "k", "source": "s"}),
}


def methods(client: type) -> set[str]:
    """Name the public methods of a client."""
    return {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("client", "known"),
    [
        (CoralogixClient, CASE_READS.keys() | CASE_WRITES.keys()),
        (CoralogixEventClient, EVENT_READS.keys()),
        (ServiceNowClient, RECORD_READS.keys() - {"history"} | RECORD_WRITES.keys()),
        (ServiceNowHistoryClient, {"history"}),
    ],
)
def test_every_method_is_known_to_read_or_to_write(client: type, known: set[str]) -> None:
    assert methods(client) == known


@pytest.mark.parametrize("name", [*CASE_READS, *CASE_WRITES, *EVENT_READS])
def test_of_coralogix_reads_leave_and_writes_do_not(theatre: Theatre, name: str) -> None:
    world = new_cases()
    case_id, face = world.create_case("a Case"), CoralogixFace(world, API_KEY)
    theatre.desk.faces[System.CORALOGIX] = face
    service = theatre.service(System.CORALOGIX, bearer_login(API_KEY), reads_only=True)
    call = {**CASE_READS, **CASE_WRITES, **EVENT_READS}[name]
    client = CoralogixEventClient(service) if name in EVENT_READS else CoralogixClient(service)
    if name not in CASE_WRITES:
        call(client, case_id)
        assert face.requests.total() == 1
        return
    with pytest.raises(HeldBack, match='mode = "observe"'):
        call(client, case_id)
    assert (face.requests.total(), theatre.sent, world.ledger.case(case_id).status) == (0, [], "ACTIVE")


@pytest.mark.parametrize("name", [*RECORD_READS, *RECORD_WRITES])
def test_of_servicenow_reads_leave_and_writes_do_not(theatre: Theatre, name: str) -> None:
    world = new_records()
    face = ServiceNowFace(world)
    theatre.desk.faces[System.SERVICENOW] = face
    service = theatre.service(System.SERVICENOW, basic_login(API_USER, API_PASSWORD), reads_only=True)
    client = ServiceNowClient("main", service, owner=OWNER)
    record = world.people.open_incident("a record")
    before = world.records()
    if name in RECORD_READS:
        RECORD_READS[name](client, record)
        assert face.requests.total() > 0
        return
    with pytest.raises(HeldBack, match="was not sent"):
        RECORD_WRITES[name](client, record)
    assert (face.requests.total(), theatre.sent, world.records()) == (0, [], before)


def test_a_token_may_be_asked_for(theatre: Theatre) -> None:
    clients = [OAuthClient(client_id="id", client_secret="s3cret", user_name=API_USER)]
    face = ServiceNowFace(new_records(), clients=clients)
    theatre.desk.faces[System.SERVICENOW] = face
    login = password_login(username=API_USER, password=API_PASSWORD, client_id="id", client_secret="s3cret")
    service = theatre.service(System.SERVICENOW, login, reads_only=True)
    assert ServiceNowClient("main", service, owner=OWNER).find("incident", [record_fields(1)["correlation_id"]]) == ()
    assert [(sent.method, sent.path) for sent in theatre.sent][:1] == [("POST", "/oauth_token.do")]


@pytest.mark.parametrize(
    ("system", "method", "path"),
    [
        (System.CORALOGIX, "POST", "/mgmt/openapi/5/cases/cases/v1/"),
        (System.CORALOGIX, "POST", "/mgmt/openapi/5/cases/cases/v1/x"),
        (System.CORALOGIX, "PUT", "/mgmt/openapi/5/cases/cases/v1"),
        (System.CORALOGIX, "HEAD", "/mgmt/openapi/5/cases/cases/v1"),
        (System.SERVICENOW, "POST", "/mgmt/openapi/5/cases/cases/v1"),
        (System.SERVICENOW, "POST", "/api/now/table/incident"),
        (System.SERVICENOW, "POST", "/oauth_token.do/x"),
        (System.SERVICENOW, "POST", "/oauth_tokenXdo"),
        (System.SERVICENOW, "get", "/api/now/table/incident"),
        (System.CORALOGIX, "GET", "/x\n/y"),
    ],
)
def test_what_is_not_listed_writes(system: System, method: str, path: str) -> None:
    assert not is_read(system, method, path)
