-- Floors (design 3.2, Retention): up to where the rows of a store's log are not all here, and the log's digest there. With
-- `is_told` the hub that had pruned them has told what all rows up to there came to: `opening` has its words (sync.opening).
CREATE TABLE floor (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  is_told INTEGER NOT NULL CHECK (is_told IN (0, 1)),
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;

CREATE TABLE opening (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  n INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (replica, stream, n)
) STRICT, WITHOUT ROWID;
