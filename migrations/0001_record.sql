-- The record, version 1. ARCHITECTURE.md has the meaning of the columns.
-- NULL means not known, never false or none. Times are RFC 3339 in UTC with six fractional digits, so that they sort as text.
PRAGMA application_id = 0x4f50494c;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The append-only truth: what was asked of the record, in order, each event sealed together with all before it.
CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,
    bastion_id     TEXT NOT NULL,
    kind           TEXT NOT NULL,
    session_id     TEXT,
    command_id     INTEGER,
    at             TEXT NOT NULL,
    payload        TEXT NOT NULL CHECK (json_valid(payload)),
    payload_digest BLOB NOT NULL CHECK (length(payload_digest) = 32),
    digest         BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
CREATE INDEX events_by_command ON events (command_id) WHERE command_id IS NOT NULL;
CREATE TRIGGER events_are_only_appended BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE seq >= NEW.seq)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- One SSH connection of a user.
CREATE TABLE sessions (
    id             TEXT PRIMARY KEY NOT NULL,
    bastion_id     TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    roles          TEXT NOT NULL CHECK (json_valid(roles)),
    target         TEXT,
    login          TEXT,
    client_address TEXT NOT NULL,
    client_version TEXT NOT NULL,
    channel_info   TEXT CHECK (json_valid(channel_info)),
    state          TEXT NOT NULL CHECK (state IN ('open', 'closed', 'interrupted')),
    started_at     TEXT NOT NULL,
    ended_at       TEXT,
    end_reason     TEXT,
    CHECK (state = 'open' OR end_reason IS NOT NULL),
    CHECK (state <> 'open' OR (ended_at IS NULL AND end_reason IS NULL)),
    CHECK (state <> 'closed' OR ended_at IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_start ON sessions (started_at);
CREATE INDEX sessions_open ON sessions (state) WHERE state = 'open';

-- One command's whole life.
CREATE TABLE command_executions (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    uid                    TEXT NOT NULL UNIQUE,
    bastion_id             TEXT NOT NULL,
    session_id             TEXT NOT NULL REFERENCES sessions (id),
    parent_id              INTEGER REFERENCES command_executions (id) ON DELETE SET NULL,
    timestamp              TEXT NOT NULL,
    -- Who, where, through what.
    user_id                TEXT NOT NULL,
    target                 TEXT NOT NULL,
    login                  TEXT NOT NULL,
    channel                TEXT NOT NULL,
    host_info              TEXT NOT NULL CHECK (json_valid(host_info)),
    cwd                    TEXT,
    cwd_after              TEXT,
    -- What: the redacted text, and the proof of the exact bytes.
    command                TEXT NOT NULL,
    command_mac            TEXT NOT NULL,
    exactness              TEXT NOT NULL CHECK (exactness IN ('exact', 'screen', 'unknown')),
    command_hash           TEXT NOT NULL,
    pattern                TEXT NOT NULL,
    pattern_version        INTEGER NOT NULL,
    -- How it was judged; NULL where it is not known what runs.
    initial_risk_level     TEXT CHECK (initial_risk_level IN ('low', 'medium', 'high', 'critical')),
    initial_risk_score     REAL CHECK (initial_risk_score BETWEEN 0 AND 1),
    ml_risk_level          TEXT CHECK (ml_risk_level IN ('low', 'medium', 'high', 'critical')),
    ml_confidence          REAL CHECK (ml_confidence BETWEEN 0 AND 1),
    final_risk_level       TEXT CHECK (final_risk_level IN ('low', 'medium', 'high', 'critical')),
    final_risk_score       REAL CHECK (final_risk_score BETWEEN 0 AND 1),
    reasons                TEXT CHECK (json_valid(reasons)),
    features               TEXT CHECK (json_valid(features)),
    feature_digest         TEXT,
    model_digest           TEXT,
    decision               TEXT NOT NULL CHECK (decision IN ('allow', 'warn', 'confirm', 'deny')),
    policy                 TEXT,
    -- Where it stands.
    state                  TEXT NOT NULL CHECK (state IN ('held', 'denied', 'refused', 'expired', 'abandoned',
                                                          'running', 'finished', 'interrupted')),
    state_reason           TEXT,
    -- What the user answered.
    user_confirmed         INTEGER CHECK (user_confirmed IN (0, 1)),
    confirmation_time_ms   INTEGER CHECK (confirmation_time_ms >= 0),
    answered_by            TEXT,
    answer_channel         TEXT CHECK (answer_channel IN ('terminal', 'stdin', 'console')),
    -- How it ended.
    execution_success      INTEGER CHECK (execution_success IN (0, 1)),
    exit_code              INTEGER CHECK (exit_code >= 0),
    exit_signal            TEXT,
    execution_time_ms      INTEGER CHECK (execution_time_ms >= 0),
    stdout_length          INTEGER CHECK (stdout_length >= 0),
    stderr_length          INTEGER CHECK (stderr_length >= 0),
    -- What it did to the target.
    system_context         TEXT CHECK (json_valid(system_context)),
    context_missing        TEXT,
    system_context_after   TEXT CHECK (json_valid(system_context_after)),
    context_after_missing  TEXT,
    actual_impact          TEXT CHECK (actual_impact IN ('none', 'minor', 'moderate', 'severe')),
    impact_evidence        TEXT CHECK (json_valid(impact_evidence)),
    -- What people said of it afterwards.
    user_feedback          TEXT,
    feedback_rating        INTEGER CHECK (feedback_rating BETWEEN 1 AND 5),

    -- A scoring is whole or absent.
    CHECK ((final_risk_level IS NULL) = (final_risk_score IS NULL)),
    CHECK ((final_risk_level IS NULL) = (initial_risk_level IS NULL)),
    CHECK ((final_risk_level IS NULL) = (initial_risk_score IS NULL)),
    CHECK ((final_risk_level IS NULL) = (reasons IS NULL)),
    CHECK ((final_risk_level IS NULL) = (features IS NULL)),
    CHECK ((final_risk_level IS NULL) = (feature_digest IS NULL)),
    CHECK (ml_risk_level IS NULL OR final_risk_level IS NOT NULL),
    CHECK ((ml_risk_level IS NULL) = (ml_confidence IS NULL)),
    CHECK (state = 'denied' OR decision <> 'deny'),
    CHECK (state <> 'held' OR decision = 'confirm'),
    CHECK (system_context IS NULL OR context_missing IS NULL),
    CHECK (system_context_after IS NULL OR context_after_missing IS NULL),
    -- An answer is whole or absent, and agrees with the state.
    CHECK ((user_confirmed IS NULL) = (confirmation_time_ms IS NULL)),
    CHECK ((user_confirmed IS NULL) = (answered_by IS NULL)),
    CHECK ((user_confirmed IS NULL) = (answer_channel IS NULL)),
    CHECK (CASE user_confirmed WHEN 1 THEN state IN ('running', 'finished', 'interrupted') WHEN 0 THEN state = 'refused' ELSE 1 END),
    -- Nothing is known of an end that was not seen, and nothing at all of a run that was not.
    CHECK (state = 'finished' OR (execution_success IS NULL AND exit_code IS NULL AND exit_signal IS NULL)),
    CHECK (exit_code IS NULL OR exit_signal IS NULL),
    CHECK (state IN ('finished', 'interrupted') OR (
        execution_time_ms IS NULL AND stdout_length IS NULL AND stderr_length IS NULL AND cwd_after IS NULL
        AND system_context_after IS NULL AND context_after_missing IS NULL
        AND actual_impact IS NULL AND impact_evidence IS NULL))
) STRICT;
CREATE INDEX commands_by_time ON command_executions (timestamp);
CREATE INDEX commands_by_user ON command_executions (user_id);
CREATE INDEX commands_by_target ON command_executions (target);
CREATE INDEX commands_by_level ON command_executions (final_risk_level);
CREATE INDEX commands_by_decision ON command_executions (decision);
CREATE INDEX commands_by_session ON command_executions (session_id);
CREATE INDEX commands_by_parent ON command_executions (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX commands_open ON command_executions (state) WHERE state IN ('held', 'running');

-- What became of one kind of command on one target.
CREATE TABLE command_patterns (
    command_hash      TEXT NOT NULL,
    target            TEXT NOT NULL,
    pattern           TEXT NOT NULL,
    pattern_version   INTEGER NOT NULL,
    seen              INTEGER NOT NULL DEFAULT 0,
    confirmed         INTEGER NOT NULL DEFAULT 0,
    refused           INTEGER NOT NULL DEFAULT 0,
    succeeded         INTEGER NOT NULL DEFAULT 0,
    failed            INTEGER NOT NULL DEFAULT 0,
    impact_none       INTEGER NOT NULL DEFAULT 0,
    impact_minor      INTEGER NOT NULL DEFAULT 0,
    impact_moderate   INTEGER NOT NULL DEFAULT 0,
    impact_severe     INTEGER NOT NULL DEFAULT 0,
    durations         INTEGER NOT NULL DEFAULT 0,
    duration_ms_total INTEGER NOT NULL DEFAULT 0,
    duration_ms_max   INTEGER NOT NULL DEFAULT 0,
    first_seen        TEXT NOT NULL,
    last_seen         TEXT NOT NULL,
    PRIMARY KEY (command_hash, target)
) STRICT, WITHOUT ROWID;

-- How often one user ran one kind of command, anywhere.
CREATE TABLE user_patterns (
    user_id      TEXT NOT NULL,
    command_hash TEXT NOT NULL,
    seen         INTEGER NOT NULL,
    last_seen    TEXT NOT NULL,
    PRIMARY KEY (user_id, command_hash)
) STRICT, WITHOUT ROWID;

-- What one user, or everybody with one role, does.
CREATE TABLE user_behavior (
    scope                 TEXT NOT NULL CHECK (scope IN ('user', 'role')),
    name                  TEXT NOT NULL,
    commands              INTEGER NOT NULL DEFAULT 0,
    ran                   INTEGER NOT NULL DEFAULT 0,
    asked                 INTEGER NOT NULL DEFAULT 0,
    confirmed             INTEGER NOT NULL DEFAULT 0,
    refused               INTEGER NOT NULL DEFAULT 0,
    expired               INTEGER NOT NULL DEFAULT 0,
    denied                INTEGER NOT NULL DEFAULT 0,
    succeeded             INTEGER NOT NULL DEFAULT 0,
    failed                INTEGER NOT NULL DEFAULT 0,
    confirmation_ms_total INTEGER NOT NULL DEFAULT 0,
    -- Commands by hour of the day, UTC.
    hours                 TEXT NOT NULL DEFAULT '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' CHECK (json_array_length(hours) = 24),
    first_seen            TEXT NOT NULL,
    last_seen             TEXT NOT NULL,
    refusal_rate          REAL GENERATED ALWAYS AS (CAST(refused AS REAL) / NULLIF(confirmed + refused, 0)) VIRTUAL,
    failure_rate          REAL GENERATED ALWAYS AS (CAST(failed AS REAL) / NULLIF(succeeded + failed, 0)) VIRTUAL,
    confirmation_ms_mean  REAL GENERATED ALWAYS AS (CAST(confirmation_ms_total AS REAL) / NULLIF(confirmed + refused, 0)) VIRTUAL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- Targets as they were seen: what seldom changes, and the whole snapshot.
CREATE TABLE system_contexts (
    id       INTEGER PRIMARY KEY,
    target   TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    profile  TEXT CHECK (json_valid(profile)),
    snapshot TEXT NOT NULL CHECK (json_valid(snapshot))
) STRICT;
CREATE INDEX contexts_by_target ON system_contexts (target, taken_at);

-- Every attempt to train a forest, installed or not.
CREATE TABLE training_sessions (
    id           INTEGER PRIMARY KEY,
    started_at   TEXT NOT NULL,
    finished_at  TEXT,
    samples      INTEGER NOT NULL CHECK (samples >= 0),
    metrics      TEXT CHECK (json_valid(metrics)),
    model_digest TEXT,
    installed    INTEGER NOT NULL CHECK (installed IN (0, 1)),
    reason       TEXT NOT NULL
) STRICT;
