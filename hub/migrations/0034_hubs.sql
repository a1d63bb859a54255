-- The two hubs of a store. `turn` grows with each change of a client's tokens: of two words about it the later one stands.
ALTER TABLE till ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;

-- Secrets of receipt links that the store's other hub has given out: links are read by them and never made.
CREATE TABLE receipt_key_beside (
  key BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What the store's other hub has said of itself last, by the client that it is here; 'followed' is the one that this hub follows.
CREATE TABLE hub_beside (
  client TEXT PRIMARY KEY,
  card TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Which of the two tills are to prefer: the one that is followed, or the one that follows. The larger n is the later word.
CREATE TABLE preferred_hub (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  n INTEGER NOT NULL,
  role TEXT NOT NULL
) STRICT;
