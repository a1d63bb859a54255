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
