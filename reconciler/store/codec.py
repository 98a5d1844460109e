"""Values to columns and back: times, stages, the Link, and the snapshots of Cases and Incidents.

Every time is ISO 8601 UTC text of one width (``2025-01-31T09:30:00.000000Z``), so that text order is time order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from reconciler.core.model import Absence, Case, Elsewhere, Entity, Hold, Incident, Indicator, Link, Stage, Tries

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SqlValue = str | int | None
Thing = TypeVar("Thing", Case, Incident)
Made = TypeVar("Made", Case, Incident, Entity, Indicator)


class Columns(Protocol):
    """Give a row's values by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Give the value of one column."""
        ...


def time_text(at: datetime) -> str:
    """Write an aware time as fixed-width UTC text; raise ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError(f"a time without a zone cannot be stored: {at!r}")
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def time_from(text: str) -> datetime:
    """Read a time that ``time_text`` wrote."""
    return datetime.fromisoformat(text)


def optional_text(at: datetime | None) -> str | None:
    """Write a time that may be missing."""
    return None if at is None else time_text(at)


def optional_time(text: str | None) -> datetime | None:
    """Read a time that may be missing."""
    return None if text is None else time_from(text)


def stage_from(number: int | None) -> Stage | None:
    """Read a stage that may be missing."""
    return None if number is None else Stage(number)


def _plain(value: object) -> object:
    """Turn what JSON does not know into what it knows."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    return vars(value)


json_text = json.JSONEncoder(
    default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode
"""Write frozen dataclasses, mappings and times as one JSON text: equal values give equal text."""


def _hold(text: str | None) -> Hold | None:
    if text is None:
        return None
    raw: dict[str, Any] = json.loads(text)
    times = {name: time_from(raw[name]) for name in ("since", "next_retry_at")}
    return Hold(**{**raw, **times})


def _absence(text: str | None) -> Absence | None:
    if text is None:
        return None
    raw: dict[str, Any] = json.loads(text)
    return Absence(first_at=time_from(raw["first_at"]), last_at=time_from(raw["last_at"]), times=raw["times"])


def _optional_json(value: object | None) -> str | None:
    return None if value is None else json_text(value)


# -- links ---------------------------------------------------------------------------------------------------------


def link_values(link: Link) -> dict[str, SqlValue]:
    """Give a Link's columns by their names."""
    return {
        "case_id": link.case_id,
        "route": link.route,
        "inbound": link.inbound,
        "outbound": link.outbound,
        "connector": link.connector,
        "table_name": link.table,
        "sys_id": link.sys_id,
        "number": link.number,
        "generation": link.generation,
        "case_peak": link.case_peak,
        "incident_peak": link.incident_peak,
        "admitted": int(link.admitted),
        "was_active": int(link.was_active),
        "written": json_text(link.written),
        "kept": json_text(link.kept),
        "noted": json_text(link.noted),
        "tries": _optional_json(link.tries),
        "reactivations": json_text(link.reactivations),
        "earlier": json_text(link.earlier),
        "elsewhere": _optional_json(link.elsewhere),
        "hold": _optional_json(link.hold),
        "incident_absence": _optional_json(link.incident_absence),
        "case_absence": _optional_json(link.case_absence),
        "create_in_doubt_since": optional_text(link.create_in_doubt_since),
        "ignored_fingerprint": link.ignored_fingerprint,
        "case_low": link.case_low,
        "first_seen_at": optional_text(link.first_seen_at),
    }


LINK_COLUMNS = tuple(link_values(Link(case_id="")))
"""The columns of ``links`` that make a Link."""
ONLY_SEEN = frozenset({"case_low", "first_seen_at"})
"""Those of them that come from what is seen of a Case; a link that does not know them leaves them as they are."""


def link_from(row: Columns) -> Link:
    """Make a Link of a row that has its columns, and perhaps others."""
    return Link(
        case_id=row["case_id"],
        route=row["route"],
        inbound=row["inbound"],
        outbound=row["outbound"],
        connector=row["connector"],
        table=row["table_name"],
        sys_id=row["sys_id"],
        number=row["number"],
        generation=row["generation"],
        case_peak=stage_from(row["case_peak"]),
        incident_peak=stage_from(row["incident_peak"]),
        admitted=bool(row["admitted"]),
        was_active=bool(row["was_active"]),
        written=json.loads(row["written"]),
        kept=json.loads(row["kept"]),
        noted=json.loads(row["noted"]),
        tries=None if row["tries"] is None else Tries(**json.loads(row["tries"])),
        reactivations=tuple(time_from(at) for at in json.loads(row["reactivations"])),
        earlier=tuple(json.loads(row["earlier"])),
        elsewhere=None if row["elsewhere"] is None else Elsewhere(**json.loads(row["elsewhere"])),
        hold=_hold(row["hold"]),
        incident_absence=_absence(row["incident_absence"]),
        case_absence=_absence(row["case_absence"]),
        create_in_doubt_since=optional_time(row["create_in_doubt_since"]),
        ignored_fingerprint=row["ignored_fingerprint"],
        case_low=stage_from(row["case_low"]),
        first_seen_at=optional_time(row["first_seen_at"]),
    )


# -- snapshots -----------------------------------------------------------------------------------------------------


# Pydantic reads and writes them three times as fast as the standard library, and takes 50 ms to load. So it is loaded
# by who first touches snapshots in bulk; a command that looks at one pair reads it by hand.


@cache
def _cases() -> TypeAdapter[Case]:
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(Case)


@cache
def _incidents() -> TypeAdapter[Incident]:
    from pydantic import TypeAdapter  # noqa: PLC0415

    return TypeAdapter(Incident)


def snapshot_text(thing: Case | Incident) -> str:
    """Write a Case or an Incident as JSON text."""
    text = _cases().dump_json(thing) if isinstance(thing, Case) else _incidents().dump_json(thing)
    return text.decode()


def case_from(text: str) -> Case:
    """Read a Case that any version of the program wrote; keys that this one does not know are dropped."""
    return _cases().validate_json(text)


def incident_from(text: str) -> Incident:
    """Read an Incident that any version of the program wrote."""
    return _incidents().validate_json(text)


class Reader(NamedTuple):
    """Say how snapshots are read."""

    case: Callable[[str], Case]
    incident: Callable[[str], Incident]


_CASE_TIMES = ("created_at", "updated_at", "acknowledged_at", "resolved_at", "reactivated_at")
_INCIDENT_TIMES = ("created_at", "updated_at")
_INDICATOR_TIMES = ("triggered_at", "resolved_at")


def _case_by_hand(text: str) -> Case:
    raw = json.loads(text)
    for name in ("labels", "groupings"):
        raw[name] = {key: tuple(values) for key, values in raw.get(name, {}).items()}
    raw["impacted_entities"] = tuple(_made(Entity, one) for one in raw.get("impacted_entities", ()))
    raw["indicators"] = tuple(_made(Indicator, one, _INDICATOR_TIMES) for one in raw.get("indicators", ()))
    raw["kpi_breaches"] = tuple(raw.get("kpi_breaches", ()))
    return _made(Case, raw, _CASE_TIMES)


def _incident_by_hand(text: str) -> Incident:
    return _made(Incident, json.loads(text), _INCIDENT_TIMES)


def _made(kind: type[Made], raw: Mapping[str, Any], times: Sequence[str] = ()) -> Made:
    known = {each.name: raw[each.name] for each in fields(kind) if each.name in raw}
    return kind(**{**known, **{name: optional_time(known[name]) for name in times if name in known}})


IN_BULK = Reader(case_from, incident_from)
BY_HAND = Reader(_case_by_hand, _incident_by_hand)
"""Without loading what many snapshots are worth."""
