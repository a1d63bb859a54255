-- Lives of this store's hubs (design 3.1, Fork repair): what was restored, copied, or moved to other hardware begins a new one.
-- `seal_place` is NULL until the cloud says that it is sealed, then its place in the order of the store's seals.
CREATE TABLE former_life (
  replica INTEGER PRIMARY KEY REFERENCES replica (id),
  why TEXT NOT NULL,
  ended_ms INTEGER NOT NULL,
  seal_place INTEGER
) STRICT;

-- Facts of an ended life that nobody else held were written again under the new one; receipts name the old dot.
CREATE TABLE former_dot (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  new_replica INTEGER NOT NULL REFERENCES replica (id),
  new_seq INTEGER NOT NULL,
  PRIMARY KEY (replica, stream, seq)
) STRICT, WITHOUT ROWID;

-- Tally, stream 'former_footfall'. What an ended life had counted and may have told nobody, said by the life that follows.
CREATE TABLE former_footfall (
  entrance TEXT NOT NULL,
  quarter_ms INTEGER NOT NULL,
  of TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  entered INTEGER NOT NULL,
  exited INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (entrance, quarter_ms, of, replica),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- The machine that this database was last opened on. A card in another machine is another life.
CREATE TABLE machine (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  fingerprint TEXT NOT NULL
) STRICT;
