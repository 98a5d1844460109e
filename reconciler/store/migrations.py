"""The schema as steps. A step that has been released is never changed; a change is a new step at the end.

Each step runs in one transaction together with the record that it was applied. The views are not steps: they are
made anew whenever their text changed, after the last step.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from reconciler.core.errors import StoreError
from reconciler.store.codec import time_text
from reconciler.store.views import VIEWS

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x43584E57
"""Marks the file as ours (``PRAGMA application_id``), so that no other program's database is ever changed."""
SCHEMA_VERSION = 3
"""How many steps there are (``PRAGMA user_version``): a file with more was made by a newer program."""

steps = Migrations("reconciler")

_SNAPSHOTS = (
    """CREATE TABLE cases (
        case_id TEXT PRIMARY KEY,
        case_key TEXT,
        status TEXT NOT NULL,
        updated_at TEXT,
        snapshot TEXT NOT NULL,
        changed_at TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX cases_by_key ON cases (case_key) WHERE case_key IS NOT NULL",
    """CREATE TABLE incidents (
        sys_id TEXT NOT NULL,
        table_name TEXT NOT NULL,
        connector TEXT NOT NULL,
        number TEXT NOT NULL,
        state TEXT NOT NULL,
        case_id TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        snapshot TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        PRIMARY KEY (sys_id, table_name, connector)
    ) STRICT""",
    "CREATE INDEX incidents_by_case ON incidents (case_id) WHERE case_id <> ''",
    "CREATE INDEX incidents_by_number ON incidents (number)",
    """CREATE TABLE quarantine (
        system TEXT NOT NULL,
        record_key TEXT NOT NULL,
        message TEXT NOT NULL,
        raw TEXT NOT NULL,
        times INTEGER NOT NULL,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        PRIMARY KEY (system, record_key)
    ) STRICT""",
)

_LINKS = (
    """CREATE TABLE links (
        case_id TEXT PRIMARY KEY REFERENCES cases (case_id),
        route TEXT NOT NULL DEFAULT '',
        inbound TEXT NOT NULL DEFAULT '',
        outbound TEXT NOT NULL DEFAULT '',
        connector TEXT NOT NULL DEFAULT '',
        table_name TEXT NOT NULL DEFAULT '',
        sys_id TEXT NOT NULL DEFAULT '',
        number TEXT NOT NULL DEFAULT '',
        generation INTEGER NOT NULL DEFAULT 1,
        case_peak INTEGER,
        incident_peak INTEGER,
        admitted INTEGER NOT NULL DEFAULT 0,
        was_active INTEGER NOT NULL DEFAULT 0,
        written TEXT NOT NULL DEFAULT '{}',
        hold TEXT,
        incident_absence TEXT,
        case_absence TEXT,
        unsettled_since TEXT,
        ignored_basis TEXT NOT NULL DEFAULT '',
        first_seen_at TEXT,
        case_stage INTEGER,
        incident_stage INTEGER,
        needs_plan INTEGER NOT NULL DEFAULT 1,
        skip_reason TEXT,
        skip_detail TEXT,
        skip_since TEXT,
        changed_at TEXT NOT NULL,
        agreed INTEGER GENERATED ALWAYS AS (min(case_peak, incident_peak)) VIRTUAL,
        next_retry_at TEXT GENERATED ALWAYS AS (json_extract(hold, '$.next_retry_at')) VIRTUAL,
        is_open INTEGER GENERATED ALWAYS AS (
            NOT (case_stage IS 4 AND unsettled_since IS NULL
                AND (sys_id = '' OR incident_stage IS 4 OR table_name = 'em_event'))
        ) VIRTUAL
    ) STRICT""",
    "CREATE INDEX links_by_record ON links (sys_id) WHERE sys_id <> ''",
    "CREATE INDEX links_by_table ON links (connector, table_name) WHERE sys_id <> ''",
    "CREATE INDEX links_by_number ON links (number) WHERE number <> ''",
    "CREATE INDEX links_to_plan ON links (case_id) WHERE needs_plan = 1",
    "CREATE INDEX links_unsettled ON links (case_id) WHERE unsettled_since IS NOT NULL",
    "CREATE INDEX links_to_retry ON links (next_retry_at) WHERE next_retry_at IS NOT NULL",
    "CREATE INDEX links_open ON links (case_id) WHERE is_open = 1",
    "CREATE INDEX links_skipped ON links (skip_reason, case_id) WHERE skip_reason IS NOT NULL",
    "CREATE INDEX links_incident_absent ON links (sys_id) WHERE incident_absence IS NOT NULL",
    "CREATE INDEX links_case_absent ON links (case_id) WHERE case_absence IS NOT NULL",
)

_JOURNAL = (
    """CREATE TABLE cycles (
        seq INTEGER PRIMARY KEY,
        cycle_id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        result TEXT,
        pulled_cases INTEGER,
        pulled_incidents INTEGER,
        planned INTEGER,
        done INTEGER,
        failed INTEGER,
        refused_because TEXT,
        config_hash TEXT NOT NULL,
        program_version TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE notifications (
        seq INTEGER PRIMARY KEY,
        cycle_id TEXT NOT NULL,
        source TEXT NOT NULL,
        case_id TEXT,
        sys_id TEXT,
        event TEXT NOT NULL,
        field TEXT NOT NULL DEFAULT '',
        from_value TEXT,
        to_value TEXT,
        actor TEXT,
        observed_at TEXT NOT NULL,
        source_time TEXT
    ) STRICT""",
    "CREATE INDEX notifications_by_case ON notifications (case_id, seq)",
    """CREATE TABLE actions (
        seq INTEGER PRIMARY KEY,
        cycle_id TEXT NOT NULL,
        key TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        kind TEXT NOT NULL,
        case_id TEXT NOT NULL,
        case_key TEXT,
        connector TEXT NOT NULL,
        table_name TEXT NOT NULL,
        sys_id TEXT NOT NULL,
        number TEXT,
        from_stage INTEGER,
        to_stage INTEGER NOT NULL,
        path TEXT NOT NULL,
        field_names TEXT NOT NULL,
        basis TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT,
        result TEXT,
        detail TEXT
    ) STRICT""",
    "CREATE INDEX actions_by_key ON actions (key)",
    "CREATE INDEX actions_by_case ON actions (case_id, seq)",
    "CREATE INDEX actions_unfinished ON actions (seq) WHERE result IS NULL",
    """CREATE TABLE http (
        seq INTEGER PRIMARY KEY,
        cycle_id TEXT NOT NULL,
        action_seq INTEGER REFERENCES actions (seq),
        system TEXT NOT NULL,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        status INTEGER,
        duration_ms INTEGER NOT NULL,
        request_id TEXT,
        attempt INTEGER NOT NULL,
        sent_at TEXT NOT NULL,
        body TEXT
    ) STRICT""",
    "CREATE INDEX http_by_action ON http (action_seq) WHERE action_seq IS NOT NULL",
)

_SMALL = (
    """CREATE TABLE cursors (
        name TEXT PRIMARY KEY,
        time TEXT,
        resume TEXT NOT NULL,
        moved_at TEXT NOT NULL
    ) STRICT""",
    "CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    """CREATE TABLE reference_names (
        connector TEXT NOT NULL,
        table_name TEXT NOT NULL,
        name TEXT NOT NULL,
        sys_id TEXT NOT NULL,
        found_at TEXT NOT NULL,
        PRIMARY KEY (connector, table_name, name)
    ) STRICT""",
    """CREATE TABLE wishes (
        seq INTEGER PRIMARY KEY,
        case_id TEXT NOT NULL REFERENCES links (case_id),
        kind TEXT NOT NULL,
        basis TEXT NOT NULL,
        asked_by TEXT NOT NULL,
        asked_at TEXT NOT NULL
    ) STRICT""",
)


@steps()
def first_tables(db: Database) -> None:
    """Make the tables of the first version."""
    for statement in (*_SNAPSHOTS, *_LINKS, *_JOURNAL, *_SMALL):
        db.execute(statement)


@steps()
def lowest_stages(db: Database) -> None:
    """Remember the lowest stage at which each Case was seen; of older links the journal tells the first."""
    db.execute("ALTER TABLE links ADD COLUMN case_low INTEGER")
    db.execute(
        """UPDATE links SET case_low = coalesce((SELECT CASE n.to_value WHEN 'CLOSED' THEN 4 WHEN 'RESOLVED' THEN 3
            WHEN 'ACKNOWLEDGED' THEN 2 ELSE 1 END FROM notifications n WHERE n.case_id = links.case_id
            AND n.source = 'coralogix' AND n.event = 'first_seen' ORDER BY n.seq LIMIT 1), case_stage)"""
    )


@steps()
def one_word_for_one_thing(db: Database) -> None:
    """Give columns and tables the names that the program has for them."""
    for view in [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()]:
        db.execute(f"DROP VIEW {view}")
    db.execute("ALTER TABLE links RENAME COLUMN unsettled_since TO create_in_doubt_since")
    db.execute("ALTER TABLE links RENAME COLUMN ignored_basis TO ignored_fingerprint")
    db.execute("ALTER TABLE actions RENAME COLUMN basis TO fingerprint")
    db.execute("ALTER TABLE wishes RENAME TO hold_requests")
    db.execute("ALTER TABLE hold_requests RENAME COLUMN basis TO fingerprint")


def refuse_foreign(db: sqlite3.Connection, path: str) -> None:
    """Raise StoreError for a database that another program, or a newer version of this one, made. Changes nothing."""
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(f"{path}: belongs to another program; choose another [state] path")
        return
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: was made by a newer version of this program (schema {version}, this one knows "
            f"{SCHEMA_VERSION}); install that version, or restore a backup made before it"
        )


def is_older(connection: sqlite3.Connection) -> bool:
    """Say whether a database was made by an older version of this program, so that migrating it changes it."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return 0 < version < SCHEMA_VERSION


def migrate(connection: sqlite3.Connection, *, now: datetime) -> None:
    """Bring a database to this version's schema, all steps or none; ``now`` goes into the record of each step.

    Call it inside a transaction, so that no second process stands between the look and the change.
    """
    db = Database(connection, execute_plugins=False, strict=True)
    pending = [step.name for step in steps.pending(db)]
    if pending:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        steps.apply(db)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        marks = ", ".join("?" * len(pending))
        db.execute(
            f"UPDATE {steps.migrations_table} SET applied_at = ? WHERE name IN ({marks})",  # noqa: S608
            [time_text(now), *pending],
        )
    for name, sql in VIEWS.items():
        db.create_view(name, sql, replace=True)
