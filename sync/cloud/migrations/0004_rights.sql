-- Rights (design 3.3). Promises as they stand, beside their facts: `keeper` is the hub, or this cloud, that ends one; `seq` is
-- their order of allocation; `ending` is empty while one is open.
CREATE TABLE promise (
  promise_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL,
  line INTEGER NOT NULL,
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  n INTEGER NOT NULL,
  holder TEXT NOT NULL,
  keeper TEXT NOT NULL,
  seq INTEGER NOT NULL,
  ending TEXT NOT NULL DEFAULT '' CHECK (ending IN ('', 'picked', 'given_back'))
) STRICT;
CREATE INDEX promise_open ON promise (sku, store, location) WHERE ending = '';

-- What is asked of a store's hubs, beside its rows; `wanted` is kept for it once it is here.
CREATE TABLE asked (
  asked_id TEXT PRIMARY KEY,
  wants TEXT NOT NULL CHECK (wants IN ('grant', 'release')),
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  wanted INTEGER NOT NULL,
  qty INTEGER NOT NULL,
  taker TEXT NOT NULL,
  n INTEGER NOT NULL,
  gone INTEGER NOT NULL CHECK (gone IN (0, 1))
) STRICT;
CREATE INDEX asked_open ON asked (sku, store, location) WHERE gone = 0;

-- How far the feeds were looked at for what follows from their rows.
CREATE TABLE looked (
  stream TEXT PRIMARY KEY,
  n INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where rights, promises and levels of a SKU do not come to the same; empty at quiescence.
CREATE TABLE right_difference (
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  name TEXT NOT NULL,
  by_facts INTEGER NOT NULL,
  by_rows INTEGER NOT NULL,
  PRIMARY KEY (sku, store, location)
) STRICT, WITHOUT ROWID;
