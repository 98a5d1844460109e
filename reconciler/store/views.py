"""The six views that auditors, dashboards and scripts read; their columns are the public contract.

Tables may change between versions; these names, columns and words may not.
"""
# ruff: noqa: S608 - the words that are put into SQL here are our own enums'

from __future__ import annotations

from reconciler.core.model import HOLD_REASONS, Stage


def _word(column: str) -> str:
    """Give SQL that turns a stage's number into its word."""
    whens = " ".join(f"WHEN {stage.value} THEN '{stage.word}'" for stage in Stage)
    return f"CASE {column} {whens} END"


HOLDS_SQL = ", ".join(f"'{reason}'" for reason in sorted(HOLD_REASONS))
"""The reasons that wait for a person, as a list for SQL's IN."""

VIEWS: dict[str, str] = {
    "audit_links": f"""SELECT
    l.case_id, c.case_key, c.status AS case_status,
    nullif(l.connector, '') AS connector, nullif(l.table_name, '') AS target_table,
    nullif(l.sys_id, '') AS sys_id, nullif(l.number, '') AS number, i.state AS incident_state,
    {_word("l.case_stage")} AS case_stage, {_word("l.incident_stage")} AS incident_stage,
    {_word("l.agreed")} AS agreed_stage,
    l.skip_reason AS hold_reason, l.skip_detail AS hold_detail,
    l.first_seen_at AS created_at, l.changed_at AS updated_at
FROM links l
JOIN cases c ON c.case_id = l.case_id
LEFT JOIN incidents i
    ON l.sys_id <> '' AND i.sys_id = l.sys_id AND i.table_name = l.table_name AND i.connector = l.connector""",
    "audit_notifications": """SELECT
    seq, cycle_id, source, case_id, sys_id, event,
    CASE WHEN field = '' THEN from_value ELSE field || '=' || coalesce(from_value, '') END AS from_value,
    CASE WHEN field = '' THEN to_value ELSE field || '=' || coalesce(to_value, '') END AS to_value,
    actor, observed_at, source_time
FROM notifications""",
    "audit_actions": f"""SELECT
    seq, cycle_id, key, kind, case_id, nullif(connector, '') AS connector, nullif(sys_id, '') AS sys_id,
    {_word("from_stage")} AS from_stage, {_word("to_stage")} AS to_stage,
    result, detail, attempts, started_at, finished_at
FROM actions""",
    "audit_cycles": """SELECT
    cycle_id, kind, started_at, finished_at, result, pulled_cases, pulled_incidents, planned, done, failed,
    refused_because, config_hash, program_version
FROM cycles""",
    "audit_http": """SELECT
    seq, cycle_id, action_seq, system, method, path, status, duration_ms, request_id, attempt, sent_at
FROM http""",
    "audit_holds": f"""SELECT
    l.case_id, c.case_key, nullif(l.number, '') AS number, l.skip_reason AS reason, l.skip_detail AS detail,
    coalesce(CASE l.skip_reason WHEN 'rejected' THEN json_extract(l.hold, '$.since') END, l.skip_since) AS since,
    l.next_retry_at
FROM links l
JOIN cases c ON c.case_id = l.case_id
WHERE l.skip_reason IN ({HOLDS_SQL})""",
}
"""View name -> the SELECT that makes it."""
