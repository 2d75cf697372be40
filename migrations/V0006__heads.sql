-- What jobs are looked up by, in columns of their own. An index over an expression of the state would be written at each
-- change of the state; a column that stays the same lets the row stay on its page and its indexes alone.
-- The table is written anew: a few seconds on a million streams, in which appends wait. A program of before still finds
-- what it looks for, by reading all jobs.
ALTER TABLE stream_heads
    ADD COLUMN tre text COLLATE "C" GENERATED ALWAYS AS (state ->> 'tre') STORED, -- the TRE of a job's state
    ADD COLUMN packet text COLLATE "C" GENERATED ALWAYS AS (state ->> 'packet') STORED, -- its request
    ADD COLUMN results text COLLATE "C" GENERATED ALWAYS AS (state ->> 'results') STORED, -- its results; none before
    ADD COLUMN waits boolean GENERATED ALWAYS AS (state ->> 'state' = 'submitted') STORED; -- nobody has collected it yet

DROP INDEX stream_heads_waiting, stream_heads_packet, stream_heads_results, stream_heads_without_results;
-- A TRE's queue.
CREATE INDEX stream_heads_waiting ON stream_heads (tre, stream) WHERE stream >= 'job/' AND stream < 'job0' AND waits;
-- Which jobs a packet belongs to: who may read it follows from them.
CREATE INDEX stream_heads_packet ON stream_heads (packet) WHERE stream >= 'job/' AND stream < 'job0';
CREATE INDEX stream_heads_results ON stream_heads (results)
    WHERE stream >= 'job/' AND stream < 'job0' AND results IS NOT NULL;
-- TREs that have a job without results may send some.
CREATE INDEX stream_heads_without_results ON stream_heads (tre)
    WHERE stream >= 'job/' AND stream < 'job0' AND results IS NULL;

-- Room on the page for the next version of a state.
ALTER TABLE stream_heads SET (fillfactor = 60);
