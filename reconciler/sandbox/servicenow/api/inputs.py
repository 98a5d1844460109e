"""What a write means with ``sysparm_input_display_value=true``: values as a person types them into a form.

Times are in the zone of the API's user, choices are given by label and references by name. A text that names nothing,
or several rows, is taken as it is, which is why raw values work too. Source: ``c_TableAPI``, KB0534905.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reconciler.sandbox.servicenow.tables.schema import DATETIMES, TIME_FORMAT
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.sandbox.servicenow.writing.effects import raw_values


def typed_values(world: ServiceNowWorld, table: str, asked: Mapping[str, object]) -> dict[str, str]:
    """Return the raw values that a person means."""
    return {name: _meant(world, table, name, value) for name, value in raw_values(asked).items()}


def _meant(world: ServiceNowWorld, table: str, name: str, typed: str) -> str:
    schema = world.tables.named(table).schema
    if name in DATETIMES:
        return _in_utc(world, typed)
    if name in schema.references:
        return _referred(world, schema.references[name], typed)
    labelled = [value for value, label in world.tables.choices(table, name).items() if label == typed]
    return labelled[0] if len(labelled) == 1 else typed


def _in_utc(world: ServiceNowWorld, typed: str) -> str:
    try:
        local = datetime.strptime(typed, TIME_FORMAT)  # noqa: DTZ007 - the user's zone is taken off below
    except ValueError:
        return typed
    return (local - world.switches.user_zone).strftime(TIME_FORMAT)


def _referred(world: ServiceNowWorld, target: str, typed: str) -> str:
    place = world.tables.named(target)
    named = [row["sys_id"] for row in place if row[place.schema.display] == typed]
    return named[0] if typed and len(named) == 1 else typed
