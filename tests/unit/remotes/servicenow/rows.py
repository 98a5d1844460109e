"""Rows of an Incident table as the Table API sends them, and a client to read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from reconciler.core.model import Incident, JsonObject
from reconciler.remotes.servicenow.client import ServiceNowClient
from tests.unit.remotes.scripted import Scripted, Talk, as_json, talking

CASE = "3f166e9f-3c88-4af2-b52e-138f339dab3e"
OTHER_CASE = "69bb1bab-a570-4e97-8316-adc41b96cd24"
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
NEEDED = (
    "sys_id,number,state,assigned_to,correlation_id,correlation_display,sys_created_on,sys_updated_on,"
    "sys_updated_by,sys_mod_count,sys_created_by,reopen_count,close_code,close_notes,"
    "opened_by.user_name,resolved_by.user_name,closed_by.user_name"
)


def sys_id(number: int) -> str:
    return f"{number:032x}"


def row(number: int = 1, second: int = 0, **more: object) -> JsonObject:
    return {
        "sys_id": sys_id(number),
        "number": f"INC{number:07}",
        "state": "2",
        "assigned_to": "",
        "correlation_id": CASE,
        "correlation_display": "Coralogix",
        "sys_created_on": "2026-11-02 11:00:00",
        "sys_updated_on": f"2026-11-02 12:00:{second:02}",
        "sys_updated_by": "admin",
        "sys_mod_count": "3",
        "reopen_count": "",
        "close_code": "",
        "close_notes": "",
        **more,
    }


def without(name: str, number: int = 1) -> JsonObject:
    return {key: value for key, value in row(number).items() if key != name}


def listing(*rows: object, count: int | None = None) -> Scripted:
    return as_json({"result": list(rows)}, X_Total_Count=str(len(rows) if count is None else count))


def record(one: object, status: int = 200) -> Scripted:
    return as_json({"result": one}, status)


@contextmanager
def client(*answers: Scripted) -> Iterator[tuple[ServiceNowClient, Talk]]:
    with talking(*answers) as it:
        yield ServiceNowClient("main", it.http, owner="Coralogix", extra_fields={"incident": ["impact", "state"]}), it


def numbers(incidents: Sequence[Incident]) -> list[int]:
    return [int(incident.sys_id, 16) for incident in incidents]


def named(number: int, name: str, active: str = "true") -> JsonObject:
    return {"sys_id": sys_id(number), "name": name, "active": active}
