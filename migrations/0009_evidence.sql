-- What makes tampering evident, and what lets payloads be erased without it. ARCHITECTURE.md has the meaning of the columns.

-- Events whose payloads are being erased by the transaction that is under way; empty otherwise.
CREATE TABLE erasing (
    seq INTEGER PRIMARY KEY
) STRICT;

-- An erased payload is the JSON text `null`, which no event ever had. Nothing else of an event ever changes.
DROP TRIGGER events_are_never_changed;
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
WHEN NEW.payload <> 'null' OR NOT EXISTS (SELECT 1 FROM erasing WHERE seq = OLD.seq)
    OR NEW.seq IS NOT OLD.seq OR NEW.bastion_id IS NOT OLD.bastion_id OR NEW.kind IS NOT OLD.kind
    OR NEW.session_id IS NOT OLD.session_id OR NEW.command_id IS NOT OLD.command_id OR NEW.at IS NOT OLD.at
    OR NEW.payload_digest IS NOT OLD.payload_digest OR NEW.digest IS NOT OLD.digest
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- Signatures, what was erased, and what is to be: found without a walk over all events.
CREATE INDEX events_signed ON events (seq) WHERE kind IN ('head_signed', 'payloads_erased', 'user_forgotten');
CREATE INDEX events_erasing ON events (seq) WHERE kind = 'payloads_erased' AND payload <> 'null';
CREATE INDEX events_of_connections ON events (seq) WHERE kind = 'connections_counted' AND payload <> 'null';
CREATE INDEX events_by_session ON events (session_id) WHERE session_id IS NOT NULL AND command_id IS NULL;

-- The digest of the first `sealed_bytes` of the file; of all of it once its end was seen. NULL before the first.
ALTER TABLE recordings ADD COLUMN sealed_bytes INTEGER CHECK (sealed_bytes >= 0);
ALTER TABLE recordings ADD COLUMN sha256 TEXT
    CHECK ((sha256 IS NULL) = (sealed_bytes IS NULL) AND (sha256 IS NULL OR length(sha256) = 64));
-- When the file was removed because its time had come; NULL while it is kept.
ALTER TABLE recordings ADD COLUMN removed_at TEXT CHECK (removed_at IS NULL OR state <> 'open');
CREATE INDEX recordings_kept ON recordings (started_at) WHERE removed_at IS NULL;

-- A snapshot has the number of the event that saved it.
UPDATE system_contexts SET id = -saved.seq
FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM events WHERE kind = 'snapshot_saved') AS saved,
     (SELECT id, row_number() OVER (ORDER BY id) AS place FROM system_contexts) AS kept
WHERE saved.place = kept.place AND system_contexts.id = kept.id;
UPDATE system_contexts SET id = -id WHERE id < 0;
