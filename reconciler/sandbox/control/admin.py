"""The scripting face of a sandbox: ``/sandbox/…`` on Coralogix's port, beside the API itself.

``GET /sandbox/cases`` shows both services; ``POST /sandbox/cases`` opens a Case; ``POST /sandbox/cases/REF/ACT`` and
``POST /sandbox/incidents/REF/ACT`` let people act; ``POST`` and ``DELETE /sandbox/faults`` plan and forget faults.
Every answer is a JSON object; what went wrong is its ``error``: 400 bad request, 401 no token, 403 another host, 404
unknown, 409 refused. Whoever asks must know the token, and must use the sandbox's own address: a web page that makes
a browser of this machine ask here (DNS rebinding) can do neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from hmac import compare_digest

from reconciler.core.model import JsonObject
from reconciler.sandbox.both import Sandbox
from reconciler.sandbox.control.overview import case_document, overview, record_document, records, see_case, see_record
from reconciler.sandbox.control.people import CASE_ACTS, RECORD_ACTS, People, RefusedActError, UnknownRefError
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.http.wire import Face, Request, Response

PREFIX = "/sandbox/"
TOKEN_HEADER = "x-sandbox-token"  # noqa: S105 - the name of a header


class BadCallError(ValueError):
    """What is wrong with a request."""


class StrangerError(Exception):
    """Why somebody gets no answer, and with which status."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class AdminFace:
    """Answer what begins with ``/sandbox/``, and hand everything else to the face behind.

    Nobody is answered before ``hosts`` holds the addresses, such as ``127.0.0.1:8471``, at which this face is reached.
    """

    def __init__(self, sandbox: Sandbox, behind: Face, *, token: str) -> None:
        self.hosts: frozenset[str] = frozenset()
        self._token = token
        self._sandbox = sandbox
        self._people = People(sandbox)
        self._behind = behind

    def answer(self, request: Request) -> Response:
        """Return the answer to one request."""
        if not request.path.startswith(PREFIX):
            return self._behind.answer(request)
        try:
            self._require_friend(request)
            return Response.json(200, self._do(request))
        except StrangerError as stranger:
            return _failure(stranger.status, stranger)
        except UnknownRefError as error:
            return _failure(404, error)
        except RefusedActError as error:
            return _failure(409, error)
        except ValueError as error:
            return _failure(400, error)

    def _require_friend(self, request: Request) -> None:
        if request.headers.get("host", "").lower() not in self.hosts:
            raise StrangerError(403, "the sandbox answers only at its own address")
        given = request.headers.get(TOKEN_HEADER, "")
        # In the same time for every wrong token, so that none can be guessed sign by sign.
        if not compare_digest(given.encode(), self._token.encode()):
            raise StrangerError(401, "the sandbox wants the token that `reconciler sandbox serve` printed")

    def _do(self, request: Request) -> JsonObject:
        parts = request.path.removeprefix(PREFIX).split("/")
        match request.method, parts:
            case "GET", ["cases"]:
                return self._overview()
            case "POST", ["cases"]:
                return self._create_case(_json_object(request))
            case "POST", ["cases", ref, act] if act in CASE_ACTS:
                return case_document(see_case(self._sandbox, self._people.act_on_case(ref, act)))
            case "POST", ["incidents", ref, act] if act in RECORD_ACTS:
                return record_document(see_record(self._sandbox.servicenow, self._people.act_on_record(ref, act)))
            case "POST", ["faults"]:
                return self._strike(_json_object(request))
            case "DELETE", ["faults"]:
                self._sandbox.faults.clear()
                return {}
        raise UnknownRefError(f"the sandbox has no {request.method} {request.path}")

    def _overview(self) -> JsonObject:
        cases = overview(self._sandbox)
        known = {record.sys_id for case in cases for record in case.records}
        others = [record_document(one) for one in records(self._sandbox) if one.sys_id not in known]
        return {"cases": [case_document(case) for case in cases], "other_incidents": others}

    def _create_case(self, asked: Mapping[str, object]) -> JsonObject:
        labels = asked.get("labels", {})
        if not isinstance(labels, dict):
            raise BadCallError("labels are a JSON object")
        title, priority = str(asked.get("title", "")), str(asked.get("priority", "P2"))
        case = self._people.create_case(title, priority, {str(key): str(value) for key, value in labels.items()})
        return case_document(see_case(self._sandbox, case))

    def _strike(self, asked: Mapping[str, object]) -> JsonObject:
        times = asked.get("times", 1)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise BadCallError("times is a number from 1 on, or null for ever")
        seconds = asked.get("seconds")
        if seconds is not None and (not isinstance(seconds, int) or seconds < 1):
            raise BadCallError("seconds is a number from 1 on")
        year = asked.get("year", 9999)
        if not isinstance(year, int) or year < 1:
            raise BadCallError("year is a number from 1 on")
        fault = Fault(
            kind=FaultKind(str(asked.get("kind"))),
            operation=str(asked.get("operation", "*")),
            after_effect=bool(asked.get("after_effect", False)),
            times=None if seconds else times,
            until=self._sandbox.clock.now() + timedelta(seconds=seconds) if seconds else None,
            retry_after=str(asked.get("retry_after", "")),
            echoes=bool(asked.get("echoes", False)),
            year=year,
        )
        self._people.strike(fault)
        return {"kind": fault.kind.value, "operation": fault.operation, "times": fault.times}


def _json_object(request: Request) -> JsonObject:
    document = json.loads(request.body or b"{}")
    if not isinstance(document, dict):
        raise BadCallError("a JSON object is expected")
    return document


def _failure(status: int, error: Exception) -> Response:
    return Response.json(status, {"error": str(error)})
