-- Kinds (design 3.2): what the declarations of sync.retail want that was not there, as `storehub schema diff` writes it; and where
-- rows are kept that do not stand, cannot be read, or lost.

-- A second fact under a key: kept whole, counted in no sum; see sync.store.facts.
CREATE TABLE second_row (
  replica INTEGER NOT NULL REFERENCES replica (id),
  stream TEXT NOT NULL,
  seq INTEGER NOT NULL,
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (replica, stream, seq)
) STRICT;

-- What lost against another writer's value in a shared register, for a person to see; the newest of each writer and field.
CREATE TABLE conflict (
  entity TEXT NOT NULL,
  key TEXT NOT NULL,
  field TEXT NOT NULL,
  rep TEXT NOT NULL,
  physical_ms INTEGER NOT NULL,
  logical INTEGER NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (entity, key, field, rep)
) STRICT, WITHOUT ROWID;

-- State rows with fields that are not known here are kept by their key, the newest only; `tried` names the declarations that
-- could not read a row, so that each version tries it once.
ALTER TABLE unknown_row ADD COLUMN key TEXT;
ALTER TABLE unknown_row ADD COLUMN tried TEXT NOT NULL DEFAULT '';
CREATE INDEX unknown_row_key ON unknown_row (replica, stream, key) WHERE key IS NOT NULL;

-- Register, stream 'branches'. What a shop says of itself: name, time zone, telephone, hours.
CREATE TABLE branch (
  branch TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  name_zh_hant TEXT NOT NULL,
  name_en TEXT NOT NULL,
  zone TEXT NOT NULL,
  phone TEXT NOT NULL,
  hours TEXT NOT NULL,
  PRIMARY KEY (branch),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- Fact, stream 'duplicates'. Two facts under one key: whose row stands, and what the other writer takes back.
CREATE TABLE duplicate_fact (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  duplicate TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (duplicate),
  UNIQUE (replica, seq)
) STRICT;

-- Tally, stream 'grants'. Rights to stock at a place that one replica has handed to another, all that ever were.
CREATE TABLE stock_grant (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  giver TEXT NOT NULL,
  taker TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  granted INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (sku, location, giver, taker, replica),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX stock_grant_taker ON stock_grant (taker);

ALTER TABLE level ADD COLUMN picked INTEGER NOT NULL DEFAULT 0;

-- Register, stream 'members'. A member's name, ways to reach them, language, tier and consents.
CREATE TABLE member (
  id INTEGER PRIMARY KEY,
  member_id TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (member_id, replica),
  UNIQUE (replica, seq)
) STRICT;

-- Fact, stream 'promises'. Goods at a place that were promised to an order, on whose right.
CREATE TABLE promise (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  promise_id TEXT NOT NULL,
  order_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (promise_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX promise_order_id ON promise (order_id);

-- Fact, stream 'promises'. How a promise ended: picked, or given back.
CREATE TABLE promise_end (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  promise_id TEXT NOT NULL,
  ending TEXT NOT NULL CHECK (ending IN ('picked', 'given_back')),
  body TEXT NOT NULL,
  UNIQUE (promise_id),
  UNIQUE (replica, seq)
) STRICT;

-- Fact, stream 'seals'. A replica is no more: how far its streams went, and what its tallies are for good.
CREATE TABLE seal (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  rep TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (rep),
  UNIQUE (replica, seq)
) STRICT;

-- Fact, stream 'settlements'. How a debt was covered: from unspent rights, then by promises that are sourced elsewhere.
CREATE TABLE settlement (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  settlement_id TEXT NOT NULL,
  debtor TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (settlement_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX settlement_debtor ON settlement (debtor);
