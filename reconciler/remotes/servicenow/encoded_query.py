"""Build encoded queries of the Table API so that no value can become a condition.

Rules: nothing empty and nothing malformed ever enters a query, since ServiceNow answers an odd condition by
dropping it and returning more rows. Every refusal is a Rejected, raised before anything is sent.
Source of the grammar: documentation page ``c_EncodedQueryStrings``; of ``^^``: ``GlideStringUtilScopedAPI``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from reconciler.core.errors import Rejected
from reconciler.core.identity import CASE_ID, SYS_ID
from reconciler.core.model import System
from reconciler.core.policies.existing import VALUELESS, Term, Terms
from reconciler.remotes.ports import Position

BY_CHANGE = "^ORDERBYsys_updated_on^ORDERBYsys_id"
BY_ID = "^ORDERBYsys_id"
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
YEARS = (1970, 2199)
"""No instance wrote a record outside of these years; a record with such a time is quarantined."""
LONGEST_SHOWN = 40
_LIST_BREAKERS = frozenset("^,=")


def refused(words: str) -> Rejected:
    """Make the error for a call that is not sent."""
    return Rejected(words, system=System.SERVICENOW.value)


def checked_case_id(value: str) -> str:
    """Let through a lower-case UUID only."""
    return _checked(CASE_ID, value, "Case id: a lower-case UUID is needed")


def checked_sys_id(value: str) -> str:
    """Let through 32 hex digits only, of either case."""
    return _checked(SYS_ID, value, "sys_id: 32 hex digits are needed")


def checked_name(value: str) -> str:
    """Let through the name of a table or field only: lower_snake, fields also with dots."""
    return _checked(_NAME, value, "name of a table or field")


def equals(field: str, value: str) -> str:
    """Ask for one value; a caret in it is doubled."""
    return f"{checked_name(field)}={_escaped(value)}"


def one_of(field: str, values: Iterable[str]) -> str:
    """Ask for any of some values, none of which may hold ``^``, ``,`` or ``=``."""
    listed = [_escaped(value) for value in values]
    if not listed or not all(is_listable(value) for value in listed):
        raise refused(f"{field}IN needs at least one value, and none with ^ , or = in it")
    return f"{checked_name(field)}IN{','.join(listed)}"


def all_of(terms: Terms) -> str:
    """Ask for what fits every one of these conditions; a caret in a value is doubled."""
    if not terms:
        raise refused("no condition at all would give the whole table")
    return "^".join(map(_condition, terms))


def _condition(term: Term) -> str:
    if term.operator in VALUELESS:
        return f"{checked_name(term.field)}{term.operator}"
    return f"{checked_name(term.field)}{term.operator}{_escaped(term.value)}"


def blocks(queries: Iterable[str]) -> str:
    """Ask for what fits any of these queries, each of which stands whole in its own block."""
    return "^NQ".join(queries)


def fitting(texts: Mapping[str, str], most_characters: int) -> list[list[str]]:
    """Group keys so that the texts of a group are no longer than that together; a longer text gets its own group."""
    pieces: list[list[str]] = []
    room = 0
    for key, text in texts.items():
        if not pieces or len(text) > room:
            pieces.append([])
            room = most_characters
        pieces[-1].append(key)
        room -= len(text)
    return pieces


def is_listable(value: str) -> bool:
    """Return whether a value may stand in a comma list."""
    return not _LIST_BREAKERS.intersection(value)


def is_askable(value: str) -> bool:
    """Return whether a value may stand in a query at all.

    Control characters end a condition in places, and ``javascript:`` is run by the instance.
    """
    return bool(value.strip()) and value.isprintable() and not value.strip().lower().startswith("javascript:")


def changes(fixed: str, since: datetime | None, after: Position | None) -> str:
    """Ask for the rows after ``after``, else those since a time, oldest change first.

    ``fixed`` is repeated in every block: a block without it would return the whole table.
    """
    if after is not None:
        at = time_text(after.updated_at)
        same_second = f"{fixed}^sys_updated_on={at}^sys_id>{checked_sys_id(after.sys_id)}"
        return f"{same_second}^NQ{fixed}^sys_updated_on>{at}{BY_CHANGE}"
    start = f"^sys_updated_on>={time_text(since)}" if since is not None else ""
    return f"{fixed}{start}{BY_CHANGE}"


def behind(sys_id: str) -> str:
    """Continue a listing ordered by id after one row."""
    return f"^sys_id>{checked_sys_id(sys_id)}"


def time_text(moment: datetime) -> str:
    """Write a time as the Table API does: UTC, whole seconds."""
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(sep=" ")


def read_time(text: str) -> datetime:
    """Read a raw time of the Table API, which is UTC; raise ValueError for any other form, and outside of ``YEARS``."""
    moment = read_any_time(text)
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise ValueError(f"{text!r} is no time that a record can have")
    return moment


def read_any_time(text: str) -> datetime:
    """Read a raw time of whatever year, as listings are ordered by it."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:LONGEST_SHOWN]!r} is no time of the form YYYY-MM-DD HH:MM:SS")
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _checked(pattern: re.Pattern[str], value: str, words: str) -> str:
    if not pattern.fullmatch(value):
        raise refused(f"{value!r} is no {words}")
    return value


def _escaped(value: str) -> str:
    if not is_askable(value):
        raise refused(f"{value!r} cannot stand in a query: it is empty, has control characters, or would be run")
    return value.replace("^", "^^")
