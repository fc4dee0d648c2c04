-- What lists and numbers are read from, so that no question walks the record. ARCHITECTURE.md has the meaning of the numbers.

-- Lists, newest first: each index answers one condition in the order of the list, and decides the others without the row.
DROP INDEX commands_by_user;
DROP INDEX commands_by_target;
DROP INDEX commands_by_level;
DROP INDEX commands_by_decision;
CREATE INDEX commands_by_user ON command_executions (user_id, id, target, final_risk_level, decision);
CREATE INDEX commands_by_target ON command_executions (target, id, final_risk_level, decision);
CREATE INDEX commands_by_level ON command_executions (final_risk_level, id, user_id, target, decision);
CREATE INDEX commands_by_decision ON command_executions (decision, id, user_id, target, final_risk_level);
CREATE INDEX sessions_by_user ON sessions (user_id, started_at);
CREATE INDEX sessions_by_target ON sessions (target, started_at);
CREATE INDEX connections_by_day ON connection_counts (day);

-- Texts, by every three characters in a row. As JSON strings, for a NUL would end them. Longer ones have a list instead, so
-- that one command does not hold up the writer. What is removed leaves no trace of its text.
CREATE VIRTUAL TABLE command_texts USING fts5 (
    text, content = '', columnsize = 0, detail = none, tokenize = 'trigram case_sensitive 1'
);
INSERT INTO command_texts (command_texts, rank) VALUES ('secure-delete', 1);
CREATE INDEX commands_long ON command_executions (id) WHERE length(CAST(command AS BLOB)) > 8192;

CREATE TRIGGER commands_text_in AFTER INSERT ON command_executions WHEN length(CAST(NEW.command AS BLOB)) <= 8192
BEGIN INSERT INTO command_texts (rowid, text) VALUES (NEW.id, json_quote(NEW.command)); END;
CREATE TRIGGER commands_text_out AFTER DELETE ON command_executions WHEN length(CAST(OLD.command AS BLOB)) <= 8192
BEGIN INSERT INTO command_texts (command_texts, rowid, text) VALUES ('delete', OLD.id, json_quote(OLD.command)); END;
CREATE TRIGGER commands_text_erased AFTER UPDATE OF command ON command_executions WHEN length(CAST(OLD.command AS BLOB)) <= 8192
BEGIN INSERT INTO command_texts (command_texts, rowid, text) VALUES ('delete', OLD.id, json_quote(OLD.command)); END;
CREATE TRIGGER commands_text_new AFTER UPDATE OF command ON command_executions WHEN length(CAST(NEW.command AS BLOB)) <= 8192
BEGIN INSERT INTO command_texts (rowid, text) VALUES (NEW.id, json_quote(NEW.command)); END;

-- The lowest number that was given on each day (UTC): no command of that day, there still or not, has a lower one.
CREATE TABLE command_days (
    day      TEXT PRIMARY KEY NOT NULL,
    first_id INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Roll-ups by the day (UTC) on which a command was submitted. What is NULL in its row is 'unknown' here. No CHECK holds the
-- counts above zero: a fault here must not keep a command from being recorded.

-- How many commands stand where: one row for every combination that occurs.
CREATE TABLE daily_commands (
    day      TEXT NOT NULL,
    level    TEXT NOT NULL,
    ml_level TEXT NOT NULL,
    decision TEXT NOT NULL,
    state    TEXT NOT NULL,
    answer   TEXT NOT NULL CHECK (answer IN ('yes', 'no', 'none')),
    success  TEXT NOT NULL CHECK (success IN ('yes', 'no', 'unknown')),
    impact   TEXT NOT NULL,
    commands INTEGER NOT NULL,
    PRIMARY KEY (day, level, ml_level, decision, state, answer, success, impact)
) STRICT, WITHOUT ROWID;

-- The times of answers by level, in three significant digits: no time is off by more than 0.5 %.
CREATE TABLE daily_answers (
    day      TEXT NOT NULL,
    level    TEXT NOT NULL,
    time_ms  INTEGER NOT NULL,
    commands INTEGER NOT NULL,
    PRIMARY KEY (day, level, time_ms)
) STRICT, WITHOUT ROWID;

-- How the questions that a rule put were taken. A rule puts a question where its level is the one that the command was judged by.
CREATE TABLE daily_questions (
    day        TEXT NOT NULL,
    rule       TEXT NOT NULL,
    level      TEXT NOT NULL,
    confirmed  INTEGER NOT NULL,
    refused    INTEGER NOT NULL,
    unanswered INTEGER NOT NULL,
    PRIMARY KEY (day, rule, level)
) STRICT, WITHOUT ROWID;

-- Commands by their pattern (its hash), user, target, and hour (UTC).
CREATE TABLE daily_counts (
    scope     TEXT NOT NULL CHECK (scope IN ('hour', 'pattern', 'target', 'user')),
    day       TEXT NOT NULL,
    name      TEXT NOT NULL,
    commands  INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    refused   INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    harmful   INTEGER NOT NULL,
    PRIMARY KEY (scope, day, name)
) STRICT, WITHOUT ROWID;

-- What is inserted into these two views moves the roll-ups, by a negative number back.
CREATE VIEW standing_moves (commands, timestamp, final_risk_level, ml_risk_level, decision, state, user_confirmed,
                            confirmation_time_ms, execution_success, actual_impact, reasons) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE false;

CREATE TRIGGER standing_moved INSTEAD OF INSERT ON standing_moves
BEGIN
    INSERT INTO daily_commands (day, level, ml_level, decision, state, answer, success, impact, commands)
    VALUES (substr(NEW.timestamp, 1, 10), ifnull(NEW.final_risk_level, 'unknown'), ifnull(NEW.ml_risk_level, 'unknown'),
            NEW.decision, NEW.state,
            CASE NEW.user_confirmed WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'none' END,
            CASE NEW.execution_success WHEN 1 THEN 'yes' WHEN 0 THEN 'no' ELSE 'unknown' END,
            ifnull(NEW.actual_impact, 'unknown'), NEW.commands)
    ON CONFLICT DO UPDATE SET commands = commands + excluded.commands;

    INSERT INTO daily_answers (day, level, time_ms, commands)
    SELECT substr(NEW.timestamp, 1, 10), ifnull(NEW.final_risk_level, 'unknown'),
           CAST(CAST(printf('%.2e', NEW.confirmation_time_ms) AS REAL) AS INTEGER), NEW.commands
    WHERE NEW.confirmation_time_ms IS NOT NULL
    ON CONFLICT DO UPDATE SET commands = commands + excluded.commands;

    INSERT INTO daily_questions (day, rule, level, confirmed, refused, unanswered)
    SELECT substr(NEW.timestamp, 1, 10), reason.value ->> 'rule', NEW.final_risk_level,
           NEW.commands * (NEW.user_confirmed IS 1), NEW.commands * (NEW.user_confirmed IS 0),
           NEW.commands * (NEW.user_confirmed IS NULL)
    FROM json_each(NEW.reasons) AS reason
    WHERE NEW.decision = 'confirm'
      AND (NEW.user_confirmed IS NOT NULL OR NEW.state IN ('refused', 'expired', 'abandoned'))
      AND reason.value ->> 'level' = NEW.final_risk_level AND reason.value ->> 'rule' IS NOT NULL
    ON CONFLICT DO UPDATE SET confirmed = confirmed + excluded.confirmed, refused = refused + excluded.refused,
                              unanswered = unanswered + excluded.unanswered;
END;

CREATE VIEW count_moves (timestamp, user_id, target, command_hash, commands, confirmed, refused, failed, harmful) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL WHERE false;

CREATE TRIGGER counts_moved INSTEAD OF INSERT ON count_moves
BEGIN
    INSERT INTO daily_counts (scope, day, name, commands, confirmed, refused, failed, harmful)
    SELECT what.scope, substr(NEW.timestamp, 1, 10), what.name, NEW.commands, NEW.confirmed, NEW.refused, NEW.failed, NEW.harmful
    FROM (SELECT 'hour' AS scope, substr(NEW.timestamp, 12, 2) AS name
          UNION ALL SELECT 'pattern', NEW.command_hash
          UNION ALL SELECT 'target', NEW.target
          UNION ALL SELECT 'user', NEW.user_id) AS what
    WHERE true
    ON CONFLICT DO UPDATE SET commands = commands + excluded.commands, confirmed = confirmed + excluded.confirmed,
                              refused = refused + excluded.refused, failed = failed + excluded.failed,
                              harmful = harmful + excluded.harmful;
END;

-- What nothing is left of is as if it had never been.
CREATE TRIGGER daily_commands_none AFTER UPDATE ON daily_commands WHEN NEW.commands = 0
BEGIN
    DELETE FROM daily_commands
    WHERE day = NEW.day AND level = NEW.level AND ml_level = NEW.ml_level AND decision = NEW.decision AND state = NEW.state
      AND answer = NEW.answer AND success = NEW.success AND impact = NEW.impact;
END;
CREATE TRIGGER daily_answers_none AFTER UPDATE ON daily_answers WHEN NEW.commands = 0
BEGIN DELETE FROM daily_answers WHERE day = NEW.day AND level = NEW.level AND time_ms = NEW.time_ms; END;
CREATE TRIGGER daily_questions_none AFTER UPDATE ON daily_questions
WHEN NEW.confirmed = 0 AND NEW.refused = 0 AND NEW.unanswered = 0
BEGIN DELETE FROM daily_questions WHERE day = NEW.day AND rule = NEW.rule AND level = NEW.level; END;
CREATE TRIGGER daily_counts_none AFTER UPDATE ON daily_counts WHEN NEW.commands = 0
BEGIN DELETE FROM daily_counts WHERE scope = NEW.scope AND day = NEW.day AND name = NEW.name; END;

-- Every change of a row moves the roll-ups in its own transaction, whoever makes it.
CREATE TRIGGER commands_rolled_up AFTER INSERT ON command_executions
BEGIN
    INSERT INTO command_days (day, first_id) VALUES (substr(NEW.timestamp, 1, 10), NEW.id)
    ON CONFLICT DO UPDATE SET first_id = excluded.first_id WHERE excluded.first_id < first_id;
    INSERT INTO standing_moves
    VALUES (1, NEW.timestamp, NEW.final_risk_level, NEW.ml_risk_level, NEW.decision, NEW.state, NEW.user_confirmed,
            NEW.confirmation_time_ms, NEW.execution_success, NEW.actual_impact, NEW.reasons);
    INSERT INTO count_moves
    VALUES (NEW.timestamp, NEW.user_id, NEW.target, NEW.command_hash, 1, NEW.user_confirmed IS 1, NEW.user_confirmed IS 0,
            NEW.execution_success IS 0, ifnull(NEW.actual_impact IN ('moderate', 'severe'), 0));
END;

CREATE TRIGGER commands_rolled_back AFTER DELETE ON command_executions
BEGIN
    INSERT INTO standing_moves
    VALUES (-1, OLD.timestamp, OLD.final_risk_level, OLD.ml_risk_level, OLD.decision, OLD.state, OLD.user_confirmed,
            OLD.confirmation_time_ms, OLD.execution_success, OLD.actual_impact, OLD.reasons);
    INSERT INTO count_moves
    VALUES (OLD.timestamp, OLD.user_id, OLD.target, OLD.command_hash, -1, -(OLD.user_confirmed IS 1),
            -(OLD.user_confirmed IS 0), -(OLD.execution_success IS 0),
            -ifnull(OLD.actual_impact IN ('moderate', 'severe'), 0));
END;

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
            OLD.confirmation_time_ms, OLD.execution_success, OLD.actual_impact, OLD.reasons),
           (1, NEW.timestamp, NEW.final_risk_level, NEW.ml_risk_level, NEW.decision, NEW.state, NEW.user_confirmed,
            NEW.confirmation_time_ms, NEW.execution_success, NEW.actual_impact, NEW.reasons);
END;

-- Most steps move none of these counts, and then nothing is written.
CREATE TRIGGER commands_counted_on
AFTER UPDATE OF user_confirmed, execution_success, actual_impact ON command_executions
WHEN (OLD.timestamp, OLD.user_id, OLD.target, OLD.command_hash) IS (NEW.timestamp, NEW.user_id, NEW.target, NEW.command_hash)
 AND (OLD.user_confirmed, OLD.execution_success IS 0, ifnull(OLD.actual_impact IN ('moderate', 'severe'), 0))
  IS NOT (NEW.user_confirmed, NEW.execution_success IS 0, ifnull(NEW.actual_impact IN ('moderate', 'severe'), 0))
BEGIN
    INSERT INTO count_moves
    VALUES (NEW.timestamp, NEW.user_id, NEW.target, NEW.command_hash, 0,
            (NEW.user_confirmed IS 1) - (OLD.user_confirmed IS 1), (NEW.user_confirmed IS 0) - (OLD.user_confirmed IS 0),
            (NEW.execution_success IS 0) - (OLD.execution_success IS 0),
            ifnull(NEW.actual_impact IN ('moderate', 'severe'), 0) - ifnull(OLD.actual_impact IN ('moderate', 'severe'), 0));
END;

CREATE TRIGGER commands_renamed
AFTER UPDATE OF timestamp, user_id, target, command_hash ON command_executions
WHEN (OLD.timestamp, OLD.user_id, OLD.target, OLD.command_hash)
  IS NOT (NEW.timestamp, NEW.user_id, NEW.target, NEW.command_hash)
BEGIN
    INSERT INTO command_days (day, first_id) VALUES (substr(NEW.timestamp, 1, 10), NEW.id)
    ON CONFLICT DO UPDATE SET first_id = excluded.first_id WHERE excluded.first_id < first_id;
    INSERT INTO count_moves
    VALUES (OLD.timestamp, OLD.user_id, OLD.target, OLD.command_hash, -1, -(OLD.user_confirmed IS 1),
            -(OLD.user_confirmed IS 0), -(OLD.execution_success IS 0),
            -ifnull(OLD.actual_impact IN ('moderate', 'severe'), 0)),
           (NEW.timestamp, NEW.user_id, NEW.target, NEW.command_hash, 1, NEW.user_confirmed IS 1, NEW.user_confirmed IS 0,
            NEW.execution_success IS 0, ifnull(NEW.actual_impact IN ('moderate', 'severe'), 0));
END;

-- What is on record already.
INSERT INTO command_texts (rowid, text)
SELECT id, json_quote(command) FROM command_executions WHERE length(CAST(command AS BLOB)) <= 8192;
INSERT INTO command_days (day, first_id) SELECT substr(timestamp, 1, 10), min(id) FROM command_executions GROUP BY 1;
INSERT INTO standing_moves
SELECT 1, timestamp, final_risk_level, ml_risk_level, decision, state, user_confirmed, confirmation_time_ms, execution_success,
       actual_impact, reasons
FROM command_executions;
INSERT INTO count_moves
SELECT timestamp, user_id, target, command_hash, 1, user_confirmed IS 1, user_confirmed IS 0, execution_success IS 0,
       ifnull(actual_impact IN ('moderate', 'severe'), 0)
FROM command_executions;
