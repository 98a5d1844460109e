"""Values to columns and back: times, stages, and the Link.

Every time is ISO 8601 UTC text of one width (``2025-01-31T09:30:00.000000Z``), so that text order is time order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from reconciler.core.model import Absence, Hold, Link, Stage

SqlValue = str | int | None

LINK_COLUMNS = (
    "case_id",
    "route",
    "inbound",
    "outbound",
    "connector",
    "table_name",
    "sys_id",
    "number",
    "generation",
    "case_peak",
    "incident_peak",
    "admitted",
    "was_active",
    "written",
    "hold",
    "incident_absence",
    "case_absence",
    "unsettled_since",
    "ignored_basis",
    "case_low",
    "first_seen_at",
)
"""The columns of ``links`` that make a Link, in the order of ``link_values`` and ``link_from``."""
ONLY_SEEN = LINK_COLUMNS[-2:]
"""Those of them that come from what is seen of a Case; a link that does not know them leaves them as they are."""


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


def link_values(link: Link) -> tuple[SqlValue, ...]:
    """Give a Link's columns in the order of LINK_COLUMNS."""
    return (
        link.case_id,
        link.route,
        link.inbound,
        link.outbound,
        link.connector,
        link.table,
        link.sys_id,
        link.number,
        link.generation,
        link.case_peak,
        link.incident_peak,
        int(link.admitted),
        int(link.was_active),
        json_text(link.written),
        _optional_json(link.hold),
        _optional_json(link.incident_absence),
        _optional_json(link.case_absence),
        optional_text(link.create_in_doubt_since),
        link.ignored_basis,
        link.case_low,
        optional_text(link.first_seen_at),
    )


def link_from(row: Sequence[Any]) -> Link:
    """Make a Link of columns in the order of LINK_COLUMNS; what follows them is left aside."""
    return Link(
        case_id=row[0],
        route=row[1],
        inbound=row[2],
        outbound=row[3],
        connector=row[4],
        table=row[5],
        sys_id=row[6],
        number=row[7],
        generation=row[8],
        case_peak=stage_from(row[9]),
        incident_peak=stage_from(row[10]),
        admitted=bool(row[11]),
        was_active=bool(row[12]),
        written=json.loads(row[13]),
        hold=_hold(row[14]),
        incident_absence=_absence(row[15]),
        case_absence=_absence(row[16]),
        create_in_doubt_since=optional_time(row[17]),
        ignored_basis=row[18],
        case_low=stage_from(row[19]),
        first_seen_at=optional_time(row[20]),
    )
