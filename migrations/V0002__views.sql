-- Where the views are. Their own tables stand in schemas <view>_v<version>, which the projection engine makes and drops.

DO $$
BEGIN
    -- Folds entries into views: may read the log and write what hangs on it, and never the log itself.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_view') THEN
        CREATE ROLE daybook_view NOLOGIN;
    END IF;
END
$$;

-- How far each view has folded the log. Mutable; moved in the transaction that writes the view's rows.
CREATE TABLE view_cursors (
    schema text COLLATE "C" PRIMARY KEY, -- where its tables are: <view>_v<version>, and _rebuild or _check for a copy
    view text COLLATE "C" NOT NULL, -- the view's name
    version integer NOT NULL, -- its version
    is_copy boolean NOT NULL, -- a copy that a rebuild or a check is filling
    shape bytea NOT NULL, -- SHA-256 of the definition of its tables: one version has one shape
    size bigint NOT NULL, -- entries folded; the index of the next
    CONSTRAINT view_cursors_shape CHECK (octet_length(shape) = 32),
    CONSTRAINT view_cursors_size CHECK (size >= 0)
) WITH (fillfactor = 10); -- updated by every batch: room for many versions on one page keeps the updates in place

GRANT SELECT ON entries, log_head TO daybook_view;
GRANT SELECT, INSERT, UPDATE, DELETE ON view_cursors TO daybook_view;
GRANT SELECT ON view_cursors TO daybook_reader;
