-- Fact, stream 'dwells'. How long a visitor, known for the day only, or a thing stayed in a zone; long stays are told in pieces.
CREATE TABLE dwell (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  dwell_id TEXT NOT NULL,
  zone TEXT NOT NULL,
  begun_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (dwell_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX dwell_ended_ms ON dwell (ended_ms);
