"""What the contract tests of IncidentClient share: storing a record, and reading a listing to its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reconciler.remotes.ports import IncidentClient, IncidentPage
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from tests.contract.stage import (
    API,
    START,
    record_fields,
)

SECOND = START.replace(microsecond=0)
CLOSE_INFO = {"close_code": "Solution provided", "close_notes": "Done."}


def put(world: ServiceNowWorld, number: int, **fields: str) -> str:
    """Store the record of a Case as if our user had created it."""
    return world.writes.insert("incident", record_fields(number, **fields), API)["sys_id"]


def read_all(
    client: IncidentClient,
    *,
    since: datetime | None = None,
    limit: int = 500,
    turn: Callable[[int], object] | None = None,
) -> list[IncidentPage]:
    """Read a listing by change up to its empty page; ``turn`` is told the number of each page that was read."""
    read = [client.changed("incident", since=since, limit=limit)]
    while read[-1].last is not None:
        if turn is not None:
            turn(len(read))
        read.append(client.changed("incident", since=since, after=read[-1].last, limit=limit))
    return read


def ids(*pages: IncidentPage) -> list[str]:
    return [one.sys_id for page in pages for one in page.incidents]


def in_order(pages: list[IncidentPage]) -> bool:
    places = [(one.updated_at, one.sys_id) for page in pages for one in page.incidents]
    return places == sorted(places)
