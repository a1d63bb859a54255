-- Coupons (design 3.3): what there is, as it was sent to the stores.
CREATE TABLE coupon (
  coupon_id TEXT PRIMARY KEY,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE coupon_batch (
  batch_id TEXT PRIMARY KEY,
  prefix TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX coupon_batch_prefix ON coupon_batch (prefix);

-- Redemptions by their place in the feed, what was undone, and which of them were told to be disputed.
CREATE TABLE redeemed (
  place INTEGER PRIMARY KEY,
  serial TEXT NOT NULL,
  rep TEXT NOT NULL,
  seq INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX redeemed_serial ON redeemed (serial);
CREATE TABLE coupon_undone (
  serial TEXT NOT NULL,
  rep TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (serial, rep, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE disputed (
  redemption_id TEXT PRIMARY KEY,
  serial TEXT NOT NULL
) STRICT, WITHOUT ROWID;
