-- How a training ended, on whose word, and against what; `installed` stays the short form of the outcome.
ALTER TABLE training_sessions ADD COLUMN bastion_id TEXT;
ALTER TABLE training_sessions ADD COLUMN requested_by TEXT;
ALTER TABLE training_sessions ADD COLUMN outcome TEXT CHECK (
    outcome IN ('installed', 'kept', 'rejected', 'too_few', 'one_class', 'failed')
    AND (outcome = 'installed') = installed);
-- The rows of the record that could be read, and the grave ones among those that were held out.
ALTER TABLE training_sessions ADD COLUMN rows_read INTEGER CHECK (rows_read >= 0);
ALTER TABLE training_sessions ADD COLUMN positives INTEGER CHECK (positives >= 0);
ALTER TABLE training_sessions ADD COLUMN champion_digest TEXT;
CREATE INDEX trainings_by_end ON training_sessions (finished_at);
CREATE INDEX trainings_by_model ON training_sessions (model_digest);

-- What a model would have led to that decides nothing; NULL where none ran in the shadow, and where nothing was scored.
ALTER TABLE command_executions ADD COLUMN shadow_risk_level TEXT
    CHECK (shadow_risk_level IN ('low', 'medium', 'high', 'critical'));
ALTER TABLE command_executions ADD COLUMN shadow_model_digest TEXT CHECK (
    (shadow_risk_level IS NULL) = (shadow_model_digest IS NULL)
    AND (shadow_risk_level IS NULL OR final_risk_level IS NOT NULL));
