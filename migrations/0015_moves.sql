-- The roll-ups of 0010 moved by single rows: what a SELECT gives to a table that has triggers is kept in a table of its own first,
-- which costs more than the move.

DROP TRIGGER standing_moved;
CREATE TRIGGER standing_moved INSTEAD OF INSERT ON standing_moves
BEGIN
    INSERT INTO daily_commands (day, level, ml_level, decision, state, answer, success, impact, commands)
    VALUES (substr(NEW.timestamp, 1, 10), ifnull(NEW.final_risk_level, 'unknown'), ifnull(NEW.ml_risk_level, 'unknown'),
            NEW.decision, NEW.state,
            CASE NEW.user_confirmed WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'none' END,
            CASE NEW.execution_success WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'unknown' END,
            ifnull(NEW.actual_impact, 'unknown'), NEW.commands)
    ON CONFLICT DO UPDATE SET commands = commands + excluded.commands;
END;

CREATE TRIGGER answers_moved INSTEAD OF INSERT ON standing_moves WHEN NEW.confirmation_time_ms IS NOT NULL
BEGIN
    INSERT INTO daily_answers (day, level, time_ms, commands)
    VALUES (substr(NEW.timestamp, 1, 10), ifnull(NEW.final_risk_level, 'unknown'),
            CAST(CAST(printf('%.2e', NEW.confirmation_time_ms) AS REAL) AS INTEGER), NEW.commands)
    ON CONFLICT DO UPDATE SET commands = commands + excluded.commands;
END;

CREATE TRIGGER questions_moved INSTEAD OF INSERT ON standing_moves
WHEN NEW.decision = 'confirm' AND (NEW.user_confirmed IS NOT NULL OR NEW.state IN ('refused', 'expired', 'abandoned'))
BEGIN
    INSERT INTO daily_questions (day, rule, level, confirmed, refused, unanswered)
    SELECT substr(NEW.timestamp, 1, 10), reason.value ->> 'rule', NEW.final_risk_level,
           NEW.commands * (NEW.user_confirmed IS 1), NEW.commands * (NEW.user_confirmed IS 0),
           NEW.commands * (NEW.user_confirmed IS NULL)
    FROM json_each(NEW.reasons) AS reason
    WHERE reason.value ->> 'level' = NEW.final_risk_level AND reason.value ->> 'rule' IS NOT NULL
    ON CONFLICT DO UPDATE SET confirmed = confirmed + excluded.confirmed, refused = refused + excluded.refused,
                              unanswered = unanswered + excluded.unanswered;
END;

DROP TRIGGER counts_moved;
CREATE VIEW named_moves (scope, day, name, commands, confirmed, refused, failed, harmful) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE false;

CREATE TRIGGER named_moved INSTEAD OF INSERT ON named_moves
BEGIN
    INSERT INTO daily_counts (scope, day, name, commands, confirmed, refused, failed, harmful)
    VALUES (NEW.scope, NEW.day, NEW.name, NEW.commands, NEW.confirmed, NEW.refused, NEW.failed, NEW.harmful)
    ON CONFLICT DO UPDATE SET commands = commands + excluded.commands, confirmed = confirmed + excluded.confirmed,
                              refused = refused + excluded.refused, failed = failed + excluded.failed,
                              harmful = harmful + excluded.harmful;
END;

CREATE TRIGGER counts_moved INSTEAD OF INSERT ON count_moves
BEGIN
    INSERT INTO named_moves
    VALUES ('hour', substr(NEW.timestamp, 1, 10), substr(NEW.timestamp, 12, 2), NEW.commands, NEW.confirmed, NEW.refused,
            NEW.failed, NEW.harmful);
    INSERT INTO named_moves
    VALUES ('pattern', substr(NEW.timestamp, 1, 10), NEW.command_hash, NEW.commands, NEW.confirmed, NEW.refused, NEW.failed,
            NEW.harmful);
    INSERT INTO named_moves
    VALUES ('target', substr(NEW.timestamp, 1, 10), NEW.target, NEW.commands, NEW.confirmed, NEW.refused, NEW.failed,
            NEW.harmful);
    INSERT INTO named_moves
    VALUES ('user', substr(NEW.timestamp, 1, 10), NEW.user_id, NEW.commands, NEW.confirmed, NEW.refused, NEW.failed,
            NEW.harmful);
END;

DROP TRIGGER commands_moved_on;
CREATE TRIGGER commands_moved_on
AFTER UPDATE OF timestamp, final_risk_level, ml_risk_level, decision, state, user_confirmed, confirmation_time_ms,
                execution_success, actual_impact, reasons ON command_executions
WHEN (OLD.timestamp, OLD.final_risk_level, OLD.ml_risk_level, OLD.decision, OLD.state, OLD.user_confirmed,
      OLD.confirmation_time_ms, OLD.execution_success, OLD.actual_impact, OLD.reasons)
  IS NOT (NEW.timestamp, NEW.final_risk_level, NEW.ml_risk_level, NEW.decision, NEW.state, NEW.user_confirmed,
          NEW.confirmation_time_ms, NEW.execution_success, NEW.actual_impact, NEW.reasons)
BEGIN
    INSERT INTO standing_moves
    VALUES (-1, OLD.timestamp, OLD.final_risk_level, OLD.ml_risk_level, OLD.decision, OLD.state, OLD.user_confirmed,
            OLD.confirmation_time_ms, OLD.execution_success, OLD.actual_impact, OLD.reasons);
    INSERT INTO standing_moves
    VALUES (1, NEW.timestamp, NEW.final_risk_level, NEW.ml_risk_level, NEW.decision, NEW.state, NEW.user_confirmed,
            NEW.confirmation_time_ms, NEW.execution_success, NEW.actual_impact, NEW.reasons);
END;
