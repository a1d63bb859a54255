-- Local to this hub: what is left of rows that did not stand when they were pruned. One stands after all when its writer is sealed.
CREATE TABLE pruned_second (
  replica INTEGER NOT NULL REFERENCES replica (id),
  entity TEXT NOT NULL,
  seq INTEGER NOT NULL,
  key TEXT NOT NULL,
  pruned_ms INTEGER NOT NULL,
  stock TEXT NOT NULL,
  PRIMARY KEY (replica, entity, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX pruned_second_age ON pruned_second (pruned_ms);
CREATE INDEX pruned_second_key ON pruned_second (entity, key);
