"""The shape check: pydantic's errors in our own words, and the file without the wrong values.

A wrong value hides nothing else: it is told, taken out as if it had been left out, and the rest is checked again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from reconciler.config.shape.lines import KeyPath
from reconciler.config.shape.problems import Problems, dotted, key_text, nearest, not_one_of, one_of, shown
from reconciler.config.shape.tables import NAMED_TABLES, TABLES, File, bounds_at, holds_secret, table_at

_KINDS: Mapping[str, str] = {
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "list_type": "a list in [ ]",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
_FILLERS: Mapping[KeyPath, Any] = {("route",): {}, ("notify", "urls"): {}, ("notify", "on"): "hold"}
"""right in these lists; a file with a problem is never used, so it decides nothing"""
_FILLER = "P1"
"""right in every other list, all of texts"""


def read_shape(data: dict[str, Any], problems: Problems) -> File:
    """Check the shape of a parsed file; return what is right, and add a problem for what is wrong."""
    for name in NAMED_TABLES:
        _take_out_nameless(name, data, problems)
    # Pydantic stops at the first problem of a value, so each round may find problems that the last one hid.
    while True:
        try:
            return File.model_validate(data)
        except ValidationError as error:
            for details in error.errors(include_url=False):
                problems.add(details["loc"], _words(details))
                _take_out(data, details["loc"])


def _take_out_nameless(kind: str, data: dict[str, Any], problems: Problems) -> None:
    """Report keys that stand in ``[servicenow]`` itself where ``[servicenow.NAME]`` was meant."""
    table = data.get(kind)
    if not isinstance(table, dict):
        return
    known = NAMED_TABLES[kind].model_fields
    stray = [key for key, value in table.items() if key in known or not isinstance(value, dict)]
    if stray:
        path: KeyPath = (kind, stray[0]) if len(stray) < len(table) else (kind,)
        problems.add(path, f"{key_text(stray[0])} stands in [{kind}] itself; write [{kind}.NAME] above its keys")
    for key in stray:
        del table[key]


def _take_out(data: Any, path: KeyPath) -> None:
    """Remove a wrong value; in a list a placeholder takes its place, so that the positions of the others stay right."""
    *way, last = path
    for part in way:
        data = data[part]
    if isinstance(last, int):
        data[last] = _FILLERS.get(tuple(way), _FILLER)
    else:
        del data[last]


def _words(details: ErrorDetails) -> str:
    """Describe one problem of shape."""
    path: KeyPath = details["loc"]
    found = "a value that is not shown" if holds_secret(path) else shown(details["input"])
    match details["type"]:
        case "extra_forbidden":
            return _unknown_key(path)
        case "secret":
            return f"a secret is never written in the file; allowed is {details['ctx']['allowed']}"
        case "allowed":
            return f"found {found}; allowed is {details['ctx']['allowed']}"
        case "literal_error":
            # Pydantic gives the allowed words as a sentence: 'a', 'b' or 'c'.
            return not_one_of(details["input"], re.findall(r"'([^']*)'", details["ctx"]["expected"]))
        case kind if kind in _KINDS:
            return f"found {found}; allowed is {_kind_words(kind, path)}"
        case _:
            return f"found {found}; allowed is {_number_words(path)}"


def _kind_words(kind: str, path: KeyPath) -> str:
    """Name the kind that a place wants, with the way to write it where that is easily missed."""
    if path == ("route",):
        return "one table or more, each written [[route]]"
    return _KINDS[kind]


def _number_words(path: KeyPath) -> str:
    low, high = bounds_at(path)
    whole = "a whole number" if isinstance(low, int) and isinstance(high, int) else "a number"
    return f"{whole} from {low} to {high}"


def _unknown_key(path: KeyPath) -> str:
    """Say that there is no such key, with the nearest one, the table where it belongs, or all that there are."""
    key, place = str(path[-1]), path[:-1]
    table = table_at(place)
    allowed = list(table.model_fields) if table else []
    where = f"[{dotted(place)}]" if place else "the file"
    if close := nearest(key, allowed):
        return f"unknown key; the nearest of {where} is {key_text(close)}"
    if homes := [pattern for pattern, home in TABLES.items() if key in home.model_fields]:
        return f"unknown key here; it belongs to {one_of(map(_home, homes))}"
    return f"unknown key; {where} has {one_of(allowed, last='and')}"


def _home(pattern: tuple[str, ...]) -> str:
    """Name a table as it is written in the file."""
    if not pattern:
        return "the top of the file, above every table"
    if pattern[0] == "route":
        return "[[route]]"
    return f"[{'.'.join(pattern).replace('*', 'NAME')}]"
