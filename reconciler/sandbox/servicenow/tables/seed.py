"""What a new instance holds before anybody acts: users, groups, configuration items, choices, properties.

The rows are made once for each set of switches and shared by all worlds: a row is replaced, never changed in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from uuid import NAMESPACE_OID, uuid5

from reconciler.sandbox.servicenow.switches import Switches
from reconciler.sandbox.servicenow.tables.schema import API_USER, MASKED, Schema, TableRow, incident_schema

ADMIN_ID = "6816f79cc0a8016401c5a33be04be441"
"""the sys_id of ``admin`` in the demo data of every instance"""
SEEDED_ON = "2026-01-01 00:00:00"

_USERS = {
    "admin": "System Administrator",
    API_USER: "Coralogix Sync",
    "beth.anglin": "Beth Anglin",
    "david.loo": "David Loo",
    "fred.luddy": "Fred Luddy",
}
_GROUPS = ("Service Desk", "Network", "Database", "Hardware", "Software")
_ITEMS = ("checkout", "payments", "orders-db")


@lru_cache(maxsize=64)
def seed_rows(switches: Switches) -> Mapping[str, tuple[TableRow, ...]]:
    """Return the first rows of each table, by table name."""
    return {
        "sys_user": tuple(user_row(name, full, number) for number, (name, full) in enumerate(_USERS.items())),
        "sys_user_group": tuple(
            _row(f"{0x200 + number:032x}", name=name, active="true") for number, name in enumerate(_GROUPS)
        ),
        "cmdb_ci": _items(),
        "cmdb_ci_service": _items(),
        "sys_choice": tuple(choice_rows(incident_schema(switches.close_codes))),
        "sys_properties": tuple(
            _row(f"{0x400 + number:032x}", name=name, value=value)
            for number, (name, value) in enumerate(_properties(switches).items())
        ),
    }


def _items() -> tuple[TableRow, ...]:
    """Make the services, which are rows of ``cmdb_ci_service`` and, as it extends that, of ``cmdb_ci``."""
    return tuple(
        _row(f"{0x300 + number:032x}", name=name, sys_class_name="cmdb_ci_service", operational_status="1")
        for number, name in enumerate(_ITEMS)
    )


def user_row(user_name: str, full_name: str, number: int) -> TableRow:
    """Make one row of ``sys_user``; ``admin`` has the id that it has everywhere."""
    first, _, last = full_name.partition(" ")
    return _row(
        ADMIN_ID if user_name == "admin" else f"{0x100 + number:032x}",
        user_name=user_name,
        name=full_name,
        first_name=first,
        last_name=last,
        email=f"{user_name}@example.com",
        active="true",
        time_zone="US/Pacific",
        user_password=MASKED,
    )


def choice_rows(schema: Schema) -> Iterator[TableRow]:
    """Make the rows of ``sys_choice`` for every choice list of a table."""
    for element, choices in schema.choices.items():
        for position, (value, label) in enumerate(choices.items()):
            sys_id = uuid5(NAMESPACE_OID, f"{schema.name}/{element}/{value}").hex
            values = {"name": schema.name, "element": element, "value": value, "label": label, "language": "en"}
            yield _row(sys_id, **values, sequence=str(position), inactive="false")


def _row(sys_id: str, **values: str) -> TableRow:
    return TableRow(
        sys_id=sys_id,
        sys_created_on=SEEDED_ON,
        sys_created_by="system",
        sys_updated_on=SEEDED_ON,
        sys_updated_by="system",
        sys_mod_count="0",
        **values,
    )


def _properties(switches: Switches) -> dict[str, str]:
    restricted = str(switches.basic_auth == "restricted").lower()
    return {
        "glide.authenticate.basic_auth.restriction.active": restricted,
        "glide.authenticate.basic_auth.restriction.enforce": restricted,
        "glide.invalid_query.returns_no_rows": str(switches.invalid_query == "no_rows").lower(),
        "glide.rest.choice.allow_non_existing_value": str(switches.unlisted_choice == "keep").lower(),
        "glide.ui.autoclose.time": str(switches.autoclose_days),
        "com.snc.incident.autoclose.basedon.resolved_at": str(switches.autoclose_basis == "resolved").lower(),
    }
