"""The schema as steps. A step that has been released is never changed; a change is a new step at the end.

All that are pending run in one transaction together with the record that they were applied. Loaded only by who has a
database that needs them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlite_utils import Database, Migrations

from reconciler.store.database.codec import time_text
from reconciler.store.database.triggers import renew_triggers, start_chain

if TYPE_CHECKING:
    import sqlite3

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
    """Rename columns and tables to the words that the program uses."""
    for view in [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()]:
        db.execute(f"DROP VIEW {view}")
    db.execute("ALTER TABLE links RENAME COLUMN unsettled_since TO create_in_doubt_since")
    db.execute("ALTER TABLE links RENAME COLUMN ignored_basis TO ignored_fingerprint")
    db.execute("ALTER TABLE actions RENAME COLUMN basis TO fingerprint")
    db.execute("ALTER TABLE wishes RENAME TO hold_requests")
    db.execute("ALTER TABLE hold_requests RENAME COLUMN basis TO fingerprint")


_EVIDENCE = (
    """CREATE TABLE running (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        cycle_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        started_at TEXT NOT NULL,
        config_hash TEXT NOT NULL,
        program_version TEXT NOT NULL
    ) STRICT""",
    "ALTER TABLE cycles ADD COLUMN sides TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE cycles ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE cycles ADD COLUMN last_at TEXT",
    "ALTER TABLE cycles ADD COLUMN last_cycle_id TEXT",
    "ALTER TABLE cycles ADD COLUMN repeat_hash BLOB",
    "ALTER TABLE actions ADD COLUMN cause_seq INTEGER",
    "ALTER TABLE links ADD COLUMN out_of_step_since TEXT",
    """CREATE TABLE written_values (
        seq INTEGER PRIMARY KEY,
        action_seq INTEGER NOT NULL REFERENCES actions (seq),
        field TEXT NOT NULL,
        old_value TEXT,
        new_value TEXT NOT NULL,
        kept_value TEXT
    ) STRICT""",
    """CREATE TABLE people (
        seq INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        what TEXT NOT NULL,
        os_user TEXT NOT NULL,
        host TEXT NOT NULL,
        arguments TEXT NOT NULL,
        detail TEXT
    ) STRICT""",
    """CREATE TABLE configs (
        config_hash TEXT PRIMARY KEY,
        first_used_at TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE seals (
        seq INTEGER PRIMARY KEY,
        table_name TEXT NOT NULL,
        rows INTEGER NOT NULL,
        first_key INTEGER NOT NULL,
        last_key INTEGER NOT NULL,
        hash BLOB NOT NULL,
        pruned_before TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE ledger (
        seq INTEGER PRIMARY KEY,
        table_name TEXT NOT NULL,
        key ANY NOT NULL,
        row_hash BLOB NOT NULL,
        chain BLOB NOT NULL,
        seal INTEGER
    ) STRICT""",
    """CREATE TABLE ledger_head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        seq INTEGER NOT NULL,
        chain BLOB NOT NULL
    ) STRICT""",
)
_FASTER = (
    "CREATE INDEX ledger_by_row ON ledger (table_name, key)",
    "CREATE INDEX notifications_by_cycle ON notifications (cycle_id)",
    "CREATE INDEX notifications_by_time ON notifications (observed_at)",
    "CREATE INDEX actions_by_cycle ON actions (cycle_id)",
    "CREATE INDEX actions_by_time ON actions (started_at)",
    "CREATE INDEX actions_by_cause ON actions (cause_seq) WHERE cause_seq IS NOT NULL",
    "CREATE INDEX http_by_cycle ON http (cycle_id)",
    "CREATE INDEX http_by_time ON http (sent_at)",
    "CREATE INDEX cycles_by_kind ON cycles (kind, seq)",
    "CREATE INDEX cycles_by_time ON cycles (started_at)",
    "CREATE INDEX cycles_by_config ON cycles (config_hash, started_at)",
    "CREATE INDEX written_values_by_action ON written_values (action_seq)",
    # Views show an empty name as none; a look-up through them needs an index on what they show.
    "CREATE INDEX links_by_shown_number ON links (nullif(number, ''))",
    "CREATE INDEX links_by_shown_record ON links (nullif(sys_id, ''))",
)


@steps()
def evidence(db: Database) -> None:
    """Chain what is evidence, count quiet cycles on one row, and find every row of a view by an index."""
    for statement in _EVIDENCE:
        db.execute(statement)
    # Until now a cycle had its row from its beginning.
    db.execute(
        """UPDATE cycles SET result = 'failed', finished_at = started_at,
        refused_because = 'the program ended before the cycle did' WHERE finished_at IS NULL"""
    )
    db.execute("UPDATE links SET out_of_step_since = changed_at WHERE case_stage IS NOT incident_stage")
    for statement in _FASTER:
        db.execute(statement)


@steps()
def what_became_of_our_writes(db: Database) -> None:
    """Remember of each link what its record kept, which notes were sent, what came to nothing."""
    db.execute("ALTER TABLE links ADD COLUMN kept TEXT NOT NULL DEFAULT '{}'")
    db.execute("ALTER TABLE links ADD COLUMN noted TEXT NOT NULL DEFAULT '{}'")
    db.execute("ALTER TABLE links ADD COLUMN tries TEXT")
    db.execute("ALTER TABLE links ADD COLUMN reactivations TEXT NOT NULL DEFAULT '[]'")
    db.execute("ALTER TABLE http ADD COLUMN outcome TEXT")
    db.execute("ALTER TABLE actions ADD COLUMN sent TEXT")


@steps()
def earlier_records(db: Database) -> None:
    """Remember of each link the records that it had before."""
    db.execute("ALTER TABLE links ADD COLUMN earlier TEXT NOT NULL DEFAULT '[]'")


@steps()
def mode_of_cycles(db: Database) -> None:
    """Remember of each cycle whether it only observed."""
    db.execute("ALTER TABLE running ADD COLUMN mode TEXT")
    db.execute("ALTER TABLE cycles ADD COLUMN mode TEXT")


_AS_TOLD = (
    "ALTER TABLE notifications ADD COLUMN stage INTEGER",
    "ALTER TABLE notifications ADD COLUMN words TEXT",
    "ALTER TABLE notifications ADD COLUMN event_id TEXT",
    """CREATE UNIQUE INDEX notifications_by_event ON notifications (event_id, event, source_time)
        WHERE event_id IS NOT NULL""",
    """CREATE TABLE steps_due (
        source TEXT NOT NULL,
        connector TEXT NOT NULL,
        table_name TEXT NOT NULL,
        id TEXT NOT NULL,
        since TEXT NOT NULL,
        is_new INTEGER NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        next_at TEXT NOT NULL DEFAULT '',
        doubt TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (source, connector, table_name, id)
    ) STRICT""",
    "CREATE INDEX steps_due_by_time ON steps_due (source, connector, next_at)",
)


@steps()
def steps_as_told(db: Database) -> None:
    """Keep of each step what its own service wrote down about it, and where the side then stood."""
    for statement in _AS_TOLD:
        db.execute(statement)


@steps()
def records_by_other_means(db: Database) -> None:
    """Remember of each link the record by other means that stands for its Case."""
    db.execute("ALTER TABLE links ADD COLUMN elsewhere TEXT")


_BACKFILLS = (
    """CREATE TABLE backfills (
        seq INTEGER PRIMARY KEY,
        asked TEXT NOT NULL,
        progress TEXT NOT NULL,
        state TEXT NOT NULL,
        asked_at TEXT NOT NULL,
        seen_at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE backfill_parts (
        seq INTEGER PRIMARY KEY,
        backfill_seq INTEGER NOT NULL REFERENCES backfills (seq),
        document TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX backfill_parts_of ON backfill_parts (backfill_seq)",
)


@steps()
def backfills_handed_over(db: Database) -> None:
    """Hand backfills from the command to the daemon."""
    for statement in _BACKFILLS:
        db.execute(statement)


def apply_steps(connection: sqlite3.Connection, *, now: datetime) -> None:
    """Apply the steps that a database has not seen, all or none; ``now`` goes into the record of each.

    Call it inside a transaction, so that no second process stands between the look and the change.
    """
    db = Database(connection, execute_plugins=False, strict=True)
    pending = [step.name for step in steps.pending(db)]
    steps.apply(db)
    if "evidence" in pending:
        start_chain(connection, now)
    else:
        renew_triggers(connection)
    marks = ", ".join("?" * len(pending))
    db.execute(
        f"UPDATE {steps.migrations_table} SET applied_at = ? WHERE name IN ({marks})",  # noqa: S608
        [time_text(now), *pending],
    )
