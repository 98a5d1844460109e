"""The Table and Aggregate APIs over a world: a parsed request in, rows, headers and status out.

The limit is applied before access rules, and ``X-Total-Count`` is not reduced by them (``c_TableAPI``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from urllib.parse import urlencode

from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject
from reconciler.sandbox.faults import FaultKind
from reconciler.sandbox.http.wire import Request, Response
from reconciler.sandbox.servicenow.api.aggregate import stats
from reconciler.sandbox.servicenow.api.inputs import typed_values
from reconciler.sandbox.servicenow.api.shapes import Shape, Shaper, display_value, field_list
from reconciler.sandbox.servicenow.journal import Actor, Denial
from reconciler.sandbox.servicenow.tables.query import Condition, Operator, Query, parse
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.tables.select import select
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.sandbox.servicenow.writing.access import NO_RECORD

DEFAULT_LIMIT = 10000
MAX_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Target:
    """The resource that a request is for."""

    version: str
    """``v1``, ``v2``, or empty for the latest"""
    table: str
    sys_id: str = ""


@dataclass(frozen=True, kw_only=True)
class _Page:
    """The rows of one listing, hidden ones taken out, and how many match in all."""

    rows: tuple[TableRow, ...]
    total: int | None


class TableApi:
    """Answer Table API requests for one world; raises Denial for what is refused."""

    def __init__(self, world: ServiceNowWorld) -> None:
        self._world = world

    def search(self, request: Request, target: Target, kind: FaultKind | None) -> Response:
        """List rows; ``kind`` may hide them, age them or drop the conditions."""
        offset, limit = _number(request, "sysparm_offset", 0), _number(request, "sysparm_limit", DEFAULT_LIMIT)
        page = self._page(request, target, kind, offset, limit)
        if not page.rows and target.version == "v1":  # later versions answer 200 and an empty list
            raise Denial(404, *NO_RECORD)
        headers = {} if page.total is None else {"X-Total-Count": str(page.total)}
        if page.total is not None and not _is_true(request, "sysparm_suppress_pagination_header"):
            headers["Link"] = _links(request, offset, limit, page.total)
        shaper = self._shaper(request)
        rows = [shaper.row(target.table, row) if row else {} for row in page.rows]
        return Response.json(200, {"result": rows}, headers)

    def read(self, request: Request, target: Target) -> Response:
        """Read one record."""
        return Response.json(200, {"result": self._written(request, target, self._fetch(target))})

    def create(self, request: Request, target: Target, actor: Actor) -> Response:
        """Create one record."""
        row = self._world.writes.insert(target.table, self._asked(request, target), actor)
        location = f"{base_url(request)}/api/now/table/{target.table}/{row['sys_id']}"
        return _answer(request, 201, {"result": self._written(request, target, row)}, {"Location": location})

    def update(self, request: Request, target: Target, actor: Actor) -> Response:
        """Change one record; PUT is treated as PATCH (assumed)."""
        row = self._world.writes.update(target.table, target.sys_id, self._asked(request, target), actor)
        return _answer(request, 200, {"result": self._written(request, target, row)}, {})

    def delete(self, target: Target, actor: Actor) -> Response:
        """Delete one record."""
        self._world.writes.delete(target.table, target.sys_id, actor)
        return Response(status=204)

    def stats(self, request: Request, table: str) -> Response:
        """Count rows and return the least or greatest values of fields, in all or by groups."""
        rows = self._world.access.search(table, query_of(request))
        return Response.json(200, {"result": stats(self._world, table, rows, request.query)})

    def _asked(self, request: Request, target: Target) -> Mapping[str, object]:
        asked = json_object(request)
        typed = _is_true(request, "sysparm_input_display_value")
        return typed_values(self._world, target.table, asked) if typed else asked

    def _fetch(self, target: Target) -> TableRow:
        return self._world.access.fetch(target.table, target.sys_id)

    def _written(self, request: Request, target: Target, row: TableRow) -> JsonObject:
        return self._shaper(request).row(target.table, row)

    def _shaper(self, request: Request) -> Shaper:
        shape = Shape(
            fields=tuple(field_list(request.query.get("sysparm_fields", ""))),
            display_value=display_value(request.query.get("sysparm_display_value", "")),
            links=not _is_true(request, "sysparm_exclude_reference_link"),
            base_url=base_url(request),
        )
        return Shaper(self._world, shape)

    def _page(self, request: Request, target: Target, kind: FaultKind | None, offset: int, limit: int) -> _Page:
        table = self._world.access.listing(target.table, stale=kind is FaultKind.STALE_LIST)
        query = query_of(request)
        if kind is FaultKind.DROPPED_CONDITION:
            query = query.without_conditions()
        matching = select(table, query, self._world.access.query_rules(target.table))
        if _is_true(request, "sysparm_no_count"):
            window, total = list(islice(matching, offset, offset + limit)), None
        else:
            found = list(matching)
            window, total = found[offset : offset + limit], self._total(target.table, found)
        return _Page(rows=() if kind is FaultKind.HIDDEN_ROWS else self._shown(target.table, window), total=total)

    def _total(self, table: str, found: list[TableRow]) -> int:
        if self._world.switches.total_count == "before_acl":
            return len(found)
        return sum(self._world.access.can_see(table, row) for row in found)

    def _shown(self, table: str, rows: list[TableRow]) -> tuple[TableRow, ...]:
        """Return what an ACL leaves of some rows: hidden ones are absent, or empty."""
        empty = self._world.switches.unreadable_row == "empty"
        seen = (row if self._world.access.can_see(table, row) else TableRow() for row in rows)
        return tuple(row for row in seen if row or empty)


def query_of(request: Request) -> Query:
    """Read the encoded query, or the bare ``field=value`` pairs where there is none."""
    text = request.query.get("sysparm_query")
    if text is not None:
        return parse(text)
    pairs = ((name, value) for name, value in request.query.items() if not name.startswith("sysparm_"))
    conditions = (Condition(field=name, operator=Operator.EQUALS, value=value) for name, value in pairs)
    return Query(blocks=(tuple((condition,) for condition in conditions),))


def json_object(request: Request) -> Mapping[str, object]:
    """Read the body of a write, of an array its first member; raise Denial 400 for what is no JSON object."""
    reading = "Exception while reading request"
    if len(request.body) > MAX_BODY_BYTES:
        raise Denial(400, reading, f"The payload was rejected: its size is above {MAX_BODY_BYTES} bytes")
    try:
        document = json.loads(request.body or b"{}")
    except ValueError as error:
        raise Denial(400, reading, str(error)) from error
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict):
        raise Denial(400, reading, "Cannot decode: a JSON object is expected")
    return first


def base_url(request: Request) -> str:
    """Return the address under which the client knows this instance."""
    return f"http://{request.headers.get('host', 'localhost')}"


def _answer(request: Request, status: int, document: JsonObject, headers: Mapping[str, str]) -> Response:
    if request.headers.get("x-no-response-body", "").lower() == "true":
        return Response(status=status, headers=headers)
    return Response.json(status, document, headers)


def _is_true(request: Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal():
        raise Denial(400, f"Invalid value for {name}", "a number that is not negative is expected")
    return int(text)


def _links(request: Request, offset: int, limit: int, total: int) -> str:
    step = max(1, limit)
    last = max(0, (total - 1) // step * step)
    places = {"first": 0}
    if offset > 0:
        places["prev"] = max(0, offset - step)
    if offset + step < total:
        places["next"] = offset + step
    places["last"] = last

    def address(start: int) -> str:
        query = urlencode({**request.query, "sysparm_offset": str(start)})
        return f"{base_url(request)}{request.path}?{query}"

    return ",".join(f'<{address(start)}>;rel="{name}"' for name, start in places.items())
