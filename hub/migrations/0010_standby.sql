-- A standby hub (design 3.1, 3.4): up to where the cloud is known to hold a log of the store's other hub, where rows behind that
-- came straight from the hub itself. No mark: as far as it is held here.
CREATE TABLE confirmed (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, stream)
) STRICT, WITHOUT ROWID;
