-- Points set aside for sales that are being made (design 3.3), by who asked, and by each member of whose person they are.
CREATE TABLE point_hold (
  rep TEXT NOT NULL,
  sale_id TEXT NOT NULL,
  points INTEGER NOT NULL,
  held_ms INTEGER NOT NULL,
  PRIMARY KEY (rep, sale_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE point_hold_member (
  member_id TEXT NOT NULL,
  rep TEXT NOT NULL,
  sale_id TEXT NOT NULL,
  PRIMARY KEY (member_id, rep, sale_id),
  FOREIGN KEY (rep, sale_id) REFERENCES point_hold (rep, sale_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX point_hold_member_hold ON point_hold_member (rep, sale_id);

-- How a dispute was told to stand last: why it is over, '' while it is open; `n` counts the versions.
ALTER TABLE disputed ADD COLUMN why TEXT NOT NULL DEFAULT '';
ALTER TABLE disputed ADD COLUMN n INTEGER NOT NULL DEFAULT 0;
CREATE INDEX disputed_serial ON disputed (serial);
