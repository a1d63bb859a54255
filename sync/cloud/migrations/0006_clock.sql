-- Stamps (design 3.2). The cloud's own clock for stamps, one row; and which cells of which writers came from the far future, with
-- the cloud's stamp that counts instead. The rows themselves stay as they came.
CREATE TABLE clock (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  physical_ms INTEGER NOT NULL,
  logical INTEGER NOT NULL
) STRICT;

CREATE TABLE restamp (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  field TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  rep TEXT NOT NULL,
  physical_ms INTEGER NOT NULL,
  logical INTEGER NOT NULL,
  by_rep TEXT NOT NULL,
  by_physical_ms INTEGER NOT NULL,
  by_logical INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (entity, key, field, replica)
) STRICT, WITHOUT ROWID;
