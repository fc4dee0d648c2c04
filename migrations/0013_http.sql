-- A question may be answered over HTTP as well. The constraint is of a column that others depend on, so its text is changed in place,
-- as SQLite's documentation of ALTER TABLE has it: the rows stay as they are.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''console''))', '''console'', ''http''))')
    WHERE type = 'table' AND name = 'command_executions';
PRAGMA writable_schema = RESET;

-- What programs show over HTTP to prove whom they work for: the digest of a secret, never the secret.
CREATE TABLE api_tokens (
    id         TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 8),
    user_id    TEXT NOT NULL,
    scopes     TEXT NOT NULL CHECK (json_array_length(scopes) > 0),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    comment    TEXT,
    added_at   TEXT NOT NULL,
    added_by   TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT,
    revoked_by TEXT,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_time ON api_tokens (added_at);
