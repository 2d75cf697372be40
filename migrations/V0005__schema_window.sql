-- Which programs may run on this schema. Programs that know a newer schema than they find refuse and ask for `daybook
-- migrate`; programs that find a newer one than they know ask this table whether it still works for them.

-- One row. Mutable: changed only by migrations, when they take away what older programs need.
CREATE TABLE schema_window (
    one boolean PRIMARY KEY DEFAULT TRUE, -- keeps the table at one row
    min_binary_schema integer NOT NULL, -- the schema version that a program must know at least to run on this one
    CONSTRAINT schema_window_one CHECK (one)
);
-- Everything up to here has only added.
INSERT INTO schema_window (min_binary_schema) VALUES (1);

GRANT SELECT ON schema_window TO daybook_log, daybook_reader;
