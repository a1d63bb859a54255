-- Retention (design 3.2): rows (after, last] of a store's log that no hub could send any more: its database had pruned them, and
-- this one had lost them. An alarm, never silent.
CREATE TABLE hole (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  after INTEGER NOT NULL,
  last INTEGER NOT NULL,
  noted_ms INTEGER NOT NULL,
  PRIMARY KEY (replica, stream, last)
) STRICT, WITHOUT ROWID;

-- State rows of one writer, for its daily audit: without it each store's would read those of all stores.
CREATE INDEX tally_writer ON tally (replica, stream, n);
