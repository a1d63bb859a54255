-- Lives that have ended (design 3.1): facts of one writer in its own order, to pass them on and to seal it.
CREATE INDEX fact_dot ON fact (replica, stream, seq);
CREATE INDEX replica_store ON replica (store);

-- A life that its machine, or head office, has given up. `wanted` is how far each log must be here first (JSON: stream -> last);
-- `sealed_ms` is NULL until then; from then on no row of it is taken. `seal_seq` is the seal's place in the cloud's stream of seals.
CREATE TABLE ended_life (
  replica INTEGER PRIMARY KEY REFERENCES replica (id),
  heir TEXT NOT NULL,
  why TEXT NOT NULL,
  wanted TEXT NOT NULL,
  noted_ms INTEGER NOT NULL,
  sealed_ms INTEGER,
  seal_seq INTEGER
) STRICT;
