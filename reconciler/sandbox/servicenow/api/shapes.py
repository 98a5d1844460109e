"""The JSON shapes of the Table API: raw, display or both; references with their link or without.

Every scalar is text, an empty reference is ``""`` and no object, a field that an ACL hides is an absent key.
Source: ``c_TableAPI``, ``c_JournalFields``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, cast

from reconciler.core.frozen import dataclass
from reconciler.core.model import JsonObject
from reconciler.sandbox.servicenow.journal import Denial
from reconciler.sandbox.servicenow.tables.schema import DATETIMES, JOURNALS, TIME_FORMAT, Schema, TableRow
from reconciler.sandbox.servicenow.world import ServiceNowWorld

DisplayValue = Literal["false", "true", "all"]
NOTE_LABELS = {"work_notes": "Work notes", "comments": "Additional comments"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How rows are to be written."""

    fields: tuple[str, ...] = ()
    """empty: every field"""
    display_value: DisplayValue = "false"
    links: bool = True
    base_url: str = ""


class Shaper:
    """Write rows of one world as JSON objects."""

    def __init__(self, world: ServiceNowWorld, shape: Shape) -> None:
        self._world = world
        self._shape = shape

    def row(self, table: str, row: TableRow) -> JsonObject:
        """Write one row; names that the table does not have are left out, as are those that an ACL hides."""
        schema = self._world.tables.named(table).schema
        hidden = self._world.access.unreadable(table)
        names = [name for name in self._shape.fields or schema.fields if name.split(".")[0] not in hidden]
        return {name: self._walk(schema, row, name) for name in names if self._exists(schema, name)}

    def display(self, table: str, row: TableRow, name: str) -> str:
        """Return the display value of one field."""
        return self._display_text(self._world.tables.named(table).schema, row, name)

    def _exists(self, schema: Schema, name: str) -> bool:
        head, _, rest = name.partition(".")
        if not rest:
            return head in schema.names
        target = self._target(schema, head)
        return target is not None and self._exists(target, rest)

    def _walk(self, schema: Schema, row: TableRow, name: str) -> object:
        """Follow the dots of a name from reference to reference."""
        head, _, rest = name.partition(".")
        if not rest:
            return self._value(schema, row, head)
        target = self._target(schema, head)
        assert target is not None, "only existing names are walked"  # noqa: S101 - checked by _exists before
        return self._walk(target, self._world.tables.named(target.name).get(row[head]) or TableRow(), rest)

    def _target(self, schema: Schema, name: str) -> Schema | None:
        try:
            return self._world.tables.named(schema.references.get(name, "")).schema
        except Denial:
            return None

    def _value(self, schema: Schema, row: TableRow, name: str) -> object:
        raw = "" if name in JOURNALS else row[name]
        wants, display = self._shape.display_value, self._display(schema, row, name)
        if name in schema.references and raw:
            return self._reference(schema.references[name], raw, display)
        if wants == "all":
            return {"display_value": display(), "value": raw}
        return display() if wants == "true" else raw

    def _reference(self, target: str, raw: str, display: Callable[[], str]) -> object:
        wants = self._shape.display_value
        if not self._shape.links and wants != "all":
            return display() if wants == "true" else raw
        shown = {} if wants == "false" else {"display_value": display()}
        value = {} if wants == "true" else {"value": raw}
        link = {"link": f"{self._shape.base_url}/api/now/table/{target}/{raw}"} if self._shape.links else {}
        return {**shown, **link, **value}

    def _display(self, schema: Schema, row: TableRow, name: str) -> Callable[[], str]:
        return lambda: self._display_text(schema, row, name)

    def _display_text(self, schema: Schema, row: TableRow, name: str) -> str:
        raw = row[name]
        if name in JOURNALS or name == "comments_and_work_notes":
            return self._stream(row, name)
        if name in DATETIMES and raw:
            return self._local(raw)
        target = self._target(schema, name) if name in schema.references else None
        if target is not None:
            found = self._world.tables.named(target.name).get(raw)
            return found[target.display] if found is not None else raw
        return self._world.tables.choices(schema.name, name).get(raw, raw)

    def _local(self, raw: str) -> str:
        moment = datetime.strptime(raw, TIME_FORMAT)  # noqa: DTZ007 - the zone is added as a distance
        return (moment + self._world.switches.user_zone).strftime(TIME_FORMAT)

    def _stream(self, row: TableRow, name: str) -> str:
        """Return the entries of a journal field, newest first, each headed by local time and author."""
        wanted = {name} if name in JOURNALS else JOURNALS
        entries = [
            f"{self._heading(one)}\n{one['value']}"
            for one in self._world.tables.named("sys_journal_field")
            if one["element_id"] == row["sys_id"] and one["element"] in wanted
        ]
        return "".join(f"{entry}\n\n" for entry in reversed(entries))

    def _heading(self, entry: TableRow) -> str:
        user = (
            self._world.tables.named("sys_user").get(self._world.tables.user_id(entry["sys_created_by"])) or TableRow()
        )
        return f"{self._local(entry['sys_created_on'])} - {user['name']} ({NOTE_LABELS[entry['element']]})"


def display_value(text: str) -> DisplayValue:
    """Read ``sysparm_display_value``; any other text means raw values."""
    return cast("DisplayValue", text) if text in {"true", "all"} else "false"


def field_list(text: str) -> Sequence[str]:
    """Read ``sysparm_fields``."""
    return [name.strip() for name in text.split(",") if name.strip()]
