-- Register, stream 'dispute_ends'. How a dispute stands that was over once: its redemption was undone, found a use, or head office bears it.
CREATE TABLE dispute_end (
  redemption_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  why TEXT NOT NULL,
  PRIMARY KEY (redemption_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'point_asks'. Points of a person that a replica of a store wants to burn in a sale that is being made.
CREATE TABLE point_ask (
  store TEXT NOT NULL,
  rep TEXT NOT NULL,
  slot INTEGER NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  sale_id TEXT NOT NULL,
  members TEXT NOT NULL,
  points INTEGER NOT NULL,
  unheard INTEGER NOT NULL,
  PRIMARY KEY (store, rep, slot),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'point_holds'. The cloud's answer to a question for points: whether they are set aside, and what the person has.
CREATE TABLE point_hold (
  store TEXT NOT NULL,
  rep TEXT NOT NULL,
  slot INTEGER NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  sale_id TEXT NOT NULL,
  is_held INTEGER NOT NULL CHECK (is_held IN (0, 1)),
  balance INTEGER NOT NULL,
  PRIMARY KEY (store, rep, slot),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
