-- What members have earned by purchases of channels so far: the sum of the cloud's own entries of points about a purchase.
CREATE TABLE purchase_points (
  channel TEXT NOT NULL,
  purchase_id TEXT NOT NULL,
  member_id TEXT NOT NULL,
  points INTEGER NOT NULL,
  PRIMARY KEY (channel, purchase_id, member_id)
) STRICT, WITHOUT ROWID;
