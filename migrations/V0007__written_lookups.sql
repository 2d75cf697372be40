-- What jobs are looked up by is written by the append itself. The server, which made these columns from the state, read its
-- JSON once for each of them, at each change of a state: a third of all that an append cost it.
-- Only the table's description changes, which takes no longer on a million streams. `daybook audit-db` compares the columns
-- with the states, and a start compares the newest.
ALTER TABLE stream_heads
    ALTER COLUMN tre DROP EXPRESSION,
    ALTER COLUMN packet DROP EXPRESSION,
    ALTER COLUMN results DROP EXPRESSION,
    ALTER COLUMN waits DROP EXPRESSION;

-- Programs that know less would leave them behind: they must have ended before this runs, and do not start on it.
UPDATE schema_window SET min_binary_schema = 7;
