-- Rights (design 3.3): what `storehub schema diff` wants for the declared rows, and what this hub keeps for itself.

ALTER TABLE stock_grant ADD COLUMN levels_seq INTEGER NOT NULL DEFAULT 0;

-- Tally, stream 'spent'. What a replica has promised of goods at a place, and what of that ended
-- unpicked, all that ever was.
CREATE TABLE spent_right (
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  holder TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  spent INTEGER NOT NULL,
  given_back INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (sku, store, location, holder, replica),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX promise_sku ON promise (sku);

-- Register, stream 'asked'. What the cloud wants of a store's hub: rights for an order or a debt, or a promise back.
CREATE TABLE asked (
  asked_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  wants TEXT NOT NULL CHECK (wants IN ('grant', 'release')),
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  qty INTEGER NOT NULL,
  taker TEXT NOT NULL,
  PRIMARY KEY (asked_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- Register, stream 'passed'. What a sealed replica's right to stock at a place has passed to its heir, a debt below 0.
CREATE TABLE passed_right (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  rep TEXT NOT NULL,
  heir TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  qty INTEGER NOT NULL,
  PRIMARY KEY (sku, location, rep, heir),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- Local: how far rows were looked at for what follows from them, by table and writer.
CREATE TABLE right_looked (
  source TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  last INTEGER NOT NULL,
  PRIMARY KEY (source, replica)
) STRICT, WITHOUT ROWID;

-- Local: how much of what former lives passed on has been counted on the shelf since; the rest does not go on line.
CREATE TABLE right_counted (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  heir TEXT NOT NULL,
  qty INTEGER NOT NULL,
  PRIMARY KEY (sku, location, heir)
) STRICT, WITHOUT ROWID;

-- Local: what the cloud asked for and was given, so that it is given once.
CREATE TABLE right_answered (
  asked_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
