-- Baskets that wait at the counter: this shop's own, in no feed. A row stays for some days once it was taken up, so that a repeat of
-- parking it does not bring it back.
CREATE TABLE parked_basket (
  basket_id TEXT PRIMARY KEY,
  business_date TEXT NOT NULL,
  parked_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  taken_by TEXT
) STRICT, WITHOUT ROWID;

-- What became of a second content that waited for the manager.
CREATE TABLE suspended_end (
  sale_id TEXT NOT NULL,
  content_hash BLOB NOT NULL,
  ended_ms INTEGER NOT NULL,
  ended_by TEXT NOT NULL,
  booked_as TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (sale_id, content_hash)
) STRICT, WITHOUT ROWID;

-- Register, stream 'pricing'. A price list: for head office's shops, a region or a store, from when until when.
CREATE TABLE price_list (
  list_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  scope TEXT NOT NULL CHECK (scope IN ('store', 'region', 'hq')),
  place TEXT NOT NULL,
  rank INTEGER NOT NULL,
  name_zh_hant TEXT NOT NULL,
  name_en TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  valid_until TEXT NOT NULL,
  PRIMARY KEY (list_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'pricing'. What a SKU costs in a list.
CREATE TABLE list_price (
  sku TEXT NOT NULL,
  list_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  amount_minor INTEGER NOT NULL,
  per INTEGER NOT NULL,
  PRIMARY KEY (sku, list_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'pricing'. A promotion: any of these for an amount, some for the price of fewer, a percentage or an amount off.
CREATE TABLE promotion (
  promotion_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  scope TEXT NOT NULL CHECK (scope IN ('store', 'region', 'hq')),
  place TEXT NOT NULL,
  name_zh_hant TEXT NOT NULL,
  name_en TEXT NOT NULL,
  does TEXT NOT NULL CHECK (does IN ('n_for_amount', 'n_for_price_of', 'percent_off', 'amount_off')),
  count INTEGER NOT NULL,
  pay_for INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL,
  rate_bp INTEGER NOT NULL,
  skus TEXT NOT NULL,
  categories TEXT NOT NULL,
  members_only INTEGER NOT NULL CHECK (members_only IN (0, 1)),
  valid_from TEXT NOT NULL,
  valid_until TEXT NOT NULL,
  weekdays TEXT NOT NULL,
  hour_from INTEGER NOT NULL,
  hour_until INTEGER NOT NULL,
  PRIMARY KEY (promotion_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'store_prices'. What a SKU costs in a store, because its manager says so.
CREATE TABLE store_price (
  store TEXT NOT NULL,
  sku TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  amount_minor INTEGER NOT NULL,
  per INTEGER NOT NULL,
  valid_from TEXT NOT NULL,
  valid_until TEXT NOT NULL,
  reason TEXT NOT NULL,
  set_by TEXT NOT NULL,
  PRIMARY KEY (store, sku),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- The secret of this shop's receipt links; one row, made at the first start, kept by backups.
CREATE TABLE receipt_key (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  key BLOB NOT NULL
) STRICT;
