-- What the shell says of a line beside its text: the aliases in it, as a JSON object, and the exit codes of the last
-- pipeline's commands, as a JSON array. NULL where there are none, or the shell cannot tell.
ALTER TABLE command_executions ADD COLUMN aliases TEXT CHECK (json_valid(aliases));
ALTER TABLE command_executions ADD COLUMN pipe_status TEXT CHECK (json_valid(pipe_status));
