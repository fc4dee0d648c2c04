-- What people said of a command: who said it last, and when, beside feedback_rating and user_feedback; and by its author each
-- author's last rating, with the author's roles of that moment, so that a user's own can be told from another's.
ALTER TABLE command_executions ADD COLUMN feedback_by TEXT
    CHECK ((feedback_by IS NULL) = (feedback_rating IS NULL) AND (feedback_by IS NOT NULL OR user_feedback IS NULL));
ALTER TABLE command_executions ADD COLUMN feedback_at TEXT CHECK ((feedback_at IS NULL) = (feedback_by IS NULL));
ALTER TABLE command_executions ADD COLUMN ratings TEXT CHECK (json_valid(ratings) AND (ratings IS NULL) = (feedback_by IS NULL));
