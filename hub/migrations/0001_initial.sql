-- Identity, streams and kinds (design 3.1, 3.2). A dot is (replica, stream, seq); every replicated row carries its own.
CREATE TABLE replica (
  id INTEGER PRIMARY KEY,
  store TEXT NOT NULL,
  incarnation TEXT NOT NULL UNIQUE,
  began_ms INTEGER NOT NULL,
  own INTEGER NOT NULL CHECK (own IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX replica_own ON replica (own) WHERE own = 1;

CREATE TABLE stream (
  replica INTEGER NOT NULL REFERENCES replica (id),
  name TEXT NOT NULL,
  feed TEXT NOT NULL CHECK (feed IN ('log', 'state')),
  seq INTEGER NOT NULL,
  digest BLOB NOT NULL,
  PRIMARY KEY (replica, name)
) STRICT, WITHOUT ROWID;

-- Registers with authority CLOUD (the hub holds it until a cloud is joined): product and price, stream 'catalogue'.
CREATE TABLE product (
  id INTEGER PRIMARY KEY,
  sku TEXT NOT NULL UNIQUE,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  stocked INTEGER NOT NULL CHECK (stocked IN (0, 1)),
  unit TEXT NOT NULL CHECK (unit IN ('each', 'g')),
  style TEXT,
  category TEXT,
  name_zh_hant TEXT NOT NULL,
  name_en TEXT NOT NULL,
  attributes TEXT NOT NULL,
  gtins TEXT NOT NULL,
  UNIQUE (replica, seq)
) STRICT;

CREATE TABLE price (
  sku TEXT PRIMARY KEY,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  amount_minor INTEGER NOT NULL,
  currency TEXT NOT NULL,
  per INTEGER NOT NULL,
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;

-- Derived from product, rewritten with it: look-up by GTIN-14, text search by words and bigrams of ideographs.
CREATE TABLE product_gtin (
  gtin TEXT PRIMARY KEY,
  sku TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX product_gtin_sku ON product_gtin (sku);
CREATE VIRTUAL TABLE product_text USING fts5 (words, tokenize = 'unicode61 remove_diacritics 2', detail = 'none');

-- Facts, stream 'stock': everything that moves stock but sales, whose effects are in their own row.
CREATE TABLE stock_movement (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  movement_id TEXT NOT NULL UNIQUE,
  content_hash BLOB NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (replica, seq)
) STRICT;

-- The cached sum of all movements and sale effects, changed in the same transaction as they are.
CREATE TABLE stock (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  PRIMARY KEY (sku, location)
) STRICT, WITHOUT ROWID;

-- Facts, stream 'sales'. `body` is the shipped row; `told` is what else the till was told, and is told again.
CREATE TABLE sale (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  sale_id TEXT NOT NULL UNIQUE,
  receipt_no TEXT NOT NULL UNIQUE,
  content_hash BLOB NOT NULL,
  body TEXT NOT NULL,
  told TEXT NOT NULL,
  UNIQUE (replica, seq)
) STRICT;

-- A second content under a known sale_id: kept for the manager, never booked by itself.
CREATE TABLE suspended_sale (
  sale_id TEXT NOT NULL,
  content_hash BLOB NOT NULL,
  till_id TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (sale_id, content_hash)
) STRICT;

CREATE VIEW sale_line AS
SELECT
  sale.sale_id,
  json_extract(sale.body, '$.business_date') AS business_date,
  json_extract(line.value, '$.line') AS line,
  json_extract(line.value, '$.sku') AS sku,
  json_extract(line.value, '$.qty') AS qty,
  json_extract(line.value, '$.unit_price') AS unit_price_minor,
  coalesce(json_extract(line.value, '$.discount'), 0) AS discount_minor
FROM sale, json_each(sale.body, '$.sale.lines') AS line;

-- Local to this hub: tills, pairing, receipt numbers, the print ledger.
CREATE TABLE till (
  till_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  scope TEXT NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  paired_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE pairing_code (
  code_hash BLOB PRIMARY KEY,
  scope TEXT NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE receipt_series (
  till_id TEXT NOT NULL,
  series TEXT NOT NULL,
  last_n INTEGER NOT NULL,
  PRIMARY KEY (till_id, series)
) STRICT, WITHOUT ROWID;

CREATE TABLE print_job (
  id INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL UNIQUE,
  printer_id TEXT NOT NULL,
  sale_id TEXT,
  document TEXT,
  mark TEXT NOT NULL CHECK (mark IN ('', 'reprint', 'repeat')),
  state TEXT NOT NULL CHECK (state IN ('queued', 'printing', 'printed', 'failed', 'unknown')),
  reason TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  CHECK ((sale_id IS NULL) <> (document IS NULL))
) STRICT;
CREATE INDEX print_job_open ON print_job (printer_id, id) WHERE state IN ('queued', 'printing');

