-- Session recordings: one row a file. Paths are relative to the directory of the recordings. NULL means not known.
CREATE TABLE recordings (
    session_id   TEXT NOT NULL REFERENCES sessions (id),
    -- The n-th recorded channel of the session, from 1.
    channel      INTEGER NOT NULL CHECK (channel >= 1),
    bastion_id   TEXT NOT NULL,
    path         TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('open', 'complete', 'cut', 'failed')),
    state_reason TEXT,
    started_at   TEXT NOT NULL,
    ended_at     TEXT,
    -- Bytes of the file.
    bytes        INTEGER CHECK (bytes >= 0),
    -- After a failure: whether the channel went on without a recording.
    went_on      INTEGER CHECK (went_on IN (0, 1)),
    PRIMARY KEY (session_id, channel),
    CHECK (state <> 'open' OR (state_reason IS NULL AND ended_at IS NULL AND bytes IS NULL)),
    CHECK (state <> 'complete' OR (state_reason IS NULL AND ended_at IS NOT NULL AND bytes IS NOT NULL)),
    CHECK (state NOT IN ('cut', 'failed') OR state_reason IS NOT NULL),
    CHECK ((state = 'failed') = (went_on IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX recordings_open ON recordings (state) WHERE state = 'open';
