-- Goods of a store that were handed out beyond all rights, where no right has covered them yet; no row: none.
CREATE TABLE right_debt (
  sku TEXT NOT NULL,
  store TEXT NOT NULL,
  location TEXT NOT NULL,
  qty INTEGER NOT NULL,
  PRIMARY KEY (sku, store, location)
) STRICT, WITHOUT ROWID;

-- All places are looked at again: what is owed there was not noted before.
DELETE FROM looked WHERE stream IN ('levels', 'grants');
