-- Register, stream 'coupons'. What a coupon takes off, for whom, when, and how often a serial of it is good.
CREATE TABLE coupon (
  coupon_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  name_zh_hant TEXT NOT NULL,
  name_en TEXT NOT NULL,
  currency TEXT NOT NULL,
  valid_from TEXT NOT NULL,
  valid_until TEXT NOT NULL,
  weekdays TEXT NOT NULL,
  hour_from INTEGER NOT NULL,
  hour_until INTEGER NOT NULL,
  spend_min INTEGER NOT NULL,
  amount_max INTEGER NOT NULL,
  skus TEXT NOT NULL,
  members_only INTEGER NOT NULL CHECK (members_only IN (0, 1)),
  tiers TEXT NOT NULL,
  uses INTEGER NOT NULL,
  PRIMARY KEY (coupon_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'coupons'. Serials of a coupon: a prefix and a range of numbers, or one serial by itself.
CREATE TABLE coupon_batch (
  batch_id TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  coupon_id TEXT NOT NULL,
  prefix TEXT NOT NULL,
  digits INTEGER NOT NULL,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  instant INTEGER NOT NULL CHECK (instant IN (0, 1)),
  PRIMARY KEY (batch_id),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX coupon_batch_prefix ON coupon_batch (prefix);
-- Tally, stream 'coupon_grants'. Uses of a coupon's serial, or of each serial of a batch, that a replica was given and that were taken back from it.
CREATE TABLE coupon_grant (
  batch_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  giver TEXT NOT NULL,
  taker TEXT NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  granted INTEGER NOT NULL,
  reclaimed INTEGER NOT NULL,
  answered INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (batch_id, serial, giver, taker, replica),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Register, stream 'coupon_asks'. How many uses of a coupon's serial a replica of a store wants to hold.
CREATE TABLE coupon_ask (
  store TEXT NOT NULL,
  serial TEXT NOT NULL,
  rep TEXT NOT NULL,
  n INTEGER NOT NULL,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  gone INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)),
  wanted INTEGER NOT NULL,
  PRIMARY KEY (store, serial, rep),
  UNIQUE (replica, seq)
) STRICT, WITHOUT ROWID;
-- Fact, stream 'coupon_issues'. The next serial of an instant batch was given to somebody.
CREATE TABLE coupon_issue (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  issue_id TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  number INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (issue_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX coupon_issue_batch_id ON coupon_issue (batch_id);
CREATE INDEX coupon_issue_serial ON coupon_issue (serial);
-- Fact, stream 'redemptions'. A coupon's serial was redeemed, by whom, for how much, with a right or conditionally.
CREATE TABLE redemption (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  redemption_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  sale_id TEXT,
  business_date TEXT NOT NULL,
  against TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (redemption_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX redemption_serial ON redemption (serial);
CREATE INDEX redemption_sale_id ON redemption (sale_id);
CREATE INDEX redemption_business_date ON redemption (business_date);
CREATE INDEX redemption_against ON redemption (against);
-- Fact, stream 'releases'. Redemptions of a serial are undone, by their dots: the sale was returned or voided.
CREATE TABLE coupon_release (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  release_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (release_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX coupon_release_serial ON coupon_release (serial);
-- Fact, stream 'disputes'. A redemption found no use of its serial left; the store that accepted it bears the amount.
CREATE TABLE coupon_dispute (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  redemption_id TEXT NOT NULL,
  serial TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (redemption_id),
  UNIQUE (replica, seq)
) STRICT;
