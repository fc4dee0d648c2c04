-- Payloads and whole snapshots are compressed from here on (BLOB); what was written before stays as it is (TEXT). NULL for the
-- bastion means the one that `meta` names, which every event of a record has in common.
ALTER TABLE events RENAME TO events_before;
DROP INDEX events_by_command;
CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,
    bastion_id     TEXT,
    kind           TEXT NOT NULL,
    session_id     TEXT,
    command_id     INTEGER,
    at             TEXT NOT NULL,
    payload        ANY NOT NULL CHECK (iif(typeof(payload) = 'text', json_valid(payload), typeof(payload) = 'blob')),
    payload_digest BLOB NOT NULL CHECK (length(payload_digest) = 32),
    digest         BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT;
INSERT INTO events SELECT seq, bastion_id, kind, session_id, command_id, at, payload, payload_digest, digest FROM events_before ORDER BY seq;
DROP TABLE events_before;
CREATE INDEX events_by_command ON events (command_id) WHERE command_id IS NOT NULL;
CREATE TRIGGER events_are_only_appended BEFORE INSERT ON events WHEN EXISTS (SELECT 1 FROM events WHERE seq >= NEW.seq)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

ALTER TABLE system_contexts RENAME TO contexts_before;
DROP INDEX contexts_by_target;
CREATE TABLE system_contexts (
    id       INTEGER PRIMARY KEY,
    target   TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    profile  TEXT CHECK (json_valid(profile)),
    snapshot ANY NOT NULL CHECK (iif(typeof(snapshot) = 'text', json_valid(snapshot), typeof(snapshot) = 'blob'))
) STRICT;
INSERT INTO system_contexts SELECT id, target, taken_at, profile, snapshot FROM contexts_before ORDER BY id;
DROP TABLE contexts_before;
CREATE INDEX contexts_by_target ON system_contexts (target, taken_at);
