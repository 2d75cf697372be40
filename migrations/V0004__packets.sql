-- Packets with a life of their own: what is being written, what nobody has named, what has had its day.
-- On a million jobs the index takes a few seconds, in which appends wait; the rest takes no longer than on none.

-- Where a packet lies. Two uploads never write to one place.
ALTER TABLE packets
    ADD COLUMN place text COLLATE "C", -- its place in the packet store; where none, `packets/<id>.<digest in base64url>`
    ADD COLUMN named_at timestamptz, -- when the hub first found a job of its sender's that names it; none before
    ADD COLUMN ended_at timestamptz; -- when the hub found that all of them have ended; none while one is open
CREATE INDEX packets_unnamed ON packets (owner) WHERE named_at IS NULL;

-- Places in the packet store that hold no packet: being written, or to be emptied. Mutable: a row goes when its place is
-- a packet, or empty.
CREATE TABLE packet_places (
    place text COLLATE "C" PRIMARY KEY, -- the place, which nothing else ever had
    owner text COLLATE "C" NOT NULL, -- the actor who sends
    size bigint NOT NULL, -- the bytes that were announced
    multipart text, -- the packet store's own name of the unfinished upload, where it has one
    touched_at timestamptz NOT NULL DEFAULT now() -- when bytes last came; -infinity once it is to be emptied
);
CREATE INDEX packet_places_owner ON packet_places (owner);

-- TREs that have a job without results may send some.
CREATE INDEX stream_heads_without_results ON stream_heads ((state ->> 'tre'))
    WHERE stream >= 'job/' AND stream < 'job0' AND state ->> 'results' IS NULL;

GRANT UPDATE (stored_at, named_at, ended_at) ON packets TO daybook_log;
GRANT SELECT, INSERT, UPDATE, DELETE ON packet_places TO daybook_log;
GRANT SELECT ON packet_places TO daybook_reader;
