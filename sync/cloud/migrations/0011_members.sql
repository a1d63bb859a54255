-- A member's points by store: the sum of the effects of all facts that count, each once.
CREATE TABLE member_points (
  store TEXT NOT NULL,
  member_id TEXT NOT NULL,
  points INTEGER NOT NULL,
  PRIMARY KEY (store, member_id)
) STRICT, WITHOUT ROWID;
