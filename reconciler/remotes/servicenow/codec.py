"""Rows of the Table API -> our Incident, and the checks that a listing is what was asked for.

ServiceNow drops a condition that it does not understand or may not read, and answers more rows with 200; it
leaves out a key that the user may not read. So every row is checked.
Source: documentation page ``c_TableAPI``; singer-io/tap-servicenow for empty rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from reconciler.core.errors import Malformed, PartialTruth
from reconciler.core.model import Incident, JsonObject, System
from reconciler.remotes.http.outcomes import clean
from reconciler.remotes.ports import IncidentPage, Position
from reconciler.remotes.servicenow.encoded_query import read_any_time, read_time, time_text

NEEDED = (
    "sys_id",
    "number",
    "state",
    "assigned_to",
    "correlation_id",
    "correlation_display",
    "sys_created_on",
    "sys_updated_on",
    "sys_updated_by",
    "sys_mod_count",
)
"""Without any of these nothing can be decided; every task table has them."""
PEOPLE = {name: f"{name}.user_name" for name in ("opened_by", "resolved_by", "closed_by")}
"""Fields of an Incident by which a record names people -> where the Table API gives the name of their user."""
OPTIONAL = ("sys_created_by", "reopen_count", "close_code", "close_notes", *PEOPLE.values())
LONGEST_COUNT = 12
LONGEST_ID = 100
"""A ``sys_id`` has 32 characters; what is longer is invalid, and is not repeated in messages."""
_OWN_PLACE = frozenset({*NEEDED, *PEOPLE.values(), "sys_created_by", "reopen_count"})


def asked_fields(*more: Iterable[str]) -> tuple[str, ...]:
    """List the fields to ask for: ours, then others, each once."""
    return tuple(dict.fromkeys([*NEEDED, *OPTIONAL, *(name for names in more for name in names)]))


def value_of(row: JsonObject, name: str) -> str:
    """Read one field as raw text; a reference that came as an object gives its ``value``."""
    value = row.get(name, "")
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        value = value.get("value")
    return "" if value is None else str(value)


def incident_from_row(row: object, *, connector: str, table: str) -> Incident:
    """Read one row; raise Malformed that names the keys or values that are missing."""
    if not isinstance(row, dict) or not row:
        raise Malformed(f"an empty row of {table}: an access rule hides its fields", raw=row)
    missing = [name for name in NEEDED if name not in row]
    if missing:
        words = f"a record of {table} came without {', '.join(missing)}: no right to read that"
        raise Malformed(words, record_id=value_of(row, "sys_id") or None, raw=row)
    try:
        return _incident(row, connector, table)
    except ValueError as error:
        words = clean(f"a record of {table} cannot be understood: {error}")
        raise Malformed(words, record_id=value_of(row, "sys_id") or None, raw=row) from error


def _incident(row: JsonObject, connector: str, table: str) -> Incident:
    texts = {name: value if isinstance(value, str) else value_of(row, name) for name, value in row.items()}
    sys_id = texts["sys_id"]
    if not sys_id:
        raise ValueError("its sys_id is empty")
    if len(sys_id) > LONGEST_ID:
        raise ValueError(f"its sys_id has {len(sys_id)} characters")
    return Incident(
        connector=connector,
        table=table,
        sys_id=sys_id,
        number=texts["number"],
        state=texts["state"],
        assigned_to=texts["assigned_to"],
        correlation_id=texts["correlation_id"],
        **{name: texts.get(place, "") for name, place in PEOPLE.items()},
        correlation_display=texts["correlation_display"],
        created_at=read_time(texts["sys_created_on"]),
        updated_at=read_time(texts["sys_updated_on"]),
        created_by=texts.get("sys_created_by", ""),
        updated_by=texts["sys_updated_by"],
        mod_count=_count(texts["sys_mod_count"]),
        reopen_count=_count(texts.get("reopen_count", "")),
        fields={name: text for name, text in texts.items() if name not in _OWN_PLACE},
    )


def _count(text: str) -> int:
    """Read an integer column, which may be empty on old rows; raise ValueError for more than such a column holds."""
    if len(text) > LONGEST_COUNT:
        raise ValueError(f"a count has at most {LONGEST_COUNT} digits, not {len(text)}")
    return int(text) if text else 0


def partial(words: str) -> PartialTruth:
    """Make the error for a listing that is not what was asked for."""
    return PartialTruth(clean(words), system=System.SERVICENOW.value)


def same_text(left: str, right: str) -> bool:
    """Compare as the instance's database does (assumed), or more loosely: without case and blanks around."""
    return left.strip().casefold() == right.strip().casefold()


def hidden_rows(shown: int, total: int | None, limit: int) -> int:
    """Count the rows of one page that the service counts and does not show; all of them where it shows none.

    The limit is applied before access rules, and ``X-Total-Count`` is not reduced by them (``c_TableAPI``).
    """
    if total is None:
        return 0
    return max(0, min(limit, total) - shown) if shown else total


def read_changes(
    rows: Sequence[object],
    *,
    connector: str,
    table: str,
    owner: str,
    since: datetime | None,
    after: Position | None,
) -> IncidentPage:
    """Read one page of a listing by change; raise PartialTruth for a row that does not fit the query.

    A record whose mark differs from ours in case alone matches the query and is not ours: it is left out.
    """
    incidents: list[Incident] = []
    malformed: list[Malformed] = []
    last: Position | None = None
    floor = after or (Position(updated_at=since.replace(microsecond=0), sys_id="") if since else None)
    for row in rows:
        last = _step(row, last or floor, strictly=last is None and after is not None, table=table) or last
        _check_owner(row, owner, table)
        try:
            incident = incident_from_row(row, connector=connector, table=table)
        except Malformed as error:
            malformed.append(error)
            continue
        if incident.correlation_display == owner:
            incidents.append(incident)
    if rows and last is None and not any(map(_shows_position, rows)):
        raise partial(f"no row of {table} shows both sys_id and sys_updated_on: no right to read them")
    for key in ("correlation_display", "correlation_id"):
        if rows and not any(isinstance(row, dict) and key in row for row in rows):
            raise partial(f"no row of {table} shows {key}: no right to read whose they are")
    return IncidentPage(incidents=tuple(incidents), malformed=tuple(malformed), last=last)


def _step(row: object, floor: Position | None, *, strictly: bool, table: str) -> Position | None:
    """Return a row's position, None where it shows none; raise PartialTruth when the row is out of order."""
    position = _position(row)
    if position is None or floor is None:
        return position
    here = (position.updated_at, position.sys_id.lower())
    there = (floor.updated_at, floor.sys_id.lower())
    if here < there or (strictly and here == there):
        words = (
            f"a row of {table} changed at {time_text(position.updated_at)} came behind {time_text(floor.updated_at)}"
        )
        raise partial(f"{words}: the condition or the order by sys_updated_on, sys_id was dropped")
    return position


def _position(row: object) -> Position | None:
    if not isinstance(row, dict):
        return None
    sys_id = value_of(row, "sys_id")
    try:
        return Position(updated_at=read_any_time(value_of(row, "sys_updated_on")), sys_id=sys_id) if sys_id else None
    except ValueError:
        return None


def _shows_position(row: object) -> bool:
    return isinstance(row, dict) and bool(value_of(row, "sys_id") and value_of(row, "sys_updated_on"))


def _check_owner(row: object, owner: str, table: str) -> None:
    if not isinstance(row, dict) or "correlation_display" not in row:
        return  # a missing key makes the row malformed, which says so better
    if not same_text(value_of(row, "correlation_display"), owner):
        raise partial(
            f"a row of {table} bears another mark than {owner!r}: the condition correlation_display was dropped"
        )
