-- Who writes: the cloud itself (own = 1) and every life of every store's hub. began_ms of a hub is when it was first seen.
CREATE TABLE replica (
  id INTEGER PRIMARY KEY,
  store TEXT NOT NULL,
  incarnation TEXT NOT NULL UNIQUE,
  began_ms INTEGER NOT NULL,
  own INTEGER NOT NULL CHECK (own IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX replica_own ON replica (own) WHERE own = 1;

-- The cloud's own streams; today the catalogue only.
CREATE TABLE stream (
  replica INTEGER NOT NULL REFERENCES replica (id),
  name TEXT NOT NULL,
  feed TEXT NOT NULL CHECK (feed IN ('log', 'state')),
  seq INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, name)
) STRICT, WITHOUT ROWID;

-- Ends of ranges that were offered to a store, written before they are.
CREATE TABLE offered (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, stream, last)
) STRICT, WITHOUT ROWID;

-- How far a store holds our streams durably.
CREATE TABLE acked (
  peer TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (peer, replica, stream)
) STRICT, WITHOUT ROWID;

-- How far we hold the streams of the stores, written with their rows. `row_count` counts what was new.
CREATE TABLE received (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  row_count INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;

-- A stream as head office reads it: all stores together, numbered by arrival. `n` is the last number given.
CREATE TABLE feed (
  id INTEGER PRIMARY KEY,
  stream TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('log', 'state')),
  n INTEGER NOT NULL
) STRICT;

-- Facts, and all rows that nobody here can read, as the bytes received. With a rowid, because a sale of half a kilobyte in a
-- WITHOUT ROWID table costs half as much again (measured); no REFERENCES, because it is looked up for each row.
CREATE TABLE fact (
  id INTEGER PRIMARY KEY,
  stream INTEGER NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (stream, n)
) STRICT;

-- The first fact with a key; a later one with the same key is kept in `fact`, named in `duplicate`, and counted in no sum.
CREATE TABLE fact_key (
  stream INTEGER NOT NULL,
  key TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (stream, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE duplicate (
  stream INTEGER NOT NULL,
  key TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (stream, key, n)
) STRICT, WITHOUT ROWID;

-- Which returns name a sale.
CREATE TABLE sale_return (
  sale_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (sale_id, n)
) STRICT, WITHOUT ROWID;

-- Tallies, merged by max per (key, writer); a changed one moves to the end of its stream's feed.
CREATE TABLE tally (
  stream INTEGER NOT NULL,
  key TEXT NOT NULL,
  replica INTEGER NOT NULL,
  n INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (stream, key, replica),
  UNIQUE (stream, n)
) STRICT, WITHOUT ROWID;

-- The catalogue: registers that the cloud owns. `digest` is the stream's at `seq`, so that every store is offered the same ends
-- of ranges; `origin` is the replica whose row was adopted, NULL for what was written here.
CREATE TABLE register (
  kind TEXT NOT NULL,
  sku TEXT NOT NULL,
  n INTEGER NOT NULL,
  seq INTEGER NOT NULL UNIQUE,
  digest BLOB NOT NULL,
  origin INTEGER REFERENCES replica (id),
  changed_ms INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (kind, sku)
) STRICT, WITHOUT ROWID;

CREATE TABLE gtin (
  gtin TEXT PRIMARY KEY,
  sku TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX gtin_sku ON gtin (sku);

-- What became of the catalogue that a store had before it was joined.
CREATE TABLE handover (
  replica INTEGER PRIMARY KEY REFERENCES replica (id),
  adopted INTEGER NOT NULL,
  kept INTEGER NOT NULL,
  unread INTEGER NOT NULL,
  gtins_dropped INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL
) STRICT;

-- Sums over the facts with different keys and over the tallies, changed in the transaction of their rows.
-- `unit` is a currency for sales and returns, empty for people.
CREATE TABLE store_sum (
  store TEXT NOT NULL,
  measure TEXT NOT NULL,
  unit TEXT NOT NULL,
  row_count INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  PRIMARY KEY (store, measure, unit)
) STRICT, WITHOUT ROWID;
