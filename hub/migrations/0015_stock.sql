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
