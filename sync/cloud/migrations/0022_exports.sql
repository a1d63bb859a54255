-- Exports: which facts are of which business day, up to `dated_upto`, filled at night; the day is '' where a row says none. Facts
-- under a key that was known are of no day: they count for nothing.
CREATE TABLE dated_row (
  stream TEXT NOT NULL,
  day TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (stream, day, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE dated_upto (
  stream TEXT PRIMARY KEY,
  n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
