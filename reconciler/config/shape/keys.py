"""The keys of the file, table by table, for code that needs no more than their names.

``tables`` has them too, with kinds and bounds, and takes a while to load; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

_REMOTE = frozenset({"ca_bundle", "proxy", "api_key", "requests_per_second", "workers"})

KEYS: Mapping[tuple[str, ...], frozenset[str]] = {
    (): frozenset(
        {"owner", "mode", "coralogix", "servicenow", "state", "audit", "retention", "metrics", "notify"}
        | {"schedule", "limits", "route", "inbound", "outbound"}
    ),
    ("coralogix",): _REMOTE | {"region", "base_url", "partial_view", "deep_links"},
    ("servicenow", "*"): _REMOTE
    | {"instance_url", "auth", "username", "password", "client_id", "client_secret", "states"},
    ("state",): frozenset({"path", "keep_bodies"}),
    ("audit",): frozenset({"case_events", "servicenow_history", "values"}),
    ("retention",): frozenset({"requests_days", "history_days"}),
    ("metrics",): frozenset({"listen", "textfile"}),
    ("notify",): frozenset({"urls", "on", "down_minutes", "heartbeat_url"}),
    ("schedule",): frozenset(
        {"poll_seconds", "case_overlap_seconds", "incident_overlap_seconds"}
        | {"first_lookback_hours", "drift_check_minutes", "lag_objective_seconds"}
    ),
    ("limits",): frozenset(
        {"max_creates_per_cycle", "max_case_resolves_per_cycle", "max_incident_resolves_per_cycle"}
        | {"max_changes_on_new_config"}
    ),
    ("route", "*"): frozenset({"name", "when", "labels", "priorities", "fallback", "connector", "inbound", "outbound"}),
    ("inbound", "*"): frozenset(
        {"table", "create_when", "existing", "update_when", "on_reactivate", "reactivations_per_day", "fields"}
        | {"on_create", "on_acknowledge", "on_resolve", "on_close", "references", "states", "way_back"}
    ),
    ("inbound", "*", "references", "*"): frozenset({"table", "name_field", "default"}),
    ("outbound", "*"): frozenset({"acknowledge_on", "resolve_on", "close_on", "when", "reason"}),
}
"""Table -> its keys; ``*`` is any name or list position."""

MODES = ("act", "observe")
