-- Opening balances by stream (design 3.2, Retention): a peer that joins late is told what the rows of a log came to that are no more
-- here. Of what was pruned before this step ('') the streams are not known: it counts as ever, and cannot be told to others.
CREATE TABLE opening_by_stream (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  received INTEGER NOT NULL,
  issued INTEGER NOT NULL,
  picked INTEGER NOT NULL,
  PRIMARY KEY (replica, stream, sku, location)
) STRICT, WITHOUT ROWID;
INSERT INTO opening_by_stream (replica, stream, sku, location, on_hand, received, issued, picked)
SELECT replica, '', sku, location, on_hand, received, issued, picked FROM opening;
DROP TABLE opening;
ALTER TABLE opening_by_stream RENAME TO opening;
CREATE INDEX pruned_key_writer ON pruned_key (replica, entity, seq);
