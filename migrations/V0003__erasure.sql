-- Erasing openings. Deleting rows is all that it takes; entries, signatures and proofs stay as they are.
-- On a million openings this takes no longer than on none: nothing is scanned or rewritten.

-- The append deletes what an accepted `fields-erased` names, in its own transaction, and a start does so again for every
-- one that the log holds, in case openings were restored from an older copy.
GRANT DELETE ON openings TO daybook_log;

-- An opening is there as it came, or it is gone: it never changes.
CREATE TRIGGER openings_never_change BEFORE UPDATE OR TRUNCATE ON openings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
