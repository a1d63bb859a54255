-- What goes to the cloud and what comes from it (design 3.1, 3.4), and the facts that join the sales: returns, print results.

-- Ends of ranges that were offered to a peer, written before they are: a pair that is not here was never ours (a fork).
CREATE TABLE offered (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, stream, last)
) STRICT, WITHOUT ROWID;

-- How far a peer holds our streams durably: what is safe.
CREATE TABLE acked (
  peer TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (peer, replica, stream)
) STRICT, WITHOUT ROWID;

-- How far we hold the streams of others, written with their rows.
CREATE TABLE received (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;

-- Facts, stream 'returns'.
CREATE TABLE sale_return (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  return_id TEXT NOT NULL UNIQUE,
  sale_id TEXT NOT NULL,
  content_hash BLOB NOT NULL,
  body TEXT NOT NULL,
  told TEXT NOT NULL,
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX sale_return_sale ON sale_return (sale_id);

-- Facts, stream 'prints': how a print job ended, each time it did.
CREATE TABLE print_result (
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (replica, seq)
) STRICT, WITHOUT ROWID;

-- Tallies, stream 'levels': all that ever came to and left a location, by who wrote it; only grows. Folded from the facts
-- when somebody asks, so that a sale writes nothing for it; `folded` says how far.
CREATE TABLE level (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  received INTEGER NOT NULL,
  issued INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (sku, location, replica),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE folded (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;

INSERT INTO stream (replica, name, feed, seq, digest)
SELECT replica.id, fresh.value ->> 0, fresh.value ->> 1, 0, zeroblob(8)
FROM replica, json_each('[["returns","log"],["prints","log"],["levels","state"],["footfall","state"]]') AS fresh;

-- Rows of streams that this version does not know: kept as the bytes received, applied after an upgrade.
CREATE TABLE unknown_row (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (replica, stream, seq)
) STRICT, WITHOUT ROWID;
