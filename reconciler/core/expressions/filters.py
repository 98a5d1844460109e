"""The helpers that templates have beside Jinja2's own: cutting, dates, lists as text, maps.

Every one is a plain function of its arguments; what cannot be done raises TemplateFailed with words for a person.
A text that any of them gives is never longer than LONGEST_TEXT.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from jinja2 import Undefined

from reconciler.core.expressions.label_values import LabelValue

LONGEST_TEXT = 65_536
CUT_MARK = "…"
SERVICENOW_TIME = "%Y-%m-%d %H:%M:%S"
_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x85]")
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, marks that turn the direction of writing, halves of characters. Tab and line feed stay."""
_CODE_BLOCK = re.compile(r"\[(\s*/?\s*code\s*)\]", re.IGNORECASE)
_DATE_FORMAT = re.compile(r"(?:[^%]|%[A-Za-z%])*")


class TemplateFailed(ValueError):
    """Say why a template could not be rendered for one Case, in words for a person."""


def clean(text: str) -> str:
    """Take out control characters and whatever could disturb a terminal; line ends become line feeds."""
    return _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))


def without_code_blocks(text: str) -> str:
    """Write ``[code]`` as ``(code)``: a ServiceNow journal shows what stands between such marks as HTML.

    Source: KB2337014, ``glide.ui.journal.use_html``.
    """
    return _CODE_BLOCK.sub(r"(\1)", text)


def as_text(value: Any) -> str:
    """Print one value: text as it is, a label or list by its members, never a list of lists."""
    must_be_there(value)
    if isinstance(value, str | int | float | LabelValue):
        return _not_too_long(str(value))
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return _joined(", ", value)
    raise TemplateFailed("a map or nothing cannot be printed as it is: use join_labels, lines or default")


def cut(value: Any, length: int, mark: str = CUT_MARK) -> str:
    """Cut a text to ``length`` characters, the mark at its end included; a shorter text stays as it is."""
    text = as_text(value)
    if len(text) <= length:
        return text
    return text[: max(length - len(mark), 0)].rstrip() + mark[:length]


def one_line(value: Any) -> str:
    """Put a text on one line, without blanks at its ends."""
    return re.sub(r"[ \t]*[\n\v\f\t]+[ \t]*", " ", clean(as_text(value))).strip()


def lines(value: Any, before: str = "") -> str:
    """Put each member of a list, or each ``key: value`` of a map, on a line of its own."""
    members = [f"{key}: {one_line(held)}" for key, held in value.items()] if isinstance(value, Mapping) else value
    return _joined("\n", [before + one_line(member) for member in members])


def join_labels(value: Mapping[str, Any], separator: str = ", ", between: str = "=") -> str:
    """Write labels as ``key=value, key=value``."""
    return _joined(separator, [f"{key}{between}{one_line(held)}" for key, held in value.items()])


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


def date(value: Any, format: str = SERVICENOW_TIME) -> str:  # noqa: A002  # Tera's filter has this argument
    """Write a time by the letters of strftime, in UTC; as it stands, the form that ServiceNow takes."""
    if len(format) > 100 or not _DATE_FORMAT.fullmatch(format):
        raise TemplateFailed(f"the date format {format!r} has more than letters after %")
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
        raise _too_long()
    return text.replace(old, new)


def default(value: Any, /, fallback: Any = "", **named: Any) -> Any:
    """Give the value, or the fallback where there is none; ``default(value="x")`` as in Tera works too."""
    return named.get("value", fallback) if isinstance(value, Undefined) else value


def _attribute(member: Any, name: str) -> Any:
    found = member.get(name) if isinstance(member, Mapping) else getattr(member, name, None)
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
        parts.append(str(member))
        size += len(parts[-1]) + len(separator)
        if size > LONGEST_TEXT + len(separator):
            raise _too_long()
    return separator.join(parts)


def must_be_there(value: Any) -> None:
    """Fail, naming what is missing, where a Case does not have a value."""
    if isinstance(value, Undefined):
        str(value)  # a strict Undefined raises here, and names what is missing


def _not_too_long(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise _too_long()
    return text


def _too_long() -> TemplateFailed:
    return TemplateFailed(f"the template gives more than {LONGEST_TEXT} characters")


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
}
"""By the name that a template uses."""
