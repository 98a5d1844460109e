"""IncidentClient over the ServiceNow Table API, one instance under one connector's name.

Rules: every query is built by ``encoded_query`` and every row checked by ``incident_rows``; raw values only;
a listing is paged by key, never by offset, and its count is compared with what it shows.
Source: documentation page ``c_TableAPI``; singer-io/tap-servicenow for paging by key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from reconciler.core.batches import batches
from reconciler.core.errors import ConditionDropped, Malformed, Transient
from reconciler.core.model import Incident, JsonObject, System
from reconciler.core.policies.existing import Terms
from reconciler.remotes.http.client import HttpService
from reconciler.remotes.http.outcomes import CANCELLED, Operation, Reply, clean
from reconciler.remotes.ports import IDS_A_REQUEST, NAMES_A_REQUEST, RECORDS_A_PAGE, IncidentPage, Position, Side
from reconciler.remotes.servicenow import encoded_query as queries
from reconciler.remotes.servicenow.codec import (
    asked_fields,
    hidden_rows,
    incident_from_row,
    partial,
    read_changes,
    same_text,
    value_of,
)

ROWS_PER_REQUEST = 200
SMALL_PAGE = 50
QUERY_CHARACTERS = 6000
"""This much of a query, unescaped, keeps the address far below what is refused."""
EVENT_PATH = "/api/global/em/jsonv2"


class ServiceNowClient:
    """One ServiceNow instance; implements ``IncidentClient``."""

    def __init__(
        self,
        connector: str,
        http: HttpService,
        *,
        owner: str,
        extra_fields: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Set the mark of our records (``owner``), and the further fields to read of each table."""
        self.connector = connector
        self.side: Side = http
        self._http = http
        self._owner = owner
        self._ours = queries.equals("correlation_display", owner)
        self._extra_fields = extra_fields or {}

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = RECORDS_A_PAGE
    ) -> IncidentPage:
        """List records that bear our mark by change; an empty page is the end.

        A page that the instance cancels for its quota is requested once more, smaller.
        """
        try:
            return self._changed(table, since, after, limit)
        except Transient as error:
            if CANCELLED not in error.words or limit <= SMALL_PAGE:
                raise
        return self._changed(table, since, after, SMALL_PAGE)

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Return the records that bear our mark and one of these Case ids; raise PartialTruth where rows are hidden."""
        wanted = frozenset(map(queries.checked_case_id, case_ids))
        found: list[Incident] = []
        for batch in batches(sorted(wanted), IDS_A_REQUEST):
            asked = f"{self._ours}^{queries.one_of('correlation_id', batch)}"
            rows, hidden = self.every_row(table, asked, self._fields(table), lambda row: self._is_asked(row, wanted))
            if hidden:
                raise partial(f"{hidden} records of {table} match and are hidden: no right to read them")
            found += [self._whole(row, table) for row in rows]
        # The instance compares without case; what is not ours to the letter is nobody's, and is never written.
        return tuple(one for one in found if one.correlation_display == self._owner and one.correlation_id in wanted)

    def find_existing(self, table: str, asked: Mapping[str, Terms]) -> Mapping[str, tuple[Incident, ...]]:
        """Return the records by other means that stand for Cases, as many Cases in one request as fit its address."""
        found: dict[str, tuple[Incident, ...]] = {}
        texts = {case_id: queries.all_of(terms) for case_id, terms in asked.items()}
        for batch in queries.fitting(texts, QUERY_CHARACTERS):
            found |= self._existing(table, {case_id: asked[case_id] for case_id in batch}, texts)
        return found

    def _existing(
        self, table: str, asked: Mapping[str, Terms], texts: Mapping[str, str]
    ) -> dict[str, tuple[Incident, ...]]:
        """Ask for some Cases at once; split them in halves when a page does not hold all their records."""
        fields = self._fields(table, *(term.field for terms in asked.values() for term in terms))
        query = queries.blocks(texts[case_id] for case_id in asked)
        reply = self._listing(table, f"{query}{queries.BY_ID}", fields, ROWS_PER_REQUEST)
        rows = [row for row in _rows(reply) if isinstance(row, dict)]
        _refuse_strangers(table, rows, asked.values())
        if not _is_last(reply) and len(asked) > 1:
            ids = list(asked)
            halves = [{one: asked[one] for one in half} for half in batches(ids, (len(ids) + 1) // 2)]
            answers = [self._existing(table, half, texts) for half in halves]
            return {case_id: found for answer in answers for case_id, found in answer.items()}
        if _hidden(reply, ROWS_PER_REQUEST) or not _is_last(reply):
            raise partial(f"not every record of {table} that may stand for a Case was shown: hidden, or too many")
        others = [row for row in rows if not same_text(value_of(row, "correlation_display"), self._owner)]
        return {
            case_id: tuple(self._whole(row, table) for row in others if _stands_for(row, terms))
            for case_id, terms in asked.items()
        }

    def get(self, table: str, sys_id: str) -> Incident:
        """Read one record; raise Missing when it does not exist or is hidden, Malformed when it shows too little."""
        reply = self._http.request(
            Operation.READ, "GET", self._path(table, sys_id), query=_parameters(self._fields(table))
        )
        incident = incident_from_row(_row(reply), connector=self.connector, table=table)
        if not same_text(incident.sys_id, sys_id):
            raise partial(f"record {incident.sys_id} of {table} came back instead of {sys_id}")
        return incident

    def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Read records by id; those that are missing, hidden or not understood are left out."""
        wanted = {queries.checked_sys_id(sys_id).lower() for sys_id in sys_ids}
        found: list[Incident] = []
        for batch in batches(list(dict.fromkeys(sys_ids)), IDS_A_REQUEST):
            asked = queries.one_of("sys_id", batch)
            rows, _ = self.every_row(
                table, asked, self._fields(table), lambda row: value_of(row, "sys_id").lower() in wanted
            )
            found += self._understood(rows, table)
        return tuple(found)

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        """Create one record; the answer may bear another ``sys_id`` than the one sent.

        Raises Malformed, with that ``sys_id``, when the record was made and too little of it may be read.
        """
        queries.checked_sys_id(fields.get("sys_id", ""))
        queries.checked_case_id(fields.get("correlation_id", ""))
        if fields.get("correlation_display") != self._owner:
            raise queries.refused(f"a record is created with correlation_display {self._owner!r} only")
        return self._written(Operation.CREATE, "POST", self._path(table), table, fields)

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        """Change the named fields of one record and return it as it is afterwards."""
        if not fields:
            raise queries.refused("an update without fields would change nothing")
        path = self._path(table, sys_id)
        return self._written(Operation.WRITE, "PATCH", path, table, fields, sys_id=sys_id)

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        """Find active rows by name; a name that differs in case alone is the same name, as in the instance."""
        askable = [name for name in dict.fromkeys(names) if queries.is_askable(name)]
        listable = [name for name in askable if queries.is_listable(name)]
        conditions = [queries.one_of(name_field, batch) for batch in batches(listable, NAMES_A_REQUEST)]
        conditions += [queries.equals(name_field, name) for name in askable if not queries.is_listable(name)]
        wanted = {name.strip().casefold() for name in askable}
        bearers: dict[str, set[str]] = {}
        for condition in conditions:
            rows, _ = self.every_row(
                table,
                condition,
                ("sys_id", name_field, "active"),
                lambda row: value_of(row, name_field).strip().casefold() in wanted,
            )
            for row in filter(_is_active, rows):
                bearers.setdefault(value_of(row, name_field).strip().casefold(), set()).add(value_of(row, "sys_id"))
        found = {name: bearers.get(name.strip().casefold(), set()) for name in askable}
        return {name: next(iter(ids)) for name, ids in found.items() if len(ids) == 1}

    def send_event(self, event: Mapping[str, str]) -> None:
        """Send one event to Event Management (documentation page ``send-events-via-web-service``)."""
        self._http.request(Operation.WRITE, "POST", EVENT_PATH, body={"records": [dict(event)]})

    def rows(self, table: str, query: str, *, fields: Sequence[str], limit: int) -> tuple[JsonObject, ...]:
        """Read raw rows of any table, for probes; nothing is checked but the shape of the answer."""
        return tuple(row for row in _rows(self._listing(table, query, fields, limit)) if isinstance(row, dict))

    def _fields(self, table: str, *more: str) -> tuple[str, ...]:
        return asked_fields(self._extra_fields.get(table, ()), more)

    def _path(self, table: str, sys_id: str | None = None) -> str:
        path = f"/api/now/table/{queries.checked_name(table)}"
        return path if sys_id is None else f"{path}/{queries.checked_sys_id(sys_id)}"

    def _listing(self, table: str, asked: str, fields: Sequence[str], limit: int) -> Reply:
        parameters = {
            **_parameters(fields),
            "sysparm_query": asked,
            "sysparm_limit": str(limit),
            "sysparm_suppress_pagination_header": "true",  # the whole query once more, for each direction
            "sysparm_no_count": "false",  # the count shows rows that an access rule hides
        }
        return self._http.request(Operation.READ, "GET", self._path(table), query=parameters)

    def _changed(self, table: str, since: datetime | None, after: Position | None, limit: int) -> IncidentPage:
        asked = queries.changes(self._ours, since, after)
        reply = self._listing(table, asked, self._fields(table), limit)
        if _hidden(reply, limit):  # a record may have moved between rows and count: look again
            reply = self._listing(table, asked, self._fields(table), limit)
        page = read_changes(
            _rows(reply), connector=self.connector, table=table, owner=self._owner, since=since, after=after
        )
        is_whole = reply.total_count == len(_rows(reply))
        return replace(page, hidden=_hidden(reply, limit), is_whole=is_whole, server_time=reply.server_time)

    def every_row(
        self, table: str, asked: str, fields: Sequence[str], fits: Callable[[JsonObject], bool]
    ) -> tuple[list[JsonObject], int]:
        """Read every row of a query by id, and count those hidden; raise PartialTruth for one that does not fit."""
        found: list[JsonObject] = []
        hidden = 0
        rest = ""
        while True:
            reply = self._listing(table, f"{asked}{rest}{queries.BY_ID}", fields, ROWS_PER_REQUEST)
            # An access rule may leave a row in its place, empty: it counts as hidden.
            rows = [row for row in _rows(reply) if isinstance(row, dict) and row.get("sys_id")]
            if not all(map(fits, rows)):
                raise partial(f"a row of {table} does not fit the query: a condition on {asked!r} was dropped")
            found += rows
            hidden += max(_hidden(reply, ROWS_PER_REQUEST), len(_rows(reply)) - len(rows))
            if _is_last(reply) or not rows:
                return found, hidden
            rest = queries.behind(value_of(rows[-1], "sys_id"))

    def _is_asked(self, row: JsonObject, wanted: frozenset[str]) -> bool:
        is_key = value_of(row, "correlation_id").strip().lower() in wanted
        return is_key and same_text(value_of(row, "correlation_display"), self._owner)

    def _whole(self, row: JsonObject, table: str) -> Incident:
        """Read a row whose presence prevents a create: one that cannot be read must not be skipped."""
        try:
            return incident_from_row(row, connector=self.connector, table=table)
        except Malformed as error:
            raise partial(str(error)) from error

    def _understood(self, rows: Sequence[JsonObject], table: str) -> list[Incident]:
        found = []
        for row in rows:
            try:
                found.append(incident_from_row(row, connector=self.connector, table=table))
            except Malformed:  # absence here proves nothing: the caller then reads that record by itself
                continue
        return found

    def _written(
        self,
        operation: Operation,
        method: str,
        path: str,
        table: str,
        fields: Mapping[str, str],
        *,
        sys_id: str | None = None,
    ) -> Incident:
        """Send one write and read the record in its answer, which is the proof that it worked."""
        parameters = _parameters(self._fields(table, *fields))
        reply = self._http.request(operation, method, path, query=parameters, body=dict(fields))
        try:
            incident = incident_from_row(_row(reply), connector=self.connector, table=table)
        except Malformed as error:
            if operation is Operation.CREATE and error.record_id:
                raise
            raise reply.unusable(str(error)) from error
        if sys_id is not None and not same_text(incident.sys_id, sys_id):
            raise reply.unusable(f"record {incident.sys_id} came back instead of {sys_id}")
        return incident


def _parameters(fields: Sequence[str]) -> dict[str, str]:
    return {
        "sysparm_fields": ",".join(fields),
        "sysparm_display_value": "false",  # display values depend on the user's language and time zone
        "sysparm_exclude_reference_link": "true",
    }


def _rows(reply: Reply) -> list[object]:
    rows = reply.document.get("result")
    if not isinstance(rows, list):
        raise reply.unusable("the answer holds no list 'result'")
    return rows


def _row(reply: Reply) -> JsonObject:
    row = reply.document.get("result")
    if not isinstance(row, dict):
        raise reply.unusable("the answer holds no record 'result'")
    return row


def _hidden(reply: Reply, limit: int) -> int:
    return hidden_rows(len(_rows(reply)), reply.total_count, limit)


def _is_last(reply: Reply) -> bool:
    """Return whether this page is the last; the limit is applied before rows are hidden."""
    seen = len(_rows(reply)) + 1 if reply.total_count is None else reply.total_count
    return seen <= ROWS_PER_REQUEST


def _refuse_strangers(table: str, rows: Sequence[JsonObject], asked: Collection[Terms]) -> None:
    """Raise ConditionDropped for a row that fits the conditions of no Case."""
    for row in rows:
        if not any(all(term.fits(value_of(row, term.field)) for term in terms) for terms in asked):
            named = ", ".join(sorted({term.field for terms in asked for term in terms}))
            words = f"a row of {table} does not fit what was asked: a condition on {named} was dropped"
            raise ConditionDropped(clean(words), system=System.SERVICENOW.value)


def _stands_for(row: JsonObject, terms: Terms) -> bool:
    return all(term.names(value_of(row, term.field)) for term in terms)


def _is_active(row: JsonObject) -> bool:
    """Return whether a row is active; in a table without that column every row is."""
    return value_of(row, "active") != "false"
