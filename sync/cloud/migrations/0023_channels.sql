-- Channels (docs/channels.md): what web shops and marketplaces said. Of an order the newest version stands, as it was received
-- (`body`, emptied after keep_days); `order_id` is this cloud's order, empty while there is none.
CREATE TABLE channel_order (
  channel TEXT NOT NULL,
  channel_order_id TEXT NOT NULL,
  number TEXT NOT NULL,
  changed_ms INTEGER NOT NULL,
  rank INTEGER NOT NULL,
  digest BLOB NOT NULL,
  state TEXT NOT NULL,
  order_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  currency TEXT NOT NULL,
  total INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  topic TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (channel, channel_order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_order_order_id ON channel_order (order_id);

CREATE TABLE channel_refund (
  channel TEXT NOT NULL,
  refund_id TEXT NOT NULL,
  channel_order_id TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount INTEGER NOT NULL,
  refunded_ms INTEGER NOT NULL,
  lines BLOB NOT NULL,
  PRIMARY KEY (channel, refund_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_refund_order ON channel_refund (channel, channel_order_id);

-- Deliveries by the shop's own id, so that one that is sent again costs a look; forgotten after a month: content tells as well.
CREATE TABLE channel_delivery (
  channel TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (channel, delivery_id)
) STRICT, WITHOUT ROWID;

-- What a person must look at, one line a subject; `body` only where it stands nowhere else.
CREATE TABLE channel_exception (
  channel TEXT NOT NULL,
  subject TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  items BLOB NOT NULL,
  topic TEXT NOT NULL,
  body BLOB NOT NULL,
  raised_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'solved', 'dismissed')),
  reason TEXT NOT NULL,
  PRIMARY KEY (channel, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX channel_exception_open ON channel_exception (channel, subject) WHERE state = 'open';

-- What a channel calls our goods, as a person has said.
CREATE TABLE channel_sku (
  channel TEXT NOT NULL,
  item TEXT NOT NULL,
  sku TEXT NOT NULL,
  PRIMARY KEY (channel, item)
) STRICT, WITHOUT ROWID;

-- What a shop shows of an item, as far as we know; `told` is what it calls the item's SKU.
CREATE TABLE channel_level (
  channel TEXT NOT NULL,
  item TEXT NOT NULL,
  parent TEXT NOT NULL,
  told TEXT NOT NULL,
  shown INTEGER NOT NULL,
  PRIMARY KEY (channel, item)
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_round (
  channel TEXT PRIMARY KEY,
  reconciled_ms INTEGER NOT NULL,
  differing INTEGER NOT NULL,
  pushed_ms INTEGER NOT NULL,
  fault TEXT NOT NULL
) STRICT, WITHOUT ROWID;
