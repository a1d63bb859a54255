-- Register, stream 'restamps'. The cloud's stamp in the place of one from the far future.
CREATE TABLE restamp (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  was TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  now TEXT NOT NULL,
  PRIMARY KEY (entity, key, was),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
