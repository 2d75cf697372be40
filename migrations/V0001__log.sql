-- The log's own tables. Views are made by the projection engine, not here. Files are only ever added.

-- Roles. They cannot log in; a connection takes one with SET ROLE.
DO $$
BEGIN
    -- Appends and publishes: may add to the log, and never change or remove what is in it.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_log') THEN
        CREATE ROLE daybook_log NOLOGIN;
    END IF;
    -- Answers requests: may read.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_reader') THEN
        CREATE ROLE daybook_reader NOLOGIN;
    END IF;
END
$$;

-- Which log this is. One row, written by `daybook init`, immutable.
CREATE TABLE log_identity (
    one boolean PRIMARY KEY DEFAULT TRUE, -- keeps the table at one row
    origin text NOT NULL, -- the log's name in checkpoints and in every event's aud
    log_key text NOT NULL, -- verifier key (C2SP signed-note vkey) of the checkpoints
    CONSTRAINT log_identity_one CHECK (one)
);

-- The head: what the last committed append made. One row; its lock orders all appends of all instances.
CREATE TABLE log_head (
    one boolean PRIMARY KEY DEFAULT TRUE, -- keeps the table at one row
    size bigint NOT NULL, -- number of entries; the next index
    root bytea NOT NULL, -- RFC 6962 root over all entries, 32 bytes
    CONSTRAINT log_head_one CHECK (one),
    CONSTRAINT log_head_root CHECK (octet_length(root) = 32)
) WITH (fillfactor = 10); -- updated by every batch: room for many versions on one page keeps the updates in place
INSERT INTO log_head (size, root)
VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

-- The entries. Immutable.
CREATE TABLE entries (
    idx bigint PRIMARY KEY, -- index in the log, from 0, given out under the lock of log_head
    leaf bytea NOT NULL, -- RFC 6962 leaf hash of the event's bytes, 32 bytes
    stream text COLLATE "C" NOT NULL, -- the event's sub
    seq bigint NOT NULL, -- the event's position in its stream, from 1
    iss text COLLATE "C" NOT NULL, -- the author
    jti uuid NOT NULL, -- the author's own id of the event
    type text COLLATE "C" NOT NULL, -- the event's type
    event text COLLATE "C" NOT NULL, -- the compact JWS: exactly the bytes that the author signed
    CONSTRAINT entries_leaf UNIQUE (leaf),
    CONSTRAINT entries_order UNIQUE (stream, seq),
    CONSTRAINT entries_jti UNIQUE (iss, jti),
    CONSTRAINT entries_leaf_length CHECK (octet_length(leaf) = 32)
);
-- An event is random base64url: compressing it costs time and gains nothing.
ALTER TABLE entries ALTER COLUMN event SET STORAGE EXTERNAL;

-- Full tiles (C2SP tlog-tiles). Immutable. Partial ones are cut from entries and from the roots of the level below.
CREATE TABLE tiles (
    level smallint NOT NULL, -- 0 holds leaf hashes
    n bigint NOT NULL, -- position in its level, from 0
    root bytea NOT NULL, -- RFC 6962 root of the tile's 256 nodes: one node of the level above
    data bytea NOT NULL, -- the 256 nodes, 8,192 bytes
    PRIMARY KEY (level, n),
    CONSTRAINT tiles_data CHECK (octet_length(data) = 8192 AND octet_length(root) = 32)
);
ALTER TABLE tiles ALTER COLUMN data SET STORAGE EXTERNAL;

-- Every stream's last event and folded state, written by the append itself and so never behind. Mutable.
CREATE TABLE stream_heads (
    stream text COLLATE "C" PRIMARY KEY, -- the stream's name
    seq bigint NOT NULL, -- position of its last event; 0 where another stream's event made the state
    leaf bytea, -- leaf hash of its last event; none at seq 0
    state json NOT NULL, -- canonical JSON of what the rules folded; json and not jsonb, which would respell it
    CONSTRAINT stream_heads_leaf CHECK ((seq = 0) = (leaf IS NULL))
);
-- A TRE's queue: jobs that nobody has collected yet.
CREATE INDEX stream_heads_waiting ON stream_heads ((state ->> 'tre'), stream)
    WHERE stream >= 'job/' AND stream < 'job0' AND state ->> 'state' = 'submitted';
-- Which jobs a packet belongs to: who may read it follows from them.
CREATE INDEX stream_heads_packet ON stream_heads ((state ->> 'packet')) WHERE stream >= 'job/' AND stream < 'job0';
CREATE INDEX stream_heads_results ON stream_heads ((state ->> 'results')) WHERE stream >= 'job/' AND stream < 'job0';

-- Every key that was ever registered. Whether one is valid at an index is told by its home stream's state. Immutable.
CREATE TABLE keys (
    kid bytea PRIMARY KEY, -- RFC 7638 thumbprint, 32 bytes
    actor text COLLATE "C" NOT NULL, -- whose it is, for ever
    use text COLLATE "C" NOT NULL, -- event or access
    x bytea NOT NULL, -- the Ed25519 public key, 32 bytes
    idx bigint NOT NULL REFERENCES entries (idx) -- the entry that registered it
);
CREATE INDEX keys_actor ON keys (actor);

-- The largest tree that each actor has said that it saw. Mutable, only grows.
CREATE TABLE actor_seen (
    actor text COLLATE "C" PRIMARY KEY, -- the actor
    size bigint NOT NULL -- largest seen.size of its events
);

-- Openings of sealed fields, apart from the entries. Deleting a row erases the value and nothing else.
CREATE TABLE openings (
    idx bigint NOT NULL REFERENCES entries (idx), -- the entry
    digest bytea NOT NULL, -- the digest in the event's _sd
    name text COLLATE "C" NOT NULL, -- the field
    class text COLLATE "C" NOT NULL, -- reader class
    opening text COLLATE "C" NOT NULL, -- salt, name and value, base64url
    retain_until timestamptz, -- when the opening is due to be erased; never where none
    PRIMARY KEY (idx, digest),
    CONSTRAINT openings_class CHECK (class IN ('public', 'public-from', 'parties', 'auditor'))
);
CREATE INDEX openings_retain ON openings (retain_until) WHERE retain_until IS NOT NULL;

-- Every checkpoint that was published. Immutable.
CREATE TABLE checkpoints (
    size bigint PRIMARY KEY, -- entries in the tree
    root bytea NOT NULL, -- its root
    note text COLLATE "C" NOT NULL, -- the signed note as it was released
    published_at timestamptz NOT NULL DEFAULT now() -- the hub's clock, for people
);

-- What was published last. One row; its lock makes publishers take turns.
CREATE TABLE publication (
    one boolean PRIMARY KEY DEFAULT TRUE, -- keeps the table at one row
    size bigint NOT NULL, -- size of the last checkpoint; 0 before the first
    root bytea NOT NULL, -- its root
    CONSTRAINT publication_one CHECK (one)
);
INSERT INTO publication (size, root)
VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

-- Packets in the store beside the database. Mutable: a row goes when the packet goes.
CREATE TABLE packets (
    id uuid PRIMARY KEY, -- random, chosen by whoever sends the packet
    sha256 bytea NOT NULL, -- digest of the bytes, checked while they came in
    size bigint NOT NULL, -- bytes
    kind text COLLATE "C" NOT NULL, -- request or result
    owner text COLLATE "C" NOT NULL, -- the actor who sent it
    stored_at timestamptz NOT NULL DEFAULT now(), -- the hub's clock
    CONSTRAINT packets_kind CHECK (kind IN ('request', 'result'))
);

-- Belt and braces: even a role with the right to change the log is told no.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP;
END
$$;
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER tiles_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER keys_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_identity_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_identity
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON entries, tiles, keys, checkpoints, openings TO daybook_log;
GRANT SELECT, UPDATE ON log_head, publication TO daybook_log;
GRANT SELECT, INSERT, UPDATE ON stream_heads, actor_seen TO daybook_log;
GRANT SELECT, INSERT, DELETE ON packets TO daybook_log;
GRANT SELECT ON log_identity TO daybook_log;
GRANT SELECT ON
    log_identity, log_head, entries, tiles, stream_heads, keys, openings, checkpoints, publication, packets
    TO daybook_reader;
