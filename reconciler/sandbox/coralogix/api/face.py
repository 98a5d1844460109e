"""The Cases API v5 of a Coralogix world, request by request: rights, strict requests, answers, faults.

A request is looked at in this order: route, fault before the effect, key, right, body; then it takes effect, and a
fault after the effect may spoil the answer. Faults that only a socket can show leave as ``Response.fault``. Sources:
OpenAPI descriptions of the Cases API v5; error bodies as recorded from Coralogix services.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from email.utils import format_datetime

from reconciler.core.model import JsonObject
from reconciler.sandbox.coralogix.api.handlers import RouteCall
from reconciler.sandbox.coralogix.api.json_shapes import CaseWriter
from reconciler.sandbox.coralogix.api.requests import BODIES, BadRequestError, read_body, require_event_id, require_id
from reconciler.sandbox.coralogix.api.routes import Right, Route, find_route
from reconciler.sandbox.coralogix.records import API_KEY, Actor, BadTokenError, NoSuchCaseError, StepRefusedError
from reconciler.sandbox.coralogix.world import CoralogixWorld
from reconciler.sandbox.faults import DRIPS, Fault, FaultKind
from reconciler.sandbox.http.spoiled import dressed, made_odd
from reconciler.sandbox.http.wire import Request, Response

ALL_RIGHTS = frozenset(Right)
HTML = {"Content-Type": "text/html"}

WIRE_KINDS = DRIPS | {FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.REFUSED, FaultKind.TRUNCATED_JSON}
"""Done by the server: the answer is as it would be, and the fault goes with it."""


class CoralogixFace:
    """Answer for one world to whoever has its key.

    ``permissions`` are the rights of the key, all of them unless told otherwise. ``actor`` is who the key's holder is
    in events. Safe for several threads.
    """

    def __init__(
        self,
        world: CoralogixWorld,
        api_key: str,
        permissions: Iterable[str] = ALL_RIGHTS,
        *,
        actor: Actor = API_KEY,
    ) -> None:
        self.world = world
        self.writer = CaseWriter(world.ledger.knobs)
        self.actor = actor
        self.requests: Counter[str] = Counter()
        """requests by operation, those that a fault struck too"""
        self._api_key = api_key
        self._rights = frozenset(Right(word) for word in permissions)

    def answer(self, request: Request) -> Response:
        """Return the answer to one request, with the world's time as its ``Date``."""
        response = self._answer(request)
        date = format_datetime(self.world.clock.now(), usegmt=True)
        return replace(response, headers={"Date": date, **response.headers})

    def _answer(self, request: Request) -> Response:
        found = find_route(request.method, request.path)
        if found is None:
            return Response.json(404, {"code": 5, "message": "Not Found"})
        route, target_id = found
        fault = self._take(route.operation)
        if fault is not None and (not fault.after_effect or fault.kind is FaultKind.REFUSED):
            struck = self._struck(fault, Response.json(200, {}), request)
            if struck is not None:
                return struck
        response = self._refuse_stranger(request, route) or self._serve(request, route, target_id, fault)
        if fault is not None and fault.after_effect:
            return self._struck(fault, response, request) or made_odd(response, fault)
        return made_odd(response, fault)

    def _struck(self, fault: Fault, response: Response, request: Request) -> Response | None:
        spoiled = strike(fault, response)
        return spoiled and dressed(spoiled, fault, request, self.world.clock.now())

    def _take(self, operation: str) -> Fault | None:
        with self.world.lock:
            self.requests[operation] += 1
        return self.world.faults.take(operation, self.world.clock.now())

    def _refuse_stranger(self, request: Request, route: Route) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {self._api_key}":
            return error(401, "Unauthorized: invalid API key")
        if route.right is not None and route.right not in self._rights:
            return error(403, f"Forbidden: the API key has no permission {route.right}")
        return None

    def _serve(self, request: Request, route: Route, target_id: str, fault: Fault | None) -> Response:
        """Check the request and do what it asks for."""
        try:
            self._check_id(route, target_id)
            body = read_body(request.body, BODIES[route.body])
            call = RouteCall(id=target_id, body=body, query=request.query, fault=None if fault is None else fault.kind)
            return Response.json(200, route.handler(self, call))
        except BadRequestError as refusal:
            return error(400, f"Bad Request: {refusal}")
        except BadTokenError:
            return error(400, "Bad Request: invalid page token")
        except StepRefusedError as refusal:
            return error(400, f"Bad Request: {refusal}")
        except NoSuchCaseError as missing:
            what = "Event" if "{event_id}" in route.path else "Case"
            return error(404, f"Not Found: {what} with id '{missing}' not found")

    def _check_id(self, route: Route, target_id: str) -> None:
        if "{event_id}" in route.path:
            require_event_id(target_id)
        elif "{id}" in route.path:
            require_id(target_id)


def error(status: int, message: str) -> Response:
    """Answer with the service's error body."""
    return Response.json(status, {"code": status, "message": message})


def strike(fault: Fault, response: Response) -> Response | None:
    """Return the answer that a fault makes of a good one; None for a kind that leaves it an answer."""
    if fault.kind in WIRE_KINDS:
        return replace(response, fault=fault)
    return SPOILED.get(fault.kind)


def _page(status: int, title: str) -> Response:
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(status=status, body=body.encode(), headers=HTML)


ERROR_IN_200: JsonObject = {"error": {"message": "upstream request failed", "code": 14}}

SPOILED: Mapping[FaultKind, Response] = {
    FaultKind.ERROR_500: error(500, "Internal Server Error: upstream request failed"),
    FaultKind.ERROR_502_HTML: _page(502, "502 Bad Gateway"),
    FaultKind.ERROR_503_HTML: _page(503, "503 Service Temporarily Unavailable"),
    FaultKind.FORBIDDEN_403: error(403, "Forbidden: blocked by an access policy"),
    FaultKind.UNAUTHORIZED_401: error(401, "Unauthorized: invalid API key"),
    FaultKind.RATE_429: Response.json(429, {"code": 429, "message": "Too Many Requests"}, {"Retry-After": "0"}),
    FaultKind.HTML_200: _page(200, "Scheduled maintenance"),
    FaultKind.REDIRECT_LOGIN: Response(status=302, headers={"Location": "/login"}),
    FaultKind.ERROR_IN_200: Response.json(200, ERROR_IN_200),
}
"""The answers of the kinds that need no socket."""
