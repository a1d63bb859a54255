-- Price lists, their prices and promotions as head office has written them, each once; what of them a store gets stands in its scope.
CREATE TABLE pricing_row (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  n INTEGER NOT NULL,
  gone INTEGER NOT NULL CHECK (gone IN (0, 1)),
  list_id TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (entity, key)
) STRICT, WITHOUT ROWID;
