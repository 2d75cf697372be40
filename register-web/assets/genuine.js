// The check of records in the reader’s own browser stands here once it is written.
