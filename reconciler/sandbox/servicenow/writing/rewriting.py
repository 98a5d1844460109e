"""What a column keeps of a value that is written to it: its usual form, what rules make of it, and as much as fits.

An instance answers with what it kept. This holds for people and for programs. Sources: KB0723577 (column lengths),
``c_TableAPI`` (times and booleans as raw text); the rules are those of instances that were seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from reconciler.sandbox.servicenow.journal import Denial
from reconciler.sandbox.servicenow.switches import Rewrite, Switches
from reconciler.sandbox.servicenow.tables.schema import BOOLEANS, DATETIMES, INTEGERS, TIME_FORMAT, Schema

LONGEST_BOUNDED_COLUMN = 255
"""columns to this length are VARCHAR; longer ones are not bounded by the database"""
NARROW_COLUMN = 100
PREFIX = "[EMEA] "
NOT_TEXT = DATETIMES | INTEGERS | BOOLEANS | {"sys_id", "number", "correlation_id", "correlation_display"}


def kept_value(schema: Schema, name: str, value: str, switches: Switches) -> str:
    """Return what a column keeps of a value; raise Denial where the instance refuses what is too long."""
    if name in BOOLEANS:
        return str(value.strip().lower() in {"true", "1"}).lower() if value else ""
    for rewrite in Rewrite:
        if rewrite in switches.rewrites and _is_bound(schema, name, rewrite):
            value = _REWRITERS[rewrite](value)
    return _bounded(schema, name, value, switches)


def _is_bound(schema: Schema, name: str, rewrite: Rewrite) -> bool:
    if rewrite is Rewrite.DATES:
        return name in DATETIMES
    if rewrite in {Rewrite.PREFIX, Rewrite.NARROW}:
        return name == "short_description"
    return name not in NOT_TEXT and name not in schema.references and name not in schema.choices


def _bounded(schema: Schema, name: str, value: str, switches: Switches) -> str:
    limit = schema.lengths.get(name)
    if limit is None or limit > LONGEST_BOUNDED_COLUMN or switches.overlong_text == "keep":
        return value
    cut = _cut(value, limit, switches)
    if cut != value and switches.overlong_text == "reject":
        raise Denial(403, "Operation Failed", f"Value of {name} is longer than {limit} characters")
    return cut


def _cut(value: str, limit: int, switches: Switches) -> str:
    if switches.text_units == "code_points":
        return value[:limit]
    # A sign beyond the first 65,536 counts twice here; half of one at the end is dropped.
    return value.encode("utf-16-le", "surrogatepass")[: 2 * limit].decode("utf-16-le", "ignore")


def _iso_time(value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime(TIME_FORMAT)


_REWRITERS: Mapping[Rewrite, Callable[[str], str]] = {
    Rewrite.QUESTION_MARKS: lambda value: re.sub("[\U00010000-\U0010ffff]", "????", value),
    Rewrite.PREFIX: lambda value: value if value.startswith(PREFIX) else PREFIX + value,
    Rewrite.NARROW: lambda value: value[:NARROW_COLUMN],
    Rewrite.BLANKS: lambda value: " ".join(value.split()),
    Rewrite.ENTITIES: lambda value: re.sub(r"&(?!amp;)", "&amp;", value),
    Rewrite.DATES: _iso_time,
}
