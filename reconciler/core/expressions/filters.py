"""The filters that templates have beside Jinja2's own, and in place of those that could run without end.

Every one is a plain function of its arguments; what cannot be done raises TemplateFailed with words for a person.
A text that any of them gives is never longer than LONGEST_TEXT.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from jinja2 import Undefined

from reconciler.core.errors import TemplateFailed, TooMuch
from reconciler.core.expressions import tera
from reconciler.core.expressions.label_values import EntityText, LabelValue
from reconciler.core.model import SERVICENOW_TIME
from reconciler.core.text import CUT_MARK, without_code_blocks, without_html
from reconciler.core.text import cut as cut_text
from reconciler.core.text import one_line as put_on_one_line

LONGEST_TEXT = 65_536
LARGEST_NUMBER = 1e15
"""Beyond it a float no longer holds every whole number."""
MOST_DIGITS = 15
_DATE_FORMAT = re.compile(r"(?:[^%]|%[A-Za-z%])*")


def as_text(value: Any) -> str:
    """Print one value: text as it is, a label or list by its members, never a list of lists."""
    must_be_there(value)
    if isinstance(value, str | int | float | LabelValue):
        return _not_too_long(_plain(value))
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return _joined(", ", value)
    raise TemplateFailed("a map or nothing cannot be printed as it is: use join_labels, lines or default")


def _plain(value: str | float | LabelValue) -> str:
    """Write one value; a truth value as JSON, TOML and the Table API write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value if isinstance(value, str | LabelValue) else number(value))


def cut(value: Any, length: int, mark: str = CUT_MARK) -> str:
    """Cut a text to ``length``, the mark at its end included; a shorter text stays as it is."""
    return cut_text(as_text(value), length, mark)


def one_line(value: Any) -> str:
    """Put a text on one line, without blanks at its ends."""
    return put_on_one_line(as_text(value))


def lines(value: Any, before: str = "") -> str:
    """Put each member of a list, or each ``key: value`` of a map, on a line of its own."""
    members = [f"{key}: {one_line(each)}" for key, each in value.items()] if isinstance(value, Mapping) else value
    return _joined("\n", [before + one_line(member) for member in members])


def join_labels(value: Mapping[str, Any], separator: str = ", ", between: object = "=") -> str:
    """Write labels as ``key=value, key=value``. Raises TemplateFailed for what is none."""
    must_be_there(value)
    if not isinstance(value, Mapping):
        raise TemplateFailed("join_labels takes labels, and this is no map: use join")
    return _joined(separator, [f"{key}{between}{one_line(each)}" for key, each in value.items()])


def map_to(value: Any, table: Mapping[str, Any], default: Any = None) -> str:
    """Look a value up in a table; of a label that repeats, the first value that is there.

    Raises TemplateFailed for a value that is not in the table, unless there is a default.
    """
    must_be_there(value)
    for one in value if isinstance(value, LabelValue) else (value,):
        if one in table:
            return as_text(table[one])
    if default is None:
        raise TemplateFailed(f"map_to has no entry for {as_text(value)!r}, and no default")
    return as_text(default)


def trim(value: Any, chars: str | None = None) -> str:
    """Take blanks, or the signs that are given, from both ends."""
    return as_text(value).strip(chars)


def date(value: Any, format: str = SERVICENOW_TIME) -> str:  # noqa: A002  # Tera's filter has this argument
    """Write a time by the letters of strftime, in UTC; as it stands, the form that ServiceNow takes."""
    if len(format) > 100 or not _DATE_FORMAT.fullmatch(format):
        raise TemplateFailed(f"the date format {format!r} has a % without a letter behind it, or over 100 signs")
    return _moment(value).strftime(format)


def iso(value: Any) -> str:
    """Write a time as ISO 8601 in UTC, to the second."""
    return _moment(value).isoformat(timespec="seconds").replace("+00:00", "Z")


def join(value: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    """Join the members of a list, or one attribute of each."""
    members = value if attribute is None else (_attribute(member, attribute) for member in value)
    return _joined(separator, members)


def replace(value: Any, old: str, new: str) -> str:
    """Replace every occurrence of a text that is not empty."""
    text = as_text(value)
    if not old:
        raise TemplateFailed("replace wants a text to look for")
    if len(text) + text.count(old) * len(new) > LONGEST_TEXT:
        raise too_long()
    return text.replace(old, new)


def default(found: Any, /, value: Any = "") -> Any:
    """Return what is found, or the value where there is nothing; ``default(value="x")``, as in Tera, is the same."""
    return value if isinstance(found, Undefined) else found


def number(value: Any) -> int | float:
    """Return a number that is not too large to count with; raise TemplateFailed for anything else."""
    must_be_there(value)
    if not tera.is_number(value):
        raise TemplateFailed(f"{as_text(value)!r} is no number: use int or float")
    if not abs(value) <= LARGEST_NUMBER:
        raise TooMuch(f"a number grows beyond {LARGEST_NUMBER:.0e}")
    return value  # type: ignore[no-any-return]  # is_number has just said so


def round_number(value: Any, precision: float = 0, method: str = "common") -> float:
    """Round a number to as many digits after the point, by ``common``, ``ceil`` or ``floor``."""
    if not tera.is_number(precision) or not abs(precision) <= MOST_DIGITS:
        raise TooMuch(f"round takes a precision from -{MOST_DIGITS} to {MOST_DIGITS}")
    match method:
        case "common":
            return round(number(value), int(precision))
        case "ceil" | "floor":
            factor = 10 ** int(precision)
            return float(getattr(math, method)(number(value) * factor) / factor)
    raise TemplateFailed(f"round has no method {method!r}; there are common, ceil and floor")


def sum_of(value: Iterable[Any], attribute: str | None = None, start: Any = 0) -> int | float:
    """Add numbers, or one attribute of each member, to ``start``."""
    total = number(start)
    for member in value:
        total = number(total + number(member if attribute is None else _attribute(member, attribute)))
    return total


def whole_number(value: Any, default: Any = 0, base: int = 10) -> int:
    """Read a whole number; the default where the value is none."""
    must_be_there(value)
    try:
        read = int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        read = int(point_number(value, default))
    return int(number(read))


def point_number(value: Any, default: Any = 0.0) -> float:
    """Read a number with a point; the default where the value is none."""
    must_be_there(value)
    try:
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        read = float(default)
    return float(number(read))


def _attribute(member: Any, name: str) -> Any:
    found = member
    for step in str(name).split("."):
        if isinstance(found, EntityText):
            found = found.part(step)
        else:
            found = found.get(step) if isinstance(found, Mapping) else None
    if found is None:
        raise TemplateFailed(f"a member of the list has no {name}")
    return found


def _moment(value: Any) -> datetime:
    must_be_there(value)
    try:
        moment = datetime.fromisoformat(as_text(value))
    except ValueError as error:
        raise TemplateFailed(f"{as_text(value)!r} is no time") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _joined(separator: str, members: Iterable[Any]) -> str:
    """Join, and stop as soon as the text is too long."""
    parts: list[str] = []
    size = 0
    for member in islice(members, LONGEST_TEXT):
        must_be_there(member)
        if not isinstance(member, str | int | float | LabelValue):
            raise TemplateFailed("a list of lists or maps cannot be printed as it is: use map(attribute=…) or a loop")
        parts.append(_plain(member))
        size += len(parts[-1]) + len(separator)
        if size > LONGEST_TEXT + len(separator):
            raise too_long()
    return separator.join(parts)


def must_be_there(value: Any) -> None:
    """Fail, naming what is missing, where a Case does not have a value."""
    if isinstance(value, Undefined):
        str(value)  # a strict Undefined raises here, and names what is missing


def _not_too_long(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise too_long()
    return text


def too_long() -> TooMuch:
    """Make the error of a template that gives more than it may."""
    return TooMuch(f"the template gives more than {LONGEST_TEXT} characters")


FILTERS: Mapping[str, Callable[..., Any]] = {
    "cut": cut,
    "one_line": one_line,
    "lines": lines,
    "join_labels": join_labels,
    "map_to": map_to,
    "date": date,
    "iso": iso,
    "join": join,
    "replace": replace,
    "default": default,
    "d": default,
    "without_code_blocks": lambda value: without_code_blocks(as_text(value)),
    "without_html": lambda value: without_html(as_text(value)),
    "lower": lambda value: as_text(value).lower(),
    "upper": lambda value: as_text(value).upper(),
    "title": lambda value: as_text(value).title(),
    "capitalize": lambda value: as_text(value).capitalize(),
    "trim": trim,
    "int": whole_number,
    "float": point_number,
    "round": round_number,
    "abs": lambda value: abs(number(value)),
    "sum": sum_of,
}
"""By the name that a template uses."""
