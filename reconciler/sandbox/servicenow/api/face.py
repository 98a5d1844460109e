"""The HTTP face of a ServiceNow world: routes, login, rate rule, headers, and faults as a wire shows them.

Every answer bears the instance's own clock in ``Date``. Faults strike by the operation names of ``faults``.
Source: ``c_RESTAPI``, ``r_RESTAPIHTTPResponseCodes``, ``inbound-REST-API-rate-limiting``.
"""

from __future__ import annotations

import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from email.utils import format_datetime

from reconciler.core.frozen import dataclass
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.http.spoiled import dressed, made_odd
from reconciler.sandbox.http.wire import Request, Response
from reconciler.sandbox.servicenow.api.answers import (
    SPOILS_NO_ANSWER,
    denied,
    failure,
    lands,
    page,
    struck,
    unauthenticated,
)
from reconciler.sandbox.servicenow.api.events import accept_event
from reconciler.sandbox.servicenow.api.login import ApiUser, Logins, OAuthClient
from reconciler.sandbox.servicenow.api.table_api import TableApi, Target, json_object
from reconciler.sandbox.servicenow.journal import Actor, Denial, Operation
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.sandbox.servicenow.writing.effects import raw_values

TOKEN_PATH = "/oauth_token.do"  # noqa: S105 - an address
EVENT_PATH = "/api/global/em/jsonv2"
LONGEST_ADDRESS = 20_000
_TABLE_PATH = re.compile(r"/api/now(?:/(v[12]))?/(table|stats)/([^/]+)(?:/([^/]+))?/?")


@dataclass(frozen=True, kw_only=True)
class RateRule:
    """Limit the requests of one hour; without ``headers`` it looks like a node whose semaphore is full."""

    requests_per_hour: int
    headers: bool = True
    rule_id: str = "c2f1a8d00a0a0b9b00d2bcf1f5cd3e2a"


class ServiceNowFace:
    """Answer for one instance. Safe for several threads: requests are carried out one at a time."""

    def __init__(
        self,
        world: ServiceNowWorld,
        users: Sequence[ApiUser] = (ApiUser(),),
        clients: Sequence[OAuthClient] = (),
        *,
        rate_rule: RateRule | None = None,
        token_seconds: int = 1800,
    ) -> None:
        self.world = world
        self.logins = Logins(
            users, clients, switches=world.switches, now=world.own_clock.now, token_seconds=token_seconds
        )
        self.rate_rule = rate_rule
        self.requests: Counter[str] = Counter()
        """requests that were let in, by operation"""
        self._api = TableApi(world)
        self._hours: Counter[int] = Counter()
        self._cookie = f"JSESSIONID={secrets.token_hex(16).upper()}; Path=/; HttpOnly"

    def answer(self, request: Request) -> Response:
        """Return the answer to one request."""
        with self.world.lock:
            # Proxies that let only GET and POST through are got past with this header (``c_RESTAPI``).
            asked = replace(request, method=request.headers.get("x-http-method-override", request.method).upper())
            try:
                response = self._answer(asked)
            except Denial as denial:
                response = denied(denial)
            body = b"" if asked.method == "HEAD" else response.body
            return replace(response, body=body, headers={**self._usual_headers(), **response.headers})

    def _usual_headers(self) -> dict[str, str]:
        return {
            "Date": format_datetime(self.world.own_clock.now().astimezone(UTC), usegmt=True),
            "X-Is-Logged-In": "true",
            "X-Transaction-ID": secrets.token_hex(6),
            "Server-Timing": "wall;dur=12",
            "Pragma": "no-store,no-cache",
            "Cache-Control": "no-cache,no-store,must-revalidate,max-age=-1",
            "Expires": "0",
            "Set-Cookie": self._cookie,
        }

    def _answer(self, request: Request) -> Response:
        if request.path == TOKEN_PATH:
            return self._carry_out("oauth.token", request, lambda _: self.logins.grant(request))
        user = self.logins.user_of(request)
        if user is None:
            return unauthenticated()
        if len(request.path) + sum(map(len, request.query.values())) > LONGEST_ADDRESS:
            return page(414, "<html><body><h1>414 Request-URI Too Long</h1></body></html>")
        headers, limited = self._rate()
        if limited is not None:
            return replace(limited, headers={**limited.headers, **headers})
        response = self._route(request, Actor(user_name=user.user_name, roles=user.roles, via_api=True))
        return replace(response, headers={**headers, **response.headers})

    def _rate(self) -> tuple[Mapping[str, str], Response | None]:
        """Count a request and return the rate headers, and the answer where it is one too many."""
        rule = self.rate_rule
        if rule is None:
            return {}, None
        hour = int(self.world.own_clock.now().timestamp()) // 3600
        self._hours[hour] += 1
        is_over = self._hours[hour] > rule.requests_per_hour
        words = f"Rate limit of {rule.requests_per_hour} requests per hour for Table API exceeded"
        limited = failure(429, "Rate limit exceeded", words) if is_over else None
        if not rule.headers:
            return {}, limited
        reset = (hour + 1) * 3600
        headers = {
            "X-RateLimit-Limit": str(rule.requests_per_hour),
            "X-RateLimit-Reset": str(reset),
            "X-RateLimit-Rule": rule.rule_id,
        }
        if is_over:
            headers["Retry-After"] = str(reset - int(self.world.own_clock.now().timestamp()))
        return headers, limited

    def _route(self, request: Request, actor: Actor) -> Response:
        if problem := _unacceptable(request):
            return problem
        if request.path == EVENT_PATH:
            return self._carry_out("records.event", request, lambda _: self._take_events(request, actor))
        match = _TABLE_PATH.fullmatch(request.path)
        if match is None:
            return failure(400, "Requested URI does not represent any resource")
        target = Target(version=match[1] or "", table=match[3], sys_id=match[4] or "")
        self.world.tables.named(target.table)  # an unknown table is refused before the method is looked at
        if match[2] == "stats":
            return self._carry_out("records.list", request, lambda _: self._api.stats(request, target.table))
        return self._on_table(request, target, actor)

    def _on_table(self, request: Request, target: Target, actor: Actor) -> Response:
        match request.method, bool(target.sys_id):
            case "GET" | "HEAD", False:
                return self._carry_out("records.list", request, lambda kind: self._api.search(request, target, kind))
            case "GET" | "HEAD", True:
                return self._carry_out("records.get", request, lambda _: self._api.read(request, target))
            case "POST", False:
                return self._carry_out(
                    "records.create", request, lambda _: self._api.create(request, target, actor), target
                )
            case "PUT" | "PATCH", True:
                return self._carry_out(
                    "records.update", request, lambda kind: self._update(request, target, actor, kind), target
                )
            case "DELETE", True:
                return self._carry_out("records.delete", request, lambda _: self._api.delete(target, actor), target)
            case _:
                return failure(405, "Method not supported", f"{request.method} is not supported here")

    def _update(self, request: Request, target: Target, actor: Actor, kind: FaultKind | None) -> Response:
        if kind is FaultKind.NO_CHANGE_200:
            self._lose(request, target, kind)
            return self._api.read(request, target)
        return self._api.update(request, target, actor)

    def _take_events(self, request: Request, actor: Actor) -> Response:
        if request.method != "POST":
            return failure(405, "Method not supported")
        events = _events(json_object(request))
        for event in events:
            accept_event(self.world, event, actor)
        return Response.json(200, {"result": {"Default Bulk Endpoint": f"{len(events)} events were inserted"}})

    def _carry_out(
        self,
        operation: str,
        request: Request,
        effect: Callable[[FaultKind | None], Response],
        target: Target | None = None,
    ) -> Response:
        """Do what is asked, with whatever strikes it, before its effect or after."""
        self.requests[operation] += 1
        fault = self.world.faults.take(operation, self.world.clock.now())
        if fault is None:
            return effect(None)
        if fault.kind in SPOILS_NO_ANSWER:
            return made_odd(effect(fault.kind), fault)
        spoiled = struck(fault, self._answer_behind(fault, request, effect, target))
        # What is left of a fault is the same by every clock, that of an instance whose own is wrong included.
        return dressed(spoiled, fault, request, self.world.clock.now())

    def _answer_behind(
        self,
        fault: Fault,
        request: Request,
        effect: Callable[[FaultKind | None], Response],
        target: Target | None,
    ) -> Response | None:
        """Return the answer that a fault spoils; None where the request was never carried out."""
        is_write = target is not None or request.path == EVENT_PATH
        if is_write and not lands(fault):
            self._lose(request, target or Target(version="", table="em_event"), fault.kind)
            return None
        try:
            return effect(None)
        except Denial as denial:
            return denied(denial)

    def _lose(self, request: Request, target: Target, kind: FaultKind) -> None:
        """Enter a write that never took effect in the journal; of several events, one entry for each."""
        body = json_object(request) if request.body else {}
        operation = {"POST": Operation.INSERT, "DELETE": Operation.DELETE}.get(request.method, Operation.UPDATE)
        for values in _events(body) if request.path == EVENT_PATH else [body]:
            asked = raw_values(values)
            self.world.writes.enter_lost(
                operation, target.table, target.sys_id or asked.get("sys_id", ""), asked, kind.value
            )


def _events(body: Mapping[str, object]) -> list[Mapping[str, object]]:
    records = body.get("records")
    return [one for one in records if isinstance(one, dict)] if isinstance(records, list) else []


def _unacceptable(request: Request) -> Response | None:
    """Refuse what does not speak JSON."""
    accepts = request.headers.get("accept", "*/*")
    if not any(kind in accepts for kind in ("application/json", "application/*", "*/*")):
        return failure(406, "Not acceptable", accepts)
    sent = request.headers.get("content-type", "application/json")
    if request.method in {"POST", "PUT", "PATCH"} and request.body and not sent.startswith("application/json"):
        return failure(415, "Unsupported media type", sent)
    return None
