"""Convert values to columns and back: times, stages, the Link, and the snapshots of Cases and Incidents.

Every time is ISO 8601 UTC text of one width (``2025-01-31T09:30:00.000000Z``), so that text order is time order.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from reconciler.core.copies import with_values
from reconciler.core.errors import StoreError
from reconciler.core.model import Absence, Case, DoubtfulWrite, Elsewhere, Hold, Incident, Link, Stage, Tries

if TYPE_CHECKING:
    from pydantic import TypeAdapter

log = logging.getLogger(__name__)

SqlValue = str | int | None
Thing = TypeVar("Thing", Case, Incident)


class Columns(Protocol):
    """A row's values by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Return the value of one column."""
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


_STAGES: Mapping[int | None, Stage | None] = {None: None, **{stage.value: stage for stage in Stage}}


def stage_from(number: int | None) -> Stage | None:
    """Read a stage that may be missing; raise LookupError for a number that is none's."""
    return _STAGES[number]


def _plain(value: object) -> object:
    """Convert a value that the JSON encoder does not know."""
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Mapping):
        return dict(value)
    return vars(value)


json_text = json.JSONEncoder(
    default=_plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, check_circular=False
).encode
"""Write frozen dataclasses, mappings and times as one JSON text: equal values give equal text."""


def _hold(raw: Mapping[str, Any]) -> Hold:
    return Hold(**{**raw, "since": time_from(raw["since"]), "next_retry_at": time_from(raw["next_retry_at"])})


def _absence(raw: Mapping[str, Any]) -> Absence:
    return Absence(**{**raw, "first_at": time_from(raw["first_at"]), "last_at": time_from(raw["last_at"])})


def _tries(raw: Mapping[str, Any]) -> Tries:
    sent = raw.get("sent")
    return Tries(**{**raw, "sent": DoubtfulWrite(**sent) if sent else None})


# -- links ---------------------------------------------------------------------------------------------------------


Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]
"""How a value is written into its column, and read back."""


def _same(value: Any) -> Any:
    return value


def _list_of(read: Callable[[str], Any]) -> Codec:
    """Write a list, empty for most links, as JSON text, and read each of its members."""
    return (
        lambda held: json_text(held) if held else "[]",
        lambda text: () if text == "[]" else tuple(map(read, json.loads(text))),
    )


def _or_none(write: Callable[[Any], str], read: Callable[[Any], Any]) -> Codec:
    """Leave NULL as None; write and read everything else."""
    return (
        lambda value: None if value is None else write(value),
        lambda stored: None if stored is None else read(stored),
    )


_STAGE: Codec = (_same, stage_from)
_FLAG: Codec = (int, bool)
_TIME: Codec = (optional_text, optional_time)
_JSON: Codec = (lambda held: json_text(held) if held else "{}", lambda text: {} if text == "{}" else json.loads(text))
"""A mapping, empty for most links."""
_ABSENCE = _or_none(json_text, lambda text: _absence(json.loads(text)))
_CODECS: Mapping[str, Codec] = {
    "case_peak": _STAGE,
    "incident_peak": _STAGE,
    "case_low": _STAGE,
    "admitted": _FLAG,
    "was_active": _FLAG,
    "written": _JSON,
    "kept": _JSON,
    "noted": _JSON,
    "tries": _or_none(json_text, lambda text: _tries(json.loads(text))),
    "reactivations": _list_of(time_from),
    "earlier": _list_of(str),
    "elsewhere": _or_none(json_text, lambda text: Elsewhere(**json.loads(text))),
    "hold": _or_none(json_text, lambda text: _hold(json.loads(text))),
    "incident_absence": _ABSENCE,
    "case_absence": _ABSENCE,
    "create_in_doubt_since": _TIME,
    "first_seen_at": _TIME,
}
"""The fields of a Link that are not stored as they are."""
_LINK_FIELDS = tuple(
    # ``table`` is a word of SQL's own.
    (each.name, "table_name" if each.name == "table" else each.name, *_CODECS.get(each.name, (_same, _same)))
    for each in fields(Link)
)
"""Field, column, how it is written, how it is read."""
_READERS = tuple((name, read) for name, _, _, read in _LINK_FIELDS if read is not _same)
_NAMES = tuple(name for name, _, _, _ in _LINK_FIELDS)
LINK_COLUMNS = tuple(column for _, column, _, _ in _LINK_FIELDS)
"""The columns of ``links`` that make a Link."""
ONLY_SEEN = frozenset({"case_low", "first_seen_at"})
"""Those of them that come from what is seen of a Case; a link that does not know them leaves them as they are."""


def link_values(link: Link) -> dict[str, SqlValue]:
    """Return a Link's columns by their names."""
    return {column: write(getattr(link, name)) for name, column, write, _ in _LINK_FIELDS}


def link_from(row: Sequence[Any]) -> Link:
    """Read a Link from a row that begins with ``LINK_COLUMNS``; raise StoreError for a damaged one."""
    try:
        values = dict(zip(_NAMES, row, strict=False))
        values |= {name: read(values[name]) for name, read in _READERS}
    except (ValueError, TypeError, LookupError) as error:
        words = f"the link of Case {row[0]} is damaged in the database: put a backup back, or "
        raise StoreError(words + "make every link anew from the services with `reconciler state rebuild`") from error
    return with_values(Link, values)


# -- snapshots -----------------------------------------------------------------------------------------------------


# Pydantic reads and writes snapshots three times as fast as the standard library, but takes 50 ms to load. So it is
# loaded by the first call that handles snapshots.


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
    adapter = _cases() if isinstance(thing, Case) else _incidents()
    return adapter.serializer.to_json(thing).decode()


def read_or_none(read: Callable[[str], Thing], text: str, name: str) -> Thing | None:
    """Read a snapshot by its name; None, told in the log, for a damaged one, which the next reading replaces."""
    try:
        return read(text)
    except ValueError:
        log.warning("a snapshot is damaged and is left out until it is read again", extra={"snapshot": name})
        return None


def case_from(text: str) -> Case:
    """Read a Case that any version of the program wrote; keys that this one does not know are dropped."""
    return _cases().validate_json(text)


def incident_from(text: str) -> Incident:
    """Read an Incident that any version of the program wrote."""
    return _incidents().validate_json(text)
