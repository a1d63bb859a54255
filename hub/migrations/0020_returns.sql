-- Exchanges are found by their id: it stands on the return that is a part of one.
CREATE INDEX sale_return_exchange ON sale_return (body ->> '$.return.exchange_id')
WHERE body ->> '$.return.exchange_id' IS NOT NULL;
-- Goods of sales that are not in these books: what was taken back of them on a day.
CREATE INDEX sale_return_claim ON sale_return (body ->> '$.business_date')
WHERE body ->> '$.return.claim' IS NOT NULL;

-- Fact, stream 'transfers'. Goods of one store's sale that another store took back: what the first one counts.
CREATE TABLE returned_elsewhere (
  id INTEGER PRIMARY KEY,
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq INTEGER NOT NULL,
  elsewhere_id TEXT NOT NULL,
  seller TEXT NOT NULL,
  sale TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE (elsewhere_id),
  UNIQUE (replica, seq)
) STRICT;
CREATE INDEX returned_elsewhere_sale ON returned_elsewhere (sale);
