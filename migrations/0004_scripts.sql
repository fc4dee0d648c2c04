-- What a command read on its standard input and the bastion did not understand: it passed as a whole.
-- NULL where nothing did, or the bastion stopped before its end. ARCHITECTURE.md has the meaning of the columns.
ALTER TABLE command_executions ADD COLUMN input_length INTEGER CHECK (input_length >= 0);
ALTER TABLE command_executions ADD COLUMN input_sha256 TEXT
    CHECK ((input_length IS NULL) = (input_sha256 IS NULL) AND (input_sha256 IS NULL OR length(input_sha256) = 64));
