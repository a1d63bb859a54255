-- Fact, stream 'trail'. Who did what to what, and the reason that was given. No customer stands in it.
CREATE TABLE trail (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  entry_id TEXT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (entry_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX trail_actor ON trail (actor);
CREATE INDEX trail_subject ON trail (subject);
CREATE INDEX trail_at_ms ON trail (at_ms);
