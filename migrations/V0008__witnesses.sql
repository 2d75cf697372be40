-- What witnesses said of published checkpoints, and how each was asked last. Two new tables: nothing is rewritten.

-- Cosignatures, kept for ever. Immutable.
CREATE TABLE cosignatures (
    size bigint NOT NULL REFERENCES checkpoints (size), -- the checkpoint
    witness text COLLATE "C" NOT NULL, -- the witness's verifier key (C2SP vkey)
    time bigint NOT NULL, -- when it cosigned, by its own clock, in seconds since 1970
    line text COLLATE "C" NOT NULL, -- the signature line as it stands in the note, without its line feed
    PRIMARY KEY (size, witness)
);
-- Up to where a witness has come.
CREATE INDEX cosignatures_witness ON cosignatures (witness, size);
CREATE TRIGGER cosignatures_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The witnesses that are asked. Mutable; what it holds is of today, and no part of the log.
CREATE TABLE witnesses (
    witness text COLLATE "C" PRIMARY KEY, -- the witness's verifier key
    asked_at timestamptz NOT NULL, -- when a hub asked it last: hubs on one database share its pace
    trouble text COLLATE "C" -- why it did not cosign when it was asked last; none where it did
);

GRANT SELECT, INSERT ON cosignatures TO daybook_log;
GRANT SELECT, INSERT, UPDATE ON witnesses TO daybook_log;
GRANT SELECT ON cosignatures, witnesses TO daybook_reader;
