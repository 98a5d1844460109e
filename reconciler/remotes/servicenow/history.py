"""RecordHistoryClient over ``sys_audit``: one row for each change of an audited field, with who made it.

Source: ServiceNow documentation "History sets": columns ``tablename, documentkey, fieldname, oldvalue, newvalue, user,
sys_created_on``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from reconciler.core.batches import batches
from reconciler.core.model import JsonObject
from reconciler.core.told import RecordChange
from reconciler.remotes.ports import IDS_A_REQUEST, RecordHistory
from reconciler.remotes.servicenow import encoded_query as queries
from reconciler.remotes.servicenow.client import ServiceNowClient
from reconciler.remotes.servicenow.codec import partial, same_text, value_of

TABLE = "sys_audit"
FIELDS = ("sys_id", "tablename", "documentkey", "fieldname", "oldvalue", "newvalue", "user", "sys_created_on")
OWN_COLUMNS = frozenset({"sys_updated_on", "sys_updated_by", "sys_mod_count", "sys_created_on", "sys_created_by"})
"""Columns that change with every write, and so tell nothing."""


class ServiceNowHistoryClient:
    """The ``sys_audit`` table of one instance; implements ``RecordHistoryClient``."""

    def __init__(self, client: ServiceNowClient) -> None:
        self._client = client

    def history(self, table: str, sys_ids: Sequence[str]) -> RecordHistory:
        """Read all changes of these records of one table; raise PartialTruth for a row that was not asked for."""
        wanted = {queries.checked_sys_id(sys_id).lower() for sys_id in sys_ids}
        changes: defaultdict[str, list[RecordChange]] = defaultdict(list)
        hidden = 0
        for batch in batches(sorted(wanted), IDS_A_REQUEST):
            asked = f"{queries.equals('tablename', queries.checked_name(table))}^{queries.one_of('documentkey', batch)}"
            rows, unseen = self._client.every_row(
                TABLE,
                asked,
                FIELDS,
                lambda row: (
                    same_text(value_of(row, "tablename"), table) and value_of(row, "documentkey").lower() in wanted
                ),
            )
            hidden += unseen
            for row in rows:
                if value_of(row, "fieldname") not in OWN_COLUMNS:
                    changes[value_of(row, "documentkey").lower()].append(_change(row))
        ordered = {key: tuple(sorted(found, key=lambda one: (one.at, one.id))) for key, found in changes.items()}
        return RecordHistory(changes=ordered, hidden=hidden)


def _change(row: JsonObject) -> RecordChange:
    try:
        at = queries.read_time(value_of(row, "sys_created_on"))
    except ValueError as error:
        raise partial(f"a row of {TABLE} shows no time: {error}") from error
    return RecordChange(
        id=value_of(row, "sys_id"),
        sys_id=value_of(row, "documentkey"),
        field=value_of(row, "fieldname"),
        from_value=value_of(row, "oldvalue"),
        to_value=value_of(row, "newvalue"),
        user=value_of(row, "user"),
        at=at,
    )
