"""The way back from Event Management: the alert behind a Case's events, or the Incident that it led to.

Rules of this file: nothing here is written; an alert is found by its ``message_key``, the Case's id, and every row
is checked against what was asked; what is read becomes a record of the event target, its state a state word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from reconciler.core.batches import batches
from reconciler.core.errors import Malformed
from reconciler.core.lifecycle import STATE_WORDS
from reconciler.core.model import SERVICENOW_TIME, Incident, JsonObject, Link, System
from reconciler.core.policies.policies import EVENT_TABLE, WayBack
from reconciler.engine.context import Context
from reconciler.store.values import Pulled

KEYS_AT_ONCE = 50
ALERT_WORDS: Mapping[str, str] = {"Open": "new", "Reopen": "new", "Flapping": "new", "Closed": "resolved"}
"""The states of ``em_alert`` as state words. An open alert that is acknowledged is ``in_progress``."""
ALERT_FIELDS = (
    *("sys_id", "number", "message_key", "state", "acknowledged", "incident"),
    *("sys_created_on", "sys_updated_on", "sys_updated_by", "sys_mod_count"),
)
INCIDENT_FIELDS = (
    *("sys_id", "number", "state", "assigned_to", "close_code", "close_notes"),
    *("sys_created_on", "sys_updated_on", "sys_updated_by", "sys_mod_count", "reopen_count"),
)


def pull_alerts(context: Context, connector: str) -> Pulled:
    """Read what came of the events of every open link of a connector. Costs a request for each 50 links."""
    found: list[Incident] = []
    malformed: list[Malformed] = []
    for way_back, links in _followed(context, connector).items():
        for chunk in batches(links, KEYS_AT_ONCE):
            for link, alert, row in _rows(context, connector, way_back, chunk):
                try:
                    found.append(_as_record(context, link, way_back, alert, row))
                except (KeyError, ValueError) as error:
                    malformed.append(Malformed(f"alert {alert.get('number')}: {error}", record_id=link.sys_id, raw=row))
    return Pulled(system=System.SERVICENOW, incidents=tuple(found), malformed=tuple(malformed))


def _followed(context: Context, connector: str) -> Mapping[WayBack, list[Link]]:
    """Return the open event links of a connector by the way back that their policy has."""
    policies = context.policies.inbound.values()
    if all(policy.table != EVENT_TABLE or policy.way_back is WayBack.NONE for policy in policies):
        return {}
    by_way: dict[WayBack, list[Link]] = {WayBack.ALERT: [], WayBack.INCIDENT: []}
    for link in context.store.links.open_links():
        inbound = context.policies.inbound.get(link.inbound)
        if inbound and link.connector == connector and link.table == EVENT_TABLE and link.sys_id:
            by_way.get(inbound.way_back, []).append(link)
    return by_way


def _rows(
    context: Context, connector: str, way_back: WayBack, links: Sequence[Link]
) -> Iterator[tuple[Link, JsonObject, JsonObject]]:
    """Yield each link with its alert and the row that tells its state: the alert, or the Incident it led to."""
    client = context.connectors[connector]
    by_key = {link.case_id: link for link in links}
    query = f"message_keyIN{','.join(by_key)}^ORDERBYsys_id"
    alerts = client.rows("em_alert", query, fields=ALERT_FIELDS, limit=10 * len(links))
    ours = [(by_key[alert["message_key"]], alert) for alert in alerts if alert.get("message_key") in by_key]
    if way_back is WayBack.ALERT:
        yield from ((link, alert, alert) for link, alert in ours)
        return
    led_to: dict[str, list[tuple[Link, JsonObject]]] = defaultdict(list)
    for link, alert in ours:
        if alert.get("incident"):
            led_to[str(alert["incident"])].append((link, alert))
    if led_to:
        query = f"sys_idIN{','.join(led_to)}^ORDERBYsys_id"
        for row in client.rows("incident", query, fields=INCIDENT_FIELDS, limit=len(led_to)):
            # Event Management groups alerts: one Incident can be that of several Cases.
            yield from ((link, alert, row) for link, alert in led_to.get(str(row.get("sys_id")), ()))


def _as_record(context: Context, link: Link, way_back: WayBack, alert: JsonObject, row: JsonObject) -> Incident:
    """Make a record of the event target from an alert or an Incident; raise KeyError or ValueError for a bad row."""
    return Incident(
        connector=link.connector,
        table=EVENT_TABLE,
        sys_id=link.sys_id,
        number=str(row["number"]),
        state=_word(way_back, alert, row),
        assigned_to=str(row.get("assigned_to") or ""),
        correlation_id=link.case_id,
        correlation_display=context.policies.owner,
        created_at=_time(row["sys_created_on"]),
        updated_at=_time(row["sys_updated_on"]),
        updated_by=str(row.get("sys_updated_by") or ""),
        mod_count=int(row.get("sys_mod_count") or 0),
        reopen_count=int(row.get("reopen_count") or 0),
        fields={name: str(row.get(name) or "") for name in ("close_code", "close_notes")},
    )


def _word(way_back: WayBack, alert: JsonObject, row: JsonObject) -> str:
    if way_back is WayBack.INCIDENT:
        state = str(row["state"])
        return STATE_WORDS.get(state, state)
    state = str(alert["state"])
    word = ALERT_WORDS.get(state, state)
    return "in_progress" if word == "new" and str(alert.get("acknowledged")) == "true" else word


def _time(text: object) -> datetime:
    return datetime.strptime(str(text), SERVICENOW_TIME).replace(tzinfo=UTC)
