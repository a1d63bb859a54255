-- What of a channel's order is somebody's purchase: its goods as they were bought, no customer (that is the purchase's member).
-- `goods`: what of a refund that names no lines was for goods, NULL of those that were noted before: all of it.
CREATE TABLE channel_bought (
  channel TEXT NOT NULL,
  channel_order_id TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (channel, channel_order_id)
) STRICT, WITHOUT ROWID;
ALTER TABLE channel_refund ADD COLUMN goods INTEGER;

-- Words on marketing of customers whose first order has not come yet; forgotten after a month.
CREATE TABLE channel_word (
  channel TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  choice TEXT NOT NULL CHECK (choice IN ('in', 'out')),
  chosen_ms INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (channel, customer_id)
) STRICT, WITHOUT ROWID;
