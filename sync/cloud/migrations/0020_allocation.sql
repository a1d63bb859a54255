-- What the web may sell of a SKU, over all places, as it was noted last; a changed one gets the next `n` and so moves to the end.
CREATE TABLE availability (
  sku TEXT PRIMARY KEY,
  qty INTEGER NOT NULL,
  n INTEGER NOT NULL UNIQUE,
  changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
