"""The part of Event Management that matters here: an event finds its alert by ``message_key``, and may close it.

Sources: ``send-events-via-web-service``, ``t_EMCloseAlert``, ``t_EMReopenAlert``.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.sandbox.servicenow.journal import Actor
from reconciler.sandbox.servicenow.tables.schema import TableRow
from reconciler.sandbox.servicenow.world import ServiceNowWorld
from reconciler.sandbox.servicenow.writing.effects import raw_values

KEY_PARTS = ("source", "node", "type", "resource", "metric_name")
CLEAR = "0"
SHARED_FIELDS = (*KEY_PARTS, "message_key", "description", "additional_info")


def accept_event(world: ServiceNowWorld, event: Mapping[str, object], actor: Actor) -> TableRow:
    """Store one event, bring its alert up to date, and return the event's row; raise Denial when it is refused."""
    with world.lock:
        values = raw_values(event)
        values["message_key"] = values.get("message_key") or "".join(values.get(part, "") for part in KEY_PARTS)
        values["alert"] = _meet_alert(world, values, actor)
        return world.writes.insert("em_event", values, actor)


def _meet_alert(world: ServiceNowWorld, event: Mapping[str, str], actor: Actor) -> str:
    """Open, repeat, reopen or close the alert of an event; return its sys_id, empty for a clear without an alert."""
    clears = event.get("severity") == CLEAR or event.get("resolution_state") == "Closing"
    alert = _alert(world, event["message_key"])
    values = {name: event[name] for name in SHARED_FIELDS if event.get(name)}
    if alert is None:
        if clears:
            return ""
        severity = event.get("severity", "")
        values |= {"severity": severity, "state": "Open", "event_count": "1"}
        return world.writes.insert("em_alert", values, actor)["sys_id"]
    values["event_count"] = str(int(alert["event_count"] or "0") + 1)
    if clears:
        values["state"] = "Closed"
    else:
        values["severity"] = event.get("severity", "")
        values["state"] = "Reopen" if alert["state"] == "Closed" else alert["state"]
    return world.writes.update("em_alert", alert["sys_id"], values, actor)["sys_id"]


def _alert(world: ServiceNowWorld, message_key: str) -> TableRow | None:
    return next((row for row in world.tables.named("em_alert") if row["message_key"] == message_key), None)
