-- Documents of stock, transfers between branches, kits, safety stock, holds for baskets and customers, notes on the manager's list.
ALTER TABLE stock_movement ADD COLUMN flags TEXT NOT NULL DEFAULT '[]';
CREATE INDEX stock_movement_flagged ON stock_movement (movement_id) WHERE flags <> '[]';

-- Fact, stream 'transfers'. Goods that have left one branch for another: what the other one expects.
CREATE TABLE transfer (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  transfer_id TEXT NOT NULL,
  sender TEXT NOT NULL,
  receiver TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (transfer_id),
  UNIQUE (replica, seq)
) STRICT;

-- Fact, stream 'transfers'. What has come of a transfer, as the receiving branch counted it.
CREATE TABLE arrival (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  arrival_id TEXT NOT NULL,
  transfer_id TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (arrival_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX arrival_transfer_id ON arrival (transfer_id);

-- A kit is sold by its own SKU and takes its parts off the shelf.
ALTER TABLE product ADD COLUMN parts TEXT NOT NULL DEFAULT '[]';

-- Register, stream 'safety'. How much of a SKU stays on a store's shelf for who walks in.
CREATE TABLE safety_stock (
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  qty INTEGER NOT NULL,
  PRIMARY KEY (sku, store, location),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- Local to this hub: what is held for a basket or a customer. Its lines are what leaves the shelf, of a kit its parts.
CREATE TABLE reservation (
  reservation_id TEXT PRIMARY KEY,
  content_hash BLOB NOT NULL,
  body TEXT NOT NULL,
  till_id TEXT NOT NULL,
  basket_id TEXT,
  member_id TEXT,
  state TEXT NOT NULL CHECK (state IN ('held', 'sold', 'released')),
  sale_id TEXT,
  made_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reservation_basket ON reservation (basket_id) WHERE state = 'held';

CREATE TABLE reservation_line (
  reservation_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  qty INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  is_held INTEGER NOT NULL CHECK (is_held IN (0, 1)),
  PRIMARY KEY (reservation_id, sku)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservation_line_held ON reservation_line (sku, location) WHERE is_held = 1;

-- Local to this hub: what a manager has noted of a line of the list; a note that closes takes the line off it.
CREATE TABLE attention_note (
  note_id TEXT PRIMARY KEY,
  entry TEXT NOT NULL,
  text TEXT NOT NULL,
  closes INTEGER NOT NULL CHECK (closes IN (0, 1)),
  by TEXT NOT NULL,
  noted_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attention_note_entry ON attention_note (entry, closes);
