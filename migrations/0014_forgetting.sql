-- What lets a user be left out of what is not theirs. ARCHITECTURE.md has what is kept about whom.

-- Events that may name another than whose command or session they are of: few, and found without a walk over all.
CREATE INDEX events_naming ON events (seq)
    WHERE kind IN ('feedback_given', 'token_added', 'token_revoked', 'training_ended') AND payload <> 'null';

-- Commands that another than their user answered for.
CREATE INDEX commands_answered_for ON command_executions (answered_by) WHERE answered_by <> user_id;

-- A training has the number of the event of its end, so that its row can be told from others when that event is erased.
UPDATE training_sessions SET id = -ended.seq
FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM events WHERE kind = 'training_ended') AS ended,
     (SELECT id, row_number() OVER (ORDER BY id) AS place FROM training_sessions) AS kept
WHERE ended.place = kept.place AND training_sessions.id = kept.id;
UPDATE training_sessions SET id = -id WHERE id < 0;
