"""The views that auditors, dashboards and scripts read.

Tables may change between versions; the names, columns and words of the views are the public contract.
"""
# ruff: noqa: S608 - the words that are put into SQL here are our own enums'

from __future__ import annotations

from reconciler.core.model import HOLD_REASONS, Stage


def _word(column: str) -> str:
    """Return SQL that turns a stage's number into its word."""
    whens = " ".join(f"WHEN {stage.value} THEN '{stage.word}'" for stage in Stage)
    return f"CASE {column} {whens} END"


def _first_step(source: str, stage: Stage, event: str, values: str) -> str:
    """Return SQL of the first time at which one side came to a stage.

    What the service itself tells of the step goes before what was seen of it. Rows of older versions have no stage; for
    them the service's usual ``values`` count.
    """
    here = "n.case_id = l.case_id" + (" AND n.sys_id = l.sys_id" if source == "servicenow" else "")
    at = "coalesce(n.source_time, n.observed_at)"
    return f"""(SELECT coalesce(min(CASE WHEN n.event_id IS NOT NULL THEN {at} END), min({at}))
        FROM notifications n WHERE {here} AND n.source = '{source}' AND (n.stage = {stage.value}
            OR (n.stage IS NULL AND n.event IN ('first_seen', '{event}') AND n.to_value IN ({values}))))"""


GAP_SECONDS = 600
"""Two readings of one side that lie further apart than this are shown as a gap."""
HOLDS_SQL = ", ".join(f"'{reason}'" for reason in sorted(HOLD_REASONS))
"""The reasons that wait for a person, as a list for SQL's IN."""

CYCLE_COLUMNS = (
    "cycle_id, kind, started_at, finished_at, result, pulled_cases, pulled_incidents, planned, done, failed, "
    "refused_because, config_hash, program_version, repeated, last_at, last_cycle_id, coalesce(mode, 'act') AS mode"
)
LATEST = 8
"""More rows than there are kinds of cycles, so the row whose counter may still grow is among the last of these."""
RUNNING_CYCLE = f"""SELECT
    cycle_id, kind, started_at, NULL AS finished_at, NULL AS result, NULL AS pulled_cases, NULL AS pulled_incidents,
    NULL AS planned, NULL AS done, NULL AS failed, NULL AS refused_because, config_hash, program_version, 0 AS repeated,
    NULL AS last_at, NULL AS last_cycle_id, coalesce(mode, 'act') AS mode
FROM running
WHERE NOT EXISTS (SELECT 1 FROM (SELECT c.cycle_id, c.last_cycle_id FROM cycles c ORDER BY c.seq DESC LIMIT {LATEST}) e
    WHERE running.cycle_id IN (e.cycle_id, e.last_cycle_id))"""
"""The cycle that was begun last, as a row of ``audit_cycles``, unless it has ended."""
VIEWS: dict[str, str] = {
    "audit_links": f"""SELECT
    l.case_id, c.case_key, c.status AS case_status,
    nullif(l.connector, '') AS connector, nullif(l.table_name, '') AS target_table,
    nullif(l.sys_id, '') AS sys_id, nullif(l.number, '') AS number, i.state AS incident_state,
    {_word("l.case_stage")} AS case_stage, {_word("l.incident_stage")} AS incident_stage,
    {_word("l.agreed")} AS agreed_stage,
    l.skip_reason AS hold_reason, l.skip_detail AS hold_detail,
    l.first_seen_at AS created_at, l.changed_at AS updated_at, l.out_of_step_since
FROM links l
JOIN cases c ON c.case_id = l.case_id
LEFT JOIN incidents i
    ON l.sys_id <> '' AND i.sys_id = l.sys_id AND i.table_name = l.table_name AND i.connector = l.connector""",
    "audit_notifications": """SELECT
    seq, cycle_id, source, case_id, sys_id, event,
    CASE WHEN field = '' THEN from_value ELSE field || '=' || coalesce(from_value, '') END AS from_value,
    CASE WHEN field = '' THEN to_value ELSE field || '=' || coalesce(to_value, '') END AS to_value,
    actor, observed_at, source_time, words, event_id
FROM notifications""",
    "audit_actions": f"""SELECT
    seq, cycle_id, key, kind, case_id, nullif(connector, '') AS connector, nullif(sys_id, '') AS sys_id,
    {_word("from_stage")} AS from_stage, {_word("to_stage")} AS to_stage,
    result, detail, attempts, started_at, finished_at, cause_seq
FROM actions""",
    "audit_cycles": f"""SELECT
    {CYCLE_COLUMNS}
FROM cycles
UNION ALL {RUNNING_CYCLE}""",
    "audit_http": """SELECT
    h.seq, h.cycle_id, h.action_seq, h.system, h.method, h.path, h.status, h.duration_ms, h.request_id, h.attempt,
    h.sent_at, coalesce(c.repeated, 0) AS repeated, c.last_at, h.outcome
FROM http h
LEFT JOIN cycles c ON c.cycle_id = h.cycle_id AND h.action_seq IS NULL
UNION ALL SELECT
    NULL, cycle_id, seq, CASE kind WHEN 'advance_case' THEN 'coralogix' ELSE 'servicenow' END,
    substr(sent, 1, instr(sent, ' ') - 1), substr(sent, instr(sent, ' ') + 1), NULL, NULL, NULL, 1, started_at, 0, NULL,
    'sent, outcome unknown'
FROM actions WHERE result IS NULL AND sent <> ''""",
    "audit_holds": f"""SELECT
    l.case_id, c.case_key, nullif(l.number, '') AS number, l.skip_reason AS reason, l.skip_detail AS detail,
    coalesce(CASE l.skip_reason WHEN 'rejected' THEN json_extract(l.hold, '$.since') END, l.skip_since) AS since,
    l.next_retry_at
FROM links l
JOIN cases c ON c.case_id = l.case_id
WHERE l.skip_reason IN ({HOLDS_SQL})""",
    "audit_values": """SELECT
    v.action_seq, a.case_id, nullif(a.sys_id, '') AS sys_id, v.field, v.old_value, v.new_value, v.kept_value
FROM written_values v
JOIN actions a ON a.seq = v.action_seq""",
    "audit_steps": f"""SELECT
    l.case_id, c.case_key, nullif(l.number, '') AS number,
    json_extract(c.snapshot, '$.created_at') AS case_opened_at,
    {_first_step("coralogix", Stage.ACKNOWLEDGED, "status", "'ACKNOWLEDGED'")} AS case_acknowledged_at,
    {_first_step("coralogix", Stage.RESOLVED, "status", "'RESOLVED'")} AS case_resolved_at,
    {_first_step("coralogix", Stage.CLOSED, "status", "'CLOSED'")} AS case_closed_at,
    json_extract(i.snapshot, '$.created_at') AS incident_created_at,
    {_first_step("servicenow", Stage.ACKNOWLEDGED, "state", "'2', '3'")} AS incident_acknowledged_at,
    {_first_step("servicenow", Stage.RESOLVED, "state", "'6'")} AS incident_resolved_at,
    {_first_step("servicenow", Stage.CLOSED, "state", "'7', '8'")} AS incident_closed_at
FROM links l
JOIN cases c ON c.case_id = l.case_id
LEFT JOIN incidents i
    ON l.sys_id <> '' AND i.sys_id = l.sys_id AND i.table_name = l.table_name AND i.connector = l.connector""",
    "audit_lag": """SELECT
    a.seq AS action_seq, a.case_id,
    CASE n.source WHEN 'coralogix' THEN 'to_servicenow' ELSE 'to_coralogix' END AS direction,
    coalesce(n.source_time, n.observed_at) AS changed_at, a.finished_at AS written_at,
    round((julianday(a.finished_at) - julianday(coalesce(n.source_time, n.observed_at))) * 86400, 3) AS lag_seconds
FROM actions a
JOIN notifications n ON n.seq = a.cause_seq
WHERE a.result = 'done'""",
    "audit_people": """SELECT
    seq, at, what, os_user, host, arguments, detail
FROM people""",
    "audit_configs": """SELECT
    g.config_hash, g.first_used_at,
    coalesce((SELECT max(coalesce(c.last_at, c.started_at)) FROM cycles c WHERE c.config_hash = g.config_hash),
        g.first_used_at) AS last_used_at, g.text
FROM configs g""",
    "audit_pruned": """SELECT
    seq, at, table_name AS evidence, rows, first_key, last_key, pruned_before, lower(hex(hash)) AS hash
FROM seals""",
    "audit_gaps": f"""SELECT
    side, from_at, to_at, round((julianday(to_at) - julianday(from_at)) * 86400, 3) AS seconds,
    coalesce((SELECT c.refused_because FROM cycles c
        WHERE c.started_at > from_at AND c.started_at < to_at AND c.refused_because IS NOT NULL
        ORDER BY c.started_at LIMIT 1), 'no cycle ran') AS reason
FROM (
    SELECT s.value AS side, c.started_at AS to_at,
        max(coalesce(c.last_at, c.finished_at)) OVER (
            PARTITION BY s.value ORDER BY c.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS from_at
    FROM cycles c, json_each(c.sides) s
)
WHERE julianday(to_at) - julianday(from_at) > {GAP_SECONDS}.0 / 86400""",
}
"""View name -> the SELECT that makes it."""
