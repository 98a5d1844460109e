"""The IncidentClient over a world in memory: what the real client would answer and raise, without a wire between.

Made to be fast, since generated schedules run it by the hundred thousand: rows are picked directly and no query is
parsed. Reads are not retried: each call is one request, and a fault strikes as if it had outlasted every retry.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from reconciler.core.errors import Malformed, PartialTruth, Rejected, RemoteError
from reconciler.core.identity import CASE_ID, SYS_ID
from reconciler.core.model import Incident, JsonObject, System
from reconciler.remotes.ports import IncidentPage, Position
from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.servicenow.api.strikes import StruckCall, denial_error, fault_error, lands, unreadable_answer
from reconciler.sandbox.servicenow.asking import Asked, RawAsked, bearing, changed_since, named, plain, with_ids
from reconciler.sandbox.servicenow.events import accept_event
from reconciler.sandbox.servicenow.journal import Actor, Denial, Operation
from reconciler.sandbox.servicenow.reading import IncidentReader, position_of, raw_time
from reconciler.sandbox.servicenow.schema import API_USER, INCIDENT, TableRow
from reconciler.sandbox.servicenow.table import OrderKey
from reconciler.sandbox.servicenow.world import ServiceNowWorld

BATCH = 50
"""ids that are asked for in one request"""
WRITES = ("records.create", "records.update", "records.event")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """What one listing shows, and how many of its rows it hides."""

    rows: tuple[TableRow, ...]
    hidden: int = 0


class MemoryIncidentClient:
    """Speak to a world as one connector; ``requests`` counts calls by operation, as ``faults`` names them."""

    def __init__(
        self,
        world: ServiceNowWorld,
        connector: str = "main",
        owner: str = "Coralogix",
        extra_fields: Sequence[str] = (),
        *,
        user_name: str = API_USER,
    ) -> None:
        self.world = world
        self.requests: Counter[str] = Counter()
        self._owner = owner
        self._reader = IncidentReader(world, connector=connector, extra_fields=tuple(extra_fields))
        self._actor = Actor(user_name=user_name, via_api=True)

    @property
    def connector(self) -> str:
        """Give the connector's name in the config."""
        return self._reader.connector

    @property
    def writes(self) -> int:
        """Count the writes that were sent, whatever came of them."""
        return sum(self.requests[operation] for operation in WRITES)

    # Reads

    def changed(
        self, table: str, *, since: datetime | None, after: Position | None = None, limit: int = 500
    ) -> IncidentPage:
        """List records that bear our mark, oldest change first."""
        listed = self._list(table, changed_since(self._start(since, after), self._is_marked), limit=limit)
        is_placed = not self.world.unreadable(table) & {"sys_id", "sys_updated_on"}
        incidents, malformed = self._reader.split(table, listed.rows)
        last = next((position_of(row) for row in reversed(listed.rows) if row and is_placed), None)
        if listed.rows and last is None:
            raise _partial(f"no row of {table} shows both sys_id and sys_updated_on: no right to read them")
        for key in self.world.unreadable(table) & {"correlation_display", "correlation_id"}:
            if any(listed.rows):
                raise _partial(f"no row of {table} shows {key}: no right to read whose they are")
        return IncidentPage(
            incidents=tuple(one for one in incidents if one.correlation_display == self._owner),
            malformed=tuple(malformed),
            last=last,
            hidden=listed.hidden,
            server_time=self.world.now().replace(microsecond=0),
        )

    def find(self, table: str, case_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Give the records that bear our mark and one of these Case ids; raise PartialTruth where rows are hidden."""
        wanted = sorted({_checked(CASE_ID, case_id) for case_id in case_ids})
        found: list[Incident] = []
        for batch in _batches(wanted):
            listed = self._list(table, bearing(batch, self._is_marked))
            shown = [row for row in listed.rows if row]
            if listed.hidden or len(shown) < len(listed.rows):
                raise _partial(f"records of {table} match and are hidden: no right to read them")
            incidents, malformed = self._reader.split(table, shown)
            if malformed:
                raise _partial(str(malformed[0]))
            found += incidents
        return tuple(one for one in found if one.correlation_display == self._owner and one.correlation_id in wanted)

    def get(self, table: str, sys_id: str) -> Incident:
        """Read one record; raise Missing when it does not exist or is hidden, Malformed when it shows too little."""
        call = StruckCall(method="GET", path=_path(table, _checked(SYS_ID, sys_id)))
        self._strike("records.get", call)
        with _Refusals(call):
            return self._reader.incident(table, self.world.fetch(table, sys_id))

    def get_many(self, table: str, sys_ids: Sequence[str]) -> tuple[Incident, ...]:
        """Read records by id; those that are missing, hidden or not understood are left out."""
        wanted = list(dict.fromkeys(_checked(SYS_ID, sys_id) for sys_id in sys_ids))
        found: list[Incident] = []
        for batch in _batches(wanted):
            listed = self._list(table, with_ids(batch))
            found += self._reader.split(table, [row for row in listed.rows if row])[0]
        return tuple(found)

    def reference(self, table: str, name_field: str, names: Sequence[str]) -> Mapping[str, str]:
        """Find active rows by name; a name that differs in case alone is the same name."""
        askable = [name for name in dict.fromkeys(names) if name.strip()]
        bearers: dict[str, list[str]] = {}
        fold = str if self.world.switches.case_sensitive == "yes" else plain
        for batch in _batches(askable):
            listed = self._list(table, named(name_field, batch, fold))
            for row in listed.rows:
                if row and row["active"] != "false":
                    bearers.setdefault(plain(row[name_field]), []).append(row["sys_id"])
        found = {name: bearers.get(plain(name), []) for name in askable}
        return {name: ids[0] for name, ids in found.items() if len(ids) == 1}

    def rows(self, table: str, query: str, *, fields: Sequence[str], limit: int) -> tuple[JsonObject, ...]:
        """Read raw rows of any table; nothing is checked, so that a widened result is simply given."""
        listed = self._list(table, RawAsked(query=query), limit=limit)
        return tuple(self._reader.raw(table, row, fields) for row in listed.rows)

    # Writes

    def create(self, table: str, fields: Mapping[str, str]) -> Incident:
        """Create one record; raise Ambiguous wherever it may exist all the same."""
        sys_id = _checked(SYS_ID, fields.get("sys_id", ""))
        _checked(CASE_ID, fields.get("correlation_id", ""))
        if fields.get("correlation_display") != self._owner:
            raise _refused(f"a record is created with correlation_display {self._owner!r} only")

        def effect() -> Incident:
            return self._reader.incident(table, self.world.insert(table, fields, self._actor), also=fields)

        def lose(why: str) -> None:
            self.world.record_lost(Operation.INSERT, table, sys_id, fields, why)

        call = StruckCall(method="POST", path=_path(table), writes=True, creates=True)
        return self._write("records.create", call, effect, lose=lose)

    def update(self, table: str, sys_id: str, fields: Mapping[str, str]) -> Incident:
        """Change the named fields of one record and give it as it is afterwards."""
        call = StruckCall(method="PATCH", path=_path(table, _checked(SYS_ID, sys_id)), writes=True)
        if not fields:
            raise _refused("an update without fields would change nothing")

        def effect() -> Incident:
            return self._reader.incident(table, self.world.update(table, sys_id, fields, self._actor), also=fields)

        def unchanged() -> Incident:
            return self._reader.incident(table, self.world.fetch(table, sys_id), also=fields)

        def lose(why: str) -> None:
            self.world.record_lost(Operation.UPDATE, table, sys_id, fields, why)

        return self._write("records.update", call, effect, lose=lose, unchanged=unchanged)

    def send_event(self, event: Mapping[str, str]) -> None:
        """Send one event to Event Management."""
        call = StruckCall(method="POST", path="/api/global/em/jsonv2", writes=True)

        def lose(why: str) -> None:
            self.world.record_lost(Operation.INSERT, "em_event", "", event, why)

        self._write("records.event", call, lambda: accept_event(self.world, event, self._actor), lose=lose)

    # How it is done

    def _strike(self, operation: str, call: StruckCall) -> Fault | None:
        """Count a read and raise what its fault raises; give a fault that shows in the answer instead."""
        self.requests[operation] += 1
        fault = self.world.faults.take(operation)
        error = fault_error(fault.kind, call) if fault else None
        if error is not None:
            raise error
        return fault

    def _list(self, table: str, asked: Asked | RawAsked, *, limit: int | None = None) -> _Listed:
        """Make one listing; raise PartialTruth for a row that does not fit what was asked."""
        call = StruckCall(method="GET", path=_path(table))
        fault = self._strike("records.list", call)
        kind = fault.kind if fault else None
        with self.world.lock, _Refusals(call):
            place = self.world.listing(table, stale=kind is FaultKind.STALE_LIST)
            reading = self.world.reading(table)

            def matches() -> Iterator[TableRow]:
                return asked.rows(place, reading, dropped=kind is FaultKind.DROPPED_CONDITION)

            rows = list(islice(matches(), limit))
            shown = () if kind is FaultKind.HIDDEN_ROWS else self._shown(table, rows)
            if not all(asked.fits(row, reading) for row in shown if row):
                raise _partial(f"a row of {table} does not fit the query: a condition was dropped")
            hidden = 0 if len(shown) == len(rows) else self._hidden(table, len(rows), len(shown), matches())
            return _Listed(rows=shown, hidden=hidden)

    def _hidden(self, table: str, asked: int, shown: int, matches: Iterable[TableRow]) -> int:
        """Count the rows of one page that the service counts and does not show; all of them where it shows none."""
        is_reduced = self.world.switches.total_count == "after_acl"
        total = sum(1 for row in matches if not is_reduced or self.world.can_see(table, row))
        return max(0, min(asked, total) - shown) if shown else total

    def _shown(self, table: str, rows: list[TableRow]) -> tuple[TableRow, ...]:
        """Give what an ACL leaves of some rows: hidden ones are absent, or empty."""
        empty = self.world.switches.unreadable_row == "empty"
        seen = (row if self.world.can_see(table, row) else TableRow() for row in rows)
        return tuple(row for row in seen if row or empty)

    def _write(
        self,
        operation: str,
        call: StruckCall,
        effect: Callable[[], T],
        *,
        lose: Callable[[str], None],
        unchanged: Callable[[], T] | None = None,
    ) -> T:
        """Carry out one write with whatever strikes it, before its effect or after."""
        self.requests[operation] += 1
        fault = self.world.faults.take(operation)
        if fault and fault.kind is FaultKind.NO_CHANGE_200 and unchanged:
            lose(fault.kind.value)
            effect = unchanged
        error = fault_error(fault.kind, call) if fault else None
        if fault is None or error is None:
            with _Refusals(call):
                return effect()
        if lands(fault):
            with suppress(RemoteError), _Refusals(call):
                effect()
        else:
            lose(fault.kind.value)
        raise error

    def _is_marked(self, row: TableRow) -> bool:
        mark = row["correlation_display"]
        return mark == self._owner or (
            mark.lower() == self._owner.lower() and self.world.switches.case_sensitive == "no"
        )

    def _start(self, since: datetime | None, after: Position | None) -> OrderKey:
        """Give the place from which a listing by change reads, in the zone in which the instance takes it."""
        ahead = self.world.reading(INCIDENT).literal_zone
        if after is not None:
            behind = _checked(SYS_ID, after.sys_id).lower() + "\0"
            return (raw_time(after.updated_at - ahead), behind)
        return (raw_time(since - ahead) if since else "", "")


class _Refusals:
    """Raise what a refusal of the service means to the client, in place of the refusal."""

    __slots__ = ("_call",)

    def __init__(self, call: StruckCall) -> None:
        self._call = call

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Denial):
            raise denial_error(error, self._call) from error
        is_made = self._call.creates and isinstance(error, Malformed) and error.record_id
        if isinstance(error, Malformed) and self._call.writes and not is_made:
            raise unreadable_answer(error, self._call) from error


def _batches(values: Sequence[str]) -> list[Sequence[str]]:
    return [values[start : start + BATCH] for start in range(0, len(values), BATCH)]


def _path(table: str, sys_id: str = "") -> str:
    return f"/api/now/table/{table}/{sys_id}" if sys_id else f"/api/now/table/{table}"


def _checked(pattern: re.Pattern[str], key: str) -> str:
    if not pattern.fullmatch(key):
        raise _refused(f"{key!r} is no key to ask for")
    return key


def _refused(words: str) -> Rejected:
    return Rejected(words, system=System.SERVICENOW.value)


def _partial(words: str) -> PartialTruth:
    return PartialTruth(words, system=System.SERVICENOW.value)
