-- What the web may sell of a SKU, over all places, as it was noted last; a changed one gets the next `n` and so moves to the end.
CREATE TABLE availability (
  sku TEXT PRIMARY KEY,
  qty INTEGER NOT NULL,
  n INTEGER NOT NULL UNIQUE,
  changed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Places that may fulfil orders, as declared; `store` is this cloud's own name where no hub is there.
CREATE TABLE location (
  name TEXT PRIMARY KEY,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  safety_stock INTEGER NOT NULL,
  is_online INTEGER NOT NULL CHECK (is_online IN (0, 1)),
  UNIQUE (store, location)
) STRICT, WITHOUT ROWID;

-- What was told of the goods of a place without a hub, and as of when; an older word than that is passed over.
CREATE TABLE place_stock (
  name TEXT NOT NULL,
  sku TEXT NOT NULL,
  on_hand INTEGER NOT NULL,
  as_of_ms INTEGER NOT NULL,
  PRIMARY KEY (name, sku)
) STRICT, WITHOUT ROWID;

-- Orders that the cloud finds places for. `given_up`: the rest is called off; `tried_up_to` is the last parcel that counts as none.
CREATE TABLE order_allocation (
  order_id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('by_hand', 'open', 'unfulfilled', 'calling_off', 'done')),
  is_due INTEGER NOT NULL CHECK (is_due IN (0, 1)),
  only_store TEXT NOT NULL,
  destination TEXT NOT NULL,
  given_up INTEGER NOT NULL CHECK (given_up IN (0, 1)),
  tried_up_to INTEGER NOT NULL,
  missing TEXT NOT NULL,
  begun_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX order_allocation_due ON order_allocation (order_id) WHERE is_due = 1;
CREATE INDEX order_allocation_state ON order_allocation (state, order_id);

-- Its parcels: each an order of its own at one place. `called_off` says why it was asked back, empty while it was not.
CREATE TABLE order_parcel (
  parcel_id TEXT PRIMARY KEY,
  order_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  place TEXT NOT NULL,
  given_ms INTEGER NOT NULL,
  called_off TEXT NOT NULL,
  UNIQUE (order_id, n)
) STRICT, WITHOUT ROWID;

-- What was decided of an order and why, each time.
CREATE TABLE allocation_run (
  order_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (order_id, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX promise_order ON promise (order_id);

-- What all lives of a store had received and given out by the end of each day (UTC, days since 1970) on which either had changed.
CREATE TABLE place_day (
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  day INTEGER NOT NULL,
  received INTEGER NOT NULL,
  issued INTEGER NOT NULL,
  PRIMARY KEY (sku, store, location, day)
) STRICT, WITHOUT ROWID;

-- What should go from place to place. Proposals that nobody has accepted are made anew each day; `transfer_id` is the document's.
CREATE TABLE transfer_proposal (
  proposal_id TEXT PRIMARY KEY,
  day INTEGER NOT NULL,
  sender TEXT NOT NULL,
  receiver TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('proposed', 'accepted', 'sent', 'dismissed')),
  transfer_id TEXT NOT NULL,
  lines BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_proposal_state ON transfer_proposal (state, proposal_id);
