-- What a peer tells of a log's rows is counted piece by piece, so that sales wait for none of it (design 3.2, Retention; hub.sums).
-- Pieces of a log count from when its piece 0 is here, which comes with the cursor and goes last.
CREATE TABLE told_piece (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  n INTEGER NOT NULL,
  rows BLOB NOT NULL,
  PRIMARY KEY (replica, stream, n)
) STRICT;
