-- The token that a client was offered in exchange for its own, until it has used it once.
ALTER TABLE till ADD COLUMN next_hash BLOB;
