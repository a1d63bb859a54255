-- Local to this hub: how far the cloud held the members that a life of the store's other hub had written, when that hub told it last.
-- What is behind it is written again as ours when that life is sealed; 2^53 from then on.
CREATE TABLE beside_told (
  rep TEXT NOT NULL,
  stream TEXT NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (rep, stream)
) STRICT, WITHOUT ROWID;
