"""Records read by their id: many in one request, and by itself what that did not show or showed as older.

What is read by its id is believed, whatever its times say: a table may have been brought back from a copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from reconciler.core.errors import AuthFailed, Malformed, Missing, RemoteError
from reconciler.core.model import Incident, System
from reconciler.engine.context import Context
from reconciler.store.values import Pulled, RecordKey


@dataclass(kw_only=True)
class Reading:
    """What became of the records of one table that were asked for."""

    found: list[Incident] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """those that answered 404"""
    unread: dict[str, RemoteError | Malformed] = field(default_factory=dict)
    """those of which nobody knows, with the reason: nothing is concluded about them"""


def read_records(context: Context, connector: str, table: str, sys_ids: Sequence[str]) -> Reading:
    """Read records of one table; one that the listing leaves out is asked for by itself.

    Raises RemoteError when the listing fails.
    """
    client = context.connectors[connector]
    reading = Reading(found=list(client.get_many(table, sys_ids)))
    shown = {record.sys_id for record in reading.found}
    for sys_id in sys_ids:
        if sys_id not in shown:
            _read_one(context, (sys_id, table, connector), reading)
    return reading


def read_again(context: Context, keys: Iterable[RecordKey]) -> None:
    """Read by their id records that a listing showed as older than they are remembered, and believe what comes.

    One that cannot be read stays as it is remembered. Raises AuthFailed.
    """
    reading = Reading()
    for key in keys:
        _read_one(context, key, reading)
    refused = next((error for error in reading.unread.values() if isinstance(error, AuthFailed)), None)
    if refused:
        raise refused
    context.remember(Pulled(system=System.SERVICENOW, incidents=tuple(reading.found), read_now=True))


def _read_one(context: Context, key: RecordKey, reading: Reading) -> None:
    sys_id, table, connector = key
    try:
        reading.found.append(context.connectors[connector].get(table, sys_id))
    except Missing:
        reading.gone.add(sys_id)
    except (RemoteError, Malformed) as error:
        reading.unread[sys_id] = error


def by_table(things: Iterable[RecordKey]) -> dict[tuple[str, str], list[str]]:
    """Group records by (connector, table)."""
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sys_id, table, connector in things:
        grouped[connector, table].append(sys_id)
    return grouped
