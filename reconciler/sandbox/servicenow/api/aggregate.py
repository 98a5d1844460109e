"""The Aggregate API: counts, least and greatest values, in all or for each group of rows.

Source: ``c_AggregateAPI``. Averages, sums and ``having`` are not offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.core.model import JsonObject
from reconciler.sandbox.servicenow.api.shapes import DisplayValue, Shape, Shaper, display_value, field_list
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.world import ServiceNowWorld

CHOOSERS = (("min", min), ("max", max))


def stats(world: ServiceNowWorld, table: str, rows: Sequence[TableRow], asked: Mapping[str, str]) -> object:
    """Return the result of one request over the rows that match; groups stand in the order of their values."""
    schema = world.tables.named(table).schema
    group_by = [name for name in field_list(asked.get("sysparm_group_by", "")) if name in schema.names]
    if not group_by:
        return {"stats": _figures(rows, asked)}
    groups: dict[tuple[str, ...], list[TableRow]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in group_by), []).append(row)
    wants = display_value(asked.get("sysparm_display_value", ""))
    shaper = Shaper(world, Shape())
    return [
        {
            "stats": _figures(members, asked),
            "groupby_fields": [_group(shaper, table, members[0], name, wants) for name in group_by],
        }
        for _, members in sorted(groups.items())
    ]


def _group(shaper: Shaper, table: str, row: TableRow, name: str, wants: DisplayValue) -> JsonObject:
    raw = {} if wants == "true" else {"value": row[name]}
    shown = {} if wants == "false" else {"display_value": shaper.display(table, row, name)}
    return {"field": name, **raw, **shown}


def _figures(rows: Sequence[TableRow], asked: Mapping[str, str]) -> JsonObject:
    figures: JsonObject = {"count": str(len(rows))} if asked.get("sysparm_count", "").lower() == "true" else {}
    for name, choose in CHOOSERS:
        fields = field_list(asked.get(f"sysparm_{name}_fields", ""))
        if fields:
            figures[name] = {one: choose((row[one] for row in rows if row[one]), default="") for one in fields}
    return figures
