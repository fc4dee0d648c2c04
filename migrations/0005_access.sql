-- File operations and forwards have rows of their own: bytes that went to the target are counted for them too, where a digest may
-- not be had (a forward, a file that was not written in order).
ALTER TABLE command_executions ADD COLUMN kept_sha256 TEXT;
UPDATE command_executions SET kept_sha256 = input_sha256 WHERE input_sha256 IS NOT NULL;
ALTER TABLE command_executions DROP COLUMN input_sha256;
ALTER TABLE command_executions ADD COLUMN input_sha256 TEXT
    CHECK (input_sha256 IS NULL OR (input_length IS NOT NULL AND length(input_sha256) = 64));
UPDATE command_executions SET input_sha256 = kept_sha256 WHERE kept_sha256 IS NOT NULL;
ALTER TABLE command_executions DROP COLUMN kept_sha256;
